"""The wall's clocks, caps, connection budget and what it leaves behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
from psycopg.rows import dict_row

from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.postgres import forecast, grammar, transaction
from connectors.postgres.channel import one_statement
from connectors.postgres.limits import Limits
from connectors.postgres.wall import APPLICATION, Wall
from tests.connectors.postgres.servers import Server

pytestmark = pytest.mark.live


def wall(server: Server, user: str = "firstcause", **limits: float) -> Wall:
    return Wall("shop", server.dsn(user), Limits(**limits))  # type: ignore[arg-type]  # whole numbers are given


def test_rows_are_cut_at_the_cap_and_said_to_be(server: Server) -> None:
    with wall(server, rows=7).session() as session:
        many = session.rows("SELECT a.attname FROM pg_attribute a, pg_proc b")
        few = session.rows("SELECT attname FROM pg_attribute LIMIT 7")
    assert (len(many.rows), many.truncated) == (7, True)
    assert (len(few.rows), few.truncated) == (7, False)


def test_the_frame_makes_the_server_stop_by_itself(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True, row_factory=dict_row) as connection:
        frame = forecast.framed("SELECT a.attname FROM pg_attribute a, pg_proc b", 7)
        assert len(connection.execute(frame.encode()).fetchall()) == 8


def test_bytes_are_cut_at_the_cap(server: Server) -> None:
    with wall(server, most_bytes=2000).session() as session:
        cut = session.rows("SELECT relname FROM pg_class ORDER BY relname")
    assert cut.truncated
    assert 0 < sum(len(row["relname"]) for row in cut.rows) <= 2000


def test_operators_are_looked_up_once_a_connection(server: Server) -> None:
    looked = (
        "SELECT calls FROM pg_stat_statements WHERE query LIKE '%pg_operator o JOIN%' AND query LIKE '%ANY(%'"
    )
    with server.admin() as admin:
        admin.execute("SELECT pg_stat_statements_reset()")
        with wall(server).session() as session:
            for name in ("pg_class", "pg_index", "pg_class"):
                session.rows("SELECT oid FROM pg_class WHERE relname = $1 AND oid > 0", name)
            session.rows("SELECT oid FROM pg_class WHERE relname <> 'x'")
        assert admin.execute(looked.encode()).fetchall() == [(2,)]


def test_a_costly_statement_is_refused_before_it_runs(server: Server) -> None:
    began = time.monotonic()
    with (
        wall(server, plan_cost=50_000).session() as session,
        pytest.raises(RefusedError, match="over the cap"),
    ):
        session.rows("SELECT count(*) FROM pg_attribute a, pg_attribute b, pg_attribute c")
    assert time.monotonic() - began < 2


def test_a_statement_that_takes_too_long_is_ended_by_the_server(server: Server) -> None:
    slow = "SELECT count(*) FROM pg_proc a, pg_proc b, pg_proc c WHERE a.proname LIKE '%a%b%c%d%e%'"
    limited = wall(server, statement=0.1, plan_cost=1e18)
    with pytest.raises(SourceFailedError, match="too long") as failed, limited.session() as session:
        session.rows(slow)
    assert failed.value.retry


def test_nobody_waits_for_a_lock_with_us(server: Server) -> None:
    statement = "SELECT id FROM public.orders WHERE total_cents = $1"
    admitted = grammar.admit_for_planning(statement, grammar.parsed(statement))
    with server.admin() as owner, owner.transaction():
        owner.execute("LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with (
            pytest.raises(SourceFailedError, match="lock was not free"),
            wall(server, "firstcause_plans").session() as session,
            session.reading() as reading,
        ):
            reading.plan(admitted)
        assert time.monotonic() - began < 3


def test_the_end_of_the_budget_cancels_what_is_under_way(server: Server) -> None:
    slow = "SELECT count(*) FROM pg_proc a, pg_proc b, pg_proc c WHERE a.proname LIKE '%a%b%c%d%e%'"
    busy = wall(server, statement=60, plan_cost=1e18)
    failures: list[str] = []

    def work() -> None:
        try:
            with busy.session() as session:
                session.rows(slow)
        except SourceFailedError as failure:
            failures.append(failure.reason)

    worker = threading.Thread(target=work)
    worker.start()
    with server.admin() as connection:
        for _ in range(200):
            seen = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
                " AND query LIKE 'SELECT * FROM (%%'",
                [APPLICATION],
            ).fetchone()
            if seen:
                break
            time.sleep(0.02)
    busy.close()
    worker.join(10)
    assert not worker.is_alive()
    assert failures == ["shop: cancelled: it took too long, or the budget was spent [SQLSTATE 57014]"]
    with pytest.raises(SourceFailedError, match="closed"), busy.session():
        pass


def test_no_more_connections_than_the_budget_are_held(server: Server) -> None:
    narrow = wall(server, connections=2, session=5)
    most: list[int] = []

    def ask(_: int) -> None:
        with narrow.session() as session:
            rows = session.rows(
                "SELECT count(*) AS held FROM pg_stat_activity WHERE application_name = $1", APPLICATION
            )
            most.append(rows.rows[0]["held"])
            time.sleep(0.05)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert len(most) == 8
    assert 1 <= max(most) <= 2


def test_the_server_sees_who_asks_and_nothing_is_left_behind(server: Server) -> None:
    settings = (
        "SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'jit', 'work_mem') ORDER BY name"
    )
    with wall(server).session() as session:
        name = "SELECT application_name AS name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        assert session.rows(name).rows[0]["name"] == APPLICATION
        session.rows("SELECT 1 AS one")
        connection = session._connection
        assert connection.info.transaction_status.name == "IDLE"
        plain = connection.execute(settings.encode()).fetchall()
    with psycopg.connect(server.dsn("firstcause"), row_factory=dict_row) as fresh:
        assert fresh.execute(settings.encode()).fetchall() == plain


def test_a_transaction_that_is_not_read_only_is_refused(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True, row_factory=dict_row) as connection:
        connection.execute("BEGIN READ WRITE")
        with pytest.raises(RefusedError, match="transaction_read_only is off"):
            transaction.verify(connection)


def test_a_transaction_without_its_clocks_is_refused(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True, row_factory=dict_row) as connection:
        connection.execute("BEGIN READ ONLY")
        with pytest.raises(RefusedError, match="did not take"):
            transaction.verify(connection)


def test_a_read_only_transaction_cannot_be_turned_back(server: Server) -> None:
    with (
        psycopg.connect(server.dsn(), autocommit=True, row_factory=dict_row) as connection,
        pytest.raises(psycopg.errors.ActiveSqlTransaction),
        transaction.read_only(connection, Limits()),
    ):
        connection.execute("SET TRANSACTION READ WRITE")


def test_the_channel_takes_one_statement_only(server: Server) -> None:
    with (
        psycopg.connect(server.dsn(), autocommit=True, row_factory=dict_row) as connection,
        suppress(psycopg.errors.SyntaxError),
    ):
        one_statement(connection, "SELECT 1; SELECT 2")
        pytest.fail("two statements went through")


def test_a_server_that_is_not_there_is_a_reason_to_try_again() -> None:
    from tests.lab.supervisor import free_port

    gone = Wall("shop", f"host=127.0.0.1 port={free_port()} dbname=shop user=nobody", Limits(connect=2))
    with pytest.raises(SourceFailedError, match="nobody listens there") as failed, gone.session():
        pass
    assert failed.value.retry


def test_a_replica_is_asked_first_where_it_knows_the_answer(server: Server) -> None:
    replica = server.dsn("firstcause") + " options='-c timezone=Asia/Tokyo'"
    both = Wall("shop", server.dsn("firstcause"), replica=replica)
    zone = "SELECT reset_val AS zone FROM pg_settings WHERE name = 'TimeZone'"
    with both.session(anywhere=True) as session:
        assert session.rows(zone).rows[0]["zone"] == "Asia/Tokyo"
    with both.session() as session:
        assert session.rows(zone).rows[0]["zone"] == "UTC"


def test_without_its_replica_the_primary_answers(server: Server) -> None:
    from tests.lab.supervisor import free_port

    lost = f"host=127.0.0.1 port={free_port()} dbname=shop user=firstcause"
    both = Wall("shop", server.dsn("firstcause"), replica=lost)
    with both.session(anywhere=True) as session:
        assert session.rows("SELECT 1 AS one").rows == ({"one": 1},)


def test_a_server_that_stands_still_is_hung_up_on(server: Server) -> None:
    held: list[int] = []

    def stop_and_ask() -> None:
        with wall(server, session=0.5).session() as session:
            held.append(session.rows("SELECT pg_backend_pid() AS pid").rows[0]["pid"])
            os.kill(held[0], signal.SIGSTOP)
            session.rows("SELECT 1 AS one")

    began = time.monotonic()
    try:
        with pytest.raises(SourceFailedError, match="cannot be reached"):
            stop_and_ask()
        assert time.monotonic() - began < 10
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)


def test_after_its_time_a_session_begins_nothing_more(server: Server) -> None:
    def ask_on_and_on() -> None:
        with wall(server, session=0.2).session() as session:
            for _ in range(1000):
                with suppress(psycopg.errors.QueryCanceled):
                    session.rows("SELECT 1 AS one")
                time.sleep(0.01)

    with pytest.raises(SourceFailedError, match=r"time for its questions is spent|cannot be reached"):
        ask_on_and_on()
