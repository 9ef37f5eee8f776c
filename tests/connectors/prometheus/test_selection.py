from __future__ import annotations

from urllib.parse import quote

import pytest

from connectors.prometheus.fetching import Scope, grid_of
from connectors.prometheus.matrix import Grid
from connectors.prometheus.selection import (
    MOST_QUERY_CHARACTERS,
    Room,
    quantile_queries,
    range_queries,
    select,
    selector,
    summed_queries,
    timed_histograms,
    wanted,
)
from tests.connectors.prometheus.conventions import END, WINDOW

GRID = Grid(0, 15, 240)


@pytest.mark.parametrize(
    "name",
    [
        "http_requests_total",
        "up",
        "pg_locks_count",
        "container_memory_working_set_bytes",
        "job:errors:ratio5m",
        "kube_pod_container_status_restarts_total",
        "node_load1",
        "kubelet_volume_stats_used_bytes",
    ],
)
def test_what_can_tell_of_an_incident_is_asked_for(name: str) -> None:
    assert wanted(name)


@pytest.mark.parametrize(
    "name",
    [
        "http_request_duration_seconds_bucket",
        "go_goroutines",
        "kube_pod_info",
        "kube_pod_labels",
        "ALERTS",
        "container_tasks_state",
        "prometheus_tsdb_head_series",
        "requests_created",
        "node_cpu_seconds_total",
    ],
)
def test_what_cannot_is_not(name: str) -> None:
    assert not wanted(name)


def test_two_thousand_names_are_asked_for_in_few_queries_that_fit_a_url() -> None:
    counts = {f"service_{n:04}_operation_requests_total": 10 for n in range(2_000)}
    queries = range_queries(counts, GRID, Room(most_samples=600_000))
    assert len(queries) <= 30
    assert all(len(quote(query.expression, safe="")) < MOST_QUERY_CHARACTERS + 200 for query in queries)
    asked = "|".join(query.expression for query in queries)
    assert all(name in asked for name in counts)


def test_a_name_with_more_samples_than_fit_is_asked_for_in_parts_that_cover_the_window() -> None:
    queries = range_queries({"m": 10_000}, GRID, Room(most_samples=600_000))
    assert [query.start for query in queries] == sorted({query.start for query in queries})
    assert sum(query.count for query in queries) == GRID.count
    assert all(query.count * 10_000 <= 600_000 for query in queries)


def test_signals_are_chosen_before_the_rest_when_room_is_short() -> None:
    selected = select({"zebra_things": 50, "http_requests_total": 50}, Room(most_series=60))
    assert list(selected.raw) == ["http_requests_total"]
    assert selected.left_out == ("zebra_things",)


def test_a_name_with_too_many_series_is_summed() -> None:
    selected = select({"http_requests_total": 90_000}, Room())
    assert selected.summed == ("http_requests_total",)


def test_the_sum_and_count_of_a_histogram_become_its_mean() -> None:
    labels = {"d_seconds_sum": ["service"], "d_seconds_count": ["service"]}
    named = {query.name: query.expression for query in summed_queries(labels, GRID, 60)}
    assert set(named) == {"d_seconds:avg", "d_seconds_count:rate"}
    assert named["d_seconds:avg"].count("rate(") == 2


def test_a_quantile_is_asked_for_where_no_rule_tells_it() -> None:
    names = ["http_server_duration_seconds_bucket", "rpc_server_duration_seconds_bucket"]
    names += ["service:http_server_latency_seconds:p99_1m", "batch_size_bucket"]
    assert timed_histograms(names) == ["rpc_server_duration_seconds_bucket"]


def test_matchers_of_the_configuration_are_in_every_query() -> None:
    scope = 'cluster="eu"'
    queries = [
        *range_queries({"a_total": 1, "container_threads": 1}, GRID, Room(), scope),
        *summed_queries({"b_total": ["service"]}, GRID, 60, scope),
        *quantile_queries({"c_seconds_bucket": ["service"]}, GRID, 60, scope),
    ]
    assert len(queries) == 4
    assert all(scope in query.expression for query in queries)


def test_a_name_with_strange_characters_cannot_leave_its_quotes() -> None:
    assert selector(['a"} or vector(1)']) == '{__name__="a\\"} or vector(1)"}'


@pytest.mark.parametrize("interval", [1.0, 5.0, 15.0, 30.0, 60.0, 300.0])
@pytest.mark.parametrize("series", [0, 20_000, 300_000])
def test_the_grid_stays_inside_the_window_with_at_most_1200_samples(interval: float, series: int) -> None:
    grid = grid_of(Scope(WINDOW.start, END), interval, series)
    assert grid.first >= WINDOW.start.timestamp()
    assert grid.last <= END.timestamp()
    assert grid.count <= 1_200
    assert grid.step >= interval
