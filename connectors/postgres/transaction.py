"""The transaction layers: READ ONLY, issued by us and verified; time-outs; a search path nobody plants into.

Every setting is local to the transaction: the session, the role and the server stay as they were, and a
pooler in between may keep transactions apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from connectors.errors import RefusedError
from connectors.postgres.channel import one_statement
from connectors.postgres.limits import Limits

if TYPE_CHECKING:
    from connectors.postgres.channel import Connection

LAYER = "read-only transaction"
BEGIN = "BEGIN TRANSACTION READ ONLY"

_SAFE = {
    # pg_temp is searched first for relations unless it is named: last, nobody's temporary table is found.
    "search_path": "pg_catalog, pg_temp",
    # Texts are read as pglast reads them: a backslash in a plain string is a backslash.
    "standard_conforming_strings": "on",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
}
_MODEST = {
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "4MB",
    "cursor_tuple_fraction": "1.0",
}


def times(limits: Limits) -> Mapping[str, str]:
    """The server's own clocks on us, in its words."""
    return {
        "statement_timeout": f"{round(limits.statement * 1000)}ms",
        "lock_timeout": f"{round(limits.lock * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{round(limits.idle * 1000)}ms",
    }


@contextmanager
def read_only(connection: Connection, limits: Limits) -> Iterator[None]:
    """A transaction that cannot write, with its clocks set; rolled back at the end, whatever happened.

    Raises:
        RefusedError: the server did not confirm that the transaction is read-only and bounded.
    """
    connection.execute(BEGIN)
    try:
        settle(connection, {**_SAFE, **_MODEST, **times(limits)})
        verify(connection)
        yield
    finally:
        _end(connection)


def _end(connection: Connection) -> None:
    """Roll back; a connection that cannot is not used again."""
    import psycopg

    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        with suppress(psycopg.Error):
            connection.close()


def settle(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set settings for this transaction alone."""
    pairs = [part for pair in settings.items() for part in pair]
    calls = (f"set_config(${2 * n + 1}, ${2 * n + 2}, true) AS s{n}" for n in range(len(settings)))
    # A SELECT takes the transaction's snapshot: from here on the server itself refuses SET … READ WRITE.
    one_statement(connection, f"SELECT {', '.join(calls)}", pairs)


def verify(connection: Connection) -> None:
    """Ask the server whether the wall stands: RefusedError where it does not say so."""
    read_only = one_statement(connection, "SHOW transaction_read_only").rows[0]["transaction_read_only"]
    if read_only != "on":
        raise RefusedError(LAYER, f"the server says that transaction_read_only is {read_only}")
    said = one_statement(
        connection,
        "SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS time,"
        " current_setting('standard_conforming_strings') AS strings",
    ).rows[0]
    if said["path"] != _SAFE["search_path"] or said["strings"] != "on" or said["time"] == "0":
        raise RefusedError(LAYER, "the server did not take the transaction's settings")
