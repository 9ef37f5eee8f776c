"""How long ranking takes as the number of series grows, with memory, beside a plain robust z-score.

    python -m benchmarks.ranking_speed [SERIES…]

Synthetic series of 600 points (one in fifty shifts in the last fifty), 25 a service; one core. The baseline
is a median and MAD score of the same matrix in the same run. Prints medians of three runs; asserts nothing.
"""

from __future__ import annotations

import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet
from connectors.contract import Reading, Source, Window
from connectors.questions import SeriesSweep
from graph.ranking import rank_services
from playbooks.model import Incident, Symptom
from playbooks.observations import Observations
from playbooks.suspects import examine

POINTS, STEP = 600, 60.0
METRICS = (
    "http_request_duration_seconds:p99", "http_request_duration_seconds:avg", "http_requests:rate5m",
    "http_errors:ratio", "container_cpu_usage_cores", "container_memory_working_set_bytes",
    "container_network_receive_bytes", "container_fs_reads_bytes", "db_client_connections_pending",
)  # fmt: skip
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def incident_of(count: int) -> tuple[Incident, Observations]:
    """A synthetic incident with so many series."""
    rng = np.random.default_rng(1)
    keys = tuple(
        SeriesKey(METRICS[i % len(METRICS)], (("pod", f"s{i // 25}-{i}"), ("service", f"s{i // 25}")))
        for i in range(count)
    )
    values: Floats = rng.lognormal(0.0, 0.2, (count, POINTS))
    values[::50, -50:] *= 4.0
    times: Floats = NOW.timestamp() - STEP * np.arange(POINTS - 1, -1, -1, dtype=np.float64)
    window = Window(start=NOW - timedelta(seconds=STEP * POINTS), end=NOW)
    question = SeriesSweep(window=window)
    reading = Reading(Source.METRICS, question, "synthetic", NOW, SeriesSet(keys, times, values), "0" * 64)
    incident = Incident(
        id="speed", title="speed", at=NOW, window=window, service="s0", symptom=Symptom.LATENCY, text="p99"
    )
    return incident, Observations([reading])


def plain(seen: Observations) -> None:
    """The baseline: median and MAD before, median during, for the same matrix."""
    found = seen.first(SeriesSet)
    assert found is not None
    values = found.answer.values
    before, during = values[:, :-50], values[:, -50:]
    middle = np.median(before, axis=1)
    spread = np.median(np.abs(before - middle[:, None]), axis=1)
    np.argsort(-np.abs(np.median(during, axis=1) - middle) / (spread + 1e-9))


def seconds(work: Callable[[], object], runs: int = 3) -> float:
    """Median wall time."""
    taken = []
    for _ in range(runs):
        gc.collect()
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    sizes = [int(text) for text in sys.argv[1:]] or [50, 800, 5_000, 20_000]
    print(f"{'series':>8} {'ranking s':>10} {'plain z s':>10} {'ratio':>6} {'peak MB':>8}")
    for size in sizes:
        incident, seen = incident_of(size)
        ours = seconds(lambda i=incident, s=seen: rank_services(examine(i, s)))  # type: ignore[misc]
        base = seconds(lambda s=seen: plain(s))  # type: ignore[misc]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{size:8} {ours:10.2f} {base:10.2f} {ours / base:6.1f} {peak:8.0f}", flush=True)


if __name__ == "__main__":
    main()
