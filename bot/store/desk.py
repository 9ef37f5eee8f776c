"""The incident desk, kept in the store: `bot.desk.Desk` on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, func, select

from bot.desk import (
    AuditKind,
    Delivery,
    DeliveryKind,
    JobKind,
    Later,
    Lease,
    Never,
    Outgoing,
    Sent,
    Transaction,
)
from bot.store import jobs as leasing
from bot.store import outbox as sending
from bot.store.chain import Fact, append, canonical
from bot.store.engine import Database, Where, insert_new
from bot.store.incidents import StoredIncidents
from bot.store.jobs import StoredJobs
from bot.store.opening import database_of
from bot.store.outbox import StoredOutbox
from bot.store.tables import audit_head, deliveries, incidents, jobs, messages
from connectors.contract import digest


class StoredAudit:
    """The record, inside one transaction: entries are chained when it ends, so that nobody waits for long."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def append(self, kind: AuditKind, incident: str, body: Mapping[str, JsonValue], now: datetime) -> None:
        """Add an entry to the chain."""
        self.facts.append(Fact(kind, incident, body, now))


class StoredInbox:
    """What came in, inside one transaction."""

    def __init__(self, connection: Connection, jobs: StoredJobs, audit: StoredAudit) -> None:
        self._connection = connection
        self._jobs = jobs
        self._audit = audit

    def keep(self, delivery: Delivery) -> bool:
        """Keep it with its job and its audit entry; False where its key is known already."""
        body = canonical(delivery.body)
        row = {
            "key": delivery.key, "kind": delivery.kind.value, "received_at": delivery.received_at,
            "body": body.decode(),
        }  # fmt: skip
        if not insert_new(self._connection, deliveries, row):
            return False
        self._jobs.put(JobKind.HANDLE, delivery.key, delivery.received_at)
        told: dict[str, JsonValue] = {
            "key": delivery.key,
            "kind": delivery.kind.value,
            "sha256": digest(body),
        }
        self._audit.append(AuditKind.DELIVERY, "", told, delivery.received_at)
        return True

    def read(self, key: str) -> Delivery | None:
        """A delivery by its key; None where it is not known, or was erased."""
        row = self._connection.execute(select(deliveries).where(deliveries.c.key == key)).one_or_none()
        if row is None or row.body is None:
            return None
        return Delivery(
            key=row.key,
            kind=DeliveryKind(row.kind),
            received_at=row.received_at,
            body=json.loads(row.body),
        )


class StoredTransaction:
    """The desk, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.audit = StoredAudit()
        self.jobs = StoredJobs(connection)
        self.inbox = StoredInbox(connection, self.jobs, self.audit)
        self.incidents = StoredIncidents(connection)
        self.outbox = StoredOutbox(connection)


class StoredDesk:
    """The desk in a store. Several processes may use it; what it said is kept survives a power cut."""

    def __init__(self, where: Where | Database) -> None:
        """Open the store.

        Raises:
            BadInputError: it cannot be used.
        """
        self.database = database_of(where)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """One transaction: what is done inside happens wholly or not at all."""
        with self.database.writing(durable=True) as connection:
            transaction = StoredTransaction(connection)
            yield transaction
            append(connection, transaction.audit.facts)

    def claim(
        self,
        worker: str,
        now: datetime,
        seconds: float,
        per_group: int = 1,
        kinds: Sequence[JobKind] = tuple(JobKind),
    ) -> Lease | None:
        """The next job that may be done, of these kinds, under a lease."""
        return leasing.claim(self.database, worker, now, seconds, (per_group, kinds))

    def take_over(self) -> None:
        """End every lease at once: whoever calls this knows that no other process works here."""
        with self.database.writing(durable=True) as connection:
            connection.execute(jobs.update().where(jobs.c.running == 1).values(until=0.0))
            connection.execute(messages.update().where(messages.c.until > 0).values(until=0.0))

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        """Hold the job for longer.

        Raises:
            LostLeaseError: another worker took it over.
        """
        return leasing.renew(self.database, lease, now, seconds)

    def outgoing(self, operations: Sequence[str], now: datetime, seconds: float) -> Outgoing | None:
        """The next message that is due, under a lease."""
        return sending.outgoing(self.database, operations, now, seconds)

    def settle(self, outgoing: Outgoing, outcome: Sent | Later | Never, now: datetime) -> None:
        """Write down how sending went; where the lease was lost, only the audit keeps it."""
        message = outgoing.message
        with self.database.writing(durable=True) as connection:
            settled = sending.settle(connection, outgoing, outcome, now)
            told: dict[str, JsonValue] = {
                "key": message.key,
                "operation": message.operation,
                "version": outgoing.version,
                "attempt": outgoing.attempts,
                "outcome": settled.state,
                "why": settled.why,
                "payload_sha256": digest(canonical(message.payload)),
            }
            append(connection, [Fact(AuditKind.MESSAGE, message.incident, told, now)])

    def counts(self, now: datetime) -> Mapping[str, float]:
        """What `/metrics` says of the store."""
        at = now.timestamp()
        found = dict.fromkeys(
            "jobs_waiting jobs_running messages_waiting messages_sent messages_dead".split(), 0.0
        )
        with self.database.reading() as connection:
            for running, number, oldest in connection.execute(
                select(jobs.c.running, func.count(), func.min(jobs.c.put_at)).group_by(jobs.c.running)
            ):
                found[f"jobs_{'running' if running else 'waiting'}"] = float(number)
                found["jobs_oldest_seconds"] = max(found.get("jobs_oldest_seconds", 0.0), at - oldest)
            for state, number, oldest in connection.execute(
                select(messages.c.state, func.count(), func.min(messages.c.put_at)).group_by(messages.c.state)
            ):
                found[f"messages_{state}"] = float(number)
                if state == "waiting":
                    found["messages_oldest_seconds"] = max(0.0, at - oldest)
            for state, number in connection.execute(
                select(incidents.c.state, func.count()).group_by(incidents.c.state)
            ):
                found[f"incidents_{state}"] = float(number)
            found["audit_entries"] = float(connection.execute(select(audit_head.c.seq)).scalar_one())
        return {"jobs_oldest_seconds": 0.0, "messages_oldest_seconds": 0.0} | found

    def erase(self, before: datetime, why: str, now: datetime) -> int:
        """Erase what was read and said before then; the chain of hashes holds."""
        from bot.store.erasing import erase_before

        return erase_before(self.database, before, why, now)

    def usable(self) -> bool:
        """Whether something could be written now."""
        return self.database.usable()
