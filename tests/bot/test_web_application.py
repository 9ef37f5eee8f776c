"""What the application does for every endpoint: whom it hears, limits, patience, health, answers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.errors import BadInputError
from bot.hearing import Meaning
from bot.serve_fields import AlertmanagerFields, PagerDutyFields, ServeFields
from bot.web.application import application
from bot.web.bodies import RefusedError, Room, body_of, refusal
from bot.web.measures import Measures
from bot.web.punctual import PunctualProtocol
from bot.web.shelter import Shelter
from tests.bot import webapp
from tests.bot.webapp import TOKEN, Web, outcomes
from tests.doubles.serving import serving

BEARER = {"Authorization": f"Bearer {TOKEN}"}
INCIDENT = {"title": "checkout is slow", "service": "checkout", "labels": {"metric": "latency_seconds"}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, httpx.Client]]:
    path = tmp_path_factory.mktemp("store") / "store.db"
    slack = {"slack": lambda: ""}
    with webapp.made(path, ready=slack) as web, webapp.spoken_to(web) as client:
        yield web, client


@pytest.fixture
def web(served: tuple[Web, httpx.Client]) -> Web:
    served[0].forget()
    return served[0]


@pytest.fixture
def client(web: Web, served: tuple[Web, httpx.Client]) -> httpx.Client:
    assert web is served[0]
    return served[1]


# --- POST /incidents ----------------------------------------------------------------------------------
def test_an_incident_that_is_told_is_kept_with_its_meaning(web: Web, client: httpx.Client) -> None:
    told = {**INCIDENT, "started_at": "2026-06-01T13:40:00+02:00", "priority": "P1", "text": "p99 is 4 s"}
    answer = client.post("/incidents", json=told, headers=BEARER)
    assert (answer.status_code, answer.json()["new"]) == (202, True)
    [meant] = web.heard()
    assert (meant.meaning, meant.system, meant.ref) == (Meaning.BEGUN, "incident", answer.json()["id"])
    trigger = meant.trigger
    assert (trigger.form, trigger.service, trigger.metric) == ("incident", "checkout", "latency_seconds")
    assert trigger.started_at == datetime(2026, 6, 1, 11, 40, tzinfo=UTC)
    assert (trigger.title, trigger.text, meant.priority) == ("checkout is slow", "p99 is 4 s", "P1")


def test_without_a_key_two_tellings_are_two_incidents_and_with_one_they_are_one(
    web: Web, client: httpx.Client
) -> None:
    for _ in range(2):
        assert client.post("/incidents", json=INCIDENT, headers=BEARER).json()["new"] is True
    keyed = {**BEARER, "Idempotency-Key": "deploy-4711"}
    first, second = (client.post("/incidents", json=INCIDENT, headers=keyed) for _ in range(2))
    assert (first.json()["new"], second.json()["new"]) == (True, False)
    assert first.json()["id"] == second.json()["id"]
    assert (first.status_code, second.status_code) == (202, 202)
    assert len(web.kept()) == 3


def test_a_key_that_stands_for_another_incident_is_refused_and_the_first_stands(
    web: Web, client: httpx.Client
) -> None:
    keyed = {**BEARER, "Idempotency-Key": "k"}
    client.post("/incidents", json=INCIDENT, headers=keyed)
    answer = client.post("/incidents", json={**INCIDENT, "service": "cart"}, headers=keyed)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["error"]
    assert [each.trigger.service for each in web.heard()] == ["checkout"]


@pytest.mark.parametrize(
    ("told", "status", "says"),
    [
        ({}, 422, "title: Field required"),
        ({"title": ""}, 422, "title"),
        ({"title": "x" * 301}, 422, "title"),
        ({"title": "x", "servce": "y"}, 422, "servce: Extra inputs are not permitted"),
        ({"title": "x", "started_at": "yesterday"}, 422, "started_at"),
        ({"title": "x", "started_at": "2026-06-01T12:00:00"}, 422, "started_at"),
        ({"title": "x", "link": "javascript:alert(1)"}, 422, "link"),
        ({"title": "x", "labels": {"a": {"b": "c"}}}, 422, "labels.a"),
        ({"title": "x", "labels": {str(n): "v" for n in range(51)}}, 422, "labels"),
        ([], 422, "the body"),
        ("x" * 70_000, 413, "64 KiB"),
    ],
)
def test_what_is_no_incident_is_refused_in_one_line_that_names_the_field(
    web: Web, client: httpx.Client, told: Any, status: int, says: str
) -> None:
    answer = client.post("/incidents", json=told, headers=BEARER)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert web.kept() == []


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
def test_a_key_that_is_none_is_refused(web: Web, client: httpx.Client, key: str) -> None:
    answer = client.post("/incidents", json=INCIDENT, headers={**BEARER, "Idempotency-Key": key})
    assert answer.status_code == 400
    assert web.kept() == []


def test_no_secret_of_an_incident_or_of_its_key_reaches_the_store(web: Web, client: httpx.Client) -> None:
    told = {
        "title": "login fails, password=hunter2",
        "labels": {"db_password": "tiger5"},
        "text": "a@shop.example",
    }
    headers = {**BEARER, "Idempotency-Key": "ghp_" + "a1B2c3" * 6}
    assert client.post("/incidents", json=told, headers=headers).status_code == 202
    stored = web.everything()
    words = (b"hunter2", b"tiger5", b"a@shop", b"ghp_", TOKEN.encode())
    assert [word for word in words if word in stored] == []


def test_a_stranger_is_told_what_to_send_and_read_no_further(web: Web, client: httpx.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = client.post("/incidents", json=INCIDENT, headers=headers)
        assert answer.status_code == 401
        assert "Authorization: Bearer" in answer.json()["error"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert outcomes(client, "incident") == {"stranger": 3.0}
    assert web.kept() == []


# --- who there are endpoints for ------------------------------------------------------------------------
def _application(web: Web, **given: Any) -> FastAPI:
    return application(ServeFields.model_construct(**given), web.parts)


def test_an_endpoint_that_is_not_configured_is_not_there(web: Web) -> None:
    with serving(_application(web, incidents_token=SecretStr(TOKEN))) as url:
        statuses = [
            httpx.post(f"{url}{path}", json=INCIDENT, headers=BEARER).status_code
            for path in ("/incidents", "/changes", "/webhooks/pagerduty", "/webhooks/alertmanager")
        ]
    assert statuses == [202, 404, 404, 404]


SHORT = SecretStr("short")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "nobody could be heard: set one of serve.changes_token"),
        ({"changes_token": SHORT}, "serve.changes_token: .*16 characters"),
        ({"incidents_token": SHORT}, "serve.incidents_token: .*16 characters"),
        ({"pagerduty": PagerDutyFields.model_construct(secrets=(SHORT,))}, "serve.pagerduty.secrets: .*16"),
        ({"pagerduty": PagerDutyFields.model_construct(secrets=())}, "serve.pagerduty.secrets"),
        ({"alertmanager": AlertmanagerFields.model_construct(token=SHORT)}, "serve.alertmanager: .*16"),
        ({"alertmanager": AlertmanagerFields.model_construct()}, "serve.alertmanager"),
    ],
)
def test_nothing_is_served_to_who_could_guess_a_secret_or_needs_none(
    web: Web, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInputError, match=says):
        _application(web, **given)


# --- answers --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/incidents", 405),
        ("POST", "/incidents/", 404),
        ("PUT", "/webhooks/pagerduty", 405),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/openapi.json", 200),
        ("POST", "/incidents", 401),
    ],
)
def test_every_answer_is_json_and_carries_the_headers_that_make_browsers_careful(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert status < 400 or list(answer.json()) == ["error"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "server" not in answer.headers or "firstcause" not in answer.headers["server"]


def test_readiness_names_what_is_wrong_and_health_says_whether_anything_can_be_kept(
    web: Web, client: httpx.Client, tmp_path: Path
) -> None:
    assert client.get("/readyz").json() == {"ready": True, "wrong": {}}

    def broken() -> str:
        raise RuntimeError("a secret detail")

    checks = {"slack": lambda: "not connected", "worker": broken}
    with webapp.made(tmp_path / "other.db", ready=checks) as other, webapp.spoken_to(other) as said:
        answer = said.get("/readyz")
        assert answer.status_code == 503
        wrong = answer.json()["wrong"]
        assert wrong == {"slack": "not connected", "worker": "the check failed (RuntimeError)"}
        assert said.get("/healthz").status_code == 200
        other._said("DROP TABLE audit_head")
        assert said.get("/readyz").json()["wrong"]["store"] == "nothing can be written"
        assert said.get("/healthz").status_code == 503
        assert "firstcause_store_up 0.0" in said.get("/metrics").text
    del web


def test_metrics_tell_deliveries_answers_jobs_and_the_build_and_no_label_is_a_strangers(
    client: httpx.Client,
) -> None:
    client.post("/incidents", json=INCIDENT, headers=BEARER)
    client.get("/made-up-by-a-stranger")
    text = client.get("/metrics").text
    for line in (
        'firstcause_deliveries_total{kind="incident",outcome="kept"} 1.0',
        'firstcause_ack_seconds_bucket{le="0.1",path="/incidents"}',
        'firstcause_jobs{state="waiting"} 1.0',
        "firstcause_jobs_oldest_seconds",
        'firstcause_build_info{python="',
        "firstcause_store_up 1.0",
    ):
        assert line in text
    assert "stranger" not in text.replace('outcome="stranger"', "")


def test_metrics_are_read_by_prometheus_own_parser(client: httpx.Client) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"firstcause_deliveries", "firstcause_ack_seconds", "firstcause_jobs"} <= names


# --- too much, and too slow -----------------------------------------------------------------------------
def test_beyond_what_can_be_under_way_senders_are_asked_to_come_again_and_health_still_answers() -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)

    async def held(_: Request) -> Response:
        entered.release()
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return JSONResponse({})

    async def alive(_: Request) -> Response:
        return JSONResponse({})

    inner = Starlette(routes=[Route("/held", held), Route("/healthz", alive)])
    measures = Measures("0")
    with serving(Shelter(inner, measures, most=2)) as url:
        waiting = [
            threading.Thread(target=httpx.get, args=(f"{url}/held",), kwargs={"timeout": 30})
            for _ in range(2)
        ]
        for each in waiting:
            each.start()
        assert all(entered.acquire(timeout=20) for _ in waiting)
        refused = httpx.get(f"{url}/held")
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert "send it again" in refused.json()["error"]
        assert httpx.get(f"{url}/healthz").status_code == 200
        gate.set()
        for each in waiting:
            each.join(20)
        assert httpx.get(f"{url}/held").status_code == 200
    assert b"firstcause_turned_away_total 1.0" in measures.exposition(None)


def _talk(url: str, *parts: bytes, pause: float = 0.05) -> bytes:
    """What the server says to bytes that come one by one, until it ends the connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break  # the server had enough
            time.sleep(pause)
        said = b""
        try:
            while more := connection.recv(65_536):
                said += more
        except ConnectionError:
            pass
        return said


