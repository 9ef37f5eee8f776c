"""What a storm of alerts does to `firstcause serve`: acknowledgement, memory, investigations, messages.

    python -m benchmarks.storm [ALERTS [SERVICES [SECONDS]]]

A thousand alerts (by default) of sixty services of one call graph are notified within so many seconds (60; 0:
as fast as eight senders can), each as a notification of its own, to one process with the embedded store. Its
Prometheus holds the service graph and the services' series, its Slack is the double of the tests. Clients,
servers and the process share the cores. It measures and judges nothing.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

import httpx
import yaml

from bot.store.desk import StoredDesk
from tests.bot.served import TOKEN, Serve, notification, serving, until
from tests.connectors.prometheus.servers import Series, start_prometheus
from tests.doubles.slack import Slack, slack
from tests.lab.supervisor import Supervisor

SENDERS = 8
STEP = 15.0
CALLS = "traces_service_graph_request_total"


def stocked(services: int) -> Iterator[Series]:
    """A tree of services that call each other, with latencies; the root of it is in trouble."""
    chance = random.Random(1)
    now = datetime.now(UTC).timestamp()
    times = [now - STEP * n for n in range(240, -1, -1)]
    for n in range(services):
        latency = [0.05 * chance.lognormvariate(0, 0.2) * (8 if at > now - 300 else 1) for at in times]
        labels = {"service": f"s{n}", "namespace": "shop"}
        yield "http_server_latency_seconds_p99", labels, list(zip(times, latency, strict=True))
        yield "up", labels, [(at, 1.0) for at in times]
        if n:
            called = [3.0 * k for k in range(len(times))]
            ends = {"client": f"s{chance.randrange(n)}", "server": f"s{n}"}
            yield CALLS, ends, list(zip(times, called, strict=True))


def configured(home: Path, prometheus: str, workspace: Slack) -> Serve:
    told = {
        "sources": [{"kind": "prometheus", "url": prometheus}],
        "serve": {
            "alertmanager": {"token": {"env": "TOKEN"}},
            "slack": {
                "bot_token": {"env": "BOT"},
                "app_token": {"env": "APP"},
                "channel": "C0INC",
                "api": workspace.api,
            },
        },
        "store": "store.db",
    }
    secrets = {"TOKEN": TOKEN, "BOT": workspace.bot_token, "APP": workspace.app_token}
    return Serve(home, yaml.safe_dump(told), secrets)


class Storm:
    """The senders: each notification at its moment, each answer with its time."""

    def __init__(self, url: str, alerts: int, services: int, seconds: float) -> None:
        self.url, self.alerts, self.seconds = url, alerts, seconds
        chance = random.Random(2)
        self.named = [f"s{chance.randrange(services)}" for _ in range(alerts)]
        self.took: list[float] = []
        self.answers: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._next = iter(range(alerts))

    def run(self) -> float:
        """Send everything; how long it took."""
        began = time.monotonic()
        senders = [threading.Thread(target=self._send, args=(began,)) for _ in range(SENDERS)]
        for each in senders:
            each.start()
        for each in senders:
            each.join()
        return time.monotonic() - began

    def _send(self, began: float) -> None:
        since = datetime.now(UTC) - timedelta(minutes=4)
        with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
            while True:
                with self._lock:
                    n = next(self._next, None)
                if n is None:
                    return
                time.sleep(max(began + self.seconds * n / self.alerts - time.monotonic(), 0))
                body = notification(since, self.named[n], group=f"{{}}:{{n={n}}}")
                sent = time.monotonic()
                answer = client.post(f"{self.url}/webhooks/alertmanager", json=body)
                with self._lock:
                    self.took.append(time.monotonic() - sent)
                    self.answers[answer.status_code] += 1


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def main(alerts: int, services: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="firstcause-storm-", dir="/tmp") as directory:
        home = Path(directory)
        supervisor = Supervisor(home)
        try:
            url = start_prometheus(home / "prometheus", supervisor, stocked(services))
            with slack() as workspace, serving(configured(home, url, workspace)) as serve:
                measured(serve, workspace, Storm(serve.url, alerts, services, seconds))
        finally:
            supervisor.stop_all()


def measured(serve: Serve, workspace: Slack, storm: Storm) -> None:
    assert serve.process is not None
    before = peak_mb(serve.process.pid)
    took = storm.run()
    desk = StoredDesk(serve.home / "store.db")
    began = time.monotonic()
    until(lambda: settled(desk), 600)
    after = time.monotonic() - began
    with desk.begin() as within:
        incidents = within.incidents.recent(1_000)
    cuts = quantiles(storm.took, n=100)
    print(
        f"{storm.alerts} notifications in {took:.1f} s: answers {dict(storm.answers)}; acknowledged p50 "
        f"{cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, most {max(storm.took) * 1000:.0f} ms"
    )
    print(
        f"everything handled, investigated and sent {after:.1f} s after the last; peak memory "
        f"{peak_mb(serve.process.pid):.0f} MB (before: {before:.0f} MB)"
    )
    print(
        f"{len(incidents)} incidents with {sum(each.joined for each in incidents)} alerts; "
        f"{sum(each.rounds for each in incidents)} investigations; to Slack: {dict(workspace.calls)}"
    )
    for each in incidents:
        print(f"  {each.id} {each.service}: {each.joined} alerts, {len(each.services)} services; {each.note}")
    desk.close()


def settled(desk: StoredDesk) -> bool:
    counts = desk.counts(datetime.now(UTC))
    time.sleep(0.2)
    return not (counts["jobs_waiting"] or counts["jobs_running"] or counts["messages_waiting"])


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 1000,
        int(given[1]) if len(given) > 1 else 60,
        float(given[2]) if len(given) > 2 else 60.0,
    )
