"""The durable record: one SQLite file that needs no server, and holds the machine's checkpoints beside it.

Answers are kept as bytes with their hash; bytes that no longer match it are no answer any more.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from bot.errors import BadInputError
from bot.locks import one_at_a_time
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

VERSION = 1
"""The schema's version, kept in the file's header."""

WAIT_SECONDS = 10.0
"""How long a write waits for another connection's."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS investigations (
    thread TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    seal TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS answers (
    thread TEXT NOT NULL REFERENCES investigations ON DELETE CASCADE,
    id TEXT NOT NULL,
    question TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT,
    retry INTEGER NOT NULL DEFAULT 0,
    query TEXT NOT NULL DEFAULT '',
    at TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    sha256 TEXT NOT NULL DEFAULT '',
    answer BLOB,
    PRIMARY KEY (thread, id)
) STRICT;
CREATE TABLE IF NOT EXISTS weighings (
    thread TEXT NOT NULL REFERENCES investigations ON DELETE CASCADE,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (thread, id)
) STRICT;
CREATE TABLE IF NOT EXISTS labels (
    n INTEGER PRIMARY KEY,
    thread TEXT NOT NULL REFERENCES investigations ON DELETE CASCADE,
    body TEXT NOT NULL,
    UNIQUE (thread, body)
) STRICT;
"""

_HEADER = b"SQLite format 3\0"
_ANSWER = "SELECT id, question, reason, retry, query, at, notes, sha256 FROM answers"


def connect(path: Path) -> sqlite3.Connection:
    """A connection that several threads may use in turn, patient with other processes.

    After a power cut it may lack the last commits, never be broken; a killed process loses nothing.
    """
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
    with ExitStack() as undo:
        undo.callback(connection.close)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        undo.pop_all()
    return connection


def locks_of(path: Path) -> Path:
    """The directory of a store's locks, beside its file."""
    return path.with_name(path.name + ".locks")


