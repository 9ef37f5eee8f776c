"""One statement down, rows up: through the extended protocol, read row by row up to a cap.

The extended protocol takes exactly one statement, whatever the text says: a second one is the server's
error, before the first has run. Nothing here judges a statement.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from connectors.errors import RefusedError
from connectors.postgres.limits import Limits

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

    Connection = psycopg.Connection[dict[str, Any]]

Row = dict[str, Any]
LAYER = "channel"


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement gave, and whether a cap cut it."""

    rows: tuple[Row, ...]
    truncated: bool = False


def one_statement(
    connection: Connection, sql: str, values: Sequence[object] = (), limits: Limits | None = None
) -> Rows:
    """Send one statement and read its rows, no more of them than the caps allow.

    Raises:
        psycopg.Error: the server refused it, or did not answer.
    """
    import psycopg

    if "\0" in sql:  # the client library would send what stands before it, which nobody has judged
        raise RefusedError(LAYER, "a NUL in the text")
    caps = limits or Limits()
    rows: list[Row] = []
    size = 0
    with psycopg.RawCursor(connection, row_factory=psycopg.rows.dict_row) as cursor:
        # stream() always speaks the extended protocol, in single-row mode; closing it cancels what is left.
        stream = cast("Generator[Row]", cursor.stream(sql.encode(), list(values) or None))
        with closing(stream):
            for row in stream:
                size += _size(cursor.pgresult)
                if len(rows) >= caps.rows or size > caps.most_bytes:
                    return Rows(tuple(rows), truncated=True)
                rows.append(row)
    return Rows(tuple(rows))


def _size(result: PGresult | None) -> int:
    """The bytes of the row that arrived last."""
    if result is None:
        return 0
    return sum(len(result.get_value(0, column) or b"") for column in range(result.nfields))


def command(connection: Connection, sql: str) -> None:
    """Send one statement that gives no rows, such as PREPARE; the result format forces the extended one."""
    import psycopg

    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(sql.encode(), prepare=False, binary=True)
