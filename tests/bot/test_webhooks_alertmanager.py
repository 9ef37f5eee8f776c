"""POST /webhooks/alertmanager: said by hand, and delivered by a real Alertmanager."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bot.hearing import Meaning
from bot.web.alertmanager import MOST_ALERTS
from tests.bot import webapp
from tests.bot.webapp import PASSWORD, TOKEN, Web, outcomes
from tests.lab.programs import find, require
from tests.lab.supervisor import Supervisor, answers, free_port, wait_until

PATH = "/webhooks/alertmanager"
DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
BEARER = f"Bearer {TOKEN}"


def alert(n: int = 1, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "LatencyHigh", "service": "checkout", "severity": "page", **labels},
        "annotations": {"summary": f"p99 is {n} s"},
        "startsAt": f"2026-06-01T11:{n % 60:02}:00Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-06-01T11:59:00Z",
        "generatorURL": "http://prometheus.shop.example/graph",
        "fingerprint": f"{n:016x}",
    }


def notification(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    listed = list(alerts or (alert(),))
    return {
        "version": "4",
        "groupKey": '{}:{alertname="LatencyHigh"}',
        "truncatedAlerts": 0,
        "status": "firing" if any(each["status"] == "firing" for each in listed) else "resolved",
        "receiver": "firstcause",
        "groupLabels": {"alertname": "LatencyHigh"},
        "commonLabels": {"alertname": "LatencyHigh", "severity": "page"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.shop.example",
        "alerts": listed,
        **changes,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, httpx.Client]]:
    path = tmp_path_factory.mktemp("store") / "store.db"
    with webapp.made(path) as web, webapp.spoken_to(web) as client:
        yield web, client


@pytest.fixture
def web(served: tuple[Web, httpx.Client]) -> Web:
    served[0].forget()
    return served[0]


@pytest.fixture
def client(web: Web, served: tuple[Web, httpx.Client]) -> httpx.Client:
    assert web is served[0]
    return served[1]


def post(client: httpx.Client, told: Any, authorization: str | None = BEARER) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.post(PATH, content=json.dumps(told), headers=headers)


def _basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize("authorization", [BEARER, f"bearer  {TOKEN}", _basic(f"am:{PASSWORD}")])
def test_a_group_that_fires_is_kept_under_its_key(web: Web, client: httpx.Client, authorization: str) -> None:
    answer = post(client, notification(alert(1), alert(2, service="cart")), authorization)
    assert (answer.status_code, answer.json()["new"]) == (202, True)
    [meant] = web.heard()
    assert (meant.meaning, meant.ref) == (Meaning.BEGUN, '{}:{alertname="LatencyHigh"}')
    assert (meant.services, meant.count, meant.priority) == (("checkout", "cart"), 2, "page")
    assert meant.trigger.started_at == datetime(2026, 6, 1, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        TOKEN,
        "Bearer",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        _basic(f"am:{TOKEN}"),
        _basic(f"other:{PASSWORD}"),
        _basic(PASSWORD),
        "Basic !!!",
        _basic("am:"),
    ],
)
def test_who_is_not_known_is_not_heard_and_told_how_to_be(
    web: Web, client: httpx.Client, authorization: str | None
) -> None:
    answer = post(client, notification(), authorization)
    assert answer.status_code == 401
    assert "http_config.authorization" in answer.json()["error"]
    assert "WWW-Authenticate" in answer.headers
    assert web.kept() == []


def test_the_same_alerts_in_the_same_state_are_one_delivery_whatever_else_changed(
    web: Web, client: httpx.Client
) -> None:
    first = notification(alert(1), alert(2))
    again = notification(alert(2), alert(1), externalURL="http://another-of-the-cluster")
    again["alerts"][0]["annotations"] = {"summary": "p99 is 9 s"}
    assert [post(client, each).json()["new"] for each in (first, again, first)] == [True, False, False]
    assert len(web.kept()) == 1


@pytest.mark.parametrize(
    "other",
    [
        notification(alert(1), alert(2)),
        notification(alert(1, "resolved")),
        notification(alert(1), groupKey="{}:{}"),
        notification({**alert(1), "startsAt": "2026-06-01T11:30:00Z"}),
    ],
)
def test_an_alert_more_an_end_a_new_beginning_or_another_group_is_another_delivery(
    web: Web, client: httpx.Client, other: dict[str, Any]
) -> None:
    assert post(client, notification(alert(1))).json()["new"] is True
    assert post(client, other).json()["new"] is True
    assert len(web.kept()) == 2


def test_what_has_ended_means_the_end(web: Web, client: httpx.Client) -> None:
    post(client, notification(alert(1, "resolved")))
    [meant] = web.heard()
    assert meant.meaning is Meaning.ENDED
    assert meant.trigger.resolved_at == datetime(2026, 6, 1, 11, 59, tzinfo=UTC)


def test_of_a_flood_in_one_group_what_still_fires_is_kept_and_the_rest_counted(
    web: Web, client: httpx.Client
) -> None:
    flood = [alert(n, "resolved" if n < 900 else "firing", pod=f"p{n}") for n in range(1_000)]
    assert post(client, notification(*flood, truncatedAlerts=7)).status_code == 202
    [meant] = web.heard()
    assert (meant.count, meant.truncated) == (MOST_ALERTS, 907)
    kept = web.kept()[0].body["alerts"]
    assert isinstance(kept, list)
    assert all(isinstance(each, dict) and each["status"] == "firing" for each in kept)


def test_no_secret_of_an_alert_reaches_the_store(web: Web, client: httpx.Client) -> None:
    told = alert(1, db_password="hunter2", token="tiger5")
    told["annotations"] = {"description": "postgres://u:tiger6@db/shop, ask ann@shop.example"}
    post(client, notification(told, groupKey='{}:{token="tiger7"}'))
    assert len(web.kept()) == 1
    stored = web.everything()
    words = (b"hunter2", b"tiger5", b"tiger6", b"tiger7", b"ann@", TOKEN.encode())
    assert [word for word in words if word in stored] == []


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"7",
            b"{}",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"groupKey": "x"}',
            b'{"alerts": [{}]}',
        ),
        json.dumps(notification(alerts=[])).encode(),
        json.dumps(notification(alerts=[3])).encode(),
        json.dumps(notification(groupKey=5)).encode(),
    ],
)
def test_what_is_no_notification_is_refused_in_a_line_that_says_what_to_send(
    web: Web, client: httpx.Client, body: bytes
) -> None:
    answer = client.post(PATH, content=body, headers={"Authorization": BEARER, "Content-Type": "text/x"})
    assert answer.status_code == 400
    assert "Alertmanager's webhook, version 4" in answer.json()["error"]
    assert web.kept() == []


# --- a real Alertmanager --------------------------------------------------------------------------------
class Alertmanager:
    """A running Alertmanager whose receiver is the application."""

    def __init__(self, url: str, supervisor: Supervisor, root: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        path = root / "alertmanager.yml"
        path.write_text(yaml.safe_dump(self._configuration(url)))
        running = supervisor.start(
            "alertmanager",
            [
                require("alertmanager"),
                f"--config.file={path}",
                f"--storage.path={root / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
        )
        wait_until(lambda: answers(f"{self.url}/-/ready"), "Alertmanager", 30, running)

    def _configuration(self, url: str) -> dict[str, Any]:
        route = {"receiver": "firstcause", "group_by": ["alertname"], "group_wait": "0s"}
        credentials = {"authorization": {"type": "Bearer", "credentials": TOKEN}}
        webhook = {"url": f"{url}{PATH}", "send_resolved": True, "http_config": credentials}
        return {
            "route": {**route, "group_interval": "1s", "repeat_interval": "1s"},
            "receivers": [{"name": "firstcause", "webhook_configs": [webhook]}],
        }

    def says(self, *, resolved: bool = False) -> None:
        now = datetime.now(UTC)
        alert = {
            "labels": {"alertname": "LatencyHigh", "service": "checkout", "namespace": "shop"},
            "annotations": {"summary": "p99 above 800 ms"},
            "startsAt": (now - timedelta(minutes=5)).isoformat() if not resolved else None,
            "endsAt": now.isoformat() if resolved else None,
        }
        body = [{key: value for key, value in alert.items() if value is not None}]
        httpx.post(f"{self.url}/api/v2/alerts", json=body).raise_for_status()


@pytest.fixture
def alertmanager(client: httpx.Client, tmp_path: Path) -> Iterator[Alertmanager]:
    if find("alertmanager") is None:
        pytest.skip("alertmanager is not installed: sh tests/live/install-servers.sh")
    supervisor = Supervisor(tmp_path)
    try:
        yield Alertmanager(str(client.base_url).rstrip("/"), supervisor, tmp_path)
    finally:
        supervisor.stop_all()


def until(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, what, 60)


@pytest.mark.live
def test_a_real_alertmanager_is_asked_to_come_again_repeats_itself_and_ends_in_two_deliveries(
    web: Web, client: httpx.Client, alertmanager: Alertmanager
) -> None:
    with ExitStack() as away:
        away.enter_context(web.store_away())
        alertmanager.says()
        until(lambda: outcomes(client, "alertmanager").get("unavailable", 0) >= 1, "a first attempt")
    until(lambda: len(web.kept()) == 1, "the alert, sent again")
    until(lambda: outcomes(client, "alertmanager").get("repeated", 0) >= 1, "a repetition")
    alertmanager.says(resolved=True)
    until(lambda: len(web.kept()) == 2, "the end")
    assert {each.meaning for each in web.heard()} == {Meaning.BEGUN, Meaning.ENDED}
    assert {(each.trigger.service, each.ref) for each in web.heard()} == {
        ("checkout", '{}:{alertname="LatencyHigh"}')
    }


@pytest.mark.live
@pytest.mark.skipif(find("amtool") is None, reason="amtool is not installed")
def test_the_documented_snippet_is_a_configuration_that_alertmanager_takes(tmp_path: Path) -> None:
    snippets = [part.split("```", 1)[0] for part in DOCS.read_text().split("```yaml\n")[1:]]
    [snippet] = [each for each in snippets if "webhook_configs" in each]
    (tmp_path / "alertmanager.yml").write_text(snippet)
    done = subprocess.run(
        [require("amtool"), "check-config", str(tmp_path / "alertmanager.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    webhook = yaml.safe_load(snippet)["receivers"][-1]["webhook_configs"][0]
    assert webhook["url"].endswith(PATH)
