"""The Prometheus instruments of a shop process: RED per route, outgoing calls per peer, the connection pool.

Runtime metrics (process_*, python_gc_*) come from the client library's own collectors. Labels that say who is
speaking (service, pod, node, version) are the scrape target's and must not appear here.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from tests.lab.telemetry import sampled_trace_id

# The bounds of OpenTelemetry's semantic conventions for request durations.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

SERVED = Histogram(
    "http_server_request_duration_seconds", "Requests served", ["method", "route", "code"], buckets=SECONDS
)
ACTIVE = Gauge("http_server_active_requests", "Requests being served now")
CALLED = Histogram(
    "http_client_request_duration_seconds", "Requests sent", ["peer", "method", "code"], buckets=SECONDS
)
POOL_CONNECTIONS = Gauge("db_client_connection_count", "Connections of the pool", ["state"])
POOL_MAX = Gauge("db_client_connection_max", "Connections the pool may open")
POOL_PENDING = Gauge("db_client_connection_pending_requests", "Requests waiting for a connection")
POOL_WAIT = Histogram("db_client_connection_wait_time_seconds", "Waiting for a connection", buckets=SECONDS)
POOL_TIMEOUTS = Counter("db_client_connection_timeouts", "Requests that never got a connection")


def observe(histogram: Histogram, seconds: float, **labels: str) -> None:
    """Record a duration, with the trace as its exemplar where that trace was kept."""
    child = histogram.labels(**labels) if labels else histogram
    trace_id = sampled_trace_id()
    child.observe(seconds, {"trace_id": trace_id} if trace_id else None)
