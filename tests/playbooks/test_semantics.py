from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import SeriesKey
from playbooks.semantics import Meaning, Scope, Signal, meaning, words
from tests.playbooks.judged import key

# name{labels} signal scope, which side is bad, whether it counts, whose it is
KNOWN = """
# Prometheus clients
http_requests_total{service=cart} traffic service +0 counter cart
http_requests_total{service=cart,code=500} errors service +1 counter cart
http_requests_total{service=cart,code=404} traffic service +0 counter cart
http_requests_total{service=cart,status=503} errors service +1 counter cart
http_requests:rate5m{service=cart,code=500} errors service +1 gauge cart
http_request_duration_seconds_sum{service=cart} latency service +1 counter cart
http_request_duration_seconds_count{service=cart} traffic service +0 counter cart
http_request_duration_seconds_bucket{service=cart} latency service +1 counter cart
http_request_duration_seconds:p99{service=cart} latency service +1 gauge cart
http_errors_total{service=cart} errors service +1 counter cart
process_cpu_seconds_total{job=cart} cpu service +1 counter cart
process_resident_memory_bytes{job=cart} memory service +1 gauge cart
python_gc_collections_total{service=cart} other service +0 counter cart
probe_success{service=cart} success service -1 gauge cart
# OpenTelemetry
http.server.request.duration{service_name=cart} latency service +1 gauge cart
http_server_request_duration_seconds_count{service=cart,http_response_status_code=500} errors service +1 counter cart
rpc.server.duration{service_name=cart} latency service +1 gauge cart
http.client.request.duration{service_name=cart} latency client +1 gauge cart
db.client.operation.duration{service_name=cart} latency client +1 gauge cart
db.client.connections.pending_requests{service_name=cart} pool client +1 gauge cart
db.client.connections.usage{service_name=cart} pool client +1 gauge cart
process.cpu.utilization{service_name=cart} cpu service +1 gauge cart
process.memory.usage{service_name=cart} memory service +1 gauge cart
k8s.container.restarts{service_name=cart} restarts service +1 gauge cart
traces_spanmetrics_calls_total{service=cart} traffic service +0 counter cart
traces_spanmetrics_latency_sum{service=cart} latency service +1 counter cart
# cAdvisor
container_cpu_usage_seconds_total{pod=cart-7d9f8b6c5d-x2x4z} cpu service +1 counter cart
container_cpu_cfs_throttled_seconds_total{pod=cart-7d9f8b6c5d-x2x4z} throttling service +1 counter cart
container_cpu_cfs_throttled_periods_total{pod=cart-7d9f8b6c5d-x2x4z} throttling service +1 counter cart
container_memory_working_set_bytes{pod=cart-7d9f8b6c5d-x2x4z} memory service +1 gauge cart
container_memory_rss{pod=cart-7d9f8b6c5d-x2x4z,node=n1} memory service +1 gauge cart
container_network_receive_bytes_total{pod=cart-7d9f8b6c5d-x2x4z} network service +0 counter cart
container_fs_reads_bytes_total{pod=cart-7d9f8b6c5d-x2x4z} disk service +1 counter cart
container_fs_io_time_seconds_total{pod=cart-7d9f8b6c5d-x2x4z} disk service +1 counter cart
container_oom_events_total{pod=cart-7d9f8b6c5d-x2x4z} restarts service +1 counter cart
# kube-state-metrics
kube_pod_container_status_restarts_total{pod=cart-7d9f8b6c5d-x2x4z} restarts service +1 counter cart
kube_deployment_status_replicas_available{deployment=cart} success service -1 gauge cart
kube_deployment_spec_replicas{deployment=cart} other service +0 gauge cart
kube_node_status_capacity{node=n1} other node +0 gauge -
# istio
istio_requests_total{source_workload=web,destination_workload=cart,response_code=200} traffic edge +0 counter cart
istio_requests_total{source_workload=web,destination_workload=cart,response_code=503} errors edge +1 counter cart
istio_request_duration_milliseconds_count{source_workload=web,destination_workload=cart} traffic edge +0 counter cart
istio_request_duration_milliseconds_sum{source_workload=web,destination_workload=cart} latency edge +1 counter cart
istio_request_duration_milliseconds:p99{source_workload=web,destination_workload=cart} latency edge +1 gauge cart
# postgres_exporter
pg_stat_database_blks_read{datname=shop} disk database +1 gauge -
pg_stat_database_numbackends{datname=shop} other database +0 gauge -
pg_stat_database_blk_read_time{datname=shop,service=cart} other database +0 gauge cart
# node_exporter
node_cpu_seconds_total{node=n1,mode=user} cpu node +1 counter -
node_load1{node=n1} cpu node +1 gauge -
node_disk_io_time_seconds_total{node=n1} disk node +1 counter -
node_network_receive_bytes_total{node=n1} network node +0 counter -
# Spring and the JVM
http_server_requests_seconds_sum{app=cart} latency service +1 counter cart
http_server_requests_seconds_max{app=cart} latency service +1 gauge cart
jvm_memory_used_bytes{app=cart,area=heap} memory service +1 gauge cart
jvm_threads_live_threads{app=cart} pool service +1 gauge cart
hikaricp_connections_pending{app=cart} pool service +1 gauge cart
tomcat_threads_busy_threads{app=cart} pool service +1 gauge cart
# Go
go_memstats_heap_inuse_bytes{service=cart} memory service +1 gauge cart
go_goroutines{service=cart} other service +0 gauge cart
# queues, caches and others
kafka_consumergroup_lag{service=cart} queue service +1 gauge cart
rabbitmq_queue_messages_ready{service=cart} queue service +1 gauge cart
redis_keyspace_misses_total{service=cart} cache service +0 counter cart
nodejs_eventloop_lag_seconds{service=cart} queue service +1 gauge cart
success_rate{service=cart} success service -1 gauge cart
CPUUtilization{service=cart} cpu service +1 gauge cart
HTTPCode_Target_5XX_Count{service=cart} errors service +1 gauge cart
"""  # noqa: E501 - a table

