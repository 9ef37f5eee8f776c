"""What `/metrics` says, in Prometheus' exposition format: counts and times, and no text of anyone's."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 5.0, 10.0)
_BY_STATE = frozenset({"jobs", "messages", "incidents"})
_LONG_BUCKETS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class _DeskCounts(Collector):
    """The store's counts as they were last read: "jobs_waiting" is firstcause_jobs{state="waiting"}."""

    def __init__(self) -> None:
        self.counts: Mapping[str, float] = {}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, value in sorted(self.counts.items()):
            kind, _, state = name.partition("_")
            if kind not in _BY_STATE or state.endswith("_seconds"):
                yield GaugeMetricFamily(f"firstcause_{name}", "Of the store.", value=value)
                continue
            family = families.setdefault(
                kind, GaugeMetricFamily(f"firstcause_{kind}", f"The store's {kind}.", labels=["state"])
            )
            family.add_metric([state], value)
        yield from families.values()


class Measures:
    """The counters of one process."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        self._desk = _DeskCounts()
        registry.register(self._desk)
        self._store = Gauge("firstcause_store_up", "Whether the store could be read.", registry=registry)
        self.deliveries = Counter(
            "firstcause_deliveries",
            "What came in, by kind and outcome.",
            ("kind", "outcome"),
            registry=registry,
        )
        self.ack = Histogram(
            "firstcause_ack_seconds",
            "From a request's first byte to its answer.",
            ("path",),
            registry=registry,
            buckets=_ACK_BUCKETS,
        )
        self.turned_away = Counter(
            "firstcause_turned_away", "Requests refused because too many were under way.", registry=registry
        )
        self.investigations = Counter(
            "firstcause_investigations", "Investigations ended, by verdict.", ("verdict",), registry=registry
        )
        self.investigation = Histogram(
            "firstcause_investigation_seconds",
            "How long an investigation took.",
            registry=registry,
            buckets=_LONG_BUCKETS,
        )
        self.sent = Counter(
            "firstcause_sent",
            "What was sent, by operation and outcome.",
            ("operation", "outcome"),
            registry=registry,
        )
        build = Gauge(
            "firstcause_build_info",
            "Always 1; the labels say what runs.",
            ("version", "python"),
            registry=registry,
        )
        build.labels(version, platform.python_version()).set(1)

    def slack(self, connected: Callable[[], bool]) -> None:
        """Tell whether Slack is heard over its web socket."""
        about = "Whether Slack's web socket is connected."
        Gauge("firstcause_slack_connected", about, registry=self._registry).set_function(connected)

    def exposition(self, counts: Mapping[str, float] | None) -> bytes:
        """The page. `counts` are the store's, None where it could not be read."""
        self._store.set(0 if counts is None else 1)
        self._desk.counts = counts or {}
        return generate_latest(self._registry)
