"""Each layer of the wall alone: the statement is sent with every other layer taken away, as an administrator.

Only the layer under test stands between the attack and the server, so that what it claims is really its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from connectors.errors import RefusedError
from connectors.postgres import catalogue, forecast, grammar, transaction
from connectors.postgres.channel import one_statement
from connectors.postgres.limits import Limits
from tests.connectors.postgres.attacks import Layer
from tests.connectors.postgres.servers import Server

if TYPE_CHECKING:
    from connectors.postgres.channel import Connection

ROOMY = Limits(statement=20, lock=5, idle=60, rows=1000)

HURRIED = Limits(statement=0.05, lock=0.05, idle=5)


@dataclass
class Bench:
    """Connections to one server, with nothing of the wall on them."""

    admin: Connection
    reader: Connection

    def stops(self, layer: Layer, sql: str) -> str:
        """Why that layer alone stops the statement, or "" where it gets through."""
        return _TRIALS[layer](self, sql)


@contextmanager
def bench(server: Server) -> Iterator[Bench]:
    with ExitStack() as stack:
        made = [
            stack.enter_context(
                psycopg.connect(
                    server.dsn(user), autocommit=True, row_factory=dict_row, prepare_threshold=None
                )
            )
            for user in ("postgres", "firstcause")
        ]
        # What the role's settings do anybody can undo: what must hold is the grants.
        made[1].execute("SET default_transaction_read_only = off")
        made[1].execute("SET statement_timeout = '5s'")
        yield Bench(*made)


def _grammar(_: Bench, sql: str) -> str:
    with _refusal() as why:
        grammar.admit(sql)
    return why()


def _catalogue(bench: Bench, sql: str) -> str:
    statement = grammar.admit_for_planning(sql, grammar.parsed(sql))
    with _refusal() as why:
        catalogue.examine(bench.admin, statement)
    return why()


def _plan(bench: Bench, sql: str) -> str:
    with _refusal() as why, _rolled_back(bench.admin):
        frame = forecast.framed(sql, ROOMY.rows)
        forecast.foresee(bench.admin, frame, (), ROOMY)
    return why()


def _read_only(bench: Bench, sql: str) -> str:
    with _refusal() as why, transaction.read_only(bench.admin, ROOMY):
        bench.admin.execute(sql.encode())
    return why()


def _protocol(bench: Bench, sql: str) -> str:
    with _refusal() as why, _rolled_back(bench.admin):
        one_statement(bench.admin, sql)
    return why()


def _role(bench: Bench, sql: str) -> str:
    try:
        with _rolled_back(bench.reader):
            bench.reader.execute(sql.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        return str(error)
    except psycopg.Error as error:
        raise AssertionError(f"{sql}: not refused for a missing grant, but {error}") from error
    return ""


def _time(bench: Bench, sql: str) -> str:
    try:
        with _rolled_back(bench.admin):
            transaction.settle(bench.admin, transaction.times(HURRIED))
            bench.admin.execute(sql.encode())
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
        return str(error)
    return ""


_TRIALS: dict[Layer, Callable[[Bench, str], str]] = {
    "grammar": _grammar,
    "catalogue": _catalogue,
    "plan": _plan,
    "read_only": _read_only,
    "protocol": _protocol,
    "role": _role,
    "time": _time,
}


@contextmanager
def _refusal() -> Iterator[Callable[[], str]]:
    said: list[str] = []
    try:
        yield lambda: said[0] if said else ""
    except (RefusedError, psycopg.Error, UnicodeError) as error:
        said.append(str(error) or type(error).__name__)


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:  # a clock that ran out late may hit the first one
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")


def gets_through(bench: Bench, sql: str) -> str:
    """Run the statement with no layer, as an administrator: "" when it ran, else the server's error."""
    try:
        with _rolled_back(bench.admin):
            bench.admin.execute("SET LOCAL statement_timeout = '60ms'")
            bench.admin.execute(sql.encode())
    except psycopg.errors.QueryCanceled:
        return ""  # it was under way
    except psycopg.Error as error:
        return str(error)
    return ""


def state(connection: Any) -> dict[str, object]:
    """What an attack could have changed: rows, definitions, roles, settings, locks, large objects."""
    asked = {
        "customers": "SELECT count(*), sum(hashtext(c::text)) FROM public.customers c",
        "orders": "SELECT count(*), sum(hashtext(o::text)) FROM public.orders o",
        "traces": "SELECT count(*) FROM public.traces",
        "classes": "SELECT count(*), sum(hashtext(concat(relname, relkind, relowner, relacl)))"
        " FROM pg_class WHERE relpersistence <> 't'",
        "functions": "SELECT count(*), sum(hashtext(concat(proname, prosrc, prosecdef))) FROM pg_proc",
        "roles": "SELECT sum(hashtext(a::text)) FROM pg_authid a",
        "members": "SELECT count(*) FROM pg_auth_members",
        "databases": "SELECT count(*) FROM pg_database",
        "settings": "SELECT sum(hashtext(coalesce(s::text, ''))) FROM pg_db_role_setting s",
        "sequence": "SELECT last_value, is_called FROM public.loose_seq",
        "objects": "SELECT count(*) FROM pg_largeobject_metadata",
        "advisory": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
        "prepared": "SELECT count(*) FROM pg_prepared_xacts",
        "slots": "SELECT count(*) FROM pg_replication_slots",
    }
    return {name: connection.execute(sql.encode()).fetchone() for name, sql in asked.items()}
