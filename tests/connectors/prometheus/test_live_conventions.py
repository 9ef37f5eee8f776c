from __future__ import annotations

import numpy as np
import pytest

from connectors.answers import CallGraphEdges, SeriesSet
from connectors.contract import Reading
from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from connectors.questions import CallEdges, SeriesNamed, SeriesSweep
from tests.connectors.prometheus.conventions import WINDOW

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def swept(metrics_url: str) -> SeriesSet:
    connector = PrometheusConnector(Endpoint("prometheus/main", metrics_url))
    reading = connector.ask(SeriesSweep(window=WINDOW), now=WINDOW.end)
    connector.close()
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, SeriesSet)
    return reading.answer


def names(series: SeriesSet, metric: str) -> list[str]:
    return [str(key) for key in series.keys if key.metric == metric]


def last(series: SeriesSet, metric: str) -> float:
    (row,) = [n for n, key in enumerate(series.keys) if key.metric == metric]
    return float(series.values[row][-1])


EXPECTED = {
    # metric: the series under its name in a case
    "kube_pod_container_status_restarts_total": [
        '{container="billing",namespace="legacy",node="node-b",pod="billing-5c9f7d6b4f-7qz2p",service="billing"}',
        '{container="cart",namespace="shop",node="node-a",pod="cart-6f7d9c5b8d-x2x7k",service="cart"}',
    ],
    "kube_deployment_status_replicas_available": ['{deployment="cart",namespace="shop",service="cart"}'],
    "container_cpu_usage_seconds_total": [
        '{container="cart",cpu="total",namespace="shop",node="node-a",pod="cart-6f7d9c5b8d-x2x7k",service="cart"}'
    ],
    "container_network_receive_bytes_total": [
        '{interface="eth0",namespace="shop",node="node-a",pod="cart-6f7d9c5b8d-x2x7k",service="cart"}'
    ],
    "node_load1": ['{node="node-a"}'],
    "node_cpu_utilisation:ratio": ['{node="node-a"}'],
    "http_requests_total": [
        '{code="200",container="cart",namespace="shop",node="node-a",pod="cart-6f7d9c5b8d-x2x7k",service="cart"}'
    ],
    "http_server_request_duration_seconds_count": [
        '{http_response_status_code="200",namespace="shop",pod="payments-84b9d6c7f-kq5wz",service="payments",'
        'version="1.12.4"}'
    ],
    "ledger_requests_total": ['{service="ledger"}'],
    "pg_stat_database_xact_commit": ['{datname="orders"}'],
    "traces_spanmetrics_calls_total": ['{service="search",span_kind="SPAN_KIND_SERVER",span_name="GET /"}'],
    "istio_requests_total": [
        '{destination_service_name="cart",destination_workload="cart",namespace="shop",reporter="destination",'
        'response_code="200",service="cart",source_workload="gateway"}',
        '{destination_service_name="gateway",destination_workload="gateway",namespace="shop",'
        'reporter="destination",response_code="200",service="gateway"}',
    ],
    "traces_service_graph_request_total": [
        '{destination_workload="gateway",service="gateway"}',
        '{destination_workload="payments",service="payments",source_workload="cart"}',
    ],
}


@pytest.mark.parametrize("metric", sorted(EXPECTED))
def test_a_conventions_series_is_named_as_a_case_names_it(swept: SeriesSet, metric: str) -> None:
    assert names(swept, metric) == [f"{metric}{labels}" for labels in EXPECTED[metric]]


def test_what_tells_of_the_runtime_or_only_holds_labels_is_left_out(swept: SeriesSet) -> None:
    metrics = {key.metric for key in swept.keys}
    assert not {"go_gc_duration_seconds_count", "kube_pod_info", "target_info"} & metrics
    assert not any(metric.endswith("_bucket") for metric in metrics)


def test_a_histograms_buckets_come_as_their_high_quantile(swept: SeriesSet) -> None:
    # nine in ten within 0.1 s, the 99th of a hundred at half a second
    assert last(swept, "http_server_request_duration_seconds:p99") == pytest.approx(0.5, abs=0.01)


def test_the_processors_of_a_node_come_as_one_utilisation(swept: SeriesSet) -> None:
    assert last(swept, "node_cpu_utilisation:ratio") == pytest.approx(0.25, abs=0.01)


def test_a_counter_comes_raw(swept: SeriesSet) -> None:
    (row,) = [n for n, key in enumerate(swept.keys) if key.metric == "ledger_requests_total"]
    assert np.allclose(np.diff(swept.values[row]), 3.0 * (swept.times[1] - swept.times[0]))


def test_the_mesh_and_the_service_graph_tell_who_calls_whom(connector: PrometheusConnector) -> None:
    reading = connector.ask(CallEdges(), now=WINDOW.end)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, CallGraphEdges)
    assert reading.answer.edges == (("cart", "payments"), ("gateway", "cart"))


def test_a_derived_series_is_found_by_the_name_it_was_derived_from(connector: PrometheusConnector) -> None:
    question = SeriesNamed(window=WINDOW, metric="ledger_requests_total:rate")
    reading = connector.ask(question, now=WINDOW.end)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, SeriesSet)
    assert [str(key) for key in reading.answer.keys] == ['ledger_requests_total{service="ledger"}']
