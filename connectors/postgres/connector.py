"""The PostgreSQL connector: one database, its questions, and what `firstcause doctor` asks of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connectors import questions as q
from connectors.answers import Answer
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.live import Check
from connectors.postgres import diagnosis, health, planning, schema_text, sessions, statistics, upkeep
from connectors.postgres.inquiry import Inquiry
from connectors.postgres.limits import Limits
from connectors.postgres.wall import Wall

LATEST = timedelta(hours=1)
"""A server knows the present alone: asked about a moment longer ago, it has no answer."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a question is answered, and whether a replica may answer it."""

    answer: Callable[[Inquiry], Answer]
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """One configured database. `dsn` and `replica` are secrets; `database` is what series call `datname`."""

    database: str
    dsn: str = field(repr=False)
    replica: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)
    sample_seconds: float = 1.5


class PostgresConnector:
    """Answers questions about one database, through the wall. Safe to ask from several threads."""

    def __init__(self, instance: Instance, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._instance = instance
        self._clock = clock
        self._wall = Wall(self.name, instance.dsn, instance.limits, instance.replica)

    @property
    def name(self) -> str:
        """The instance's name."""
        return f"postgres/{self._instance.database}"

    @property
    def questions(self) -> frozenset[type[Question]]:
        """The kinds of question it can answer."""
        return frozenset(_KINDS)

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """Look at the database as it stands; None where the question names another one."""
        kind = _KINDS.get(type(question))
        if kind is None or not isinstance(question, q.DatabaseQuestion):
            return None
        if question.database != self._instance.database:
            return None
        late = self._clock() - now
        if late > LATEST:
            return Unavailable(
                Source.DATABASE, f"{self.name}: a live server knows the present only, not {now:%FT%TZ}"
            )
        try:
            return self._reading(question, kind, now, late)
        except SourceFailedError as failure:
            return Unavailable(Source.DATABASE, failure.reason, failure.retry)
        except RefusedError as refusal:
            return Unavailable(Source.DATABASE, f"{self.name}: {refusal}")

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Whether the database can be asked, what its role may do, and what would show more."""
        del now  # a check looks at the present
        return diagnosis.check(self._wall, self._instance.database)

    def cancel(self) -> None:
        """End what is under way: the incident's budget is spent."""
        self._wall.cancel()

    def close(self) -> None:
        """Give connections back."""
        self._wall.close()

    def _reading(self, question: q.DatabaseQuestion, kind: _Kind, now: datetime, late: timedelta) -> Reading:
        with self._wall.session(anywhere=kind.anywhere) as session:
            inquiry = Inquiry(session, question.database, now, question, self._instance.sample_seconds)
            answer = kind.answer(inquiry)
        if late > timedelta(minutes=1):
            inquiry.notes.append(f"seen {late.total_seconds():.0f} s after the incident's now")
        return Reading(
            source=Source.DATABASE,
            question=question,
            query=inquiry.query,
            at=now,
            answer=answer,
            sha256=sha256(answer),
            notes=tuple(inquiry.notes),
        )


_KINDS: dict[type[Question], _Kind] = {
    q.StatementStatistics: _Kind(statistics.statements),
    q.TableStatistics: _Kind(statistics.tables),
    q.IndexList: _Kind(statistics.indexes, anywhere=True),
    q.SchemaDump: _Kind(schema_text.dump, anywhere=True),
    q.Activity: _Kind(sessions.activity),
    q.LockChain: _Kind(sessions.locks),
    q.StatementPlan: _Kind(planning.plan),
    q.HypotheticalIndexes: _Kind(planning.hypothetical),
    q.ConnectionsInUse: _Kind(sessions.connections),
    q.LongTransactions: _Kind(sessions.old_transactions),
    q.VacuumState: _Kind(health.vacuum),
    q.CheckpointsAndWal: _Kind(health.write_ahead),
    q.ReplicationLag: _Kind(health.replication),
    q.DatabaseTotals: _Kind(health.totals),
    q.KeysLeft: _Kind(health.keys),
    q.SettingsInForce: _Kind(health.settings),
    q.IndexCondition: _Kind(upkeep.problems),
    q.VersionChecks: _Kind(health.versions, anywhere=True),
}
