"""Reads the audit: whether its chain holds, and what it tells of an incident."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select

from bot.desk import AuditKind
from bot.store.chain import GENESIS, Entry
from bot.store.engine import Database
from bot.store.tables import audit, audit_bodies, audit_head, deliveries
from connectors.contract import digest

_AT_ONCE = 1000
_ENTRIES = select(audit, audit_bodies.c.body).join(
    audit_bodies, audit_bodies.c.seq == audit.c.seq, isouter=True
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole chain found.

    `broken` is the number of the first entry that is not as it was written, None where all are; `why` says
    what is wrong with it. `erased` counts bodies that were erased, and whose erasure is on record.
    """

    entries: int
    head: str
    erased: int
    broken: int | None = None
    why: str = ""


@dataclass(slots=True)
class _Walk:
    """The state of walking the chain."""

    seq: int = 0
    previous: str = GENESIS
    gone: list[int] = field(default_factory=list)
    erased: list[tuple[int, int]] = field(default_factory=list)
    seen_head: bool = False

    def step(self, row: Row[Any], head: str | None) -> str:
        """Take one entry; what is wrong with it, or nothing."""
        entry = Entry(**{name: getattr(row, name) for name in Entry.__slots__})
        if entry.seq != self.seq + 1:
            return f"entry {self.seq + 1} is missing"
        if entry.previous != self.previous:
            return "it does not follow the entry before it: one of them was exchanged, moved or removed"
        if entry.hash != row.hash:
            return "it was changed after it was written"
        if row.body is None:
            self.gone.append(entry.seq)
        elif digest(row.body.encode()) != entry.body_sha256:
            return "its body was changed after it was written"
        elif entry.kind == AuditKind.ERASED:
            self.erased += [(first, last) for first, last in json.loads(row.body)["entries"]]
        self.seq, self.previous = entry.seq, row.hash
        self.seen_head = self.seen_head or head == row.hash
        return ""

    def unexplained(self) -> int | None:
        """The first entry whose body is gone although nobody said that it was erased."""
        spans = sorted(self.erased)
        at = 0
        for seq in self.gone:
            while at < len(spans) and spans[at][1] < seq:
                at += 1
            if at == len(spans) or spans[at][0] > seq:
                return seq
        return None


def verify(database: Database, head: str | None = None) -> Verified:
    """Walk the whole chain. `head`: the hash of an entry that is known to have been there."""
    walk = _Walk(seen_head=head in (None, GENESIS))
    with database.reading() as connection:
        for row in _rows(connection, _ENTRIES.order_by(audit.c.seq)):
            if why := walk.step(row, head):
                number = row.seq if row.seq == walk.seq + 1 else walk.seq + 1
                return Verified(walk.seq, walk.previous, len(walk.gone), number, why)
        end = connection.execute(select(audit_head)).one_or_none()
        exchanged = _exchanged(connection)
    result = Verified(walk.seq, walk.previous, len(walk.gone))
    if (number := walk.unexplained()) is not None:
        return _broken(result, number, "its body is gone, and no entry says that it was erased")
    if end is None or (end.seq, end.hash) != (walk.seq, walk.previous):
        return _broken(result, walk.seq + 1, f"the chain ends at {walk.seq}, and did not when it was written")
    if not walk.seen_head:
        return _broken(
            result, walk.seq + 1, "no entry has the hash of --head: the chain was cut or rewritten"
        )
    if exchanged is not None:
        return _broken(result, exchanged, "the delivery that it tells of was changed or removed since")
    return result


def _exchanged(connection: Connection) -> int | None:
    """The first entry of a delivery that the store no longer holds as it came in, unless it was erased."""
    came_in = _ENTRIES.where(audit.c.kind == AuditKind.DELIVERY.value, audit_bodies.c.body.is_not(None))
    told: dict[str, tuple[int, str]] = {}
    for row in _rows(connection, came_in):
        said = json.loads(row.body)
        if "sha256" in said:
            told[said["key"]] = row.seq, said["sha256"]
    wrong: list[int] = []
    for row in _rows(connection, select(deliveries.c.key, deliveries.c.body)):
        seq, sha256 = told.pop(row.key, (0, ""))
        if seq and row.body is not None and digest(row.body.encode()) != sha256:
            wrong.append(seq)
    return min([*wrong, *(seq for seq, _ in told.values())], default=None)


def _broken(result: Verified, number: int, why: str) -> Verified:
    return Verified(result.entries, result.head, result.erased, number, why)


def entries(database: Database, incident: str | None = None) -> Iterator[dict[str, JsonValue]]:
    """The entries of the chain, or those that tell of one incident and of what came in for it."""
    with database.reading() as connection:
        query = _ENTRIES.order_by(audit.c.seq)
        if incident is not None:
            query = query.where(_of(connection, incident))
        for row in _rows(connection, query):
            told: dict[str, JsonValue] = {
                "seq": row.seq, "at": row.at, "kind": row.kind, "incident": row.incident,
                "body": None if row.body is None else json.loads(row.body), "body_sha256": row.body_sha256,
                "previous": row.previous, "hash": row.hash,
            }  # fmt: skip
            yield told


def deliveries_of(connection: Connection, incident: str) -> set[str]:
    """The keys of the deliveries that the audit names for an incident."""
    query = _ENTRIES.where(audit.c.incident == incident)
    bodies = (json.loads(row.body) for row in _rows(connection, query) if row.body is not None)
    return {str(body["delivery"]) for body in bodies if "delivery" in body}


def _of(connection: Connection, incident: str) -> ColumnElement[bool]:
    keys = deliveries_of(connection, incident)
    came_in = _ENTRIES.where(audit.c.kind == AuditKind.DELIVERY.value) if keys else None
    rows = [] if came_in is None else _rows(connection, came_in)
    seqs = [row.seq for row in rows if row.body is not None and json.loads(row.body).get("key") in keys]
    return or_(audit.c.incident == incident, audit.c.seq.in_(seqs))


def _rows(connection: Connection, query: Select[*tuple[Any, ...]]) -> Iterator[Row[Any]]:
    """Rows as they come: the chain may be long."""
    yield from connection.execute(query, execution_options={"stream_results": True, "yield_per": _AT_ONCE})
