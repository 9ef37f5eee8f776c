"""Questions to real servers, through the wall."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from connectors import answers as a
from connectors import database_answers as d
from connectors import questions as q
from connectors.codec import decode, encode
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.postgres.connector import Instance, PostgresConnector
from tests.connectors.postgres.servers import Server

pytestmark = pytest.mark.live

NOW = datetime.now(UTC)
WINDOW = Window(start=NOW - timedelta(hours=1), end=NOW)


def connector(server: Server, user: str = "firstcause_plans") -> PostgresConnector:
    return PostgresConnector(Instance("shop", server.dsn(user), sample_seconds=0.3))


def asked(server: Server, question: Question, user: str = "firstcause_plans") -> Reading:
    reply = connector(server, user).ask(question, now=NOW)
    assert isinstance(reply, Reading), reply
    assert reply.at == NOW
    assert decode(encode(reply.answer)) == reply.answer
    return reply


def refused(server: Server, question: Question, user: str = "firstcause_plans") -> str:
    reply = connector(server, user).ask(question, now=NOW)
    assert isinstance(reply, Unavailable), reply
    return reply.reason


@contextmanager
def chain(server: Server) -> Iterator[None]:
    """Three sessions: the last waits for the second, which waits for the first, which does nothing."""
    opened = [
        psycopg.connect(server.dsn(), application_name=name) for name in ("report", "checkout", "gateway")
    ]
    report, checkout, gateway = opened
    report.execute("UPDATE public.customers SET note = 'secret of anna' WHERE id = 1")
    checkout.execute("UPDATE public.customers SET note = 'y' WHERE id = 2")
    waits = [
        (checkout, "UPDATE public.customers SET note = 'anna.seed@mail.example' WHERE id = 1"),
        (gateway, "UPDATE public.customers SET note = 'z' WHERE id = 2"),
    ]

    def wait(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> None:
        with pytest.raises((psycopg.errors.QueryCanceled, psycopg.OperationalError)):
            connection.execute(sql.encode())

    threads = [threading.Thread(target=wait, args=each) for each in waits]
    for thread in threads:
        thread.start()
    with server.admin() as admin:
        for _ in range(200):
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ).fetchone()
            if row == (2,):
                break
            time.sleep(0.02)
    try:
        yield
    finally:
        for connection in (gateway, checkout):
            connection.cancel_safe()
        for thread in threads:
            thread.join(10)
        for connection in opened:
            connection.close()


def test_a_chain_of_locks_leads_to_its_root(server: Server) -> None:
    with chain(server):
        locks = asked(server, q.LockChain(database="shop", window=WINDOW)).answer
        activity = asked(server, q.Activity(database="shop", window=WINDOW)).answer
        old = asked(server, q.LongTransactions(database="shop")).answer
    assert isinstance(locks, a.Locks)
    blocked = {lock.blocked_pid for lock in locks.locks}
    (root,) = [lock for lock in locks.locks if lock.blocker_pid not in blocked]
    assert len(locks.locks) == 2
    assert (root.blocker_application, root.blocker_state) == ("report", "idle in transaction")
    assert root.blocker_query == "UPDATE public.customers SET note = $1 WHERE id = $2"
    assert root.blocker_seconds >= root.blocked_seconds > 0
    assert isinstance(activity, a.ActivitySnapshots)
    assert [snapshot.at <= NOW for snapshot in activity.snapshots] == [True] * 3
    waiting = [g for g in activity.snapshots[-1].groups if g.wait_event_type == "Lock"]
    assert {group.application for group in waiting} == {"checkout", "gateway"}
    assert isinstance(old, d.OldTransactions)
    assert {each.application for each in old.transactions} >= {"report", "checkout"}
    assert "anna" not in repr((locks, activity, old))


def test_statements_come_as_two_samples_whose_difference_is_the_load_now(server: Server) -> None:
    stop = threading.Event()

    def load() -> None:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("SELECT count(*) FROM public.orders WHERE customer_email = 'anna'")

    worker = threading.Thread(target=load)
    worker.start()
    try:
        time.sleep(0.1)
        reading = asked(server, q.StatementStatistics(database="shop", window=WINDOW))
    finally:
        stop.set()
        worker.join()
    assert isinstance(reading.answer, a.StatementSnapshots)
    before, after = reading.answer.snapshots
    assert after.at == NOW
    assert 0.3 <= (after.at - before.at).total_seconds() < 10
    text = "SELECT count(*) FROM public.orders WHERE customer_email = $1"
    calls = [{s.query: s.calls for s in each.statements}[text] for each in (before, after)]
    assert calls[1] > calls[0]
    assert any("no history" in note for note in reading.notes)


def test_tables_and_indexes_are_as_the_catalogue_has_them(server: Server) -> None:
    tables = asked(server, q.TableStatistics(database="shop", window=WINDOW)).answer
    assert isinstance(tables, a.TableSnapshots)
    orders = next(t for t in tables.snapshots[0].tables if t.table == "orders")
    assert (orders.live_rows, orders.db_schema) == (20000, "public")
    assert orders.total_bytes > 100_000
    indexes = asked(server, q.IndexList(database="shop")).answer
    assert isinstance(indexes, a.Indexes)
    created = next(i for i in indexes.indexes if i.index == "orders_created_at_idx")
    assert (created.table, created.columns, created.valid, created.unique) == (
        "orders",
        ("created_at",),
        True,
        False,
    )


def test_connections_are_counted_by_who_holds_them(server: Server) -> None:
    with psycopg.connect(server.dsn(), application_name="pool"):
        use = asked(server, q.ConnectionsInUse(database="shop")).answer
    assert isinstance(use, d.ConnectionUse)
    assert (use.most, use.database_limit) == (40, -1)
    assert 2 <= use.used <= 10
    assert ("pool", 1) in {(group.application, group.count) for group in use.groups}


def test_a_question_about_another_database_is_not_ours(server: Server) -> None:
    assert connector(server).ask(q.IndexList(database="other"), now=NOW) is None


def test_a_moment_long_past_has_no_answer(server: Server) -> None:
    reply = connector(server).ask(q.IndexList(database="shop"), now=NOW - timedelta(hours=2))
    assert isinstance(reply, Unavailable)
    assert "the present only" in reply.reason


def test_a_server_that_is_gone_is_unavailable(server: Server) -> None:
    gone = PostgresConnector(Instance("shop", server.dsn("nobody_here")))
    reply = gone.ask(q.IndexList(database="shop"), now=NOW)
    assert isinstance(reply, Unavailable)
    assert reply.reason == "postgres/shop: there is no such role or database"


def test_the_doctor_finds_nothing_wrong_with_the_printed_role_but_what_the_shop_gave_to_all(
    server: Server,
) -> None:
    found = {check.about: check for check in connector(server, "firstcause").check(now=NOW)}
    assert found["reachable"].state == "ok"
    assert found["role sees statistics"].state == "ok"
    assert found["role cannot write"].state == "warning", "the shop lets everybody write to traces"
    assert "public.traces" in found["role cannot write"].fix
    assert found["pg_stat_statements"].state == "ok"
    assert found["plans"].state == "warning"
    assert "sql-role" in found["plans"].fix


def test_the_doctor_warns_of_an_administrator(server: Server) -> None:
    found = {check.about: check for check in connector(server, "postgres").check(now=NOW)}
    assert found["role cannot act"].state == "warning"
    assert "SUPERUSER" in found["role cannot act"].found


def test_the_doctor_says_what_is_wrong_with_a_server_that_is_not_there() -> None:
    gone = PostgresConnector(Instance("shop", "host=127.0.0.1 port=1 dbname=shop user=x"))
    (check,) = gone.check(now=NOW)
    assert (check.about, check.state) == ("reachable", "failed")
