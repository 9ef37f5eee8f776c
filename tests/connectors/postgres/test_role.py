"""The role that sql-role prints: what it may do on a real server, and how its text is made."""

from __future__ import annotations

import psycopg
import pytest

from bot import cli
from connectors.postgres import role
from connectors.postgres.limits import Limits
from tests.connectors.postgres.servers import Server


def test_the_command_prints_the_grants_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sql-role", "--database", "shop", "--role", "watch", "--plans", "sales"]) == 0
    printed = capsys.readouterr().out
    statements = [
        line.removesuffix(";") for line in printed.splitlines() if line and not line.startswith("--")
    ]
    assert statements == list(role.grants(role.RoleWish("watch", "shop", ("sales",))))
    assert 'GRANT pg_monitor TO "watch"' in statements
    assert 'GRANT SELECT ON ALL TABLES IN SCHEMA "sales" TO "watch"' in statements
    assert not [line for line in statements if "INSERT" in line or "UPDATE" in line or "write" in line]


def test_without_plans_no_table_is_granted() -> None:
    assert not [line for line in role.grants(role.RoleWish("watch", "shop")) if "SELECT ON" in line]
    assert "--plans" in role.script(role.RoleWish("watch", "shop"))


def test_a_name_that_cannot_be_quoted_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sql-role", "--database", "shop", "--role", ""]) == 2
    assert capsys.readouterr().err.count("\n") == 1


HOSTILE = "x\"; DROP TABLE customers; -- $$'\\"


@pytest.mark.live
def test_a_hostile_name_stays_a_name(server: Server) -> None:
    wish = role.RoleWish(HOSTILE, "shop")
    with server.admin() as connection:
        for _ in range(2):  # running it again changes nothing
            for statement in role.grants(wish):
                connection.execute(statement.encode())
        made = connection.execute("SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = %s", [HOSTILE])
        assert made.fetchall() == [(False, True)]
        connection.execute(f"DROP OWNED BY {role.identifier(HOSTILE)}".encode())
        connection.execute(f"DROP ROLE {role.identifier(HOSTILE)}".encode())


@pytest.mark.parametrize("name", ["", "x\ny", "x\0", "x\u2028y"])
def test_a_name_that_could_leave_a_comment_is_refused(name: str) -> None:
    for wish in (role.RoleWish(name), role.RoleWish("x", name), role.RoleWish("x", "y", (name,))):
        with pytest.raises(ValueError, match="printable"):
            role.script(wish)


@pytest.mark.live
def test_the_role_may_write_nowhere(server: Server) -> None:
    granted = """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'v', 'm', 'p') AND n.nspname <> 'information_schema'
              AND c.relname <> 'traces'
              AND has_table_privilege('firstcause_plans', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"""
    with server.admin() as connection:
        # pg_settings is a view whose update is SET; everybody has it, and it is gone with the session.
        assert connection.execute(granted.encode()).fetchall() == [("pg_settings",)]


@pytest.mark.live
def test_the_role_s_own_connections_are_few(server: Server) -> None:
    most = Limits().connections + 2
    held: list[psycopg.Connection[tuple[object, ...]]] = []
    try:
        held.extend(psycopg.connect(server.dsn("firstcause")) for _ in range(most))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(server.dsn("firstcause"))
    finally:
        for connection in held:
            connection.close()
