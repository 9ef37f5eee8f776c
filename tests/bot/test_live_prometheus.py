"""The command against a real Prometheus that holds a recorded incident: investigate, record, doctor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.connectors.prometheus.recorded import CASE, as_scraped, recorded
from tests.connectors.prometheus.servers import missing, start_prometheus
from tests.lab.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif("prometheus" in missing() or "promtool" in missing(), reason="Prometheus is missing"),
]


@dataclass(frozen=True)
class Site:
    """A Prometheus with an incident in it, and where the command keeps its state."""

    url: str
    at: str
    home: Path

    def configured(self, text: str) -> Path:
        path = self.home / "firstcause.yaml"
        path.write_text(text)
        return path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        return subprocess.run(
            [sys.executable, "-m", "bot.commands", *arguments],
            check=False, capture_output=True, text=True, input=stdin or "", timeout=120, cwd=self.home,
            env={**kept, "XDG_STATE_HOME": str(self.home / "state"), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip


@pytest.fixture(scope="module")
def prometheus() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="firstcause-live-", dir="/tmp") as directory:
        root = Path(directory)
        (root / "logs").mkdir()
        supervisor = Supervisor(root / "logs")
        case, _, series = recorded()
        try:
            yield (
                start_prometheus(root / "prometheus", supervisor, as_scraped(series)),
                f"{case.manifest.at:%FT%TZ}",
            )
        finally:
            supervisor.stop_all()


@pytest.fixture
def site(prometheus: tuple[str, str], tmp_path: Path) -> Site:
    return Site(*prometheus, tmp_path)


def proposals(text: str) -> list[tuple[object, ...]]:
    return [
        (p["cause"], p["service"], p["entity"], p["change"], pytest.approx(p["confidence"], abs=1e-9))
        for p in json.loads(text)["proposals"]
    ]


def test_a_live_investigation_is_recorded_and_replays_to_the_identical_proposals(site: Site) -> None:
    site.configured(f"sources:\n  - {{kind: prometheus, url: '{site.url}'}}\n")
    alert = (CASE / "alert.json").read_text()
    live = site.run(
        "record",
        "--alert",
        "-",
        "--at",
        site.at,
        "--out",
        "case",
        "--service",
        "checkout",
        "--json",
        stdin=alert,
    )
    assert live.returncode == 0, live.stderr
    assert "saved as a case" in live.stderr
    assert "a replay sees less" not in live.stderr
    document = json.loads(live.stdout)
    assert document["proposals"][0]["service"] == "checkout"
    assert document["coverage"]["metrics"] == "ok"
    begins = [caveat for caveat in document["caveats"] if "the metrics begin at" in caveat]
    assert len(begins) == 1  # the incident holds twelve minutes, and more than an hour is asked for
    assert document["coverage"]["traces"] == "unavailable: no source of this kind"
    replayed = site.run("investigate", "--case", "case", "--json", "--no-confirm")
    assert proposals(replayed.stdout) == proposals(live.stdout)
    assert json.loads(replayed.stdout)["verdict"] == document["verdict"]
    assert (site.home / "case" / "alert.json").read_text() == alert
    again = site.run("record", "--service", "checkout", "--at", site.at, "--out", "case")
    assert again.returncode == 2
    assert "not overwritten" in again.stderr


def test_doctor_says_what_is_missing_and_services_where_a_name_comes_from(site: Site) -> None:
    site.configured(
        f"sources:\n  - {{kind: prometheus, url: '{site.url}'}}\n"
        "services:\n  checkout: {aliases: [PCHECK1]}\n"
    )
    doctor = site.run("doctor", "--json")
    found = json.loads(doctor.stdout)
    assert doctor.returncode == {"ok": 0, "warning": 1, "failed": 2}[found["state"]]
    assert found["sources"][0]["checks"][0]["state"] == "ok"
    assert all(check["fix"] for check in found["sources"][0]["checks"] if check["state"] != "ok")
    services = json.loads(site.run("services", "--json", "--offline").stdout)["services"]
    assert services["checkout"]["aliases"] == {"values": ["PCHECK1"], "origin": "written: firstcause.yaml"}


class _Proxy(BaseHTTPRequestHandler):
    """Hands the real server's answers on, with a clock that is five minutes behind."""

    target = ""

    def do_GET(self) -> None:
        try:
            with urllib.request.urlopen(self.target + self.path, timeout=20) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:

        return super().date_time_string((timestamp or time.time()) - 300)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


@pytest.fixture
def skewed(prometheus: tuple[str, str]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"target": prometheus[0]}))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_of_two_servers_one_dead_and_one_skewed_the_result_tells_both_and_still_ranks(
    site: Site, skewed: str
) -> None:
    site.configured(
        "sources:\n"
        f"  - {{kind: prometheus, name: skewed, url: '{skewed}'}}\n"
        "  - {kind: prometheus, name: dead, url: 'http://127.0.0.1:9'}\n"
    )
    done = site.run(
        "investigate",
        "--service",
        "checkout",
        "--since",
        "3m",
        "--at",
        site.at,
        "--json",
        "--about",
        "p99 latency is high",
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["proposals"][0]["service"] == "checkout"
    assert document["coverage"]["metrics"].startswith("partly: prometheus/dead: ")
    assert any(
        "clock is 300 s behind" in caveat or "clock is 301 s behind" in caveat
        for caveat in document["caveats"]
    )
    doctor = site.run("doctor")
    assert doctor.returncode == 2
    assert "prometheus/dead" in doctor.stdout
