from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import SeriesKey, SeriesSet
from connectors.case.series_name import parse_series_name
from connectors.errors import CaseError
from connectors.questions import SeriesNamed, SeriesSweep
from tests.connectors.small_case import MANIFEST, NOW, WIDE, SmallCase, answered, minute, refused, window

NAMES = st.text(st.sampled_from("abcXYZ_:09"), min_size=1)
LABELS = st.dictionaries(st.text(st.sampled_from("abc_.é-"), min_size=1), st.text(), max_size=4)


@given(NAMES, LABELS)
def test_a_series_name_survives_being_written_and_read(metric: str, labels: dict[str, str]) -> None:
    key = SeriesKey(metric, tuple(sorted(labels.items())))
    assert parse_series_name(str(key)) == key


@given(st.text())
def test_any_text_is_some_series_name(text: str) -> None:
    assert isinstance(parse_series_name(text), SeriesKey)


@pytest.mark.parametrize(
    ("text", "metric", "labels"),
    [
        ("up", "up", {}),
        ("up{}", "up", {}),
        ('a:rate5m{b="1",a="2"}', "a:rate5m", {"a": "2", "b": "1"}),
        ('a{ b = "1" , c="2", }', "a", {"b": "1", "c": "2"}),
        ('a{s="x_AWS::ECS::Fargate"}', "a", {"s": "x_AWS::ECS::Fargate"}),
        ('a{s="PGSQL Query, {now}=1"}', "a", {"s": "PGSQL Query, {now}=1"}),
        (r'a{s="say \"hi\" \\ \n"}', "a", {"s": 'say "hi" \\ \n'}),
        (r'a{s="C:\dir"}', "a", {"s": r"C:\dir"}),
        ('{"http.requests",s="x"}', "http.requests", {"s": "x"}),
        ('{__name__="up",s="x"}', "up", {"s": "x"}),
        ('a{"k8s.pod"="x"}', "a", {"k8s.pod": "x"}),
        ("CPU usage {percent}", "CPU usage {percent}", {}),
        ('a{s="x"', 'a{s="x"', {}),
    ],
)
def test_a_name_is_read_as_prometheus_means_it(text: str, metric: str, labels: dict[str, str]) -> None:
    assert parse_series_name(text) == SeriesKey(metric, tuple(sorted(labels.items())))


def sweep(case: SmallCase, *services: str) -> SeriesSet:
    return answered(case.ask(SeriesSweep(window=WIDE, services=services)), SeriesSet)


def names(series: SeriesSet) -> list[str]:
    return [str(key) for key in series.keys]


def test_nothing_after_now_is_answered(case: SmallCase) -> None:
    case.metrics({"up": [1, 2, 3]}, [65, 66, 67])
    assert sweep(case).values.tolist() == [[1, 2]]


def test_an_earlier_now_cuts_earlier(case: SmallCase) -> None:
    case.metrics({"up": [1, 2, 3]}, [10, 20, 30])
    reply = case.open().ask(SeriesSweep(window=WIDE), now=minute(20))
    assert answered(reply, SeriesSet).values.tolist() == [[1, 2]]


def test_samples_outside_of_the_window_are_left_out(case: SmallCase) -> None:
    case.metrics({"up": [1, 2, 3, 4]}, [10, 20, 30, 40])
    reply = case.ask(SeriesSweep(window=window(20, 30)))
    assert answered(reply, SeriesSet).times.tolist() == [minute(20).timestamp(), minute(30).timestamp()]


def test_a_window_without_samples_has_no_answer(case: SmallCase) -> None:
    case.metrics({"up": [1]}, [10])
    assert "holds no sample" in refused(case.ask(SeriesSweep(window=window(20, 30))))


def test_no_sample_is_nan(case: SmallCase) -> None:
    case.metrics({"up": [1, None]}, [10, 20])
    assert np.isnan(sweep(case).values[0, 1])


def test_series_come_in_the_order_of_their_text(case: SmallCase) -> None:
    case.metrics({'b{x="2"}': [2], "c": [3], 'b{x="1"}': [1]}, [10])
    series = sweep(case)
    assert names(series) == ['b{x="1"}', 'b{x="2"}', "c"]
    assert series.values[:, 0].tolist() == [1, 2, 3]


def test_the_query_says_what_was_read(case: SmallCase) -> None:
    case.metrics({"a": [1], "b": [1]}, [10])
    reply = case.ask(SeriesSweep(window=window(0, 66)))
    assert getattr(reply, "query", "") == "metrics.parquet: 2 series, 2026-06-18T14:00:00Z..15:06:00Z"


