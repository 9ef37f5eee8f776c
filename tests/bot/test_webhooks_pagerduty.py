"""POST /webhooks/pagerduty: only PagerDuty is heard, nothing it says is lost, and nothing is kept twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bot.desk import JobKind
from bot.hearing import PAGERDUTY_EVENTS, Meaning
from bot.web.credentials import signed
from tests.bot import webapp
from tests.bot.webapp import SECRETS, Web, outcomes
from tests.doubles.pagerduty import Json, Subscription, event, signature

PATH = "/webhooks/pagerduty"


def _with(**changes: object) -> bytes:
    """A body of the same id each time: what tests are called by must not change from process to process."""
    told: Json = event()
    told["event"] |= {"id": "01EVENT", **changes}
    return json.dumps(told).encode()


BODY = _with()


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


@pytest.fixture
def subscription(client: httpx.Client) -> Subscription:
    return Subscription(f"{client.base_url}{PATH}", SECRETS[:1], client)


def post(client: httpx.Client, body: bytes, *secrets: str, **headers: str) -> httpx.Response:
    said = {"X-PagerDuty-Signature": signature(body, *(secrets or SECRETS[:1])), **headers}
    return client.post(PATH, content=body, headers=said)


def test_a_triggered_incident_is_kept_with_its_meaning_before_it_is_answered(
    web: Web, client: httpx.Client
) -> None:
    told = event(incident="PINC7")
    answer = post(client, json.dumps(told).encode())
    key = f"pagerduty:{told['event']['id']}"
    assert (answer.status_code, answer.json()) == (202, {"kept": True, "id": key, "new": True})
    [meant] = web.heard()
    assert (meant.meaning, meant.system, meant.ref) == (Meaning.BEGUN, "pagerduty", "PINC7")
    assert (meant.event, meant.priority) == ("incident.triggered", "P1")
    assert (meant.trigger.service, meant.trigger.title) == ("checkout", "p99 of checkout is high")
    assert meant.link == "https://shop.pagerduty.com/incidents/PINC7"
    lease = web.desk.claim("worker", webapp.NOW, 30)
    assert lease is not None
    assert (lease.job.kind, lease.job.subject) == (JobKind.HANDLE, key)


@pytest.mark.parametrize(
    "secrets", [SECRETS[:1], SECRETS[1:], SECRETS, ("gone-secret-of-before", SECRETS[1])]
)
def test_while_a_secret_is_replaced_either_is_heard(client: httpx.Client, secrets: tuple[str, ...]) -> None:
    assert post(client, BODY, *secrets).status_code == 202


RIGHT = signature(BODY, SECRETS[0])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "v1=",
        "v1",
        RIGHT.upper(),
        RIGHT.removeprefix("v1="),
        RIGHT.replace("v1=", "v0="),
        RIGHT.replace("v1=", "v2="),
        RIGHT[:-1],
        f"{RIGHT}0",
        signature(BODY, "another-secret-altogether"),
        signature(BODY + b" ", SECRETS[0]),
        signature(b"", SECRETS[0]),
        ",".join(["v1=" + "0" * 64] * 25 + [RIGHT]),
        "v1=\xe9\xff" + "0" * 62,
    ],
)
def test_who_does_not_hold_the_secret_is_not_heard(
    web: Web, client: httpx.Client, header: str | None
) -> None:
    headers = {} if header is None else {b"X-PagerDuty-Signature": header.encode("latin-1")}
    answer = client.post(PATH, content=BODY, headers=headers)
    assert answer.status_code == 401
    assert "X-PagerDuty-Signature" in answer.json()["error"]
    assert web.kept() == []
    assert outcomes(client, "pagerduty") == {"stranger": 1.0}


def test_the_signature_of_one_body_does_not_open_the_door_to_another(web: Web, client: httpx.Client) -> None:
    other = json.dumps(event(incident="PEVIL")).encode()
    for body, of in ((other, BODY), (BODY, other), (BODY + b"\n", BODY)):
        headers = {"X-PagerDuty-Signature": signature(of, SECRETS[0])}
        assert client.post(PATH, content=body, headers=headers).status_code == 401
    assert web.kept() == []


def test_signatures_are_compared_in_constant_time_and_every_one_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import hmac

    compared: list[bytes] = []
    real = hmac.compare_digest

    def noted(a: bytes, b: bytes) -> bool:
        compared.append(a)
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    assert signed(BODY, f"{RIGHT},v1=00", SECRETS)
    assert len(compared) == 4


def test_what_is_sent_again_is_kept_once_whatever_its_unsigned_headers_say(
    web: Web, client: httpx.Client
) -> None:
    news = [post(client, BODY, **{"X-Webhook-Id": each}).json()["new"] for each in ("a", "a", "b")]
    assert news == [True, False, False]
    assert len(web.kept()) == 1
    assert outcomes(client, "pagerduty") == {"kept": 1.0, "repeated": 2.0}


def test_an_event_without_an_id_is_told_apart_by_its_webhook_and_then_by_its_body(
    web: Web, client: httpx.Client
) -> None:
    told = event()
    del told["event"]["id"]
    body = json.dumps(told).encode()
    ids = [post(client, body, **{"X-Webhook-Id": each}).json()["id"] for each in ("w-1", "w-1", "../x\x7f")]
    assert ids[:2] == ["pagerduty:w-1"] * 2
    assert len(ids[2]) == len("pagerduty:") + 64
    assert len(web.kept()) == 2


def test_a_hundred_at_once_are_all_kept_and_each_once(web: Web, client: httpx.Client) -> None:
    bodies = [json.dumps(event(incident=f"P{n % 50}") | {}).encode() for n in range(100)]
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda body: post(client, body).status_code, bodies + bodies))
    assert set(statuses) == {202}
    assert len(web.kept()) == 100


# --- what is said -------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", sorted(PAGERDUTY_EVENTS))
def test_every_event_that_is_understood_is_kept_and_means_the_incident(
    web: Web, client: httpx.Client, kind: str
) -> None:
    assert post(client, json.dumps(event(kind, "PINC1")).encode()).json()["kept"] is True
    [meant] = web.heard()
    assert (meant.ref, meant.event) == ("PINC1", kind)
    begun = {"incident.triggered", "incident.reopened", "incident.unacknowledged"}
    ended = kind == "incident.resolved"
    assert meant.meaning is (Meaning.BEGUN if kind in begun else Meaning.ENDED if ended else Meaning.GOES_ON)
    assert (meant.trigger.resolved_at is not None) is ended


def test_a_note_means_the_incident_that_it_is_about(web: Web, client: httpx.Client) -> None:
    told = event("incident.annotated", "PNOTE1", type="incident_note", content="looking into it")
    told["event"]["data"]["incident"] = {"id": "PINC9", "type": "incident_reference"}
    post(client, json.dumps(told).encode())
    assert [each.ref for each in web.heard()] == ["PINC9"]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"event": {"id": "1", "event_type": "pagey.ping", "data": {"message": "Hello"}}}).encode(),
        _with(event_type="service.created"),
        _with(event_type="incident.workflow.started"),
        _with(event_type="incident.of_the_year_2031"),
        _with(event_type=None),
        _with(event_type=["x"]),
        b"{}",
        b"[]",
        b"null",
        b"7",
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"event": []}',
        b'{"messages": [{"event": "incident.trigger"}]}',
    ],
)
def test_what_is_signed_and_of_no_use_is_taken_politely_and_never_a_4xx(
    web: Web, client: httpx.Client, body: bytes
) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.json()["kept"]) == (202, False)
    assert "\n" not in answer.json()["reason"]
    assert web.kept() == []


@pytest.mark.parametrize(
    "data",
    [
        {"title": None},
        {"title": "x\ud83d and \u0000 and \u202e"},
        {"title": 5, "service": "checkout", "priority": []},
        {"created_at": "yesterday", "number": 1e999},
        {"body": {"details": json.loads("[" * 300 + "1" + "]" * 300)}},
        {"body": {"details": {f"k{n}": "v" * 50 for n in range(3_000)}}},
        {"title": "t" * 200_000},
    ],
)
def test_hostile_data_of_a_genuine_event_is_kept_as_something_that_can_be_handled(
    web: Web, client: httpx.Client, data: Json
) -> None:
    assert post(client, json.dumps(event(**data)).encode()).json()["kept"] is True
    [meant] = web.heard()
    assert meant.ref == "PINC1"


def test_no_secret_and_no_address_of_a_payload_reaches_the_store(web: Web, client: httpx.Client) -> None:
    token = "ghp_" + "a1B2c3" * 6
    told = event(
        title=f"login fails with password=hunter2 and {token}",
        assignees=[
            {"id": "PU1", "type": "user_reference", "summary": "Ann Onymous", "email": "ann@shop.example"}
        ],
        body={"details": {"db_password": "tiger5", "curl": "-H 'Authorization: Bearer abcdef.123456789'"}},
    )
    post(client, json.dumps(told).encode())
    assert len(web.kept()) == 1
    stored = web.everything()
    words = (b"hunter2", token.encode(), b"ann@", b"Onymous", b"tiger5", b"abcdef.1234", SECRETS[0].encode())
    assert [word for word in words if word in stored] == []


# --- trouble ------------------------------------------------------------------------------------------
def test_while_the_store_is_away_pagerduty_is_asked_to_come_again_and_nothing_is_lost(
    web: Web, client: httpx.Client, subscription: Subscription
) -> None:
    told = [event(incident=f"P{n}") for n in range(3)]
    with web.store_away():
        assert [subscription.deliver(each) for each in told] == [False] * 3
        assert set(subscription.statuses) == {503}
        refused = post(client, BODY)
        assert int(refused.headers["Retry-After"]) >= 1
        assert "send it again" in refused.json()["error"]
    assert not subscription.disabled
    assert [subscription.deliver(each) for each in told] == [True] * 3
    assert sorted(each.ref for each in web.heard()) == ["P0", "P1", "P2"]


def test_a_store_that_comes_back_between_two_attempts_takes_the_second(
    web: Web, subscription: Subscription
) -> None:
    with ExitStack() as away:
        away.enter_context(web.store_away())
        subscription.pause = away.close
        assert subscription.deliver(event())
    assert subscription.statuses == [503, 202]
    assert len(web.kept()) == 1


def test_a_store_that_hangs_is_not_waited_for_and_the_repetition_is_kept_once(tmp_path: Path) -> None:
    with (
        webapp.made(tmp_path / "store.db", patience_seconds=0.2) as web,
        webapp.spoken_to(web) as client,
    ):
        holder = sqlite3.connect(web.path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert post(client, BODY).status_code == 503
        holder.execute("ROLLBACK")
        holder.close()
        for _ in range(100):
            if post(client, BODY).status_code == 202:
                break
        assert len(web.kept()) == 1


def test_three_refusals_disable_a_subscription_and_genuine_oddities_do_not(
    client: httpx.Client, subscription: Subscription
) -> None:
    for body in ({"event": {"event_type": "new.kind"}}, {}, {"event": None}, {"event": {"id": 5}}):
        assert subscription.deliver(body)
    assert not subscription.disabled
    wrong = Subscription(subscription.url, ("not-the-secret-at-all",), client)
    for _ in range(4):
        wrong.deliver(event())
    assert wrong.disabled
    assert wrong.statuses == [401] * 3


def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(
    web: Web, client: httpx.Client
) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b" " * 4_096

    assert client.post(PATH, content=endless()).status_code == 413
    assert web.kept() == []
