"""One database, SQLite or PostgreSQL, and its transactions.

Every error of the database becomes an OSError here: nothing was changed then, and it may be tried again.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from bot.errors import BadInputError
from bot.store.tables import audit_head

WAIT_SECONDS = 10.0
"""How long a write waits for another connection's, and a connection for a server."""

Where = Path | SecretStr
"""A SQLite file, or the URL of a PostgreSQL database (a secret: it may hold a password)."""

# Answers are megabytes: of a new file's larger pages, writing them takes half the time.
_PRAGMAS = ("page_size=16384", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
_SERVER_SIDE = "-c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"


class StoreDamagedError(OSError):
    """The store holds something that no database can read."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that several threads may use in turn, patient with other processes.

    After a power cut it may lack the last commits, never be broken; a killed process loses nothing.
    """
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class Database:
    """An engine with its transactions. Safe to use from several threads; other processes are waited for.

    On SQLite the threads of one process write one after the other, because waiting for a lock in turn is
    quicker than SQLite's own polling for it.
    """

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self.path = path
        self._file = None if path is None else _identity(path)
        self._engine = engine
        self._writes = engine.execution_options(writes=True)
        self._durable = engine.execution_options(writes=True, durable=True)
        self._turn = threading.Lock()

    @property
    def embedded(self) -> bool:
        """Whether this is a SQLite file."""
        return self.path is not None

    @property
    def conninfo(self) -> str:
        """How libpq is told of the server; holds the password."""
        return self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one state."""
        with _told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction: wholly or not at all.

        With `durable` it survives a power cut once it is over; without, on SQLite, the last moments may be
        lost to one, though never half of them.
        """
        engine = self._durable if durable else self._writes
        self._still_there()
        with self._in_turn(), _told(), engine.begin() as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection without a transaction, for what belongs to a session of a server."""
        with _told(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def clock(self, connection: Connection, now: datetime) -> float:
        """The clock that leases are measured with: the server's, or with an embedded file the caller's."""
        if self.embedded:
            return now.timestamp()
        return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())

    def usable(self) -> bool:
        """Whether something could be written now."""
        try:
            with self.writing() as connection:
                connection.execute(select(audit_head.c.seq).with_for_update())
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _still_there(self) -> None:
        """Refuse to write into a file that has lost its name: nobody could ever read it again."""
        if self.path is not None and _identity(self.path) != self._file:
            raise OSError(
                errno.ENOENT,
                f"the store {self.path} was moved, removed or replaced: start this process again",
            )

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self.embedded:
            yield
            return
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise OSError(errno.EAGAIN, "the store is busy")
        try:
            yield
        finally:
            self._turn.release()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file stands there, None for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def insert_new(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row; False where one of the table's keys is taken: what was there stands."""
    return connection.execute(_insert_new(connection.dialect.name, table), values).rowcount == 1


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    """Made once: SQLAlchemy takes longer to build a statement than SQLite to run it."""
    if dialect == "sqlite":
        return sqlite_insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def engine_of_file(path: Path) -> Engine:
    """An engine on a SQLite file."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def engine_of_url(url: SecretStr) -> Engine:
    """An engine on a PostgreSQL server.

    Raises:
        BadInputError: it is no URL of one.
    """
    try:
        made = make_url(url.get_secret_value())
    except ArgumentError:
        raise BadInputError("the store's URL cannot be read: write postgresql://USER@HOST/DATABASE") from None
    if made.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise BadInputError(f"the store's URL names {made.drivername!r}, and only postgresql is supported")
    return create_engine(
        made.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": int(WAIT_SECONDS),
            "prepare_threshold": None,  # a pooler between us and the server would not know what was prepared
            "application_name": "firstcause",
            "options": _SERVER_SIDE,
        },
    )


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin in `_begin`, not where the driver thinks they do
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("writes"):
        connection.exec_driver_sql("BEGIN")
        return
    wanted = "FULL" if options.get("durable") else "NORMAL"
    if connection.info.get("synchronous", "NORMAL") != wanted:
        connection.exec_driver_sql(f"PRAGMA synchronous={wanted}")
        connection.info["synchronous"] = wanted
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _told() -> Iterator[None]:
    """Every error of a database as an OSError, without what was to be written."""
    try:
        yield
    except DBAPIError as error:
        original = error.orig
        words = " ".join(str(original).split())[:300]
        damaged = type(original) is sqlite3.DatabaseError
        raise (StoreDamagedError if damaged else OSError)(f"the store cannot be used: {words}") from error
    except SQLAlchemyError as error:
        raise OSError(f"the store cannot be used: {type(error).__name__}") from error
