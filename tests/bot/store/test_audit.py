"""The audit's chain: what it tells, how tampering shows, and what erasing leaves."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from sqlalchemy import select, text

from bot.cli import run
from bot.desk import AuditKind, Delivery, DeliveryKind, Desked, IncidentState, Message, Sent, Transaction
from bot.errors import BadInputError
from bot.store import Store, Where
from bot.store.chain import GENESIS
from bot.store.desk import StoredDesk
from bot.store.erasing import erase_incident
from bot.store.tables import answers, audit_bodies, deliveries, messages
from bot.store.trail import entries, verify
from connectors.contract import Source, Unavailable
from connectors.questions import StatementPlan
from graph.decisions import Label
from graph.record import Seal
from tests.graph.fakes import INCIDENT, reading, toy_weigh

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PERSON = "ann.the.person"
QUESTION = StatementPlan(database="shop", queryid="1")


@pytest.fixture
def desk(where: Where) -> Iterator[StoredDesk]:
    opened = StoredDesk(where)
    yield opened
    opened.close()


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[StoredDesk]:
    opened = StoredDesk(tmp_path / "store.db")
    yield opened
    opened.close()


def clicked(within: Transaction, number: int, incident: str = "INC-1") -> None:
    within.audit.append(AuditKind.CLICK, incident, {"number": number, "by": PERSON}, NOW)


def incident_of(desk: StoredDesk, state: IncidentState = IncidentState.CLOSED) -> Desked:
    """An incident with everything that may be known of one."""
    delivery = Delivery(key="pagerduty:1", kind=DeliveryKind.PAGERDUTY, received_at=NOW, body={"who": PERSON})
    with desk.begin() as within:
        within.inbox.keep(delivery)
        opened = within.incidents.open(
            Desked(
                id="", service="cart", title=PERSON, text=PERSON, alert=PERSON, labels={"who": PERSON},
                asked_by=PERSON, started_at=NOW, opened_at=NOW, last_alert_at=NOW, state=state,
            )
        )  # fmt: skip
        within.audit.append(AuditKind.INCIDENT, opened.id, {"delivery": delivery.key}, NOW)
        card = Message(key="card", incident=opened.id, operation="slack.post", payload={"who": PERSON})
        within.outbox.put(card, NOW)
        clicked(within, 1, opened.id)
    lease = desk.claim("worker", NOW, 30)
    assert lease is not None
    with desk.begin() as within:
        within.jobs.done(lease)
    record = Store(desk.database, now=lambda: NOW)
    record.open(opened.thread, INCIDENT.model_copy(update={"text": PERSON}))
    record.put_answer(opened.thread, QUESTION, Unavailable(Source.DATABASE, f"unknown: {PERSON}"))
    record.put_weighing(opened.thread, toy_weigh(INCIDENT, []))
    record.put_label(opened.thread, Label(decision="something_else", weighing="w1", text=PERSON))
    record.seal(opened.thread, Seal(closed_at=NOW, weighing="w1"))
    outgoing = desk.outgoing(["slack.post"], NOW, 30)
    assert outgoing is not None
    desk.settle(outgoing, Sent({"ts": "1"}), NOW)
    return opened


def test_an_incident_is_told_from_what_came_in_to_what_was_sent(desk: StoredDesk) -> None:
    opened = incident_of(desk)
    told = list(entries(desk.database, opened.id))
    assert [entry["kind"] for entry in told] == [
        "delivery", "incident", "click", "question", "weighing", "message",
    ]  # fmt: skip
    assert [entry["seq"] for entry in told] == list(range(1, 7))
    assert verify(desk.database).broken is None


def test_an_answer_is_told_with_its_query_and_hash_and_once(where: Where) -> None:
    with Store(where) as record:
        record.open("thread", INCIDENT)
        for _ in range(2):
            record.put_answer("thread", QUESTION, reading(QUESTION))
        [entry] = entries(record.database)
        assert entry["incident"] == "thread"
        assert isinstance(entry["body"], dict)
        assert entry["body"]["query"] == reading(QUESTION).query
        assert entry["body"]["sha256"] == reading(QUESTION).sha256


def test_an_empty_chain_holds_and_its_head_is_known(desk: StoredDesk) -> None:
    found = verify(desk.database, GENESIS)
    assert (found.entries, found.head, found.broken) == (0, GENESIS, None)


def test_what_a_transaction_did_not_finish_is_not_told(desk: StoredDesk) -> None:
    def fails() -> None:
        with desk.begin() as within:
            clicked(within, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert list(entries(desk.database)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET kind = 'weighing' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit_bodies SET body = '{}' WHERE seq = 1",
    ],
)
def test_the_database_refuses_to_change_the_past(desk: StoredDesk, statement: str) -> None:
    with desk.begin() as within:
        for number in range(3):
            clicked(within, number)
    with pytest.raises(OSError, match=r"append-only|never changed"), desk.database.writing() as connection:
        connection.execute(text(statement))
    assert verify(desk.database).entries == 3


TAMPERED = {
    "a changed body": ("UPDATE audit_bodies SET body = replace(body, '2', '7') WHERE seq = 3", 3),
    "a changed entry": ("UPDATE audit SET incident = 'INC-2' WHERE seq = 2", 2),
    "a changed entry with a hash made to fit": (
        "UPDATE audit SET incident = 'INC-2', hash = substr(hash, 2) || 'a' WHERE seq = 2",
        2,
    ),
    "a removed entry": (
        "DELETE FROM audit_bodies WHERE seq = 3; DELETE FROM audit WHERE seq = 3",
        3,
    ),
    "a removed entry whose number was given to the next": (
        "DELETE FROM audit_bodies WHERE seq IN (3, 5); DELETE FROM audit WHERE seq = 3;"
        "UPDATE audit SET seq = seq - 1 WHERE seq > 3",
        3,
    ),
    "entries in another order": (
        "UPDATE audit SET seq = -3 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
        "UPDATE audit SET seq = 4 WHERE seq = -3",
        3,
    ),
    "a truncated tail": (
        "DELETE FROM audit_bodies WHERE seq = 5; DELETE FROM audit WHERE seq = 5",
        5,
    ),
    "a body that went without a word": ("DELETE FROM audit_bodies WHERE seq = 4", 4),
}


@pytest.mark.parametrize(("statements", "broken"), TAMPERED.values(), ids=TAMPERED)
def test_tampering_shows_and_the_first_broken_entry_is_named(
    filed: StoredDesk, tmp_path: Path, statements: str, broken: int
) -> None:
    with filed.begin() as within:
        for number in range(5):
            clicked(within, number)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
        for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {trigger}")
        file.executescript(statements)
    found = verify(filed.database)
    assert (found.broken, bool(found.why)) == (broken, True)


def test_a_tail_that_was_cut_with_its_head_shows_by_the_head_kept_elsewhere(
    filed: StoredDesk, tmp_path: Path
) -> None:
    heads = []
    for number in range(2):
        with filed.begin() as within:
            clicked(within, number)
        heads.append(verify(filed.database).head)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
        file.executescript(
            "DROP TRIGGER audit_stays; DELETE FROM audit_bodies WHERE seq = 2;"
            "DELETE FROM audit WHERE seq = 2;"
            f"UPDATE audit_head SET seq = 1, hash = '{heads[0]}'"
        )
    assert verify(filed.database, heads[0]).broken is None
    found = verify(filed.database, heads[1])
    assert found.broken == 2
    assert "--head" in found.why


def test_what_was_read_and_said_is_erased_and_the_chain_holds(desk: StoredDesk) -> None:
    opened = incident_of(desk)
    with desk.begin() as within:
        clicked(within, 2, "INC-2")
    assert erase_incident(desk.database, opened.id.lower(), "asked to", NOW) == 5
    found = verify(desk.database)
    assert (found.broken, found.erased) == (None, 5)
    with desk.begin() as within:
        kept = within.incidents.get(opened.id)
        assert kept is not None
        assert PERSON not in repr(kept)
        assert within.inbox.read("pagerduty:1") is None
    with Store(desk.database) as record:
        assert record.asked(opened.thread) == ()
        assert record.labels(opened.thread) == (Label(decision="something_else", weighing="w1"),)
    [last] = [entry for entry in entries(desk.database) if entry["kind"] == "erased"]
    assert last["body"] == {"entries": [[2, 6]], "why": "asked to"}


def test_what_was_erased_is_in_no_byte_of_the_file(filed: StoredDesk, tmp_path: Path) -> None:
    incident_of(filed)
    before = b"".join(each.read_bytes() for each in tmp_path.glob("store.db*") if each.is_file())
    assert PERSON.encode() in before
    assert filed.erase(NOW + timedelta(days=90), "retention", NOW) == 6
    filed.close()
    after = b"".join(each.read_bytes() for each in tmp_path.glob("store.db*") if each.is_file())
    assert PERSON.encode() not in after


def test_retention_spares_what_is_newer_and_erases_nothing_twice(desk: StoredDesk) -> None:
    incident_of(desk)
    assert desk.erase(NOW, "retention", NOW) == 0
    with desk.begin() as within:
        assert within.inbox.read("pagerduty:1") is not None
    later = NOW + timedelta(days=1)
    assert desk.erase(later, "retention", later) == 6
    assert desk.erase(later, "retention", later) == 0
    with desk.database.reading() as connection:
        assert connection.execute(select(deliveries.c.body)).scalars().all() == [None]
        assert connection.execute(select(messages.c.payload)).scalars().all() == [None]
        assert connection.execute(select(answers)).all() == []
        assert len(connection.execute(select(audit_bodies)).all()) == 1


def test_an_incident_that_is_not_over_is_not_erased(desk: StoredDesk) -> None:
    opened = incident_of(desk, IncidentState.AWAITING_CONFIRMATION)
    with pytest.raises(BadInputError, match="close or cancel it first"):
        erase_incident(desk.database, opened.id, "", NOW)
    with pytest.raises(BadInputError, match="nothing is known"):
        erase_incident(desk.database, "INC-77", "", NOW)


def test_the_command_says_whether_the_chain_holds_by_its_exit_code(
    filed: StoredDesk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incident_of(filed)
    store = ["--store", str(tmp_path / "store.db")]
    assert run(["audit", "verify", "--json", *store]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["holds"], told["entries"]) == (True, 6)
    assert run(["audit", "verify", "--head", told["head"], *store]) == 0
    assert run(["audit", "verify", "--head", "0" * 64, *store]) == 1
    capsys.readouterr()
    assert run(["audit", "export", "--incident", "INC-1", *store]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert run(["audit", "erase", "--incident", "INC-1", "--why", "asked", *store]) == 0
    assert run(["audit", "erase", *store]) == 2
    assert run(["audit", "verify", "--store", str(tmp_path / "none.db")]) == 2
    assert not (tmp_path / "none.db").exists()


def test_what_people_were_told_outside_of_incidents_is_erased_too(desk: StoredDesk) -> None:
    payload: dict[str, JsonValue] = {"user": PERSON, "text": "No service is called so."}
    with desk.begin() as within:
        within.outbox.put(Message(key="said:a", incident="", operation="slack.respond", payload=payload), NOW)
    later = NOW + timedelta(days=1)
    desk.erase(NOW, "retention", later)
    with desk.database.reading() as connection:
        assert PERSON in str(connection.execute(select(messages.c.payload)).scalars().all())
    desk.erase(later, "retention", later)
    assert desk.outgoing(("slack.respond",), later, 60) is None
    with desk.database.reading() as connection:
        assert connection.execute(select(messages.c.payload)).scalars().all() == [None]


def test_erasing_an_incident_erases_what_people_were_told_when_they_clicked_on_it(desk: StoredDesk) -> None:
    opened = incident_of(desk)
    payload: dict[str, JsonValue] = {"user": PERSON, "text": "Only members may answer here."}
    with desk.begin() as within:
        refused: dict[str, JsonValue] = {"delivery": "slack:t1", "by": PERSON, "refused": "Only members"}
        within.audit.append(AuditKind.CLICK, opened.id, refused, NOW)
        told = Message(key="said:slack:t1", incident="", operation="slack.respond", payload=payload)
        within.outbox.put(told, NOW)
    erase_incident(desk.database, opened.id, "asked to", NOW)
    with desk.database.reading() as connection:
        assert PERSON not in str(connection.execute(select(messages.c.payload)).scalars().all())


@pytest.mark.parametrize(
    "statement", ["UPDATE deliveries SET body = '{}'", "DELETE FROM deliveries"], ids=["changed", "removed"]
)
def test_what_came_in_cannot_be_exchanged_without_the_audit_telling(desk: StoredDesk, statement: str) -> None:
    incident_of(desk)
    assert verify(desk.database).broken is None
    with desk.database.writing() as connection:
        connection.execute(text(statement))
    found = verify(desk.database)
    assert (found.broken, "delivery" in found.why) == (1, True)
