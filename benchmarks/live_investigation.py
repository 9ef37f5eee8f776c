"""What a live investigation costs: wall time, split into waiting for sources and our own; requests to each.

    python -m benchmarks.live_investigation [SERVICES [SERIES_A_SERVICE]]

A real Prometheus on this machine holds so many series of so many services (200 and 100 by default) over an
hour and a half at 15 s, one service in trouble for the last half hour. Waiting for sources is the time in
which at least one request is on its way; the rest is ours: decoding, ranking, storing. Server and program
share the cores, which makes both slower than in production. Asserts nothing.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bot import configuration, live
from bot.casework import Place
from bot.investigation import Options, Outcome
from bot.live_incident import Request
from connectors.governor import Governor
from connectors.live import LiveSources
from tests.connectors.prometheus.servers import Series, start_prometheus
from tests.lab.supervisor import Supervisor

STEP = 15.0
LENGTH = timedelta(minutes=90)
TROUBLE = timedelta(minutes=30)
AT = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
NAMES = (
    "http_server_requests_per_second", "http_server_error_ratio", "http_server_latency_seconds_p99",
    "container_cpu_usage_cores", "container_memory_working_set_bytes", "queue_depth", "open_connections",
)  # fmt: skip


@dataclass
class Watch:
    """When requests were on their way."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def over(self, governor: Governor) -> None:
        """Time every request that passes the governor."""
        inner = governor.run

        def timed(call: Callable[[], Any]) -> Any:  # the governor is generic in what a call gives
            began = time.monotonic()
            try:
                return inner(call)
            finally:
                with self.lock:
                    self.spans.append((began, time.monotonic()))

        governor.run = timed  # type: ignore[method-assign]  # a benchmark looks over its shoulder

    def waited(self) -> float:
        """Seconds in which at least one request was on its way."""
        whole, until = 0.0, 0.0
        for start, end in sorted(self.spans):
            whole += max(end - max(start, until), 0.0)
            until = max(until, end)
        return whole


def governors(sources: LiveSources) -> Iterator[tuple[str, Governor]]:
    """The governor of each connector, wherever it keeps it."""
    for connector in sources.connectors:
        for part in ("api", "client", "_client"):
            held = getattr(getattr(connector, part, None), "governor", None)
            if isinstance(held, Governor):
                yield connector.name, held
                break


def stocked(services: int, each: int) -> Iterator[Series]:
    """The series: one service in fifty follows the one in trouble."""
    rng = np.random.default_rng(1)
    trouble = int(TROUBLE.total_seconds() / STEP)
    points = int(LENGTH.total_seconds() / STEP) + 1
    times = (AT.timestamp() - STEP * np.arange(points - 1, -1, -1)).tolist()
    for service in range(services):
        for number in range(each):
            values = rng.lognormal(0.0, 0.2, points)
            if service % 50 == 0 and number < 20:
                values[-trouble:] *= 6.0 if service == 0 else 2.0
            labels = {
                "namespace": "shop", "service": f"s{service}", "pod": f"s{service}-6c9f8d7b5-{number % 4}x",
                "route": f"/r{number // len(NAMES)}",
            }  # fmt: skip
            yield NAMES[number % len(NAMES)], labels, list(zip(times, values.tolist(), strict=True))


def measured(read: configuration.Configuration, root: Path) -> tuple[Outcome, float, float, LiveSources]:
    """One investigation: its outcome, its wall time and the part of it that waited for sources."""
    watch = Watch()
    connect = live.connected

    def watched(configured: configuration.Configuration, store: Path) -> LiveSources:
        sources = connect(configured, store)
        for _, governor in governors(sources):
            watch.over(governor)
        return sources

    live.connected = watched  # type: ignore[assignment]  # the same signature under another name
    began = time.monotonic()
    opened = live.opened(
        read, Request(at=AT, service="s0", since=TROUBLE), Place(root / "store.db", chosen=True), print
    )
    outcome = opened.work.investigate(Options(confirm="no"), lambda _: None)
    whole = time.monotonic() - began
    live.connected = connect
    return outcome, whole, watch.waited(), opened.sources


def main(services: int, each: int) -> None:
    with tempfile.TemporaryDirectory(prefix="firstcause-bench-", dir="/tmp") as directory:
        root = Path(directory)
        (root / "logs").mkdir()
        supervisor = Supervisor(root / "logs")
        try:
            url = start_prometheus(root / "prometheus", supervisor, stocked(services, each))
            path = root / "firstcause.yaml"
            path.write_text(f"sources:\n  - {{kind: prometheus, url: '{url}', limits: {{timeout: 20s}}}}\n")
            read = configuration.load(path)
            for run in range(3):
                (root / str(run)).mkdir()
                outcome, whole, waited, sources = measured(read, root / str(run))
                first = next(iter(outcome.weighing.proposals), None)
                print(
                    f"{services} services, {services * each} series: {whole:.2f} s in all, "
                    f"{waited:.2f} s waiting for sources, {whole - waited:.2f} s ours "
                    f"({(whole - waited) / whole:.0%}); first: {first.service if first else 'nothing'}; "
                    f"metrics {outcome.coverage['metrics'][:80]}"
                )
                for name, governor in governors(sources):
                    told, size = governor.traffic, governor.traffic.bytes / 2**20
                    print(f"  {name}: {told.requests} requests, {told.failures} failed, {size:.1f} MiB")
                sources.close()
        finally:
            supervisor.stop_all()


if __name__ == "__main__":
    main(*(int(each) for each in [*sys.argv[1:], *("200", "100")[len(sys.argv) - 1 :]]))