def _refuse_other_files(path: Path) -> None:
    """Refuse what is no database before anything is put beside it; an empty file may become one."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInputError(f"the store {path} cannot be used: {error.strerror}") from error
    if begins and begins != _HEADER:
        raise BadInputError(f"the store {path} cannot be used: it is another kind of file")


def _opened(path: Path) -> sqlite3.Connection:
    """The store's file with its schema.

    Raises:
        BadInputError: the file cannot be used.
    """
    _refuse_other_files(path)
    try:
        with one_at_a_time(locks_of(path)):  # SQLite does not wait while another process turns WAL on
            path.touch(mode=0o600)  # evidence is private; SQLite's other files take this mode over
            connection = connect(path)
            connection.isolation_level = None
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except (sqlite3.Error, OSError) as error:
        raise BadInputError(f"the store {path} cannot be used: {error}") from error
    if found > VERSION:
        connection.close()
        raise BadInputError(
            f"the store {path} was written by a newer version (schema {found}, here {VERSION})"
        )
    return connection


def _row_of_reading(reading: Reading) -> dict[str, str | int | bytes]:
    return {
        "source": reading.source.value,
        "query": reading.query,
        "at": reading.at.isoformat(),
        "notes": json.dumps(reading.notes),
        "sha256": reading.sha256,
        "answer": codec.encode(reading.answer),
    }


def _reading_of(question: Question, row: sqlite3.Row, stored: bytes) -> Answered:
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
    """A record in a SQLite file. Several processes may use it; `bot.locks` keeps them off one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], Reading] = {}
        self._connection = _opened(path)
        self._connection.row_factory = sqlite3.Row

    @property
    def locks(self) -> Path:
        """The directory of the locks, beside the file."""
        return locks_of(self.path)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def open(self, thread: str, incident: Incident) -> Incident:
        """Begin or continue an investigation."""
        self._write(
            "INSERT OR IGNORE INTO investigations (thread, incident) VALUES (?, ?)",
            (thread, incident.model_dump_json()),
        )
        return self.incident(thread) or incident

    def incident(self, thread: str) -> Incident | None:
        """The incident that is investigated under the thread."""
        rows = self._read("SELECT incident FROM investigations WHERE thread = ?", thread)
        return Incident.model_validate_json(rows[0]["incident"]) if rows else None

    def put_answer(self, thread: str, question: Question, answer: Answered) -> str:
        """Keep an answer; the first one stands."""
        name = question_id(question)
        values: dict[str, str | int | bytes]
        if isinstance(answer, Reading):
            values = _row_of_reading(answer)
            self._loaded.setdefault((thread, name), answer)
        else:
            values = {"source": answer.source.value, "reason": answer.reason, "retry": int(answer.retry)}
        row = {"thread": thread, "id": name, "question": question.key(), **values}
        marks = ", ".join("?" * len(row))
        statement = f"INSERT OR IGNORE INTO answers ({', '.join(row)}) VALUES ({marks})"  # noqa: S608  own column names
        self._write(statement, tuple(row.values()))
        return name

    def answer(self, thread: str, question: Question) -> Answered | None:
        """The answer the question had before."""
        rows = self._read(f"{_ANSWER} WHERE thread = ? AND id = ?", thread, question_id(question))
        return self._answered(thread, rows[0]).answer if rows else None

    def get_readings(self, thread: str, ids: Iterable[str]) -> tuple[Answered, ...]:
        """The answers of these ids."""
        rows = {row["id"]: row for row in self._read(f"{_ANSWER} WHERE thread = ?", thread)}
        names = list(ids)
        if missing := [name for name in names if name not in rows]:
            raise NotRecordedError(f"the record does not hold {missing[0]!r}")
        return tuple(self._answered(thread, rows[name]).answer for name in names)

    def asked(self, thread: str) -> tuple[Asked, ...]:
        """Everything asked, by source."""
        rows = self._read(f"{_ANSWER} WHERE thread = ? ORDER BY source, rowid", thread)
        return tuple(self._answered(thread, row) for row in rows)

    def put_weighing(self, thread: str, weighing: Weighing) -> str:
        """Keep a weighing."""
        data = weighing_bytes(weighing)
        name = weighing_id(data)
        self._write("INSERT OR IGNORE INTO weighings VALUES (?, ?, ?)", (thread, name, data))
        return name

    def get_weighing(self, thread: str, weighing: str) -> Weighing:
        """A weighing by its id."""
        rows = self._read("SELECT body FROM weighings WHERE thread = ? AND id = ?", thread, weighing)
        if not rows or weighing_id(rows[0]["body"]) != weighing:
            raise NotRecordedError(f"the record does not hold {weighing!r}, or not as it was written")
        return weighing_of(rows[0]["body"])

    def put_label(self, thread: str, label: Label) -> None:
        """Keep what a person said, once."""
        self._write(
            "INSERT OR IGNORE INTO labels (thread, body) VALUES (?, ?)", (thread, label.model_dump_json())
        )

    def labels(self, thread: str) -> tuple[Label, ...]:
        """What people said."""
        rows = self._read("SELECT body FROM labels WHERE thread = ? ORDER BY n", thread)
        return tuple(Label.model_validate_json(row["body"]) for row in rows)

    def said(self) -> tuple[Said, ...]:
        """What people said, investigation by investigation."""
        rows = self._read(
            "SELECT thread, json_extract(incident, '$.id') AS incident, body "
            "FROM labels JOIN investigations USING (thread) ORDER BY n"
        )
        threads: dict[str, tuple[str, list[Label]]] = {}
        for row in rows:
            known = threads.setdefault(row["thread"], (row["incident"], []))
            known[1].append(Label.model_validate_json(row["body"]))
        return tuple(Said(incident, tuple(labels)) for incident, labels in threads.values())

    def seal(self, thread: str, seal: Seal) -> Seal:
        """Close the investigation, once."""
        self._write(
            "UPDATE investigations SET seal = ? WHERE thread = ? AND seal IS NULL",
            (seal.model_dump_json(), thread),
        )
        sealed = self.sealed(thread)
        if sealed is None:
            raise NotRecordedError(f"the record does not hold {thread!r}")
        return sealed

    def sealed(self, thread: str) -> Seal | None:
        """The seal, once closed."""
        rows = self._read("SELECT seal FROM investigations WHERE thread = ?", thread)
        return Seal.model_validate_json(rows[0]["seal"]) if rows and rows[0]["seal"] else None

    def forget(self, thread: str) -> None:
        """Drop the thread."""
        self._write("DELETE FROM investigations WHERE thread = ?", (thread,))
        self._loaded = {key: reading for key, reading in self._loaded.items() if key[0] != thread}

    def _read(self, statement: str, *values: str) -> list[sqlite3.Row]:
        with self._lock, self._sound():
            return self._connection.execute(statement, values).fetchall()

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock, self._sound():
            self._connection.execute(statement, values)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """A store that SQLite cannot read is bad input, not a defect of this program."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise BadInputError(f"the store {self.path} is damaged or foreign: {error}") from error

    def _answered(self, thread: str, row: sqlite3.Row) -> Asked:
        """A stored answer; what was read once is not decoded again."""
        question = question_of(row["question"])
        if row["reason"] is not None:
            return Asked(question, Unavailable(question.source, row["reason"], bool(row["retry"])))
        answer: Answered | None = self._loaded.get((thread, row["id"]))
        if answer is None:
            stored = self._read("SELECT answer FROM answers WHERE thread = ? AND id = ?", thread, row["id"])
            answer = _reading_of(question, row, stored[0]["answer"])
        if isinstance(answer, Reading):
            self._loaded[thread, row["id"]] = answer
        return Asked(question, answer)
