"""What `firstcause doctor` says of a metrics server: reachable, fresh, its clock, and what it holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from connectors.governor import SourceFailedError
from connectors.live import Check
from connectors.prometheus.client import PrometheusApi
from connectors.source_checks import reach

_STALE_SECONDS = 180.0
_SKEW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one look found, before it is timed."""

    state: Literal["ok", "warning", "failed"]
    found: str
    fix: str = ""


def checks(api: PrometheusApi, now: datetime) -> Sequence[Check]:
    """Every check; when the server cannot be reached, that alone."""
    first = _timed("reachable", lambda: _reachable(api))
    if first.state == "failed":
        return [first if first.fix else replace(first, fix=reach(api.endpoint.url))]
    names = _names(api, now)
    return [
        first,
        _timed("fresh", lambda: _fresh(api, now)),
        _timed("clock", lambda: _clock(api, now)),
        *(_convention(each, names) for each in _CONVENTIONS),
        _timed("exemplars", lambda: _exemplars(api, names, now)),
        _timed("rules", lambda: _rules(api)),
        *_safety(api),
    ]


def _timed(about: str, look: Callable[[], _Looked]) -> Check:
    began = time.monotonic()
    try:
        looked = look()
    except SourceFailedError as failure:
        looked = _Looked("failed", failure.reason, _FIXES.get(_status(failure.reason), ""))
    return Check(about, looked.state, looked.found, looked.fix, time.monotonic() - began)


_FIXES = {
    "401": "give a bearer token, or a user and password, that the server accepts and that has not expired",
    "403": "allow this user GET on /api/v1/query, /query_range, /label/__name__/values (and /rules, "
    "/query_exemplars)",
    "404": "check the URL's path: Mimir's API is below /prometheus, VictoriaMetrics' cluster below "
    "/select/0/prometheus",
    "400": "check the tenant header: Mimir wants X-Scope-OrgID",
    "429": "raise the server's query limits for this user, or `concurrent` down here",
}


def _status(reason: str) -> str:
    return next((code for code in _FIXES if f"({code})" in reason or f"status {code}" in reason), "")


def _reachable(api: PrometheusApi) -> _Looked:
    at = api.scalar("time()")
    if at is None:
        return _Looked("failed", "it answers, but not as Prometheus does", _FIXES["404"])
    return _Looked("ok", f"{api.endpoint.url} answers queries")


def _fresh(api: PrometheusApi, now: datetime) -> _Looked:
    newest = api.scalar("max(timestamp(up))", now)
    if newest is None:
        return _Looked(
            "warning",
            "no sample of `up` in the last five minutes",
            "check that targets are scraped (Status > Targets), or that remote write arrives; "
            "where `up` is dropped on purpose this means nothing",
        )
    age = now.timestamp() - newest
    if age > _STALE_SECONDS:
        return _Looked(
            "warning", f"the newest sample is {age:.0f} s old", "see why scrapes or remote write lag"
        )
    return _Looked("ok", f"the newest sample is {max(age, 0):.0f} s old")


def _clock(api: PrometheusApi, now: datetime) -> _Looked:
    """The server's own time against ours; `now` is only as good as the machine's clock."""
    began = time.monotonic()
    theirs = api.scalar("time()")
    took = time.monotonic() - began
    if theirs is None:
        return _Looked("warning", "the server does not tell its time")
    skew = theirs - now.timestamp()
    date = api.skew_seconds
    skew = date if date is not None and abs(date) < abs(skew) + took else skew
    if abs(skew) > _SKEW_SECONDS:
        side = "ahead of" if skew > 0 else "behind"
        fix = "synchronise both machines by NTP (chronyc tracking; timedatectl set-ntp true)"
        return _Looked("failed", f"the server's clock is {abs(skew):.0f} s {side} ours", fix)
    return _Looked("ok", f"within {abs(skew):.0f} s of ours")


@dataclass(frozen=True, slots=True)
class _Convention:
    """A family of metrics, what tells that it is there, and what is lost without it."""

    about: str
    beginnings: tuple[str, ...]
    fix: str


_CONVENTIONS = (
    _Convention(
        "kube-state-metrics",
        ("kube_pod_info", "kube_pod_owner"),
        "install kube-state-metrics (kube_pod_info, kube_pod_owner, kube_replicaset_owner): without it "
        "services are guessed from the names of pods",
    ),
    _Convention(
        "cAdvisor",
        ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"),
        "scrape the kubelet's /metrics/cadvisor: without it processor, memory and throttling are unknown",
    ),
    _Convention(
        "node exporter",
        ("node_cpu_seconds_total", "node_load1"),
        "run node_exporter on every node: without it a busy node is not seen",
    ),
    _Convention(
        "requests (RED)",
        (
            "http_server_",
            "http_request",
            "http_requests_total",
            "rpc_server_",
            "grpc_server_",
            "istio_requests_total",
            "traces_spanmetrics_",
            "traces_span_metrics_",
            "service:",
        ),
        "expose request durations (OpenTelemetry http.server.request.duration), or let Tempo or the "
        "collector make span metrics",
    ),
    _Convention(
        "calls between services",
        (
            "istio_requests_total",
            "traces_service_graph_request_total",
            "http_client_request",
            "rpc_client_",
            "grpc_client_",
        ),
        "switch on service graphs (Tempo's metrics_generator: service-graphs), or expose clients' metrics",
    ),
    _Convention(
        "PostgreSQL",
        ("pg_stat_database_", "pg_up"),
        "run postgres_exporter for each database; firstcause's own database source says more",
    ),
)


def _names(api: PrometheusApi, now: datetime) -> list[str]:
    try:
        return api.metric_names(now - timedelta(hours=1), now)
    except SourceFailedError:
        return []


def _convention(convention: _Convention, names: Sequence[str]) -> Check:
    held = [name for name in names if name.startswith(convention.beginnings)]
    if held:
        return Check(convention.about, "ok", f"{len(held)} metrics, such as {held[0]}")
    return Check(convention.about, "warning", "no such metrics in the last hour", convention.fix)


def _exemplars(api: PrometheusApi, names: Sequence[str], now: datetime) -> _Looked:
    if not any(name.endswith("_bucket") for name in names):
        return _Looked("warning", "no histograms, so no exemplars", "expose request durations as histograms")
    listed = api.exemplars('{__name__=~".+_bucket"}', now - timedelta(hours=1), now)
    if listed:
        return _Looked("ok", f"{len(listed)} series remember traces")
    return _Looked(
        "warning",
        "none stored in the last hour",
        "start Prometheus with --enable-feature=exemplar-storage, let clients attach trace ids "
        "(OpenMetrics), and with remote write set send_exemplars: true",
    )


def _rules(api: PrometheusApi) -> _Looked:
    listed = [group.get("rules") for group in api.rules() if isinstance(group, dict)]
    count = sum(len(each) for each in listed if isinstance(each, list))
    if count:
        return _Looked("ok", f"{count} rules can be read")
    return _Looked(
        "warning", "no rules here", "where a ruler or vmalert keeps them, send /api/v1/rules there"
    )


def _safety(api: PrometheusApi) -> list[Check]:
    if api.endpoint.verify:
        return []
    fix = "give ca_file instead of verify: false"
    return [Check("TLS", "warning", "the server's certificate is not checked", fix)]
