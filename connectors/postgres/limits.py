"""What one database may be made to do for an investigation. Nothing here talks to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps of one database.

    Times are seconds. `statement` and `lock` bound one statement on the server, `idle` how long our
    transaction may wait for us there, `session` everything on one connection, `connect` the way there.
    `rows` and `most_bytes` bound one result; `plan_cost` is in the planner's units and compared before
    anything runs; `connections` is how many we hold at once.
    """

    statement: float = 5.0
    lock: float = 0.2
    idle: float = 10.0
    session: float = 30.0
    connect: float = 3.0
    rows: int = 5_000
    most_bytes: int = 16 * 1024 * 1024
    plan_cost: float = 1_000_000.0
    connections: int = 2
