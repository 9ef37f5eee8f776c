"""The durable record: investigations in the store's tables, with the machine's checkpoints beside them.

Answers are kept as bytes with their hash; bytes that no longer match it are no answer any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, bindparam, select

from bot.desk import AuditKind, Lease
from bot.errors import BadInputError
from bot.locks import held, held_on_server
from bot.store.chain import Fact, append
from bot.store.engine import Database, StoreDamagedError, Where, insert_new
from bot.store.jobs import StoredJobs
from bot.store.opening import database_of, locks_of
from bot.store.tables import answers, incidents, investigations, labels, weighings
from connectors import codec
from connectors.contract import Question, Reading, Unavailable, digest
from connectors.errors import UndecodableAnswerError
from graph.decisions import Label
from graph.errors import NotRecordedError
from graph.experience import Said
from graph.model import Weighing
from graph.planning import question_id, question_of
from graph.record import Answered, Asked, Seal, weighing_bytes, weighing_id, weighing_of
from playbooks.model import Incident

_UNANSWERED: dict[str, Any] = {
    "reason": None, "retry": 0, "query": "", "at": None, "notes": "[]", "sha256": "", "answer": None,
}  # fmt: skip
_INCIDENT = (
    select(incidents.c.id)
    .where(incidents.c.thread == bindparam("of"))
    .order_by(incidents.c.n.desc())
    .limit(1)
)
_ANSWER = select(*(each for each in answers.c if each.name != "answer"))
_ANSWER_OF = _ANSWER.where(answers.c.thread == bindparam("of"), answers.c.id == bindparam("named"))


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _row_of_reading(reading: Reading) -> dict[str, Any]:
    return {
        "source": reading.source.value,
        "query": reading.query,
        "at": reading.at.isoformat(),
        "notes": json.dumps(reading.notes),
        "sha256": reading.sha256,
        "answer": codec.encode(reading.answer),
    }


def _told_of(question: Question, answer: Answered) -> dict[str, JsonValue]:
    """What the audit tells of a question: what was asked, what was sent, and the answer's hash."""
    asked: dict[str, JsonValue] = {"question": question.key(), "source": answer.source.value}
    if isinstance(answer, Unavailable):
        return asked | {"unavailable": answer.reason}
    return asked | {"query": answer.query, "as_of": answer.at.isoformat(), "sha256": answer.sha256}


def _reading_of(question: Question, row: RowMapping, stored: bytes) -> Answered:
    """The reading in a row; bytes that do not match their hash are no answer."""
    try:
        data = codec.unpack(stored)
    except UndecodableAnswerError:
        data = b""
    if digest(data) != row["sha256"]:
        return Unavailable(question.source, "the stored answer no longer matches its hash")
    return Reading(
        source=question.source,
        question=question,
        query=row["query"],
        at=datetime.fromisoformat(row["at"]),
        answer=codec.from_canonical(data),
        sha256=row["sha256"],
        notes=tuple(json.loads(row["notes"])),
    )


