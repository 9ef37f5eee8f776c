"""What is to be done, and who does it: jobs under leases with fencing tokens.

A lease that ran out is taken over under a higher token, and then its old holder can write nothing more.
That holds whatever the clocks say; clocks only decide how soon somebody takes over. Where they went back,
a lease or a delay that lies further ahead than it was ever meant to is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
)

from bot.desk import Job, JobKind, Lease, LostLeaseError
from bot.store.engine import Database, insert_new
from bot.store.tables import SECONDS, jobs

WENT_BACK_SECONDS = 60.0
"""A clock that is set back further than this ends leases and delays; less is only waited for."""

_CLAIMING = 0x66697274
"""The advisory lock of those who claim, on PostgreSQL: counting a group's jobs and taking one is one step."""


CLOCK = bindparam("clock", type_=SECONDS)
"""The clock that leases are measured with."""
MOMENT = bindparam("moment", type_=SECONDS)
"""The caller's now, which delays are measured with."""
_PER_GROUP = bindparam("per_group", type_=Integer)


def ran_out(
    until: ColumnElement[float], length: ColumnElement[float], now: ColumnElement[float]
) -> ColumnElement[bool]:
    """Whether what was to last `length` seconds, until then, is over; also where the clock went back."""
    return or_(until <= now, until > length + (now + WENT_BACK_SECONDS))


class StoredJobs:
    """The jobs, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, kind: JobKind, subject: str, now: datetime, group: str = "") -> bool:
        """Have it done; False where it waits already."""
        at = now.timestamp()
        row = {
            "kind": kind.value, "subject": subject, "grouped": group, "attempts": 0, "put_at": at,
            "not_before": at, "waits": 0.0, "running": 0, "worker": "", "token": 0, "until": 0.0,
            "seconds": 0.0, "why": "",
        }  # fmt: skip
        if insert_new(self._connection, jobs, row):
            return True
        running = and_(jobs.c.kind == kind.value, jobs.c.subject == subject, jobs.c.running == 1)
        again = jobs.update().where(running, jobs.c.once_more.is_(None)).values(once_more=at)
        return self._connection.execute(again).rowcount == 1

    def done(self, lease: Lease) -> None:
        """It is done; where it was asked for once more meanwhile, it waits again."""
        row = self._held(lease)
        if row.once_more is None:
            self._connection.execute(jobs.delete().where(jobs.c.id == lease.job.id))
        else:
            self._connection.execute(_waiting(lease, row.once_more, 0.0).values(attempts=0, why=""))

    def again(self, lease: Lease, at: datetime, why: str) -> None:
        """It could not be done; try again then."""
        row = self._held(lease)
        then = at.timestamp()
        delay = max(0.0, then - (row.until - row.seconds))
        self._connection.execute(_waiting(lease, then, delay).values(why=why))

    def held(self, lease: Lease) -> None:
        """Nothing, while the lease is this worker's."""
        self._held(lease)

    def _held(self, lease: Lease) -> Row[float | None, float, float]:
        query = select(jobs.c.once_more, jobs.c.until, jobs.c.seconds).where(_mine(lease)).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise LostLeaseError(f"{lease.worker} lost {lease.job.kind} {lease.job.subject}")
        return row


def claim(
    database: Database, worker: str, now: datetime, seconds: float, limits: tuple[int, Sequence[JobKind]]
) -> Lease | None:
    """The next job that may be done. `limits`: how many of a group at once, and which kinds."""
    per_group, kinds = limits
    found = _next(tuple(kinds))
    asked = {"moment": now.timestamp(), "per_group": per_group}
    with database.reading() as connection:  # idle workers look often, and keep nobody from writing
        clock = database.clock(connection, now)
        if connection.execute(found, asked | {"clock": clock}).first() is None:
            return None
    with database.writing(durable=True) as connection:
        if not database.embedded:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CLAIMING})
        clock = database.clock(connection, now)
        found = found.with_for_update(skip_locked=True)
        row = connection.execute(found, asked | {"clock": clock}).one_or_none()
        if row is None:
            return None
        taken = {
            "running": 1, "worker": worker, "token": row.token + 1, "until": clock + seconds,
            "seconds": seconds, "attempts": row.attempts + 1,
        }  # fmt: skip
        connection.execute(jobs.update().where(jobs.c.id == row.id).values(taken))
    job = Job(
        id=row.id,
        kind=JobKind(row.kind),
        subject=row.subject,
        group=row.grouped,
        attempts=row.attempts + 1,
        not_before=_instant(row.not_before),
    )
    return Lease(job=job, worker=worker, token=row.token + 1, until=_instant(clock + seconds))


@cache
def _next(kinds: tuple[JobKind, ...]) -> Select[*tuple[Any, ...]]:
    """The job of these kinds that may be done next; what is quick comes first."""
    due = or_(
        and_(jobs.c.running == 0, ran_out(jobs.c.not_before, jobs.c.waits, MOMENT)),
        and_(jobs.c.running == 1, ran_out(jobs.c.until, jobs.c.seconds, CLOCK)),
    )
    other = jobs.alias()
    running = and_(other.c.running == 1, ~ran_out(other.c.until, other.c.seconds, CLOCK))
    busy = select(other.c.grouped).where(running, other.c.grouped != "").group_by(other.c.grouped)
    has_room = jobs.c.grouped.not_in(busy.having(func.count() >= _PER_GROUP))
    quick_first = case((jobs.c.kind == JobKind.INVESTIGATE.value, 1), else_=0)
    wanted = jobs.c.kind.in_([each.value for each in kinds])
    return select(jobs).where(due, wanted, has_room).order_by(quick_first, jobs.c.id).limit(1)


def renew(database: Database, lease: Lease, now: datetime, seconds: float) -> Lease:
    """Hold the job for longer.

    Raises:
        LostLeaseError: another worker took it over.
    """
    with database.writing(durable=True) as connection:
        until = database.clock(connection, now) + seconds
        held = jobs.update().where(_mine(lease)).values(until=until, seconds=seconds)
        if connection.execute(held).rowcount != 1:
            raise LostLeaseError(f"{lease.worker} lost {lease.job.kind} {lease.job.subject}")
    return lease.model_copy(update={"until": _instant(until)})


def _mine(lease: Lease) -> ColumnElement[bool]:
    return and_(jobs.c.id == lease.job.id, jobs.c.token == lease.token, jobs.c.running == 1)


def _waiting(lease: Lease, at: float, waits: float) -> Update:
    values = {"running": 0, "worker": "", "until": 0.0, "not_before": at, "waits": waits, "once_more": None}
    return jobs.update().where(jobs.c.id == lease.job.id).values(values)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
