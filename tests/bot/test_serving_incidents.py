"""`firstcause serve` end to end over real sockets: an alert becomes a card with a cause, whatever fails."""

from __future__ import annotations

import json
import resource
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from starlette.requests import Request
from starlette.responses import Response

from bot.desk import Desked, IncidentState
from bot.store import Store
from bot.store.desk import StoredDesk
from tests.bot.served import TOKEN, Held, Metrics, Serve, notification, serving, start_metrics, until
from tests.connectors.prometheus.servers import missing
from tests.doubles.pagerduty import PagerDuty, event, signature
from tests.doubles.serving import serving as served
from tests.doubles.slack import Slack, slack
from tests.doubles.slack_people import buttons_of
from tests.doubles.slack_world import Posted
from tests.lab.programs import find
from tests.lab.supervisor import Supervisor, free_port

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif("prometheus" in missing() or "promtool" in missing(), reason="Prometheus is missing"),
]
SIGNING = "a-secret-that-pagerduty-signs-with"
CHANNEL = "C0INC"


@pytest.fixture(scope="module")
def metrics() -> Iterator[Metrics]:
    with tempfile.TemporaryDirectory(prefix="firstcause-serve-", dir="/tmp") as directory:
        root = Path(directory)
        (root / "logs").mkdir()
        supervisor = Supervisor(root / "logs")
        try:
            yield start_metrics(root / "prometheus", supervisor)
        finally:
            supervisor.stop_all()


@pytest.fixture
def workspace() -> Iterator[Slack]:
    with slack() as made:
        yield made


class Pager:
    """PagerDuty: its REST API, and its webhooks, which are sent to the process."""

    def __init__(self, account: PagerDuty, url: str) -> None:
        self.account, self.url = account, url

    def page(self, serve: Serve, incident: str = "PINC1", kind: str = "incident.triggered") -> httpx.Response:
        if incident not in self.account.incidents:
            self.account.incident(incident)
        since = datetime.now(UTC) - timedelta(minutes=3)
        body = json.dumps(event(kind, incident, created_at=f"{since:%Y-%m-%dT%H:%M:%SZ}"))
        return self.sent(serve, body.encode())

    def sent(self, serve: Serve, body: bytes) -> httpx.Response:
        return httpx.post(
            f"{serve.url}/webhooks/pagerduty",
            content=body,
            headers={"X-PagerDuty-Signature": signature(body, SIGNING), "Content-Type": "application/json"},
            timeout=30,
        )

    def notes(self, incident: str = "PINC1") -> list[str]:
        return [each["content"] for each in self.account.notes.get(incident, [])]


@pytest.fixture
def pager() -> Iterator[Pager]:
    account = PagerDuty()
    with served(account.app()) as url:
        yield Pager(account, url)


def configured(home: Path, prometheus: str, workspace: Slack, pager: Pager | None = None) -> Serve:
    told = {
        "sources": [{"kind": "prometheus", "url": prometheus}],
        "serve": {
            "alertmanager": {"token": {"env": "TOKEN"}},
            "slack": {
                "bot_token": {"env": "BOT"},
                "app_token": {"env": "APP"},
                "channel": CHANNEL,
                "api": workspace.api,
            },
            "log": "json",
        },
        "store": "store.db",
    }
    secrets = {"TOKEN": TOKEN, "BOT": workspace.bot_token, "APP": workspace.app_token}
    if pager is not None:
        told["serve"]["pagerduty"] = {  # type: ignore[index]
            "secrets": [{"env": "SIGNING"}],
            "token": {"env": "KEY"},
            "email": "bot@shop.example",
            "notes": True,
            "api": pager.url,
        }
        secrets |= {"SIGNING": SIGNING, "KEY": pager.account.key}
    return Serve(home, yaml.safe_dump(told), secrets)


def cards(workspace: Slack) -> list[Posted]:
    """What the app posted to the channel itself."""
    return [each for each in workspace.in_channel(CHANNEL) if each.user == workspace.bot_user]


def incidents(serve: Serve) -> list[Desked]:
    desk = StoredDesk(serve.home / "store.db")
    try:
        with desk.begin() as within:
            return list(within.incidents.recent(100))
    finally:
        desk.close()


def labels(serve: Serve, incident: Desked) -> list[str]:
    with Store(serve.home / "store.db") as record:
        return [each.decision for each in record.labels(incident.thread)]


def proposed(serve: Serve) -> bool:
    return all(each.state is IncidentState.AWAITING_CONFIRMATION for each in incidents(serve)) and bool(
        incidents(serve)
    )


def final(workspace: Slack) -> bool:
    """Whether the card proposes something, which can be answered."""
    shown = [element.get("action_id") for card in cards(workspace) for element, _ in buttons_of(card)]
    return "confirm" in shown or "nothing_wrong" in shown


