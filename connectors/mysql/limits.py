"""What one MySQL or MariaDB server may be made to do for an investigation. Nothing here talks to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps of one server.

    Times are seconds. `statement` and `lock` bound one statement on the server, `idle` how long it keeps a
    connection of ours that is silent, `connect` the way there. `rows` and `most_bytes` bound one result;
    `connections` is how many we hold at once.
    """

    statement: float = 3.0
    lock: int = 1
    idle: int = 30
    connect: float = 3.0
    rows: int = 5_000
    most_bytes: int = 8 * 1024 * 1024
    connections: int = 2
