"""How long ranking takes as the number of series grows, with memory, beside three published methods.

    OMP_NUM_THREADS=1 python -m benchmarks.ranking_speed [SERIES…] [--out FILE.svg]

Synthetic series of 600 points (one in fifty shifts in the last fifty), 25 a service; one core. Every method
runs on the same matrix, in a process of its own, so that its peak memory is its own; what stood before it
began (the program and the matrix) is told beside. Prints medians of three runs (one from 50,000 series on) in
seconds of processor time, and draws both curves; asserts nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bot import charts
from bot.bench import baselines
from connectors.answers import Floats, SeriesKey, SeriesSet
from connectors.contract import Reading, Source, Window
from connectors.questions import SeriesSweep
from graph.ranking import rank_services
from playbooks.model import Incident, Symptom
from playbooks.observations import Observations
from playbooks.semantics import meaning
from playbooks.suspects import examine
from playbooks.symptom import symptom_rows

POINTS, STEP = 600, 60.0
METRICS = (
    "http_request_duration_seconds:p99", "http_request_duration_seconds:avg", "http_requests:rate5m",
    "http_errors:ratio", "container_cpu_usage_cores", "container_memory_working_set_bytes",
    "container_network_receive_bytes", "container_fs_reads_bytes", "db_client_connections_pending",
)  # fmt: skip
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SIZES = (50, 800, 5_000, 10_000, 20_000, 50_000, 100_000)
METHODS = {"firstcause": "firstcause", "baro": "BARO", "nsigma": "N-sigma", "correlation": "correlation"}
_LARGE = 50_000


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


def view(incident: Incident, seen: Observations) -> baselines.View:
    """What the published methods see: the same matrix, its meanings read beforehand."""
    found = seen.first(SeriesSet)
    assert found is not None
    series = found.answer
    return baselines.View(
        case="speed",
        alerted=incident.service,
        series=series,
        services=tuple(meaning(key).service for key in series.keys),
        symptom=symptom_rows(incident, series),
        since=POINTS - 50,
        edges=(),
        changes=(),
    )


def work_of(method: str, size: int) -> Callable[[], object]:
    """What is timed: from readings, or for the published methods from a view, to a ranking."""
    incident, seen = incident_of(size)
    if method == "firstcause":
        return lambda: rank_services(examine(incident, seen))
    seen_by_all = view(incident, seen)
    ranker = next(rank for name, rank in baselines.METHODS.items() if name == method)
    return lambda: ranker(seen_by_all)


def measure(method: str, size: int) -> dict[str, float]:
    """Median processor seconds, which hardly depend on the machine's load, and peak memory in MB."""
    work = work_of(method, size)
    data = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken = []
    for _ in range(1 if size >= _LARGE else 3):
        gc.collect()
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": statistics.median(taken), "peak": peak, "data": data}


def apart(method: str, size: int) -> dict[str, float]:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ranking_speed", "--one", method, str(size)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def drawing(rows: Sequence[Mapping[str, object]]) -> str:
    """Seconds and memory against series, both axes logarithmic."""

    def panel(field: str, title: str) -> charts.Spec:
        scale = {"type": "log"}
        return {
            "width": 320, "height": 260, "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "series", "type": "quantitative", "scale": scale, "title": "series"},
                "y": {"field": field, "type": "quantitative", "scale": scale, "title": title},
                "color": {"field": "method", "type": "nominal", "title": None},
            },
        }  # fmt: skip

    return charts.svg(
        {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "data": {"values": [dict(row) for row in rows]},
            "hconcat": [panel("seconds", "processor seconds"), panel("peak", "peak memory, MB")],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--out", type=Path, help="draw the curves into this SVG file")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SERIES"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        print(json.dumps(measure(wanted.one[0], int(wanted.one[1]))))
        return
    heads = [f"{name}, s (MB)" for name in METHODS.values()]
    print("| " + " | ".join(["series", *heads, "before it began, MB"]) + " |")
    print("|---|" + "---|" * (len(METHODS) + 1))
    rows: list[dict[str, object]] = []
    for size in wanted.sizes:
        found = {method: apart(method, size) for method in METHODS}
        rows += [{"series": size, "method": METHODS[m], **figures} for m, figures in found.items()]
        told = " | ".join(f"{each['seconds']:.2f} ({each['peak']:.0f})" for each in found.values())
        print(f"| {size:,} | {told} | {found['firstcause']['data']:.0f} |", flush=True)
    if wanted.out:
        wanted.out.write_text(drawing(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
