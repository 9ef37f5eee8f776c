"""The wall around one database: every statement passes all layers, in order, or does not reach it.

grammar → READ ONLY transaction with its clocks → catalogue → plan and cost → one statement of the
extended protocol → caps on rows and bytes; below all of them the role's grants. There is no way around
and no switch: tests compose the layers themselves to try each alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.postgres import catalogue, failures, forecast, grammar, transaction
from connectors.postgres.channel import Rows, command, one_statement
from connectors.postgres.limits import Limits
from connectors.postgres.watch import Watch

if TYPE_CHECKING:
    from connectors.postgres.channel import Connection

APPLICATION = "firstcause"


class Session:
    """One connection behind the wall. Not for several threads."""

    def __init__(self, connection: Connection, limits: Limits, watch: Watch) -> None:
        self._connection = connection
        self._limits = limits
        self._watch = watch

    @property
    def version(self) -> int:
        """The server's major version."""
        return self._connection.info.server_version // 10_000

    def rows(self, sql: str, *values: object) -> Rows:
        """The rows of one SELECT of ours, in a transaction of its own.

        Raises:
            RefusedError: a layer did not let it through.
            psycopg.Error: the server refused it, or it took too long.
        """
        with self.reading() as reading:
            return reading.rows(sql, *values)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Several statements in one read-only transaction, each through all layers."""
        self._watch.admit()
        with transaction.read_only(self._connection, self._limits):
            yield Reading(self._connection, self._limits, self._watch)


class Reading:
    """What can be asked inside of one read-only transaction."""

    def __init__(self, connection: Connection, limits: Limits, watch: Watch) -> None:
        self._connection = connection
        self._limits = limits
        self._watch = watch

    @property
    def version(self) -> int:
        """The server's major version."""
        return self._connection.info.server_version // 10_000

    def rows(self, sql: str, *values: object) -> Rows:
        """The rows of one SELECT of ours."""
        self._watch.admit()
        statement = grammar.admit(sql)
        catalogue.examine(self._connection, statement)
        frame = forecast.framed(sql, self._limits.rows)
        forecast.foresee(self._connection, frame, values, self._limits)
        return one_statement(self._connection, frame, values, self._limits)

    def plan(self, statement: grammar.Admitted) -> dict[str, Any]:
        """The generic plan of a statement of the application: it is planned and never runs.

        Prepared under our name, and explained for unknown values with the generic plan forced: that goes
        through the extended protocol on every version, while EXPLAIN (GENERIC_PLAN) of 16 and later takes a
        statement with parameters through the simple protocol alone, which would take several statements.
        """
        import psycopg

        self._watch.admit()
        catalogue.examine_for_planning(self._connection, statement)
        transaction.settle(self._connection, {"plan_cache_mode": "force_generic_plan"})
        command(self._connection, f"PREPARE firstcause_probe AS {statement.sql}")
        try:
            known = one_statement(self._connection, _PARAMETERS).rows
            count = int(known[0]["count"])
            values = f"({', '.join(['NULL'] * count)})" if count else ""
            rows = one_statement(
                self._connection, f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE firstcause_probe{values}"
            ).rows
            return cast("dict[str, Any]", rows[0]["QUERY PLAN"][0]["Plan"])
        finally:
            with suppress(psycopg.Error):  # after an error only the rollback is left
                command(self._connection, "DEALLOCATE firstcause_probe")


_PARAMETERS = """
    SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements
    WHERE name = 'firstcause_probe'"""


class Wall:
    """One database, and where it has one a replica that is asked first. Safe to use from several threads."""

    def __init__(self, name: str, dsn: str, limits: Limits | None = None, replica: str | None = None) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._dsn = dsn
        self._replica = replica
        self._slots = threading.BoundedSemaphore(self.limits.connections)
        self._lock = threading.Lock()
        self._open: set[Watch] = set()
        self._closed = False

    @contextmanager
    def session(self, *, anywhere: bool = False) -> Iterator[Session]:
        """A connection for one question; `anywhere`: a replica knows the answer just as well.

        Raises:
            SourceFailedError: no connection could be had, or the answer broke off.
            RefusedError: the wall refused a statement.
        """
        import psycopg

        if not self._slots.acquire(timeout=self.limits.session):
            raise SourceFailedError(f"{self.name}: all our connections are busy", retry=True, counts=False)
        try:
            with self._watched(anywhere) as session:
                yield session
        except psycopg.Error as error:
            raise failures.translated(self.name, error) from error
        finally:
            self._slots.release()

    @contextmanager
    def _watched(self, anywhere: bool) -> Iterator[Session]:
        """A connection that is watched, known to `cancel`, and closed at the end."""
        connection = self._connected(anywhere)
        watch = Watch(self.name, connection, self.limits.session)
        with self._lock:
            self._open.add(watch)
        try:
            yield Session(connection, self.limits, watch)
        finally:
            watch.finish()
            with self._lock:
                self._open.discard(watch)
            connection.close()

    def cancel(self) -> None:
        """End what is under way: the incident's budget is spent."""
        with self._lock:
            watches = tuple(self._open)
        threads = [threading.Thread(target=watch.break_off, daemon=True) for watch in watches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """End what is under way and answer nothing more."""
        with self._lock:
            self._closed = True
        self.cancel()

    def _connected(self, anywhere: bool) -> Connection:
        import psycopg

        if self._closed:
            raise SourceFailedError(f"{self.name}: closed", counts=False)
        if anywhere and self._replica:
            with suppress(psycopg.Error):
                return self._dial(self._replica)
        return self._dial(self._dsn)

    def _dial(self, dsn: str) -> Connection:
        import psycopg

        made: dict[str, Any] = {
            "application_name": APPLICATION,
            "connect_timeout": max(2, round(self.limits.connect)),
            "client_encoding": "UTF8",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": round(self.limits.session * 1000),
        }
        return psycopg.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,
            row_factory=psycopg.rows.dict_row,
            **made,
        )


__all__ = ["APPLICATION", "Limits", "Reading", "RefusedError", "Session", "Wall"]
