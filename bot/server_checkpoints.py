"""The machine's checkpoints on a PostgreSQL server. Imports langgraph: import it late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool
from sqlalchemy import text

from bot.store import Database

_MAKING = 0x66697275
"""The advisory lock of those who make the checkpoints' tables."""

_MADE: WeakSet[Database] = WeakSet()


@contextmanager
def saver_on_server(database: Database) -> Iterator[PostgresSaver]:
    """A saver with connections of its own, which are made anew where the server let them go."""
    with ConnectionPool(
        database.conninfo,
        connection_class=Connection[DictRow],
        min_size=1,
        max_size=2,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        check=ConnectionPool.check_connection,
        open=True,
    ) as pool:
        saver = PostgresSaver(pool)
        if database not in _MADE:
            _make(database, saver)
            _MADE.add(database)
        yield saver


def _make(database: Database, saver: PostgresSaver) -> None:
    """Make the tables, one process at a time.

    The lock is tried for and not waited for in the server: who waits there keeps a snapshot, and the indexes
    that are made concurrently would wait for that one.
    """
    key = {"key": _MAKING}
    with database.session() as connection:
        while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            time.sleep(0.05)
        try:
            saver.setup()
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
