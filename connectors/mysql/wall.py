"""The wall around one MySQL or MariaDB server: every statement passes all layers, or does not reach it.

closed vocabulary → grammar → session READ ONLY with its clocks, verified → one statement, no local files →
caps on rows and bytes; below all of them the role's grants. There is no way around and no switch: tests
compose the layers themselves to try each alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.mysql import grammar, vocabulary
from connectors.mysql.limits import Limits
from connectors.mysql.vocabulary import Kind

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Address:
    """Where a server is and who asks. `password` is a secret and never shown; `ca_file` turns TLS on."""

    host: str
    database: str
    user: str
    password: str = field(repr=False)
    port: int = 3306
    ca_file: str | None = None


def connected(address: Address, limits: Limits) -> Connection[DictCursor]:
    """A connection that can carry one statement at a time and no file.

    Raises:
        SourceFailedError: none was had.
    """
    import pymysql
    from pymysql.cursors import DictCursor

    try:
        return pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            autocommit=True,
            local_infile=False,
            connect_timeout=max(1, round(limits.connect)),
            read_timeout=limits.statement + 2,
            write_timeout=limits.statement + 2,
            ssl={"ca": address.ca_file} if address.ca_file else None,
            program_name="firstcause",
            cursorclass=DictCursor,
        )
    except (pymysql.MySQLError, OSError) as error:
        raise translated(error) from error


def kind_of(connection: Connection[DictCursor]) -> Kind:
    """Whose server it is, by the version it gave when it greeted us."""
    greeted: object = getattr(connection, "server_version", "")
    return "mariadb" if "mariadb" in str(greeted).lower() else "mysql"


def make_read_only(connection: Connection[DictCursor], kind: Kind, limits: Limits) -> None:
    """Make the session one that can only read and soon gives up, and see that it is so.

    Raises:
        RefusedError: the server did not turn read-only.
    """
    seconds = limits.statement
    longest = (
        f"max_statement_time = {seconds}"
        if kind == "mariadb"
        else f"max_execution_time = {seconds * 1000:.0f}"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET SESSION {longest}, lock_wait_timeout = {limits.lock},"
            f" innodb_lock_wait_timeout = {limits.lock}, wait_timeout = {limits.idle},"
            f" sql_select_limit = {limits.rows + 1}"
        )
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute(vocabulary.READ_ONLY_MARIADB if kind == "mariadb" else vocabulary.READ_ONLY_MYSQL)
        row = cursor.fetchone()
        cursor.fetchall()
        if row is None or int(row["read_only"]) != 1:
            raise RefusedError("transaction", "the session is not read-only")


def one_statement(connection: Connection[DictCursor], sql: str, limits: Limits) -> tuple[Row, ...]:
    """Send one statement in a transaction that is begun READ ONLY, and take what the caps allow."""
    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION READ ONLY")
        try:
            cursor.execute(sql)
            return _taken(cursor, limits)
        finally:
            connection.rollback()


def _taken(cursor: DictCursor, limits: Limits) -> tuple[Row, ...]:
    rows: list[Row] = []
    size = 0
    for row in cursor.fetchall():
        size += sum(len(str(value)) for value in row.values())
        if len(rows) >= limits.rows or size > limits.most_bytes:
            raise RefusedError("caps", "the answer is larger than allowed")
        rows.append(row)
    return tuple(rows)


class Wall:
    """One database of one server. Safe to use from several threads."""

    def __init__(self, address: Address, limits: Limits | None = None) -> None:
        self.address = address
        self.limits = limits or Limits()
        self._slots = threading.BoundedSemaphore(self.limits.connections)
        self._closed = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection for one question.

        Raises:
            SourceFailedError: the server cannot be reached, or refused, or was too slow.
            RefusedError: a layer of the wall did not let something through.
        """
        import pymysql

        if self._closed or not self._slots.acquire(timeout=self.limits.connect):
            raise SourceFailedError("too many questions at once", retry=True, counts=False)
        try:
            connection = connected(self.address, self.limits)
            try:
                kind = kind_of(connection)
                make_read_only(connection, kind, self.limits)
                yield Session(connection, kind, self.limits)
            except (pymysql.MySQLError, OSError) as error:
                raise translated(error) from error
            finally:
                with suppress(pymysql.MySQLError, OSError):
                    connection.close()
        finally:
            self._slots.release()

    def close(self) -> None:
        """Open nothing any more."""
        self._closed = True


class Session:
    """One read-only connection. Not for several threads."""

    def __init__(self, connection: Connection[DictCursor], kind: Kind, limits: Limits) -> None:
        self.kind = kind
        self._connection = connection
        self._limits = limits

    def rows(self, sql: str) -> tuple[Row, ...]:
        """The rows of one statement of the vocabulary.

        Raises:
            RefusedError: a layer did not let it through.
        """
        if sql not in vocabulary.CLOSED:
            raise RefusedError("vocabulary", "it is not one of the statements known here")
        grammar.admit(sql)
        return one_statement(self._connection, sql, self._limits)


_MEANING = {
    1040: ("no connection is left: max_connections is reached", True),
    1044: ("the role may not use this database", False),
    1045: ("the server did not accept the role or its password", False),
    1049: ("there is no such database", False),
    1142: ("the role lacks a grant", False),
    1143: ("the role lacks a grant", False),
    1205: ("a lock was not free in time", True),
    1226: ("the role's own connection limit is reached", True),
    1227: ("the role lacks a grant", False),
    1317: ("cancelled", True),
    1792: ("the server refused to write", False),
    1969: ("cancelled: it took too long", True),
    2003: ("nobody listens there", True),
    2013: ("the connection broke, or no answer in time", True),
    3024: ("cancelled: it took too long", True),
}


def translated(error: Exception) -> SourceFailedError:
    """The failure in our words, with the server's number; never the values that its text may hold."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    meaning, retry = _MEANING.get(number, ("the server reports an error", False))
    return SourceFailedError(
        f"{meaning} [error {number}]", retry=retry, counts=number in {0, 1040, 2003, 2013}
    )