def test_a_body_that_comes_a_byte_at_a_time_is_given_up() -> None:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse({"bytes": len(await body_of(request, 100, seconds=0.2))})
        except RefusedError as error:
            return refusal(error)

    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
    with serving(Starlette(routes=[Route("/", endpoint, methods=["POST"])])) as url:
        said = _talk(url, head, *[b"x"] * 20)
        assert httpx.post(url, content=b"x" * 50).json() == {"bytes": 50}
    assert b" 408 " in said.splitlines()[0]
    assert b"connection: close" in said.lower()


def test_of_bodies_under_way_no_more_is_held_than_there_is_room_for() -> None:
    room = Room(100)

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse({"bytes": len(await body_of(request, 80, room=room))})
        except RefusedError as error:
            return refusal(error)

    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70\r\n\r\n"
    with serving(Starlette(routes=[Route("/", endpoint, methods=["POST"])])) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as half:
            half.sendall(head + b"x" * 60)
            refused = httpx.post(url, content=b"y" * 60)
            while refused.status_code == 200:  # the first half was not read yet
                refused = httpx.post(url, content=b"y" * 60)
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) >= 1
            half.sendall(b"x" * 10)
            assert b" 200 " in half.recv(1_000)
        assert httpx.post(url, content=b"y" * 60).json() == {"bytes": 60}


