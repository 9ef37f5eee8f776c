"""The wall around MySQL and MariaDB, each layer by itself, against a real MariaDB."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pymysql
import pytest

from bot import cli
from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.mysql import grammar, vocabulary
from connectors.mysql.limits import Limits
from connectors.mysql.role import beyond, grants
from connectors.mysql.wall import Session, Wall, connected, make_read_only, one_statement
from tests.connectors.mysql.attacks import ACT, ALL, DISGUISE, ROWS, WRITE
from tests.connectors.mysql.conftest import PASSWORD, Counted, Server

pytestmark = pytest.mark.live
LIMITS = Limits(statement=1.0)


@pytest.mark.parametrize("sql", ALL)
def test_no_attack_passes_the_vocabulary(sql: str) -> None:
    assert sql not in vocabulary.CLOSED


@pytest.mark.parametrize("sql", ALL)
def test_no_attack_passes_the_grammar(sql: str) -> None:
    with pytest.raises(RefusedError):
        grammar.admit(sql)


@pytest.mark.parametrize("sql", sorted(vocabulary.CLOSED))
def test_every_statement_of_ours_passes_the_grammar(sql: str) -> None:
    grammar.admit(sql)


def _as(server: Server, user: str, attacks: tuple[str, ...], *, read_only: bool) -> list[str]:
    """Which attacks the server itself lets through, without vocabulary and grammar."""
    passed = []
    for sql in attacks:
        address = server.address(user, PASSWORD if user != "root" else "")
        connection = connected(address, LIMITS)
        try:
            if read_only:
                make_read_only(connection, "mariadb", LIMITS)
                one_statement(connection, sql, LIMITS)
            else:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    cursor.fetchall()
        except (pymysql.MySQLError, RefusedError, ValueError, UnicodeError):
            continue
        else:
            passed.append(sql)
        finally:
            with contextlib.suppress(pymysql.MySQLError):
                connection.close()
    return passed


def test_the_role_alone_neither_writes_nor_reads_a_row(server: Server, counted: Counted) -> None:
    before = counted()
    # A role may change its own password, whatever its grants: that is for the other layers to refuse.
    # A definition is no row.
    harmless = ("SET PASSWORD", "SHOW CREATE")
    attacks = tuple(sql for sql in (*WRITE, *ROWS) if not sql.startswith(harmless))
    assert _as(server, "firstcause", attacks, read_only=False) == []
    assert counted() == before


def test_a_read_only_session_of_an_administrator_changes_nothing_of_the_shop(
    server: Server, counted: Counted
) -> None:
    before = counted()
    shop_writes = tuple(
        sql
        for sql in WRITE
        if "performance_schema" not in sql and "INSTALL" not in sql and "PASSWORD" not in sql
    )
    passed = _as(server, "root", shop_writes, read_only=True)
    assert passed == []
    assert counted() == before


def test_one_statement_is_one_statement_for_the_protocol_too(server: Server, counted: Counted) -> None:
    before = counted()
    assert _as(server, "root", ("SELECT 1; DROP TABLE orders", "SELECT 1; SELECT 2"), read_only=True) == []
    assert counted() == before


def test_no_file_is_written_by_any_attack(server: Server) -> None:
    _as(server, "firstcause", (*ACT[:3], *DISGUISE), read_only=True)
    assert not Path("/tmp/firstcause-attack").exists()


def test_a_statement_that_takes_too_long_is_ended_by_the_server(server: Server) -> None:
    connection = connected(server.address("root", ""), LIMITS)
    try:
        make_read_only(connection, "mariadb", LIMITS)
        with pytest.raises(pymysql.MySQLError, match="max_statement_time"):
            one_statement(connection, "SELECT count(*) FROM seq_1_to_1000000000 WHERE seq % 7 = 3", LIMITS)
    finally:
        connection.close()


def test_an_answer_larger_than_allowed_is_refused_and_not_cut(server: Server) -> None:
    connection = connected(server.address(), Limits(rows=2))
    try:
        make_read_only(connection, "mariadb", Limits())
        with pytest.raises(RefusedError, match="larger"):
            one_statement(connection, vocabulary.INDEXES, Limits(rows=2))
    finally:
        connection.close()


def test_the_wall_lets_nothing_through_but_its_own_words(server: Server, counted: Counted) -> None:
    before = counted()
    wall = Wall(server.address(), LIMITS)
    with wall.session() as session:
        for sql in ALL:
            with pytest.raises(RefusedError):
                session.rows(sql)
        assert session.rows(vocabulary.SERVER)[0]["role"] == "firstcause@%"
    assert counted() == before


def test_with_an_open_vocabulary_the_grammar_still_holds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "CLOSED", frozenset(ALL))
    wall = Wall(server.address(), LIMITS)
    with wall.session() as session:
        for sql in ALL:
            with pytest.raises(RefusedError):
                session.rows(sql)


def test_a_server_that_does_not_turn_read_only_is_left_alone(server: Server) -> None:
    connection = connected(server.address(), LIMITS)
    try:
        with pytest.raises((RefusedError, pymysql.MySQLError)):
            make_read_only(connection, "mysql", LIMITS)  # asks the wrong kind's variable
    finally:
        connection.close()


def test_who_may_not_come_in_gets_a_reason_without_the_password(server: Server) -> None:
    wall = Wall(server.address("firstcause", "wrong password"), LIMITS)
    with pytest.raises(SourceFailedError, match="did not accept") as refused, wall.session():
        pass
    assert "wrong password" not in str(refused.value)
    assert "wrong password" not in repr(wall.address)


def test_more_connections_than_allowed_are_not_opened(server: Server) -> None:
    wall = Wall(server.address(), Limits(connections=1, connect=0.2))
    with wall.session(), pytest.raises(SourceFailedError, match="too many"), wall.session():
        pass


def test_what_a_role_has_beyond_its_grants_is_told(server: Server) -> None:
    with Wall(server.address(), LIMITS).session() as session:
        assert beyond(_shown(session)) == []
    with Wall(server.address("root", ""), LIMITS).session() as session:
        assert any("ALL PRIVILEGES" in each for each in beyond(_shown(session)))
    assert beyond(["GRANT SELECT, INSERT ON `shop`.* TO `x`@`%`"]) == ["SELECT on shop.*", "INSERT on shop.*"]


def _shown(session: Session) -> list[str]:
    return [str(next(iter(row.values()))) for row in session.rows(vocabulary.GRANTS)]


def test_the_command_prints_the_grants(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sql-role", "--server", "mysql", "--database", "shop"]) == 0
    assert capsys.readouterr().out.strip() == grants("firstcause", "shop")
    assert cli.run(["sql-role", "--server", "mysql", "--database", "shop", "--plans", "x"]) == 2


def test_names_in_the_grants_stay_names() -> None:
    text = grants("o'hara", "a`b")
    assert "'o''hara'@'%'" in text
    assert "`a``b`.*" in text
