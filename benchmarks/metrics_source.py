"""What a sweep of a real Prometheus costs: its time and ours, requests and bytes, at ten million samples.

    python -m benchmarks.metrics_source [--services 200] [--samples 10000000] [--window 3600]

Fills blocks with promtool (200 services, about a hundred series each: requests, durations, containers, pools;
every 15 seconds), starts Prometheus on the loopback interface and asks for the last hour as an investigation
does, three times, each with a new connector. "Ours" is the processor time of this process: reading sockets,
numbers and names. Prints medians; asserts nothing. `--profile` shows where our time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.answers import SeriesSet
from connectors.contract import Reading, Window
from connectors.governor import Limits
from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from connectors.questions import SeriesSweep
from tests.lab.programs import require
from tests.lab.supervisor import Supervisor, answers, free_port, wait_until

INTERVAL = 15
END = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
PODS, ROUTES, CODES = 4, 7, ("200", "500")
GAUGES = (
    "container_memory_working_set_bytes", "http_server_active_requests", "db_client_connection_count",
    "db_client_connection_pending_requests", "process_resident_memory_bytes",
)  # fmt: skip
COUNTERS = ("container_cpu_usage_seconds_total", "process_cpu_seconds_total", "up_changes_total")


@dataclass(frozen=True)
class Cost:
    """One sweep: seconds as a clock has them, seconds of our processor, of reading numbers alone."""

    wall: float
    own: float
    reading: float
    requests: int
    megabytes: float
    series: int
    samples: int


def identities(services: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Names and labels of all series, a family after the other: 100 and a bit a service."""
    pods = [
        (f"service-{s:03}", f"service-{s:03}-6f7d9c5b8d-x2x{p}k")
        for s in range(services)
        for p in range(PODS)
    ]
    for metric in (*GAUGES, *COUNTERS, "up"):
        for service, pod in pods:
            labels = {"service": service, "pod": pod, "namespace": "shop", "job": "shop", "instance": pod}
            yield metric, labels | ({"container": service} if metric.startswith("container_") else {})
    for metric in ("http_server_request_duration_seconds_count", "http_server_request_duration_seconds_sum"):
        for service, pod in pods:
            for route in range(ROUTES):
                for code in CODES[: 1 + (route == 0)]:
                    yield (
                        metric,
                        {"service": service, "pod": pod, "namespace": "shop", "job": "shop", "instance": pod,
                         "route": f"/r{route}", "code": code},
                    )  # fmt: skip


def fill(folder: Path, services: int, samples: int) -> int:
    """Write blocks with so many samples; gives the number of series."""
    rng = random.Random(1)
    series = list(identities(services))
    points = max(samples // len(series), 2)
    first = int(END.timestamp()) - (points - 1) * INTERVAL
    with (folder / "series.txt").open("w") as text:
        for metric, labels in series:
            inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
            value, rate = 0.0, rng.uniform(0.1, 5.0)
            for n in range(points):
                value = 1.0 if metric == "up" else value + rate * rng.random() if "_" in metric else value
                text.write(f"{metric}{{{inner}}} {value:.6g} {first + n * INTERVAL}\n")
        text.write("# EOF\n")
    subprocess.run(
        [require("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h",
         str(folder / "series.txt"), str(folder / "tsdb")],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "series.txt").unlink()
    return len(series)


def started(folder: Path, supervisor: Supervisor) -> str:
    """Prometheus over the blocks; its URL."""
    (folder / "prometheus.yml").write_text("{}")
    port = free_port()
    running = supervisor.start(
        "prometheus",
        [require("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
         f"--storage.tsdb.path={folder / 'tsdb'}", "--storage.tsdb.retention.time=50y",
         f"--web.listen-address=127.0.0.1:{port}"],
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/-/ready"), "Prometheus", 60, running)
    return url


def sweep(url: str, seconds: int) -> Cost:
    """One sweep with a connector of its own."""
    connector = PrometheusConnector(Endpoint("prometheus/bench", url, limits=Limits(timeout_seconds=30)))
    window = Window(start=END - timedelta(seconds=seconds), end=END)
    began, own = time.perf_counter(), time.process_time()
    reading = connector.ask(SeriesSweep(window=window), now=END)
    wall, own = time.perf_counter() - began, time.process_time() - own
    traffic = connector.api.governor.traffic
    reading_seconds = connector.api.reading_seconds
    connector.close()
    if not isinstance(reading, Reading) or not isinstance(reading.answer, SeriesSet):
        raise SystemExit(f"no series: {reading}")
    for note in reading.notes:
        print(f"  note: {note}")
    values = reading.answer.values
    return Cost(wall, own, reading_seconds, traffic.requests, traffic.bytes / 1e6, len(values), values.size)


def told(costs: list[Cost]) -> None:
    """The median of each figure."""

    def median(name: str) -> float:
        return float(statistics.median(getattr(cost, name) for cost in costs))

    wall, own = median("wall"), median("own")
    print(f"series {median('series'):,.0f}   samples {median('samples'):,.0f}")
    print(f"answers {median('megabytes'):.0f} MB in {median('requests'):.0f} requests")
    print(f"wall {wall:.2f} s   ours {own:.2f} s ({own / wall:.0%})")
    print(f"of ours, numbers {median('reading'):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--window", type=int, default=3_600, help="seconds asked for")
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        count = fill(folder, chosen.services, chosen.samples)
        print(f"{count:,} series filled in {time.perf_counter() - began:.0f} s")
        supervisor = Supervisor(folder)
        try:
            url = started(folder, supervisor)
            sweep(url, chosen.window)  # opens files, imports modules
            told([sweep(url, chosen.window) for _ in range(3)])
            if chosen.profile:
                profile = cProfile.Profile()
                profile.runcall(sweep, url, chosen.window)
                pstats.Stats(profile).sort_stats("tottime").print_stats(18)
        finally:
            supervisor.stop_all()


if __name__ == "__main__":
    main()
