"""Series as the usual exporters and collectors write them, each with the labels that its scrape adds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from connectors.contract import Window
from tests.connectors.prometheus.servers import Series

END = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
WINDOW = Window(start=END - timedelta(hours=1), end=END)
STEP = 30

KSM = {
    "job": "kube-state-metrics",
    "instance": "10.0.0.9:8080",
    "service": "kube-state-metrics",
    "endpoint": "http",
}
KUBELET = {
    "job": "kubelet",
    "service": "kubelet",
    "endpoint": "https-metrics",
    "instance": "10.0.0.1:10250",
    "metrics_path": "/metrics/cadvisor",
}
CART = {"namespace": "shop", "pod": "cart-6f7d9c5b8d-x2x7k"}
LEGACY = {"exported_namespace": "legacy", "exported_pod": "billing-5c9f7d6b4f-7qz2p"}
KSM_POD = {"namespace": "monitoring", "pod": "ksm-7d9f8c6b5d-abcde", "container": "kube-state-metrics"}


def info(metric: str, labels: Mapping[str, str]) -> Series:
    return gauge(metric, labels, 1.0)


def gauge(metric: str, labels: Mapping[str, str], value: float) -> Series:
    return metric, labels, [(at, value) for at in _instants()]


def counter(metric: str, labels: Mapping[str, str], rate: float) -> Series:
    first = WINDOW.start.timestamp()
    return metric, labels, [(at, rate * (at - first)) for at in _instants()]


def _instants() -> list[float]:
    first, last = int(WINDOW.start.timestamp()), int(WINDOW.end.timestamp())
    return [float(at) for at in range(first, last + 1, STEP)]


def kubernetes() -> list[Series]:
    """kube-state-metrics with and without honor_labels, cAdvisor, node_exporter."""
    return [
        info(
            "kube_pod_info",
            {
                **KSM,
                **CART,
                "node": "node-a",
                "created_by_kind": "ReplicaSet",
                "created_by_name": "cart-6f7d9c5b8d",
            },
        ),
        info(
            "kube_replicaset_owner",
            {
                **KSM,
                "namespace": "shop",
                "replicaset": "cart-6f7d9c5b8d",
                "owner_kind": "Deployment",
                "owner_name": "cart",
            },
        ),
        info(
            "kube_pod_info",
            {
                **KSM,
                **KSM_POD,
                **LEGACY,
                "exported_node": "node-b",
                "created_by_kind": "ReplicaSet",
                "created_by_name": "billing-5c9f7d6b4f",
            },
        ),
        info("kube_node_info", {**KSM, "node": "node-a", "internal_ip": "10.0.0.1"}),
        counter(
            "kube_pod_container_status_restarts_total",
            {**KSM, **CART, "container": "cart", "uid": "u1"},
            0.001,
        ),
        counter(
            "kube_pod_container_status_restarts_total",
            {**KSM, **KSM_POD, **LEGACY, "exported_container": "billing"},
            0.001,
        ),
        gauge(
            "kube_deployment_status_replicas_available",
            {**KSM, "namespace": "shop", "deployment": "cart"},
            2.0,
        ),
        counter(
            "container_cpu_usage_seconds_total",
            {**KUBELET, **CART, "container": "cart", "id": "/kubepods/x", "name": "k8s_cart", "cpu": "total"},
            0.3,
        ),
        counter("container_cpu_usage_seconds_total", {**KUBELET, **CART, "id": "/kubepods"}, 0.4),
        counter("container_network_receive_bytes_total", {**KUBELET, **CART, "interface": "eth0"}, 900.0),
        gauge(
            "node_load1",
            {
                "job": "node-exporter",
                "instance": "10.0.0.1:9100",
                "service": "node-exporter",
                "namespace": "monitoring",
                "pod": "node-exporter-8x7vz",
            },
            1.5,
        ),
        *(
            counter(
                "node_cpu_seconds_total",
                {"job": "node-exporter", "instance": "10.0.0.1:9100", "cpu": str(core), "mode": mode},
                share,
            )
            for core in range(4)
            for mode, share in (("idle", 0.75), ("user", 0.25))
        ),
    ]


def applications() -> list[Series]:
    """The Prometheus Operator, OpenTelemetry, a static scrape, postgres_exporter, span metrics."""
    operator = {
        **CART,
        "job": "cart-metrics",
        "service": "cart-metrics",
        "endpoint": "http",
        "container": "cart",
        "instance": "10.2.0.4:8080",
    }
    otel = {"job": "shop/payments", "instance": "7d1f"}
    buckets = [("0.1", 9.0), ("0.5", 9.9), ("1", 10.0), ("+Inf", 10.0)]
    name = "http_server_request_duration_seconds"
    return [
        counter("http_requests_total", {**operator, "code": "200"}, 5.0),
        info(
            "target_info",
            {
                **otel,
                "k8s_pod_name": "payments-84b9d6c7f-kq5wz",
                "k8s_namespace_name": "shop",
                "service_version": "1.12.4",
            },
        ),
        counter(f"{name}_count", {**otel, "http_response_status_code": "200"}, 10.0),
        counter(f"{name}_sum", {**otel, "http_response_status_code": "200"}, 1.0),
        *(
            counter(f"{name}_bucket", {**otel, "http_response_status_code": "200", "le": le}, rate)
            for le, rate in buckets
        ),
        counter("ledger_requests_total", {"job": "ledger", "instance": "10.1.1.1:8080"}, 3.0),
        counter(
            "pg_stat_database_xact_commit",
            {
                "datname": "orders",
                "job": "postgres",
                "instance": "10.1.1.9:9187",
                "service": "postgres-exporter",
                "pod": "postgres-exporter-0",
            },
            40.0,
        ),
        counter(
            "traces_spanmetrics_calls_total",
            {"service": "search", "span_name": "GET /", "job": "tempo", "span_kind": "SPAN_KIND_SERVER"},
            7.0,
        ),
        counter(
            "traces_spanmetrics_calls_total",
            {"service": "search", "span_name": "SELECT", "job": "tempo", "span_kind": "SPAN_KIND_CLIENT"},
            7.0,
        ),
        counter("go_gc_duration_seconds_count", operator, 1.0),
    ]


def calls() -> list[Series]:
    """Istio's telemetry, and a tracing backend's service graph."""
    mesh = {
        "source_workload_namespace": "shop",
        "destination_workload_namespace": "shop",
        "job": "envoy-stats",
        "response_code": "200",
        "connection_security_policy": "mutual_tls",
    }
    return [
        counter(
            "istio_requests_total",
            {
                **mesh,
                "source_workload": "gateway",
                "destination_workload": "cart",
                "reporter": "destination",
                "destination_service_name": "cart",
            },
            4.0,
        ),
        counter(
            "istio_requests_total",
            {
                **mesh,
                "source_workload": "unknown",
                "destination_workload": "gateway",
                "reporter": "destination",
                "destination_service_name": "gateway",
            },
            4.0,
        ),
        counter(
            "traces_service_graph_request_total",
            {"client": "cart", "server": "payments", "job": "tempo"},
            2.0,
        ),
        counter(
            "traces_service_graph_request_total", {"client": "user", "server": "gateway", "job": "tempo"}, 2.0
        ),
    ]


def everything() -> list[Series]:
    return [*kubernetes(), *applications(), *calls()]
