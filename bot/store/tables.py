"""The tables of the store, the same on SQLite and PostgreSQL.

Instants that are only shown or sorted are text in UTC; those that are reckoned with (leases, delays) are
seconds since 1970, so that both databases reckon alike. What is a document is text holding JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

VERSION = 2
"""The schema's version: the number of the newest migration."""

METADATA = MetaData()

NUMBER: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
SECONDS: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")


class Words(TypeDecorator[str]):
    """Text from strangers: what a database cannot hold (NUL, half a character) becomes a question mark."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """What is written."""
        if value is None:
            return None
        return value.replace("\0", "?").encode("utf-8", "replace").decode()


class At(TypeDecorator[datetime]):
    """An instant, as text that sorts like the time."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002  as above
        """What is written."""
        return None if value is None else written(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  as above
        """What is read."""
        return None if value is None else datetime.fromisoformat(value)


def written(at: datetime) -> str:
    """An instant as text that sorts like the time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _table(name: str, *parts: Any) -> Table:
    return Table(name, METADATA, *parts, sqlite_strict=True)


def _of_thread() -> Column[str]:
    return Column("thread", Words, ForeignKey("investigations.thread", ondelete="CASCADE"), nullable=False)


investigations = _table(
    "investigations",
    Column("thread", Words, primary_key=True, nullable=False),
    Column("incident", Text, nullable=False),
    Column("seal", Text),
)

answers = _table(
    "answers",
    Column("n", NUMBER, primary_key=True),
    _of_thread(),
    Column("id", Text, nullable=False),
    Column("question", Words, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Words),
    Column("retry", Integer, nullable=False),
    Column("query", Words, nullable=False),
    Column("at", Text),
    Column("notes", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("answer", LargeBinary),
    UniqueConstraint("thread", "id", name="answers_of_thread"),
)

weighings = _table(
    "weighings",
    Column("thread", Words, ForeignKey("investigations.thread", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

labels = _table(
    "labels",
    Column("n", NUMBER, primary_key=True),
    _of_thread(),
    Column("body", Text, nullable=False),
    UniqueConstraint("thread", "body"),
)

changes = _table(
    "changes",
    Column("id", Words, primary_key=True, nullable=False),
    Column("at", At, nullable=False),
    Column("told_at", At, nullable=False),
    Column("body", Text, nullable=False),
    Index("changes_at", "at"),
)

deliveries = _table(
    "deliveries",
    Column("key", Words, primary_key=True, nullable=False),
    Column("kind", Text, nullable=False),
    Column("received_at", At, nullable=False),
    Column("body", Words),
    Index("deliveries_received_at", "received_at"),
)

jobs = Table(
    "jobs",
    METADATA,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("subject", Words, nullable=False),
    Column("grouped", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("put_at", SECONDS, nullable=False),
    Column("not_before", SECONDS, nullable=False),
    Column("waits", SECONDS, nullable=False),
    Column("running", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("token", NUMBER, nullable=False),
    Column("until", SECONDS, nullable=False),
    Column("seconds", SECONDS, nullable=False),
    Column("once_more", SECONDS),
    Column("why", Words, nullable=False),
    UniqueConstraint("kind", "subject", name="one_job_of_a_kind"),
    sqlite_strict=True,
    sqlite_autoincrement=True,  # an id is never given twice: an old lease must not fit a new job
)

incidents = Table(
    "incidents",
    METADATA,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Words, unique=True),
    Column("state", Text, nullable=False),
    Column("thread", Words, nullable=False),
    Column("opened_at", At, nullable=False),
    Column("last_alert_at", At, nullable=False),
    Column("body", Words, nullable=False),
    Index("incidents_live", "state", "last_alert_at"),
    Index("incidents_of_thread", "thread"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

incident_refs = _table(
    "incident_refs",
    Column("system", Words, primary_key=True),
    Column("ref", Words, primary_key=True),
    Column("n", NUMBER, ForeignKey("incidents.n", ondelete="CASCADE"), primary_key=True),
)

messages = _table(
    "messages",
    Column("n", NUMBER, primary_key=True),
    Column("key", Words, nullable=False, unique=True),
    Column("incident", Words, nullable=False),
    Column("operation", Text, nullable=False),
    Column("payload", Words),
    Column("after", Words),
    Column("latest", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_tried_at", SECONDS),
    Column("put_at", SECONDS, nullable=False),
    Column("not_before", SECONDS, nullable=False),
    Column("waits", SECONDS, nullable=False),
    Column("token", NUMBER, nullable=False),
    Column("until", SECONDS, nullable=False),
    Column("seconds", SECONDS, nullable=False),
    Column("result", Words),
    Column("why", Words, nullable=False),
    CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="message_state"),
    Index("messages_of_state", "state", "operation"),
    Index("messages_after", "after"),
)

audit = _table(
    "audit",
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("incident", Words, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("audit_of_incident", "incident"),
    Index("audit_at", "at"),
)

audit_bodies = _table(
    "audit_bodies",
    Column("seq", NUMBER, ForeignKey("audit.seq"), primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)

audit_head = _table(
    "audit_head",
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("seq", NUMBER, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("one = 1", name="one_head"),
)
"""Where the chain ends: whoever appends holds this row."""
