"""What a live investigation costs: wall time, split into waiting for sources and our own; requests to each.

    python -m benchmarks.live_investigation [SERVICES [SERIES_A_SERVICE]] [--stages] [--runs N]

A real Prometheus on this machine holds so many series of so many services (200 and 100 by default) over an
hour and a half at 15 s, one service in trouble for the last half hour. Waiting for sources is the time in
which at least one request is on its way; the rest is ours: decoding, ranking, storing. What of our work fell
into that waiting (answers are read while others are on their way) is not ours by this measure; the processor
seconds beside hold all of it. Server and program share the cores, which makes both slower than in production.
The first run has the imports in it, which a server makes once. `--stages` tells where our time goes. Asserts
nothing.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from bot import cli, configuration, live
from bot.casework import Place
from bot.investigation import Options, Outcome
from bot.live_incident import Request
from bot.store import record
from connectors import live as sources_live
from connectors.governor import Governor
from connectors.live import LiveSources
from connectors.prometheus import client, connector, identity, sweep
from graph import judgement
from playbooks import suspects
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

    def waited(self, since: float = 0.0, until: float = math.inf) -> float:
        """Seconds, of those between two instants, in which at least one request was on its way."""
        whole, told = 0.0, since
        for start, end in sorted(self.spans):
            whole += max(min(end, until) - max(start, told), 0.0)
            told = max(told, end)
        return whole


@dataclass
class Stages:
    """When our own work was done, by what it is."""

    spans: list[tuple[str, float, float]] = field(default_factory=list)

    def over(self, name: str, owner: object, function: str) -> None:
        """Time every call of a function."""
        inner = getattr(owner, function)

        @wraps(inner)
        def timed(*given: Any, **named: Any) -> Any:
            began = time.monotonic()
            try:
                return inner(*given, **named)
            finally:
                self.spans.append((name, began, time.monotonic()))

        setattr(owner, function, timed)

    def told(self, watch: Watch) -> str:
        """Milliseconds of each stage in which no request was on its way, in the order in which they came."""
        found: dict[str, float] = {}
        for name, start, end in sorted(self.spans, key=lambda span: span[1]):
            found[name] = found.get(name, 0.0) + end - start - watch.waited(start, end)
        if "reading answers" in found:  # side by side: the time in which any is read, once
            read = Watch([(start, end) for name, start, end in self.spans if name == "reading answers"])
            both = Watch([*read.spans, *watch.spans])
            found["reading answers"] = both.waited() - watch.waited()
        return ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in found.items())


def staged() -> Stages:
    """Look over the shoulder of each stage."""
    stages = Stages()
    for name, owner, function in (
        ("opening the store", live, "prepared"),
        ("reading answers", client, "read_matrix"),
        ("naming series", identity.Identities, "keys"),
        ("putting series in order", sweep, "ordered"),
        ("hash", connector, "sha256"),
        ("normal form", sources_live, "normal"),
        ("keeping the answer", record.Store, "put_answer"),
        ("preparing series", suspects, "prepare"),
        ("seasons", suspects, "seasons"),
        ("symptom", suspects, "look_at_symptom"),
        ("shifts", suspects, "_shifted"),
        ("moves", suspects, "moves"),
        ("features", suspects, "_table"),
        ("tests", judgement, "_all_tests"),
        ("changes", judgement, "_changes"),
        ("causes", judgement, "_settle"),
        ("proposals", judgement, "_weighing"),
    ):
        stages.over(name, owner, function)
    return stages


def governors(sources: LiveSources) -> Iterator[tuple[str, Governor]]:
    """The governor of each connector, wherever it keeps it."""
    for each in sources.connectors:
        for part in ("api", "client", "_client"):
            held = getattr(getattr(each, part, None), "governor", None)
            if isinstance(held, Governor):
                yield each.name, held
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


def measured(
    read: configuration.Configuration, root: Path, watch: Watch
) -> tuple[Outcome, float, float, LiveSources]:
    """One investigation: its outcome, its wall and processor time."""
    connect = live.connected

    def watched(configured: configuration.Configuration, store: Path) -> LiveSources:
        sources = connect(configured, store)
        for _, governor in governors(sources):
            watch.over(governor)
        return sources

    live.connected = watched  # type: ignore[assignment]  # the same signature under another name
    began, worked = time.monotonic(), time.process_time()
    opened = live.opened(
        read, Request(at=AT, service="s0", since=TROUBLE), Place(root / "store.db", chosen=True), print
    )
    outcome = opened.work.investigate(Options(confirm="no"), lambda _: None)
    whole, busy = time.monotonic() - began, time.process_time() - worked
    live.connected = connect
    return outcome, whole, busy, opened.sources


def told(outcome: Outcome, whole: float, busy: float, watch: Watch, sources: LiveSources) -> str:
    """What a run cost, as a line or two."""
    first, waited = next(iter(outcome.weighing.proposals), None), watch.waited()
    lines = [
        f"{whole:.2f} s in all, {waited:.2f} s waiting for sources, {whole - waited:.2f} s ours "
        f"({(whole - waited) / whole:.0%}); {busy:.2f} processor seconds; first: "
        f"{first.service if first else 'nothing'}; metrics {outcome.coverage['metrics'][:80]}"
    ]
    for name, governor in governors(sources):
        asked, size = governor.traffic, governor.traffic.bytes / 2**20
        lines.append(f"  {name}: {asked.requests} requests, {asked.failures} failed, {size:.1f} MiB")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("services", nargs="?", type=int, default=200)
    parser.add_argument("each", nargs="?", type=int, default=100)
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    cli.collect_seldom()
    stages = staged() if wanted.stages else None
    with tempfile.TemporaryDirectory(prefix="firstcause-bench-", dir="/tmp") as directory:
        root = Path(directory)
        (root / "logs").mkdir()
        supervisor = Supervisor(root / "logs")
        try:
            series = stocked(wanted.services, wanted.each)
            url = start_prometheus(root / "prometheus", supervisor, series)
            path = root / "firstcause.yaml"
            path.write_text(f"sources:\n  - {{kind: prometheus, url: '{url}', limits: {{timeout: 20s}}}}\n")
            read = configuration.load(path)
            print(f"{wanted.services} services, {wanted.services * wanted.each} series")
            for run in range(wanted.runs):
                (root / str(run)).mkdir()
                watch = Watch()
                outcome, whole, busy, sources = measured(read, root / str(run), watch)
                print(told(outcome, whole, busy, watch, sources))
                if stages is not None:
                    print(f"  ours, ms: {stages.told(watch)}")
                    stages.spans.clear()
                sources.close()
        finally:
            supervisor.stop_all()


if __name__ == "__main__":
    main()