# --- the whole way ----------------------------------------------------------------------------------------
@pytest.mark.skipif(find("alertmanager") is None, reason="Alertmanager is missing")
def test_a_real_alertmanager_starts_an_investigation_whose_card_names_the_cause_and_is_confirmed(
    metrics: Metrics, workspace: Slack, tmp_path: Path
) -> None:
    supervisor = Supervisor(tmp_path)
    with serving(configured(tmp_path, metrics.url, workspace)) as serve:
        try:
            notified = _alertmanager(supervisor, tmp_path, serve.url)
            httpx.post(f"{notified}/api/v2/alerts", json=[_firing(metrics)]).raise_for_status()
            until(lambda: proposed(serve))
        finally:
            supervisor.stop_all()
        until(lambda: final(workspace))
        until(lambda: any(each.thread_ts == cards(workspace)[0].ts for each in workspace.by_app()))
        until(lambda: workspace.calls["files.completeUploadExternal"])
        workspace.click(cards(workspace)[0], "confirm", user="U0ANN")
        until(lambda: incidents(serve)[0].state is IncidentState.CLOSED)
        assert labels(serve, incidents(serve)[0]) == ["confirm"]
        assert serve.stop() == 0
    assert len(cards(workspace)) == 1
    assert "xoxb" not in serve.log.read_text()
    assert TOKEN not in serve.log.read_text()