def test_a_service_s_sweep_holds_its_edges_database_and_nodes(case: SmallCase) -> None:
    case.manifest(MANIFEST + "services: {checkout: {database: shop}}\n").metrics(
        {
            'cpu{node="n1",pod="checkout-1",service="checkout"}': [1],
            'cpu{node="n1"}': [1],
            'cpu{node="n2"}': [1],
            'cpu{node="n1",service="cart"}': [1],
            'memory{pod="checkout-1"}': [1],
            'calls{destination_workload="cart",service="cart",source_workload="checkout"}': [1],
            'connections{datname="shop"}': [1],
            'connections{datname="other"}': [1],
        },
        [10],
    )
    assert names(sweep(case, "checkout")) == [
        'calls{destination_workload="cart",service="cart",source_workload="checkout"}',
        'connections{datname="shop"}',
        'cpu{node="n1",pod="checkout-1",service="checkout"}',
        'cpu{node="n1"}',
        'memory{pod="checkout-1"}',
    ]


def test_a_named_metric_comes_with_the_labels_asked_for(case: SmallCase) -> None:
    case.metrics({'up{a="1",b="1"}': [1], 'up{a="1",b="2"}': [2], 'down{a="1"}': [3]}, [10])
    asked = SeriesNamed(window=WIDE, metric="up", labels=(("b", "2"),))
    assert names(answered(case.ask(asked), SeriesSet)) == ['up{a="1",b="2"}']


def test_a_metric_that_does_not_exist_is_an_empty_answer(case: SmallCase) -> None:
    case.metrics({"up": [1]}, [10])
    assert names(answered(case.ask(SeriesNamed(window=WIDE, metric="down")), SeriesSet)) == []


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", None, "Europe/Berlin"])
def test_every_kind_of_timestamp_is_read(case: SmallCase, unit: Any, zone: str | None) -> None:
    moment = minute(10) if zone else minute(10).replace(tzinfo=None)
    times = pa.array([moment], pa.timestamp(unit, zone))
    case.table(pa.table({"up": pa.array([1.0]), "timestamp": times}))
    assert sweep(case).times.tolist() == [minute(10).timestamp()]


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64(), pa.int8(), pa.uint64(), pa.float64()])
def test_every_kind_of_number_becomes_a_float(case: SmallCase, kind: Any) -> None:
    times = pa.array([minute(10), minute(11)], pa.timestamp("ms", "UTC"))
    case.table(pa.table({"timestamp": times, "up": pa.array([3, None], kind)}))
    values = sweep(case).values
    assert values.dtype == np.float64
    assert values[0, 0] == 3
    assert np.isnan(values[0, 1])


@pytest.mark.parametrize(
    ("minutes", "complaint"),
    [([10, 20, 15], r"2026-06-18T14:15:00Z in row 3 comes out of order"), ([10, 10], "row 2 comes twice")],
)
def test_times_out_of_order_are_bad_input(case: SmallCase, minutes: list[float], complaint: str) -> None:
    case.metrics({"up": [1.0] * len(minutes)}, minutes)
    with pytest.raises(CaseError, match=rf"^metrics\.parquet: .*{complaint}$"):
        case.open()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 not really PAR1", b"\x00" * 100])
def test_a_broken_parquet_is_bad_input(case: SmallCase, content: bytes) -> None:
    (case.path / "metrics.parquet").write_bytes(content)
    with pytest.raises(CaseError, match=r"^metrics\.parquet: not a readable Parquet file$"):
        case.open()


def test_a_parquet_cut_short_is_bad_input(case: SmallCase) -> None:
    case.metrics({"up": list(range(60))}, range(60))
    file = case.path / "metrics.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(CaseError, match=r"^metrics\.parquet"):
        case.open()


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"up": pa.array([1.0])}, "exactly one column `timestamp`, has 0"),
        ({"timestamp": pa.array([1.0])}, "holds double, not timestamps"),
        ({"timestamp": pa.array([None], pa.timestamp("ms"))}, "has 1 empty rows"),
        ({"timestamp": pa.array([NOW]), "up": pa.array(["1"])}, "column 'up' holds string, not numbers"),
        (
            {"timestamp": pa.array([NOW]), 'up{a="1"}': pa.array([1.0]), 'up{a="1",}': pa.array([1.0])},
            "two columns hold the same series",
        ),
    ],
)
def test_a_table_of_the_wrong_shape_is_bad_input(
    case: SmallCase, columns: dict[str, Any], complaint: str
) -> None:
    case.table(pa.table(columns))
    with pytest.raises(CaseError, match=complaint):
        case.open()


def test_without_the_file_metrics_are_unavailable(case: SmallCase) -> None:
    assert refused(case.ask(SeriesSweep(window=WIDE))) == "metrics.parquet is not part of this case"


def test_an_answer_cannot_be_changed_by_who_asked(case: SmallCase) -> None:
    case.metrics({"up": [1, 2]}, [10, 20])
    with pytest.raises(ValueError, match="read-only"):
        sweep(case).values[0, 0] = 7