class Store:
    """A record in SQLite or PostgreSQL. Several processes may use it; `alone` keeps them off one thread."""

    def __init__(self, where: Where | Database, now: Callable[[], datetime] = _utc_now) -> None:
        """Open the store. `now` dates what the audit tells.

        Raises:
            BadInputError: it cannot be used.
        """
        self.database = database_of(where)
        self._now = now
        self._lease: Lease | None = None
        self._loaded: dict[tuple[str, str], Reading] = {}

    def under(self, lease: Lease) -> Store:
        """The same record for who works under a lease: nothing is written once that is lost.

        Its writes raise LostLeaseError then.
        """
        fenced = Store(self.database, self._now)
        fenced._lease, fenced._loaded = lease, self._loaded
        return fenced

    @property
    def path(self) -> Path | None:
        """The SQLite file, None on a server."""
        return self.database.path

    def alone(self, thread: str) -> AbstractContextManager[None]:
        """Keep every other process off the thread.

        Raises:
            BusyError: another process holds it.
        """
        if self.path is None:
            return held_on_server(self.database, thread)
        return held(locks_of(self.path), thread)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def open(self, thread: str, incident: Incident) -> Incident:
        """Begin or continue an investigation."""
        with self._writing() as connection:
            row = {"thread": thread, "incident": incident.model_dump_json()}
            insert_new(connection, investigations, row)
        return self.incident(thread) or incident

    def incident(self, thread: str) -> Incident | None:
        """The incident that is investigated under the thread."""
        rows = self._read(select(investigations.c.incident).where(investigations.c.thread == thread))
        return Incident.model_validate_json(rows[0]["incident"]) if rows else None

    def put_answer(self, thread: str, question: Question, answer: Answered) -> str:
        """Keep an answer; the first one stands."""
        name = question_id(question)
        if isinstance(answer, Reading):
            values = _row_of_reading(answer)
        else:
            values = {"source": answer.source.value, "reason": answer.reason, "retry": int(answer.retry)}
        row = _UNANSWERED | {"thread": thread, "id": name, "question": question.key()} | values
        with self._writing() as connection:
            if insert_new(connection, answers, row):
                self._told(connection, AuditKind.QUESTION, thread, _told_of(question, answer))
        if isinstance(answer, Reading):
            self._loaded.setdefault((thread, name), answer)
        return name

    def answer(self, thread: str, question: Question) -> Answered | None:
        """The answer the question had before."""
        rows = self._read(_ANSWER_OF, {"of": thread, "named": question_id(question)})
        return self._answered(thread, rows[0]).answer if rows else None

    def get_readings(self, thread: str, ids: Iterable[str]) -> tuple[Answered, ...]:
        """The answers of these ids."""
        rows = {row["id"]: row for row in self._read(_ANSWER.where(answers.c.thread == thread))}
        names = list(ids)
        if missing := [name for name in names if name not in rows]:
            raise NotRecordedError(f"the record does not hold {missing[0]!r}")
        return tuple(self._answered(thread, rows[name]).answer for name in names)

    def asked(self, thread: str) -> tuple[Asked, ...]:
        """Everything asked, by source."""
        rows = self._read(_ANSWER.where(answers.c.thread == thread).order_by(answers.c.n))
        # Sorted here: databases do not agree on the order of letters.
        return tuple(self._answered(thread, row) for row in sorted(rows, key=lambda row: str(row["source"])))

    def put_weighing(self, thread: str, weighing: Weighing) -> str:
        """Keep a weighing."""
        data = weighing_bytes(weighing)
        name = weighing_id(data)
        with self._writing() as connection:
            if insert_new(connection, weighings, {"thread": thread, "id": name, "body": data}):
                told: dict[str, JsonValue] = {"weighing": name, "verdict": str(weighing.verdict)}
                self._told(connection, AuditKind.WEIGHING, thread, told)
        return name

    def get_weighing(self, thread: str, weighing: str) -> Weighing:
        """A weighing by its id."""
        rows = self._read(
            select(weighings.c.body).where(weighings.c.thread == thread, weighings.c.id == weighing)
        )
        if not rows or weighing_id(rows[0]["body"]) != weighing:
            raise NotRecordedError(f"the record does not hold {weighing!r}, or not as it was written")
        return weighing_of(rows[0]["body"])

    def put_label(self, thread: str, label: Label) -> None:
        """Keep what a person said, once."""
        with self._writing() as connection:
            insert_new(connection, labels, {"thread": thread, "body": label.model_dump_json()})

    def labels(self, thread: str) -> tuple[Label, ...]:
        """What people said."""
        rows = self._read(select(labels.c.body).where(labels.c.thread == thread).order_by(labels.c.n))
        return tuple(Label.model_validate_json(row["body"]) for row in rows)

    def said(self) -> tuple[Said, ...]:
        """What people said, investigation by investigation."""
        rows = self._read(
            select(labels.c.thread, investigations.c.incident, labels.c.body)
            .join(investigations, investigations.c.thread == labels.c.thread)
            .order_by(labels.c.n)
        )
        threads: dict[str, tuple[str, list[Label]]] = {}
        for row in rows:
            known = threads.setdefault(row["thread"], (json.loads(row["incident"])["id"], []))
            known[1].append(Label.model_validate_json(row["body"]))
        return tuple(Said(incident, tuple(labels)) for incident, labels in threads.values())

    def seal(self, thread: str, seal: Seal) -> Seal:
        """Close the investigation, once."""
        unsealed = (investigations.c.thread == thread, investigations.c.seal.is_(None))
        with self._writing() as connection:
            connection.execute(investigations.update().where(*unsealed).values(seal=seal.model_dump_json()))
        sealed = self.sealed(thread)
        if sealed is None:
            raise NotRecordedError(f"the record does not hold {thread!r}")
        return sealed

    def sealed(self, thread: str) -> Seal | None:
        """The seal, once closed."""
        rows = self._read(select(investigations.c.seal).where(investigations.c.thread == thread))
        return Seal.model_validate_json(rows[0]["seal"]) if rows and rows[0]["seal"] else None

    def forget(self, thread: str) -> None:
        """Drop the thread."""
        with self._writing() as connection:
            connection.execute(investigations.delete().where(investigations.c.thread == thread))
        self._loaded = {key: reading for key, reading in self._loaded.items() if key[0] != thread}

    def _read(self, query: Select[Any], values: Mapping[str, str] | None = None) -> list[RowMapping]:
        with self._sound(), self.database.reading() as connection:
            return list(connection.execute(query, values).mappings())

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._sound(), self.database.writing() as connection:
            if self._lease is not None:
                StoredJobs(connection).held(self._lease)
            yield connection

    def _told(
        self, connection: Connection, kind: AuditKind, thread: str, body: Mapping[str, JsonValue]
    ) -> None:
        """Have the audit tell it, of the desk's incident where the investigation is of one."""
        incident = connection.execute(_INCIDENT, {"of": thread}).scalar_one_or_none() or thread
        append(connection, [Fact(kind, incident, {"thread": thread, **body}, self._now())])

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """A store that cannot be used is told in one line, not as a defect of this program."""
        try:
            yield
        except StoreDamagedError as error:
            raise BadInputError(f"the store {self.path} is damaged or foreign: {error}") from error
        except OSError as error:
            raise BadInputError(str(error)) from error

    def _answered(self, thread: str, row: RowMapping) -> Asked:
        """A stored answer; what was read once is not decoded again."""
        question = question_of(row["question"])
        if row["reason"] is not None:
            return Asked(question, Unavailable(question.source, row["reason"], bool(row["retry"])))
        answer: Answered | None = self._loaded.get((thread, row["id"]))
        if answer is None:
            stored = self._read(select(answers.c.answer).where(answers.c.n == row["n"]))
            answer = _reading_of(question, row, stored[0]["answer"])
        if isinstance(answer, Reading):
            self._loaded[thread, row["id"]] = answer
        return Asked(question, answer)
