"""Erases what was read and said, and keeps the chain: entries stay with the hashes of what is gone.

What people decided and how sure a proposal was stays too: calibration learns from it, and it names nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, and_, inspect, or_, select, table, text
from sqlalchemy import column as named

from bot.desk import LIVE, AuditKind, Desked, IncidentState
from bot.errors import BadInputError
from bot.store.chain import Fact, append
from bot.store.engine import Database
from bot.store.incidents import called
from bot.store.tables import (
    answers,
    audit,
    audit_bodies,
    changes,
    deliveries,
    incidents,
    investigations,
    jobs,
    labels,
    messages,
    weighings,
    written,
)
from bot.store.trail import deliveries_of
from graph.decisions import Label
from playbooks.model import Incident

GONE = "(erased)"
_CHECKPOINTS = ("checkpoints", "writes", "checkpoint_writes", "checkpoint_blobs")


def erase_before(database: Database, before: datetime, why: str, now: datetime) -> int:
    """Erase everything older, and say so in the audit; returns how many of its bodies went.

    An incident is as old as its last alert; one that is being investigated is left alone.
    """
    with database.writing(durable=True) as connection:
        _thoroughly(connection)
        old = incidents.c.last_alert_at < before
        idle = incidents.c.state != IncidentState.INVESTIGATING.value
        for row in connection.execute(select(incidents.c.n, incidents.c.body).where(old, idle)).all():
            known = Desked.model_validate_json(row.body)
            if known.title != GONE:
                _erase_incident(connection, row.n, known)
        _erase_threads(connection, _threads_before(connection, before))
        busy = select(jobs.c.subject)
        came_in = and_(deliveries.c.received_at < before, deliveries.c.key.not_in(busy))
        connection.execute(deliveries.update().where(came_in).values(body=None))
        connection.execute(changes.delete().where(changes.c.told_at < before))
        said = and_(messages.c.incident == "", messages.c.put_at < before.timestamp())
        _erase_messages(connection, said)
        told: dict[str, JsonValue] = {"before": written(before), "why": why}
        number = _erase_bodies(connection, audit.c.at < written(before), "", told, now)
    _forget_the_log(database)
    return number


def erase_incident(database: Database, incident: str, why: str, now: datetime) -> int:
    """Erase what is known of one incident, or of one investigation at a terminal.

    Raises:
        BadInputError: nothing is known of it, or it is not over.
    """
    with database.writing(durable=True) as connection:
        _thoroughly(connection)
        name = incident
        row = connection.execute(
            select(incidents.c.n, incidents.c.body).where(called(incident))
        ).one_or_none()
        if row is not None:
            desked = Desked.model_validate_json(row.body)
            name = desked.id
            if desked.state in LIVE:
                raise BadInputError(f"{name} is {desked.state.value}: close or cancel it first")
            _erase_incident(connection, row.n, desked)
        known = audit.c.incident == name
        if (
            row is None
            and connection.execute(select(audit.c.seq).where(known).limit(1)).one_or_none() is None
        ):
            raise BadInputError(f"nothing is known of an incident {incident!r}")
        _erase_threads(connection, [name])
        keys = list(deliveries_of(connection, name))
        connection.execute(deliveries.update().where(deliveries.c.key.in_(keys)).values(body=None))
        # What people were told before anybody looked for the incident is kept under no incident's name.
        told = [f"{way}:{key}" for way in ("said", "answer", "excuse") for key in keys]
        _erase_messages(connection, messages.c.key.in_(told))
        number = _erase_bodies(connection, known, name, {"why": why}, now)
    _forget_the_log(database)
    return number


def _erase_incident(connection: Connection, number: int, incident: Desked) -> None:
    """What the desk and its outbox know of it; whatever is still to be sent is not sent any more."""
    state = IncidentState.CANCELLED if incident.state in LIVE else incident.state
    kept = incident.model_copy(
        update={
            "state": state, "title": GONE, "text": "", "alert": None, "labels": {}, "asked_by": "",
            "note": "", "failed": "", "answers": (),
        }
    )  # fmt: skip
    update = incidents.update().where(incidents.c.n == number)
    connection.execute(update.values(state=state.value, body=kept.model_dump_json()))
    _erase_messages(connection, messages.c.incident == incident.id)
    rounds = or_(
        investigations.c.thread.in_([incident.thread, incident.id]),
        investigations.c.thread.startswith(f"{incident.id}.", autoescape=True),
    )
    threads = connection.execute(select(investigations.c.thread).where(rounds)).scalars().all()
    _erase_threads(connection, threads)


def _erase_messages(connection: Connection, which: ColumnElement[bool]) -> None:
    """What was to be said; whatever still waits is not sent any more."""
    said = messages.update().where(which)
    connection.execute(said.values(payload=None))
    connection.execute(said.where(messages.c.state == "waiting").values(state="dead", why="erased"))


def _threads_before(connection: Connection, before: datetime) -> Sequence[str]:
    """Investigations of no incident of the desk, by the time they looked at."""
    of_desk = select(incidents.c.thread)
    query = select(investigations).where(investigations.c.thread.not_in(of_desk))
    told = {row.thread: json.loads(row.incident) for row in connection.execute(query)}
    return [
        thread
        for thread, incident in told.items()
        if incident["title"] != GONE and datetime.fromisoformat(incident["at"]) < before
    ]


def _erase_threads(connection: Connection, threads: Iterable[str]) -> None:
    tables = set(inspect(connection).get_table_names())
    for thread in threads:
        for each in (answers, weighings):
            connection.execute(each.delete().where(each.c.thread == thread))
        for row in connection.execute(select(labels).where(labels.c.thread == thread)).all():
            kept = Label.model_validate_json(row.body).model_copy(update={"text": ""}).model_dump_json()
            twice = labels.alias()
            same = select(twice.c.n).where(twice.c.thread == thread, twice.c.body == kept, twice.c.n != row.n)
            if connection.execute(same).first() is None:
                connection.execute(labels.update().where(labels.c.n == row.n).values(body=kept))
            else:
                connection.execute(labels.delete().where(labels.c.n == row.n))
        this = investigations.c.thread == thread
        told = connection.execute(select(investigations.c.incident).where(this)).scalar_one_or_none()
        if told is not None:
            scrubbed = Incident.model_validate_json(told).model_copy(
                update={"title": GONE, "text": "", "metric": None, "labels": (), "caveats": ()}
            )
            connection.execute(
                investigations.update().where(this).values(incident=scrubbed.model_dump_json())
            )
        for name in tables.intersection(_CHECKPOINTS):
            connection.execute(table(name, named("thread_id")).delete().where(named("thread_id") == thread))


def _erase_bodies(
    connection: Connection,
    which: ColumnElement[bool],
    incident: str,
    told: dict[str, JsonValue],
    now: datetime,
) -> int:
    """Erase bodies of the audit, and add the entry that says so."""
    there = (
        select(audit.c.seq)
        .join(audit_bodies, audit_bodies.c.seq == audit.c.seq)
        .where(which, audit.c.kind != AuditKind.ERASED.value)
    )
    seqs = connection.execute(there.order_by(audit.c.seq)).scalars().all()
    if not seqs:
        return 0
    connection.execute(audit_bodies.delete().where(audit_bodies.c.seq.in_(there)))
    entries: list[JsonValue] = [[first, last] for first, last in _spans(seqs)]
    append(connection, [Fact(AuditKind.ERASED, incident, {**told, "entries": entries}, now)])
    return len(seqs)


def _spans(seqs: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as the first and last of each unbroken run."""
    spans: list[tuple[int, int]] = []
    for seq in seqs:
        if spans and spans[-1][1] == seq - 1:
            spans[-1] = (spans[-1][0], seq)
        else:
            spans.append((seq, seq))
    return spans


def _thoroughly(connection: Connection) -> None:
    """SQLite overwrites what it deletes, instead of only forgetting where it is."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def _forget_the_log(database: Database) -> None:
    """What was erased still lies in SQLite's write-ahead log until that begins anew."""
    if database.embedded:
        with database.session() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
