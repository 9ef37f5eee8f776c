"""`firstcause serve` as a process, and what it needs around it: a Prometheus whose incident happens now."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from pydantic import JsonValue

from tests.connectors.prometheus.recorded import as_scraped, recorded
from tests.connectors.prometheus.servers import Series, start_prometheus
from tests.lab.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-sixteen-characters"
SECRETS = {"TOKEN": TOKEN}
CLIENT = httpx.Client(timeout=30, trust_env=False)
"""One for all: making one takes longer than a request."""


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for what is to come true; how long it takes says nothing."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("it never came true")
        time.sleep(0.05)


def happening_now() -> tuple[list[Series], datetime]:
    """The recorded incident's series as if it were now, and since when its alert has been firing."""
    case, _, series = recorded()
    now = datetime.now(UTC).replace(microsecond=0)
    later = (now - case.manifest.at).total_seconds()
    moved: list[Series] = [
        (name, labels, [(at + later, value) for at, value in samples])
        for name, labels, samples in as_scraped(series)
    ]
    return moved, now - timedelta(minutes=3)


@dataclass(frozen=True)
class Metrics:
    """A Prometheus with the incident in it."""

    url: str
    firing_since: datetime


def start_metrics(root: Path, supervisor: Supervisor) -> Metrics:
    """Start it; whoever made the supervisor ends it."""
    series, since = happening_now()
    return Metrics(start_prometheus(root, supervisor, series), since)


def notification(
    since: datetime, service: str = "checkout", status: str = "firing", group: str | None = None
) -> dict[str, JsonValue]:
    """What Alertmanager sends."""
    labels: dict[str, JsonValue] = {"alertname": "LatencyHigh", "service": service, "severity": "page"}
    return {
        "version": "4",
        "status": status,
        "receiver": "firstcause",
        "groupKey": group or f'{{}}:{{service="{service}"}}',
        "truncatedAlerts": 0,
        "groupLabels": {"service": service},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": {"summary": f"p99 latency of {service} above 400 ms"},
                "startsAt": since.isoformat(),
                "endsAt": "0001-01-01T00:00:00Z",
                "fingerprint": "2fcbea69977110d1",
            }
        ],
    }


@dataclass
class Serve:
    """One `firstcause serve`, started, killed and started again as a test wants."""

    home: Path
    configuration: str
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    name: str = "serve"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        return {**kept, **self.secrets, "XDG_STATE_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def command(self, *arguments: str) -> list[str]:
        path = self.home / f"{self.name}.yaml"
        path.write_text(self.configuration)
        return [sys.executable, "-m", "bot.commands", "serve", "--config", str(path), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(self) -> Serve:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("--listen", f"127.0.0.1:{port}"),
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        until(self._ready)
        return self

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return CLIENT.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, path: str, body: JsonValue, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {TOKEN}", **headers}
        return CLIENT.post(f"{self.url}{path}", json=body, headers=sent)

    def alert(self, body: JsonValue) -> None:
        answer = self.post("/webhooks/alertmanager", body)
        assert answer.status_code == 202, answer.text

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def stop(self) -> int:
        """Ask it to end, and wait for its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process = None
        return code


@contextmanager
def serving(serve: Serve) -> Iterator[Serve]:
    try:
        yield serve.start()
    finally:
        serve.kill()


class Held:
    """Stands before a server, and holds the requests whose path has a word in it until it is let go.

    `spans`: when the server was at work.
    """

    def __init__(self, target: str) -> None:
        self.word = ""
        self.reached, self.free = threading.Event(), threading.Event()
        self.spans: list[tuple[float, float]] = []
        held = self

        class Proxy(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                held.pass_on(self, None)

            def do_POST(self) -> None:
                held.pass_on(self, self.rfile.read(int(self.headers.get("Content-Length", "0"))))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                del format, args

        self._target = target
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self, word: str) -> None:
        """From now on."""
        self.word = word
        self.reached.clear()
        self.free.clear()

    def let_go(self) -> None:
        self.word = ""
        self.free.set()

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, request: BaseHTTPRequestHandler, body: bytes | None) -> None:
        if self.word and self.word in request.path:
            self.reached.set()
            self.free.wait(60)
        kept = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        method, began = "GET" if body is None else "POST", time.monotonic()
        answer = CLIENT.request(method, self._target + request.path, content=body, headers=kept)
        self.spans.append((began, time.monotonic()))
        try:
            request.send_response(answer.status_code)
            request.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            request.send_header("Content-Length", str(len(answer.content)))
            request.end_headers()
            request.wfile.write(answer.content)
        except OSError:
            return  # whoever asked was killed
