"""The questions that a real MariaDB answers, and what the judges make of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from connectors import answers as a
from connectors.codec import encode
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.mysql.connector import MySqlConnector, in_postgres_words
from connectors.mysql.limits import Limits
from connectors.questions import Activity, IndexList, LockChain, StatementStatistics, TableStatistics
from playbooks.commands import Command, render
from playbooks.database import judge_database
from playbooks.facts import Scene
from playbooks.observations import Observations
from tests.connectors.mysql.conftest import Server

pytestmark = pytest.mark.live
BY_EMAIL = (
    "SELECT id, status FROM orders WHERE customer_email = 'customer{}@mail.example' ORDER BY id DESC LIMIT 5"
)
BY_CUSTOMER = "SELECT id, status FROM orders WHERE customer_id = {} LIMIT 5"


@pytest.fixture
def connector(server: Server) -> Iterator[MySqlConnector]:
    made = MySqlConnector(server.address(), Limits(statement=5.0), sample_seconds=1.2)
    yield made
    made.close()


def _window() -> Window:
    return Window(start=datetime.now(UTC) - timedelta(hours=1), end=datetime.now(UTC))


def _read(connector: MySqlConnector, question: Question) -> Reading:
    reading = connector.ask(question, now=datetime.now(UTC))
    assert isinstance(reading, Reading), reading
    return reading


@contextmanager
def _load(server: Server, *statements: str) -> Iterator[None]:
    """The shop at work: each statement again and again, in a session of its own."""
    stop = threading.Event()

    def work(statement: str) -> None:
        with server.admin() as connection, connection.cursor() as cursor:
            n = 0
            while not stop.is_set():
                n += 1
                cursor.execute(statement.format(n % 2000))
                cursor.fetchall()

    threads = [threading.Thread(target=work, args=(each,)) for each in statements]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def test_the_indexes_are_told_with_their_columns_and_dialect(connector: MySqlConnector) -> None:
    answer = _read(connector, IndexList(database="shop")).answer
    assert isinstance(answer, a.Indexes)
    found = {(each.table, each.index): (each.columns, each.unique, each.dialect) for each in answer.indexes}
    assert found["orders", "orders_customer_idx"] == (("customer_id",), False, "mysql")
    assert found["orders", "PRIMARY"] == (("id",), True, "mysql")


def test_tables_come_with_their_size(connector: MySqlConnector) -> None:
    answer = _read(connector, TableStatistics(database="shop", window=_window())).answer
    assert isinstance(answer, a.TableSnapshots)
    rows = {each.table: each.live_rows for each in answer.snapshots[0].tables}
    assert rows["orders"] == pytest.approx(60_000, rel=0.2)


def test_the_lock_chain_leads_to_the_session_that_sits_in_its_transaction(
    connector: MySqlConnector, server: Server
) -> None:
    with server.admin() as holder, server.admin() as waiter:
        holder.autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("UPDATE orders SET status = 'held' WHERE id = 7")
        thread = threading.Thread(target=_waits, args=(waiter,))
        thread.start()
        time.sleep(1.5)
        try:
            answer = _read(connector, LockChain(database="shop", window=_window())).answer
        finally:
            holder.rollback()
            thread.join(10)
        assert isinstance(answer, a.Locks)
        [lock] = answer.locks
        assert lock.blocker_pid != lock.blocked_pid
        assert lock.blocker_state == "idle in transaction"
        assert "secret value" not in lock.blocked_query
        assert "UPDATE orders" in lock.blocked_query


def _waits(waiter: object) -> None:
    with waiter.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("UPDATE orders SET status = 'secret value' WHERE id = 7")


def test_a_missing_index_is_found_with_the_statement_and_a_fix_that_does_not_lock(
    connector: MySqlConnector, server: Server
) -> None:
    with _load(server, BY_CUSTOMER):
        time.sleep(2.0)
    onset = datetime.now(UTC)
    with _load(server, BY_CUSTOMER, BY_EMAIL):
        time.sleep(2.0)
        readings = [
            _read(connector, question)
            for question in (
                StatementStatistics(database="shop", window=_window()),
                TableStatistics(database="shop", window=_window()),
                IndexList(database="shop"),
            )
        ]
    scene = Scene(
        now=datetime.now(UTC), onset=onset - timedelta(seconds=61), service="checkout", database="shop"
    )
    found = {each.judge: each for each in judge_database(Observations(readings), scene)}
    assert found["index_missing"].state == "yes", found["index_missing"].why
    facts = dict(getattr(found["index_missing"], "facts", ()))
    assert facts["table"] == "orders"
    assert facts["columns"].startswith("customer_email")
    assert facts["ddl"].startswith("ALTER TABLE `orders` ADD INDEX")
    assert "LOCK=NONE" in facts["ddl"]
    _holds_on_the_server(server, facts["ddl"], facts["ddl_undo"])


def _holds_on_the_server(server: Server, ddl: str, undo: str) -> None:
    """What is proposed can be run as it stands, and undone."""
    server.run(ddl)
    server.run(undo)


def test_no_customers_data_is_in_any_answer(connector: MySqlConnector, server: Server) -> None:
    with _load(server, BY_EMAIL, "SELECT * FROM customers WHERE card = '4111 1111 1111 1111' AND id = {}"):
        time.sleep(0.5)
        for question in (
            StatementStatistics(database="shop", window=_window()),
            Activity(database="shop", window=_window()),
            LockChain(database="shop", window=_window()),
        ):
            kept = encode(_read(connector, question).answer)
            assert b"mail.example" not in kept
            assert b"4111" not in kept


def test_sessions_are_grouped_by_what_they_do(connector: MySqlConnector, server: Server) -> None:
    with _load(server, BY_EMAIL):
        time.sleep(0.3)
        answer = _read(connector, Activity(database="shop", window=_window())).answer
    assert isinstance(answer, a.ActivitySnapshots)
    assert len(answer.snapshots) == 2
    assert any(group.application == "root" for group in answer.snapshots[-1].groups)


def test_another_databases_question_is_left_to_another(connector: MySqlConnector) -> None:
    assert connector.ask(IndexList(database="other"), now=datetime.now(UTC)) is None


def test_a_moment_long_ago_is_not_answered_with_the_present(connector: MySqlConnector) -> None:
    reply = connector.ask(IndexList(database="shop"), now=datetime.now(UTC) - timedelta(hours=3))
    assert isinstance(reply, Unavailable)
    assert "present only" in reply.reason


def test_a_server_that_is_gone_is_a_reason(server: Server) -> None:
    address = server.address()
    gone = MySqlConnector(type(address)(address.host, "shop", "firstcause", "x", 1), Limits(connect=1.0))
    reply = gone.ask(IndexList(database="shop"), now=datetime.now(UTC))
    assert isinstance(reply, Unavailable)
    assert reply.retry
    assert gone.check(now=datetime.now(UTC))[0].state == "failed"


def test_the_check_names_a_role_that_may_do_too_much(connector: MySqlConnector, server: Server) -> None:
    assert [each.state for each in connector.check(now=datetime.now(UTC))] == ["ok", "ok", "ok"]
    root = MySqlConnector(server.address("root", ""))
    role = next(each for each in root.check(now=datetime.now(UTC)) if each.about == "role")
    assert role.state == "warning"
    assert "ALL PRIVILEGES" in role.found


@pytest.mark.parametrize(
    ("digest", "text"),
    [
        (
            "SELECT `id` FROM `orders` WHERE `customer_email` = ? ORDER BY `id` DESC LIMIT ?",
            'SELECT "id" FROM "orders" WHERE "customer_email" = $1 ORDER BY "id" DESC',
        ),
        ("SELECT `x` FROM `t` WHERE `y` IN (...)", 'SELECT "x" FROM "t" WHERE "y" IN ($1)'),
        ("DELETE FROM `t` WHERE `y` = ?", 'DELETE FROM "t" WHERE "y" = $1'),
    ],
)
def test_a_digest_reads_like_postgresqls_own_statements(digest: str, text: str) -> None:
    assert in_postgres_words(digest).startswith(text)


def test_a_command_for_one_dialect_is_not_shown_for_the_other() -> None:
    mysql = Command(tool="mysql", text="SHOW INDEX FROM {table:ident}")
    psql = Command(tool="psql", text="SELECT {table:literal}")
    facts = {"table": "a`b", "database": "shop", "dialect": "mysql"}
    assert render(mysql, facts) == "mysql -D shop -e 'SHOW INDEX FROM `a``b`'"
    assert render(psql, facts) is None
    assert render(mysql, {"table": "t"}) is None
