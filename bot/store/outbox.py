"""What is to be sent: each message once, the newest state of a card, and tried again for a day at least."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, or_, select

from bot.desk import Body, Later, Message, Never, Outgoing, Sent
from bot.store.engine import Database, insert_new
from bot.store.jobs import CLOCK, MOMENT, ran_out
from bot.store.tables import messages

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 900.0
GIVE_UP_SECONDS = 26 * 3600.0
"""After how long a message that is only ever put off is given up: a day, and what a clock may leap."""
LEAST_ATTEMPTS = 20
"""How often it was tried at least by then, whatever the clock says."""


class StoredOutbox:
    """The outbox, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, message: Message, now: datetime) -> bool:
        """Have it sent; False where that changes nothing."""
        at = now.timestamp()
        after = None if message.after is None else self._row(message.after)
        dead = after is not None and after.state == "dead"
        row = {
            "key": message.key, "incident": message.incident, "operation": message.operation,
            "payload": _packed(message.payload), "after": message.after, "latest": int(message.latest),
            "version": 1, "state": "dead" if dead else "waiting", "attempts": 0, "put_at": at,
            "not_before": at, "waits": 0.0, "token": 0, "until": 0.0, "seconds": 0.0,
            "why": f"{message.after} was refused" if dead else "",
        }  # fmt: skip
        if insert_new(self._connection, messages, row):
            return True
        known = self._row(message.key)
        assert known is not None
        if not message.latest or (known.state != "dead" and known.payload == row["payload"]):
            return False
        changed = {name: row[name] for name in ("payload", "state", "why")} | {"version": known.version + 1}
        if known.state != "waiting":
            changed |= {"attempts": 0, "first_tried_at": None, "put_at": at, "not_before": at, "waits": 0.0}
        self._connection.execute(messages.update().where(messages.c.n == known.n).values(changed))
        return True

    def result(self, key: str) -> Body | None:
        """What sending it gave; None while it has not been sent."""
        row = self._row(key)
        return None if row is None or row.result is None else _unpacked(row.result)

    def _row(self, key: str) -> Row[Any] | None:
        query = select(messages).where(messages.c.key == key).with_for_update()
        return self._connection.execute(query).one_or_none()


_BESIDE = case((and_(messages.c.after.is_not(None), messages.c.latest == 0), 1), else_=0)
"""What stands beside a card waits for cards: Slack takes a message a second, and people look there first."""


def outgoing(database: Database, operations: Sequence[str], now: datetime, seconds: float) -> Outgoing | None:
    """The next message that is due, under a lease."""
    query, at = _next(tuple(operations)), now.timestamp()
    with database.reading() as connection:  # whoever has nothing to send looks often
        clock = database.clock(connection, now)
        if connection.execute(query, {"clock": clock, "moment": at}).first() is None:
            return None
    with database.writing(durable=True) as connection:
        clock = database.clock(connection, now)
        query = query.with_for_update(skip_locked=True)
        row = connection.execute(query, {"clock": clock, "moment": at}).one_or_none()
        if row is None:
            return None
        taken = {
            "token": row.token + 1, "until": clock + seconds, "seconds": seconds,
            "attempts": row.attempts + 1, "first_tried_at": row.first_tried_at or at,
        }  # fmt: skip
        connection.execute(messages.update().where(messages.c.n == row.n).values(taken))
        known = StoredOutbox(connection).result(row.after) if row.after else None
    message = Message(
        key=row.key, incident=row.incident, operation=row.operation, payload=_unpacked(row.payload),
        after=row.after, latest=bool(row.latest),
    )  # fmt: skip
    tried = None if row.first_tried_at is None else datetime.fromtimestamp(row.first_tried_at, UTC)
    return Outgoing(
        message=message, token=row.token + 1, version=row.version, attempts=row.attempts + 1,
        first_tried_at=tried, known=known or {},
    )  # fmt: skip


@cache
def _next(operations: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    """The message to send next: what it needs the result of was sent."""
    before = messages.alias()
    first = select(before.c.n).where(before.c.key == messages.c.after, before.c.result.is_not(None))
    return (
        select(messages)
        .where(
            messages.c.state == "waiting",
            messages.c.operation.in_(operations),
            ran_out(messages.c.not_before, messages.c.waits, MOMENT),
            ran_out(messages.c.until, messages.c.seconds, CLOCK),
            or_(messages.c.after.is_(None), first.exists()),
        )
        .order_by(_BESIDE, messages.c.n)
        .limit(1)
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a sending, as the audit tells it."""

    state: str
    why: str


def settle(connection: Connection, sent: Outgoing, outcome: Sent | Later | Never, now: datetime) -> Settled:
    """Write down how sending went; under a lost lease nothing is written."""
    mine = and_(messages.c.key == sent.message.key, messages.c.token == sent.token, messages.c.until > 0)
    row = connection.execute(select(messages).where(mine).with_for_update()).one_or_none()
    why = "" if isinstance(outcome, Sent) else outcome.why
    if row is None:
        return Settled("lost", why)
    values, settled = _after(row, sent, outcome, now.timestamp())
    connection.execute(
        messages.update().where(messages.c.n == row.n).values(until=0.0, why=settled.why, **values)
    )
    if settled.state == "dead":
        _refuse_followers(connection, sent.message.key)
    return settled


def _after(
    row: Row[Any], sent: Outgoing, outcome: Sent | Later | Never, at: float
) -> tuple[dict[str, object], Settled]:
    """What the message's row becomes."""
    changed = row.version != sent.version  # put again while it was sent: the newer state is still to be sent
    at_once: dict[str, object] = {
        "state": "waiting", "not_before": at, "waits": 0.0, "attempts": 0, "first_tried_at": None,
    }  # fmt: skip
    match outcome:
        case Sent():
            result: dict[str, object] = {"result": _packed(outcome.result)}
            return result | (at_once if changed else {"state": "sent"}), Settled("sent", "")
        case Later():
            if not changed and _is_given_up(row, at):
                return {"state": "dead"}, Settled("dead", f"given up: {outcome.why}")
            wait = delay(sent.attempts) if outcome.seconds is None else max(0.0, outcome.seconds)
            return {"not_before": at + wait, "waits": wait}, Settled("later", outcome.why)
        case Never():
            if changed:
                return at_once, Settled("refused", outcome.why)
            return {"state": "dead"}, Settled("dead", outcome.why)


def delay(attempts: int) -> float:
    """How many seconds to wait after so many attempts: twice as long each time."""
    return min(FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 30), LONGEST_DELAY_SECONDS)


def _is_given_up(row: Row[Any], at: float) -> bool:
    since = row.first_tried_at
    return since is not None and at - since >= GIVE_UP_SECONDS and row.attempts >= LEAST_ATTEMPTS


def _refuse_followers(connection: Connection, key: str) -> None:
    """What needs the result of a message that was never sent can never be sent either."""
    refused = [key]
    while refused:
        first = refused.pop()
        waiting: ColumnElement[bool] = and_(messages.c.after == first, messages.c.state == "waiting")
        found = connection.execute(select(messages.c.key).where(waiting)).scalars().all()
        connection.execute(messages.update().where(waiting).values(state="dead", why=f"{first} was refused"))
        refused.extend(found)


def _packed(body: Body) -> str:
    return json.dumps(body, separators=(",", ":"), sort_keys=True)


def _unpacked(text: str | None) -> Body:
    read: dict[str, JsonValue] = json.loads(text) if text else {}
    return read
