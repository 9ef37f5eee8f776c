from __future__ import annotations

import math

from tests.lab.series import columns, series_name


def test_a_name_sorts_its_labels_and_drops_the_scrapes_own() -> None:
    labels = {"__name__": "up", "service": "cart", "pod": "cart-1", "instance": "10.0.0.1:80", "job": "shop"}
    assert series_name(labels) == 'up{pod="cart-1",service="cart"}'


def test_a_series_without_labels_is_only_a_name() -> None:
    assert series_name({"__name__": "pg_up", "job": "shop"}) == "pg_up"


def test_samples_lie_on_the_grid_and_gaps_are_nan() -> None:
    result: list[dict[str, object]] = [
        {"metric": {"__name__": "b"}, "values": [[100, "1"], [110, "3"]]},
        {"metric": {"__name__": "a"}, "values": [[105, "NaN"]]},
    ]
    table = columns(result, start=100, count=3, step=5)
    assert list(table) == ["a", "b"]
    assert table["b"][0] == 1
    assert math.isnan(table["b"][1])
    assert table["b"][2] == 3
    assert all(math.isnan(value) for value in table["a"])


def test_two_scrapes_of_what_reads_the_same_share_a_column() -> None:
    result: list[dict[str, object]] = [
        {"metric": {"__name__": "up", "instance": "old"}, "values": [[100, "1"]]},
        {"metric": {"__name__": "up", "instance": "new"}, "values": [[105, "1"]]},
    ]
    assert list(columns(result, 100, 2, 5)["up"]) == [1, 1]
