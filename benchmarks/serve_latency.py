"""How long it takes from a webhook to the final card, and how much of that is our own time.

    python -m benchmarks.serve_latency [RUNS]

Real Prometheus with the bundled incident, moved to now, behind a proxy that notes when the server is at work;
`firstcause serve` as a process with the embedded store; the tests' Slack. Each run is an incident of its own.
Ours is all the time in which Prometheus had nothing to do: queueing, ranking, storing, drawing, sending, and
the proxy's own. Clients, servers and the process share the cores. It measures and judges nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.storm import configured
from tests.bot.served import Held, Metrics, Serve, notification, serving, start_metrics
from tests.doubles.slack import Slack, slack
from tests.doubles.slack_people import buttons_of
from tests.doubles.slack_world import Posted
from tests.lab.supervisor import Supervisor


@dataclass(frozen=True)
class Run:
    """One incident, in seconds."""

    acknowledged: float
    posted: float
    final: float
    waited: float


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="firstcause-latency-", dir="/tmp") as directory:
        home = Path(directory)
        supervisor = Supervisor(home)
        metrics = start_metrics(home / "prometheus", supervisor)
        proxy = Held(metrics.url)
        try:
            with slack() as workspace:
                workspace.per_minute.clear()  # runs follow each other faster than incidents do
                serve = configured(home, proxy.url, workspace)
                # Otherwise each would join the one before.
                serve.configuration = serve.configuration.replace(
                    "serve:\n", "serve:\n  storms: {window: 1ms}\n"
                )
                with serving(serve):
                    found = [run(n, serve, metrics, workspace, proxy) for n in range(runs)]
            told(found)
        finally:
            proxy.close()
            supervisor.stop_all()


def run(n: int, serve: Serve, metrics: Metrics, workspace: Slack, proxy: Held) -> Run:
    proxy.spans.clear()
    began = time.monotonic()
    serve.alert(notification(metrics.firing_since, group=f"{{}}:{{n={n}}}"))
    acknowledged = time.monotonic() - began
    while len(cards(workspace)) <= n:
        time.sleep(0.002)
    posted = time.monotonic() - began
    while not final(workspace, n):
        time.sleep(0.002)
    return Run(acknowledged, posted, time.monotonic() - began, busy(proxy.spans))


def final(workspace: Slack, n: int) -> bool:
    shown = {element.get("action_id") for element, _ in buttons_of(cards(workspace)[n])}
    return bool(shown & {"confirm", "nothing_wrong"})


def cards(workspace: Slack) -> list[Posted]:
    return [each for each in workspace.by_app() if each.root]


def busy(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one request was on its way."""
    whole, until = 0.0, 0.0
    for start, end in sorted(spans):
        whole += max(end - max(start, until), 0.0)
        until = max(until, end)
    return whole


def told(found: list[Run]) -> None:
    for name in ("acknowledged", "posted", "final"):
        values = [getattr(each, name) for each in found]
        p95 = quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
        print(f"{name}: p50 {median(values):.3f} s, p95 {p95:.3f} s ({len(values)} runs)")
    shares = [1 - each.waited / each.final for each in found]
    waited = median(each.waited for each in found)
    print(f"ours: {median(shares):.0%} of the way to the final card (p50; Prometheus at work {waited:.3f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
