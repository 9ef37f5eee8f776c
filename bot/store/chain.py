"""The audit's chain: every entry holds the hash of the one before it, and the hash of its body.

Bodies lie beside the entries, so that what was read and said can be erased and the chain still verifies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, select

from bot.desk import AuditKind
from bot.store.tables import audit, audit_bodies, audit_head, written
from connectors.contract import digest

GENESIS = digest(b"firstcause audit")
"""What the first entry of the chain has before it."""

_HEAD = select(audit_head.c.seq, audit_head.c.hash).with_for_update()
_ENTRY = audit.insert()
_BODY = audit_bodies.insert()
_NEW_HEAD = audit_head.update().values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is to be added to the chain."""

    kind: AuditKind
    incident: str
    body: Mapping[str, JsonValue]
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the chain. `hash` is that of the canonical JSON of everything else here."""

    seq: int
    at: str
    kind: str
    incident: str
    body_sha256: str
    previous: str

    @property
    def hash(self) -> str:
        """What the next entry holds as `previous`."""
        return digest(canonical(self.row()))

    def row(self) -> dict[str, Any]:
        """The entry as the table holds it, without its own hash."""
        return {name: getattr(self, name) for name in self.__slots__}


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces and ASCII alone: the same bytes everywhere."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def append(connection: Connection, facts: Sequence[Fact]) -> None:
    """Add entries to the chain, inside the caller's transaction and best at its end.

    Whoever appends holds the head of the chain until the transaction is over: two never follow one entry.
    """
    if not facts:
        return
    head = connection.execute(_HEAD).one()
    seq, previous = head.seq, head.hash
    entries: list[dict[str, Any]] = []
    bodies: list[dict[str, Any]] = []
    for fact in facts:
        seq += 1
        body = canonical(dict(fact.body))
        name = fact.incident.replace("\0", "?").encode("utf-8", "replace").decode()
        entry = Entry(seq, written(fact.at), fact.kind.value, name, digest(body), previous)
        previous = entry.hash
        entries.append(entry.row() | {"hash": previous})
        bodies.append({"seq": seq, "body": body.decode()})
    connection.execute(_ENTRY, entries)
    connection.execute(_BODY, bodies)
    connection.execute(_NEW_HEAD, {"new_seq": seq, "new_hash": previous})