class _Hurried(PunctualProtocol):
    head_seconds = 0.4


def _answered(url: str) -> int:
    """The status of an answer; a busy machine may be too slow for so hurried a server."""
    for _ in range(20):
        try:
            return httpx.get(f"{url}/healthz").status_code
        except httpx.TransportError:
            continue
    return 0


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"G", b"E", b"T"],
        [b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *[b"X-A: b\r\n"] * 20],
        [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /h", b"ealt", b"hz", *[b"z"] * 20],
    ],
)
def test_a_head_that_does_not_come_to_its_end_holds_no_connection(web: Web, parts: list[bytes]) -> None:
    with serving(web.app, http=_Hurried) as url:
        said = _talk(url, *parts)
        assert _answered(url) == 200
    assert said.count(b"HTTP/1.1 200") == len([each for each in parts if each.endswith(b"\r\n\r\n")])


def test_a_hundred_connections_that_say_nothing_keep_nobody_out(web: Web) -> None:
    with serving(web.app, http=_Hurried) as url:
        host, port = url.removeprefix("http://").split(":")
        silent = [socket.create_connection((host, int(port)), timeout=20) for _ in range(100)]
        assert _answered(url) == 200
        assert [each.recv(1) for each in silent] == [b""] * 100
        for each in silent:
            each.close()


def test_a_request_that_takes_longer_than_its_head_may_is_answered() -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.8)
        return JSONResponse({})

    with serving(Starlette(routes=[Route("/healthz", slow)]), http=_Hurried) as url:
        assert _answered(url) == 200


def test_nesting_beyond_what_is_read_is_cut_and_beyond_what_can_be_parsed_refused(
    web: Web, client: httpx.Client
) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    group = {"groupKey": "g", "status": "firting", "alerts": [{"labels": {"service": "checkout"}, "x": deep}]}
    assert client.post("/webhooks/alertmanager", json=group, headers=BEARER).status_code == 202
    assert "[nested too deep]" in json.dumps(web.kept()[0].body)
    bottomless = b'{"groupKey": "g", "alerts": ' + b"[" * 100_000
    assert client.post("/webhooks/alertmanager", content=bottomless, headers=BEARER).status_code == 400
