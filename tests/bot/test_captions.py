import pytest

from bot.captions import readable
from graph.model import Picture

P99 = 'http_seconds:p99{method="GET",namespace="shop",pod="a-1",route="/orders",service="checkout"}'


def picture(title: str, unit: str = "", *values: float | None, baseline: float | None = None) -> Picture:
    times = tuple(float(n) for n in range(len(values)))
    return Picture(title=title, role="symptom", unit=unit, times=times, values=values, baseline=baseline)


def titles(*given: str) -> list[str]:
    return [each.title for each in readable([picture(title) for title in given])]


def test_a_title_says_whose_series_it_is_and_what_it_measures() -> None:
    assert titles(P99) == ["checkout · http_seconds:p99 · GET /orders"]


def test_labels_that_all_share_are_dropped_but_the_service_is_not() -> None:
    other = P99.replace("/orders", "/cart")
    assert titles(P99, other) == [
        "checkout · http_seconds:p99 · /orders",
        "checkout · http_seconds:p99 · /cart",
    ]


def test_two_pods_of_a_service_are_told_apart() -> None:
    assert titles(P99, P99.replace("a-1", "b-2")) == [
        "checkout · http_seconds:p99 · pod=a-1",
        "checkout · http_seconds:p99 · pod=b-2",
    ]


def test_an_edge_is_named_by_its_other_end() -> None:
    edge = 'p50{destination_workload="cart",reporter="source",service="cart",source_workload="web"}'
    assert titles(edge) == ["cart · p50 · source_workload=web"]


def test_a_series_without_a_service_keeps_where_it_ran() -> None:
    assert titles('node_load{node="n1"}', P99)[0] == "node_load · node=n1"


@pytest.mark.parametrize("title", ["checkout p99", "", "p99{broken", 'x{a="b"} and more'])
def test_what_is_no_series_keeps_its_title(title: str) -> None:
    assert titles(title) == [title]


@pytest.mark.parametrize(
    ("unit", "highest", "scaled", "shown"),
    [
        ("s", 0.25, "ms", 250.0),
        ("s", 2.5, "s", 2.5),
        ("s", 0.00005, "µs", 50.0),
        ("s", 0.0, "s", 0.0),
        ("ms", 12_000.0, "s", 12.0),
        ("B", 3 * 2.0**30, "GiB", 3.0),
        ("B/s", 2048.0, "KiB/s", 2.0),
        ("B", 100.0, "B", 100.0),
        ("ratio", 0.5, "%", 50.0),
        ("ratio", 40.0, "ratio", 40.0),
        ("", 5e7, "", 5e7),
    ],
)
def test_values_get_a_fitting_unit(unit: str, highest: float, scaled: str, shown: float) -> None:
    (drawn,) = readable([picture("t", unit, 0.0, None, highest, baseline=highest)])
    assert drawn.unit == scaled
    assert drawn.values[:2] == (0.0, None)
    assert drawn.values[2] == pytest.approx(shown)
    assert drawn.baseline == pytest.approx(shown)