# The same of names that one of their words misleads about.
MISLEADING = """
# the count of a histogram counts requests: more traffic is read as more latency
http_server_requests_seconds_count{app=cart,status=200} traffic service +0 counter cart
# the job of an exporter is not the service: pod and container name it
container_cpu_usage_seconds_total{job=kubelet,pod=cart-7d9f8b6c5d-x2x4z,container=cart} cpu service +1 counter cart
kube_pod_container_status_restarts_total{job=kube-state-metrics,pod=cart-7d9f8b6c5d-x2x4z,container=cart} restarts service +1 counter cart
node_load1{job=node-exporter,node=n1} cpu node +1 gauge -
# less of what is free is worse
node_memory_MemAvailable_bytes{node=n1} memory node -1 gauge -
node_filesystem_avail_bytes{node=n1} disk node -1 gauge -
hikaricp_connections_idle{app=cart} pool service -1 gauge cart
# response time is latency
http_response_time_seconds{service=cart} latency service +1 gauge cart
TargetResponseTime{service=cart} latency service +1 gauge cart
# OpenTelemetry's failing status
traces_spanmetrics_calls_total{service=cart,status_code=STATUS_CODE_ERROR} errors service +1 counter cart
# what gRPC servers count
grpc_server_handled_total{service=cart,grpc_code=Unavailable} errors service +1 counter cart
grpc_server_handling_seconds_sum{service=cart} latency service +1 counter cart
# page faults are no failures
container_memory_failures_total{pod=cart-7d9f8b6c5d-x2x4z} memory service +1 counter cart
# a gauge of sessions
pg_stat_activity_count{datname=shop} pool database +1 gauge -
# up is success
up{job=cart} success service -1 gauge cart
# Go's allocated memory
go_memstats_alloc_bytes{service=cart} memory service +1 gauge cart
# a garbage collector's pause is no request
go_gc_duration_seconds{service=cart,quantile=0.5} other service +0 gauge cart
# requests in flight are saturation
http_requests_in_flight{service=cart} pool service +1 gauge cart
"""  # noqa: E501 - a table


@dataclass(frozen=True)
class Row:
    """One line of the tables."""

    text: str

    @property
    def key(self) -> SeriesKey:
        name, labels = re.fullmatch(r"(.+?)\{(.*)\}", self.text.split()[0], re.DOTALL).groups()  # type: ignore[union-attr]
        return key(name, **dict(pair.split("=") for pair in labels.split(",") if pair))

    @property
    def told(self) -> tuple[str, ...]:
        return tuple(self.text.split()[1:])


def _rows(table: str) -> list[Row]:
    return [Row(line) for line in table.strip().splitlines() if not line.startswith("# ")]


def _read(said: Meaning) -> tuple[str, ...]:
    counts = "counter" if said.counter else "gauge"
    return said.signal.value, said.scope.value, f"{said.bad:+d}", counts, said.service or "-"


@pytest.mark.parametrize("row", _rows(KNOWN), ids=lambda row: row.text.split()[0])
def test_a_name_in_the_fields_conventions_means_what_its_authors_meant(row: Row) -> None:
    assert _read(meaning(row.key)) == row.told


@pytest.mark.parametrize("row", _rows(MISLEADING), ids=lambda row: row.text.split()[0])
def test_a_name_that_one_word_misleads_about_is_still_read_right(row: Row) -> None:
    assert _read(meaning(row.key)) == row.told


@pytest.mark.parametrize(
    ("metric", "tail"),
    [
        ("http_request_duration_seconds:p99", True),
        ("latency_p999", True),
        ("http_server_requests_seconds_max", True),
        ("http_request_duration_seconds:p50", False),
        ("http_request_duration_seconds:avg", False),
    ],
)
def test_only_high_quantiles_and_maxima_are_tails(metric: str, tail: bool) -> None:
    assert meaning(key(metric, service="cart")).tail is tail


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("cart-7d9f8b6c5d-x2x4z", "cart"),
        ("cart-v2-7d9f8b6c5d-x2x4z", "cart-v2"),
        ("mysql-0", "mysql"),
        ("user-login-68b9df54c7-9xk2p", "user-login"),
        ("cart", "cart"),
    ],
)
def test_a_pods_name_without_its_generated_endings_is_the_service(pod: str, service: str) -> None:
    assert meaning(key("container_memory_rss", pod=pod)).service == service


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("http_requests_total", {"http", "requests", "total"}),
        ("HTTPCode_Target_5XX_Count", {"5xx", "target", "count"}),
        ("cpuUtilization", {"cpu", "utilization"}),
        ("latency:p99", {"latency", "p99"}),
        ("db.client.connections", {"db", "client", "connections"}),
    ],
)
def test_names_fall_into_words_in_every_spelling(text: str, split: set[str]) -> None:
    assert split <= set(words(text))


NAMES = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(NAMES, st.dictionaries(NAMES, NAMES, max_size=4))
def test_any_text_at_all_can_be_a_series_name(metric: str, labels: dict[str, str]) -> None:
    said = meaning(SeriesKey(metric, tuple(sorted(labels.items()))))
    assert said.signal in Signal
    assert said.scope in Scope
    assert said.bad in {-1, 0, 1}
    assert said.scope is Scope.NONE or said.service or said.scope in {Scope.NODE, Scope.DATABASE}