def _alertmanager(supervisor: Supervisor, root: Path, url: str) -> str:
    port = free_port()
    webhook = {
        "url": f"{url}/webhooks/alertmanager",
        "http_config": {"authorization": {"type": "Bearer", "credentials": TOKEN}},
    }
    told = {
        "route": {"receiver": "firstcause", "group_by": ["service"], "group_wait": "0s"},
        "receivers": [{"name": "firstcause", "webhook_configs": [webhook]}],
    }
    (root / "alertmanager.yml").write_text(yaml.safe_dump(told))
    program = find("alertmanager")
    assert program is not None
    supervisor.start(
        "alertmanager",
        [
            str(program),
            f"--config.file={root / 'alertmanager.yml'}",
            f"--storage.path={root / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
    )
    there = f"http://127.0.0.1:{port}"
    until(lambda: _is_up(f"{there}/-/ready"))
    return there


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _firing(metrics: Metrics) -> dict[str, object]:
    return {
        "labels": {"alertname": "LatencyHigh", "service": "checkout"},
        "annotations": {"summary": "p99 latency of checkout above 400 ms"},
        "startsAt": metrics.firing_since.isoformat(),
    }


def test_somebody_types_a_service_and_rules_out_what_they_know_better(
    metrics: Metrics, workspace: Slack, tmp_path: Path
) -> None:
    with serving(configured(tmp_path, metrics.url, workspace)) as serve:
        workspace.command("checkout since 5m p99 latency is high", user="U0ANN")
        until(lambda: final(workspace))
        before = workspace.calls["chat.update"]
        workspace.click(cards(workspace)[0], "rule_out", user="U0BEN")
        until(lambda: incidents(serve)[0].answers)
        until(lambda: workspace.calls["chat.update"] > before and final(workspace))
        workspace.command(f"cancel {incidents(serve)[0].id}", user="U0ANN")
        until(lambda: incidents(serve)[0].state is IncidentState.CANCELLED)
    assert labels(serve, incidents(serve)[0]) == ["rule_out"]
    assert incidents(serve)[0].asked_by == "U0ANN"
    assert len(cards(workspace)) == 1


# --- killed -----------------------------------------------------------------------------------------------
class Moment:
    """When the process is killed: brings it there, and what hung then is let go.

    "kept": its webhook was answered; "asked": a question is open; "said": Slack and PagerDuty did what they
    were told, and it has not heard so.
    """

    def __init__(self, name: str, proxy: Held, workspace: Slack, pager: Pager) -> None:
        self.name, self.proxy, self.workspace, self.pager = name, proxy, workspace, pager
        self.noted, self.free = threading.Event(), threading.Event()

    def before(self) -> None:
        if self.name == "asked":
            self.proxy.hold("query_range")
        elif self.name == "said":
            self.workspace.fail("chat.postMessage", "hang")
            self.pager.account.after = self._held

    def _held(self, request: Request) -> Response | None:
        if request.method == "POST":
            self.noted.set()
            self.free.wait(30)
        return None

    def wait(self) -> None:
        if self.name == "asked":
            assert self.proxy.reached.wait(60)
        elif self.name == "said":
            until(lambda: len(cards(self.workspace)) == 1)
            assert self.noted.wait(60)

    def after(self) -> None:
        self.free.set()
        self.proxy.let_go()


@pytest.mark.parametrize("moment", ["kept", "asked", "said"])
def test_a_process_that_is_killed_leaves_one_card_and_one_note_to_the_next(
    metrics: Metrics, workspace: Slack, pager: Pager, tmp_path: Path, moment: str
) -> None:
    proxy = Held(metrics.url)
    when = Moment(moment, proxy, workspace, pager)
    serve = configured(tmp_path, proxy.url, workspace, pager)
    try:
        with serving(serve):
            when.before()
            assert pager.page(serve).status_code == 202
            when.wait()
            serve.kill()
            when.after()
            serve.start()
            until(lambda: proposed(serve))
            until(lambda: final(workspace) and pager.notes())
            assert pager.page(serve, kind="incident.acknowledged").status_code == 202
            assert serve.stop() == 0
    finally:
        proxy.close()
    assert len(cards(workspace)) == 1
    assert len(pager.notes()) == 1
    assert len(incidents(serve)) == 1


def test_an_answer_is_not_lost_with_the_process_that_acknowledged_it(
    metrics: Metrics, workspace: Slack, tmp_path: Path
) -> None:
    serve = configured(tmp_path, metrics.url, workspace)
    with serving(serve):
        serve.alert(notification(metrics.firing_since))
        until(lambda: final(workspace))
        workspace.click(cards(workspace)[0], "confirm", user="U0BEN")
        serve.kill()
        serve.start()
        until(lambda: incidents(serve)[0].state is IncidentState.CLOSED)
        assert labels(serve, incidents(serve)[0]) == ["confirm"]
        until(lambda: "U0BEN" in json.dumps(cards(workspace)[0].json()))
    assert len(cards(workspace)) == 1


# --- others fail ------------------------------------------------------------------------------------------
def test_a_slack_that_is_away_catches_up_with_the_newest_state_alone(
    metrics: Metrics, workspace: Slack, tmp_path: Path
) -> None:
    with serving(configured(tmp_path, metrics.url, workspace)) as serve:
        with workspace.down():
            serve.alert(notification(metrics.firing_since))
            until(lambda: proposed(serve))
        until(lambda: final(workspace))
    assert len(cards(workspace)) == 1
    assert workspace.calls["chat.update"] <= 2


def test_a_pager_that_sends_the_same_event_over_and_over_has_one_incident_and_one_note(
    metrics: Metrics, workspace: Slack, pager: Pager, tmp_path: Path
) -> None:
    pager.account.incident("PINC1")
    body = json.dumps(event("incident.triggered", "PINC1")).encode()
    with serving(configured(tmp_path, metrics.url, workspace, pager)) as serve:
        for _ in range(40):
            assert pager.sent(serve, body).status_code == 202
        until(lambda: proposed(serve))
        for _ in range(40):
            assert pager.sent(serve, body).status_code == 202
        until(lambda: final(workspace) and pager.notes())
        assert [each.joined for each in incidents(serve)] == [1]
    assert (len(cards(workspace)), len(pager.notes())) == (1, 1)


def test_a_full_disk_is_a_503_and_once_there_is_room_everything_goes_on(
    metrics: Metrics, workspace: Slack, tmp_path: Path
) -> None:
    with serving(configured(tmp_path, metrics.url, workspace)) as serve:
        assert serve.process is not None
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(serve.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited))
        answer = serve.post("/webhooks/alertmanager", notification(metrics.firing_since))
        assert answer.status_code == 503
        assert "again" in answer.json()["error"]
        resource.prlimit(serve.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        until(
            lambda: (
                serve.post("/webhooks/alertmanager", notification(metrics.firing_since)).status_code == 202
            )
        )
        until(lambda: final(workspace))
    assert len(incidents(serve)) == 1


def test_a_process_that_is_stopped_gives_its_investigation_back_and_the_next_ends_it(
    metrics: Metrics, workspace: Slack, tmp_path: Path
) -> None:
    proxy = Held(metrics.url)
    serve = configured(tmp_path, proxy.url, workspace)
    serve.configuration = serve.configuration.replace(
        "  log: json", "  log: json\n  lease: 600s\n  drain: 100ms"
    )
    try:
        with serving(serve):
            proxy.hold("query_range")
            serve.alert(notification(metrics.firing_since))
            assert proxy.reached.wait(60)
            assert serve.stop() == 0
            proxy.let_go()
            serve.start()
            until(lambda: final(workspace))
    finally:
        proxy.close()
    assert len(cards(workspace)) == 1


def test_what_would_be_served_is_told_without_serving_it(workspace: Slack, tmp_path: Path) -> None:
    serve = configured(tmp_path, "http://127.0.0.1:9", workspace)
    told = serve.run("--check")
    assert told.returncode == 0, told.stderr
    assert "POST /webhooks/alertmanager, Slack (Socket Mode)" in told.stdout
    assert f"cards: {CHANNEL}" in told.stdout
    assert "slack: token: ok" in told.stdout
