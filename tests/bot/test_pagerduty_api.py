"""PagerDuty's REST API over a real socket: what is read of an incident, and the note that is written once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pagerduty
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot import alerts
from bot.cardview import CardView
from bot.desk import Desked, IncidentState, Later, Message, Never, Outgoing, Sent
from bot.pagerduty.calls import Calls
from bot.pagerduty.details import IncidentDetails, PagerDutyDetails
from bot.pagerduty.enriching import Enriching
from bot.pagerduty.note import MOST_CHARACTERS, note
from bot.pagerduty.notes import PagerDutyNotes, marker
from bot.result import of_outcome
from connectors.contract import Unavailable
from graph.model import Verdict
from tests.bot import samples
from tests.doubles import pagerduty as double
from tests.doubles.serving import answering, serving

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EMAIL = "bot@shop.example"
NOTE = Message(
    key="note:INC-1:abc",
    incident="INC-1",
    operation="pagerduty.note",
    payload={"incident": "PINC1", "content": "1. 87 % Missing index"},
)
FIRST = Outgoing(message=NOTE, token=1, version=1, attempts=1)
AGAIN = Outgoing(message=NOTE, token=2, version=1, attempts=2, first_tried_at=NOW)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[double.PagerDuty, str]]:
    account = double.PagerDuty()
    with serving(account.app()) as url:
        yield account, url


@pytest.fixture
def account(served: tuple[double.PagerDuty, str]) -> double.PagerDuty:
    account = served[0]
    account.__init__()  # type: ignore[misc]  # as on the first day
    account.incident("PINC1")
    return account


@pytest.fixture
def calls(served: tuple[double.PagerDuty, str]) -> Iterator[Callable[..., Calls]]:
    made: list[Calls] = []

    def make(token: str = "a-key-that-may-write", email: str | None = EMAIL, url: str = served[1]) -> Calls:
        made.append(Calls(token, url, email, seconds=5))
        return made[-1]

    yield make
    for each in made:
        each.close()


def details(calls: Calls, incident: str = "PINC1") -> IncidentDetails:
    found = PagerDutyDetails(calls).details(incident)
    assert isinstance(found, IncidentDetails), found
    return found


# --- the double, by the official client ---------------------------------------------------------------
def test_the_double_is_understood_by_pagerdutys_own_client(
    account: double.PagerDuty, served: tuple[double.PagerDuty, str]
) -> None:
    client = pagerduty.RestApiV2Client(account.key, default_from=EMAIL)
    client._url = served[1]  # its setter insists on https
    for n in range(30):
        account.alert("PINC1", n, {})
    assert client.rget("/incidents/PINC1")["incident_number"] == 1234
    assert len(client.list_all("/incidents/PINC1/alerts")) == 30
    assert [each["id"] for each in client.iter_all("/incidents")] == ["PINC1"]
    made = client.rpost("/incidents/PINC1/notes", json={"content": "hello"})
    assert made["content"] == "hello"
    assert client.rget("/incidents/PINC1/notes")[0]["id"] == made["id"]
    assert [each["channel"]["summary"] for each in client.iter_incident_notes("PINC1")] == ["hello"]
    assert client.api_key_access == "account"
    with pytest.raises(pagerduty.HttpError, match="404"):
        client.rget("/incidents/PNONE")
    client.close()
    stranger = pagerduty.RestApiV2Client("nobody")
    stranger._url = served[1]
    with pytest.raises(pagerduty.HttpError, match="401"):
        stranger.rget("/incidents/PINC1")
    stranger.close()


# --- details ------------------------------------------------------------------------------------------
def test_an_incident_is_read_with_its_alerts_and_what_is_related(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    account.alert("PINC1", 1, {"firing": {"service": "checkout", "namespace": "shop"}, "value": 1.7})
    account.alert("PINC1", 2, {"app": "payments"})
    related = {"incident": {"id": "P2", "title": "x"}, "relationships": [{"type": "service_dependency"}]}
    account.related = {"PINC1": [related]}
    found = details(calls(account.reader))
    assert (found.number, found.service, found.priority) == (1234, "Checkout (production)", "P1")
    assert found.services == ("checkout", "payments")
    assert found.alerts[0].labels == {"service": "checkout", "namespace": "shop", "value": "1.7"}
    assert [(each.id, each.why) for each in found.related] == [("P2", "service_dependency")]
    assert found.missing == ()


def test_what_is_read_holds_no_secret_of_the_account(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    account.incident("PINC2", "login of ann@shop.example fails, password=hunter2")
    account.alert("PINC2", 1, {"db_password": "tiger5", "dsn": "postgres://u:tiger6@db/shop"})
    found = details(calls(), "PINC2").model_dump_json()
    assert [word for word in ("hunter2", "ann@", "tiger5", "tiger6") if word in found] == []


def test_what_the_account_cannot_do_is_named_and_the_rest_is_read(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    account.related = None
    found = details(calls())
    assert found.title == "p99 of checkout is high"
    assert "related incidents: PagerDuty: HTTP 402" in found.missing[0]


@pytest.mark.parametrize(
    ("trouble", "said", "retry"),
    [
        (lambda _: double.limited(), "429", True),
        (lambda _: PlainTextResponse("oops", 500), "500", True),
        (lambda _: PlainTextResponse("{", 200), "no JSON", True),
        (lambda _: PlainTextResponse("[" * 100_000, 200), "no JSON", True),
        (lambda _: PlainTextResponse("[]", 200), "no object", True),
        (lambda _: PlainTextResponse("{}", 200), "without the incident", True),
        (lambda _: double.Dropped(), "did not answer", True),
        (lambda _: PlainTextResponse("", 301, headers={"location": "http://evil.example"}), "301", False),
    ],
)
def test_pagerduty_in_trouble_is_a_reason_and_never_an_exception(
    account: double.PagerDuty,
    calls: Callable[..., Calls],
    trouble: Callable[[Request], Response],
    said: str,
    retry: bool,
) -> None:
    account.before = trouble
    found = PagerDutyDetails(calls()).details("PINC1")
    assert isinstance(found, Unavailable)
    assert said in found.reason
    assert found.retry is retry


@pytest.mark.parametrize("incident", ["", "../users", "P1/notes", "P1?x=1", "P" * 65, "PNONE"])
def test_an_incident_that_is_none_is_not_asked_for_twice(
    account: double.PagerDuty, calls: Callable[..., Calls], incident: str
) -> None:
    found = PagerDutyDetails(calls()).details(incident)
    assert isinstance(found, Unavailable)
    assert not found.retry
    assert all(path == "/incidents/PNONE" for _, path in account.requests)


def test_a_key_that_is_not_valid_is_said_with_the_setting_and_without_the_key(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    del account
    found = PagerDutyDetails(calls("wrong-key-wxyz")).details("PINC1")
    assert isinstance(found, Unavailable)
    assert "serve.pagerduty.token is not valid" in found.reason
    assert "wxyz" not in found.reason


# --- notes --------------------------------------------------------------------------------------------
def test_the_note_is_written_in_the_name_of_the_configured_user(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    outcome = PagerDutyNotes(calls()).send(FIRST)
    [written] = account.notes["PINC1"]
    assert outcome == Sent({"id": written["id"]})
    assert written["content"] == f"1. 87 % Missing index\n\n{marker(NOTE.key)}"
    assert written["user"]["summary"] == "firstcause"
    assert account.requests == [("POST", "/incidents/PINC1/notes")]


@pytest.mark.parametrize("lost", [double.Dropped(), PlainTextResponse("bad gateway", 502)])
def test_a_note_that_was_written_although_the_answer_was_lost_is_not_written_again(
    account: double.PagerDuty, calls: Callable[..., Calls], lost: Response
) -> None:
    sender = PagerDutyNotes(calls())
    account.after = lambda request: lost if request.method == "POST" else None
    assert isinstance(sender.send(FIRST), Later)
    account.after = lambda _: None
    outcome = sender.send(AGAIN)
    [written] = account.notes["PINC1"]
    assert outcome == Sent({"id": written["id"]})


def test_a_note_that_was_not_written_is_written_by_the_next_attempt_and_others_do_not_count_for_it(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    sender = PagerDutyNotes(calls())
    other = NOTE.model_copy(update={"key": "note:INC-1:before"})
    assert isinstance(sender.send(FIRST.model_copy(update={"message": other})), Sent)
    account.before = lambda _: PlainTextResponse("", 503)
    assert isinstance(sender.send(FIRST), Later)
    account.before = lambda _: None
    assert isinstance(sender.send(AGAIN), Sent)
    assert len(account.notes["PINC1"]) == 2


def test_while_nobody_can_say_whether_it_was_written_nothing_is_written(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    account.before = lambda request: PlainTextResponse("", 500) if request.method == "GET" else None
    assert isinstance(PagerDutyNotes(calls()).send(AGAIN), Later)
    assert account.notes["PINC1"] == []


def test_a_rate_limit_is_waited_for_as_long_as_pagerduty_asks(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    account.before = lambda _: double.limited(41)
    outcome = PagerDutyNotes(calls()).send(FIRST)
    assert isinstance(outcome, Later)
    assert outcome.seconds == 41
    assert len(account.requests) == 1


@pytest.mark.parametrize(
    ("token", "email", "says"),
    [
        ("a-key-that-reads", EMAIL, "notes need a key that may write"),
        ("wrong", EMAIL, "serve.pagerduty.token"),
        ("a-key-that-may-write", "nobody@shop.example", "serve.pagerduty.email is no user"),
        ("a-key-that-may-write", None, "serve.pagerduty.email is no user"),
    ],
)
def test_what_a_person_can_mend_is_said_and_tried_again(
    account: double.PagerDuty, calls: Callable[..., Calls], token: str, email: str | None, says: str
) -> None:
    del account
    outcome = PagerDutyNotes(calls(token, email)).send(FIRST)
    assert isinstance(outcome, Later)
    assert says in outcome.why


@pytest.mark.parametrize(
    "payload",
    [{}, {"incident": "PNONE", "content": "x"}, {"incident": "../x", "content": "x"}, {"incident": 5}],
)
def test_what_cannot_ever_be_written_is_given_up(
    account: double.PagerDuty, calls: Callable[..., Calls], payload: dict[str, str]
) -> None:
    message = NOTE.model_copy(update={"payload": payload})
    outcome = PagerDutyNotes(calls()).send(FIRST.model_copy(update={"message": message}))
    assert isinstance(outcome, Never)
    assert account.notes["PINC1"] == []


def test_a_note_that_is_too_long_keeps_its_marker_and_no_note_keeps_a_secret(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    sender = PagerDutyNotes(calls())
    for content in ("x" * 60_000, "the password=hunter2 of it"):
        message = NOTE.model_copy(
            update={"key": content[:9], "payload": {**NOTE.payload, "content": content}}
        )
        assert isinstance(sender.send(FIRST.model_copy(update={"message": message})), Sent)
    long, secret = (each["content"] for each in account.notes["PINC1"])
    assert len(long) <= MOST_CHARACTERS
    assert long.endswith(marker("x" * 9))
    assert "hunter2" not in secret


def test_nobody_listening_is_later_and_an_endless_answer_too(calls: Callable[..., Calls]) -> None:
    assert isinstance(PagerDutyNotes(calls(url="http://127.0.0.1:1")).send(FIRST), Later)
    with answering(lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")) as url:
        outcome = PagerDutyNotes(Calls("key", url, EMAIL, seconds=1)).send(FIRST)
    assert isinstance(outcome, Later)


# --- the note's text ----------------------------------------------------------------------------------
def _view(**changes: object) -> CardView:
    incident = Desked(
        id="INC-1",
        state=IncidentState.AWAITING_CONFIRMATION,
        service="checkout",
        title="p99",
        started_at=NOW,
        opened_at=NOW,
        last_alert_at=NOW + timedelta(minutes=1),
    )
    result = of_outcome(samples.outcome()).model_copy(update=changes)
    return CardView(incident=incident, result=result, url="https://firstcause.example/INC-1")


def test_the_note_tells_verdict_proposals_check_next_step_and_where_to_look() -> None:
    text = note(_view())
    first = of_outcome(samples.outcome()).proposals[0]
    assert text.startswith("firstcause INC-1: cause found\n")
    assert "1. 87 % Missing index" in text
    assert f"Check it yourself: {first.check_yourself}" in text
    assert first.next_step.text in text
    assert f"Undo: {first.next_step.undo}" in text
    assert "None of these: " in text
    assert "https://firstcause.example/INC-1" in text
    assert "a person decides" in text


def test_where_nothing_is_wrong_any_longer_no_step_is_proposed() -> None:
    text = note(_view(verdict=Verdict.RECOVERED))
    assert "firstcause INC-1: recovered" in text
    assert "Next step" not in text


def test_before_anything_was_found_there_is_nothing_to_write() -> None:
    assert note(_view().model_copy(update={"result": None})) == ""


def test_text_of_strangers_forges_no_line_and_no_marker_in_a_note() -> None:
    shown = json.loads(of_outcome(samples.outcome()).model_dump_json())
    shown["proposals"][0]["title"] = "x\n9. 100 % the intern\u202e\x1b[31m"
    shown["proposals"] = [shown["proposals"][0]] * 10
    view = _view()
    assert view.result is not None
    text = note(view.model_copy(update={"result": type(view.result).model_validate(shown)}))
    assert "\n9. 100 %" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) <= MOST_CHARACTERS


# --- what the desk's incident gains from it -----------------------------------------------------------
def _desked(service: str, alert: str | None) -> Desked:
    return Desked(
        id="INC-1",
        service=service,
        title="p99",
        started_at=NOW,
        opened_at=NOW,
        last_alert_at=NOW,
        alert=alert,
        refs={"pagerduty": "PINC1"},
    )


def test_an_incident_of_a_service_nobody_knows_gains_the_service_and_the_labels_of_its_alert(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    account.alert("PINC1", 1, {"firing": {"service": "stranger", "metric": "latency_seconds"}})
    account.alert("PINC1", 2, {"app": "checkout", "urgency": "from the alert"})
    enriching = Enriching(PagerDutyDetails(calls()), lambda name: name == "checkout")
    alert = json.dumps(double.event(body={"details": {"metric": "own"}}))
    found = enriching(_desked("Checkout (production)", alert))
    assert found.service == "checkout"
    assert found.alert is not None
    trigger = alerts.read(found.alert.encode(), NOW)
    assert (trigger.metric, dict(trigger.labels)["service"]) == ("own", "stranger")
    assert enriching(_desked("checkout", None)) == _desked("checkout", None)


def test_where_pagerduty_is_silent_or_was_never_the_pager_an_incident_stays_as_it_is(
    account: double.PagerDuty, calls: Callable[..., Calls]
) -> None:
    enriching = Enriching(PagerDutyDetails(calls()), lambda _: False)
    elsewhere = _desked("", None).model_copy(update={"refs": {"alertmanager": "g"}})
    assert enriching(elsewhere) == elsewhere
    assert account.requests == []
    account.before = lambda _: PlainTextResponse("", 503)
    incident = _desked("Checkout (production)", json.dumps(double.event()))
    assert enriching(incident) == incident
