"""The judges on a real PostgreSQL 15: a missing index, an invalid one, a lock chain, and doubled traffic."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import psycopg
import pytest
from psycopg.rows import dict_row

from connectors import answers as a
from connectors.contract import Reading
from connectors.questions import IndexList, LockChain, StatementStatistics, TableStatistics
from playbooks.database import judge_database
from playbooks.mechanisms import Mechanism, ServiceSignals, judge_mechanisms
from playbooks.wording import word
from tests.playbooks.test_database_kit import (
    BY_CUSTOMER,
    BY_EMAIL,
    NOW,
    ONSET,
    SCENE,
    WINDOW,
    by_judge,
    gains,
    migrations,
    observed,
    reading,
)

BINARIES = Path("/usr/lib/postgresql/15/bin")
SQL = {
    "statements": """SELECT queryid::text, query, calls, total_exec_time AS total_exec_time_ms
        FROM pg_stat_statements WHERE query LIKE '%% FROM orders %%' AND query NOT LIKE '%%pg_%%'""",
    "tables": """SELECT relname AS table, schemaname AS db_schema, n_live_tup AS live_rows, seq_scan,
        seq_tup_read,
        n_mod_since_analyze, last_analyze
        FROM pg_stat_user_tables""",
    "indexes": """SELECT t.relname AS table, c.relname AS index, pg_get_indexdef(c.oid) AS definition,
        ARRAY(SELECT pg_get_indexdef(c.oid, k, true) FROM generate_series(1, i.indnkeyatts) k)
        AS columns,
        i.indisvalid AS valid, i.indisunique AS unique FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_class t ON t.oid = i.indrelid WHERE t.relnamespace = 'public'::regnamespace""",
    "locks": """SELECT b.pid AS blocked_pid, b.query AS blocked_query, h.pid AS blocker_pid,
        h.query AS blocker_query,
        extract(epoch FROM clock_timestamp() - b.query_start)::float8 AS blocked_seconds,
        h.state AS blocker_state,
        h.application_name AS blocker_application,
        extract(epoch FROM clock_timestamp() - h.xact_start)::float8 AS blocker_seconds
        FROM pg_stat_activity b CROSS JOIN LATERAL unnest(pg_blocking_pids(b.pid)) AS p(pid)
        JOIN pg_stat_activity h ON h.pid = p.pid""",
}

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not (BINARIES / "initdb").exists(), reason="PostgreSQL 15 is not installed"),
]


@dataclass(frozen=True)
class Server:
    port: int

    def connect(self) -> psycopg.Connection[dict[str, object]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            dbname="shop",
            row_factory=dict_row,
            autocommit=True,
        )

    def rows(self, name: str) -> list[dict[str, object]]:
        with self.connect() as connection:
            return connection.execute(SQL[name]).fetchall()

    def run(self, statement: str, values: list[tuple[object, ...]]) -> None:
        """Each run in a session that then ends, so that its statistics are flushed."""
        with psycopg.RawCursor(self.connect()) as cursor:
            for value in values:
                cursor.execute(statement, value)
            cursor.connection.close()

    def shell(self, command: str) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
        }
        done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout


def as_postgres(*command: str) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("no runuser to give up root with")
    root = Path(tempfile.mkdtemp(prefix="firstcause-pg-"))
    if os.geteuid() == 0:
        shutil.chown(root, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(root / "data")
    as_postgres(str(BINARIES / "initdb"), "-D", data, "-A", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {root} -c fsync=off"
    options += " -c shared_preload_libraries=pg_stat_statements -c wal_level=minimal -c max_wal_senders=0"
    pg_ctl = str(BINARIES / "pg_ctl")
    as_postgres(pg_ctl, "-D", data, "-l", str(root / "log"), "-o", options, "-w", "start")
    try:
        yield prepared(Server(port))
    finally:
        as_postgres(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(root, ignore_errors=True)


def prepared(server: Server) -> Server:
    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, customer_email text,"
            " status text NOT NULL, created_at timestamptz NOT NULL)"
        )
        connection.execute(
            "INSERT INTO orders SELECT n, n % 30000, 'c' || n % 30000 || '@shop.example', 'paid',"
            " now() - n * interval '1 s' FROM generate_series(1, 300000) n"
        )
        connection.execute("CREATE INDEX orders_customer_idx ON orders (customer_id, created_at)")
        connection.execute("ANALYZE orders")
    return server


@dataclass
class Diary:
    """Snapshots with real counters at nominal times."""

    server: Server
    statements: list[a.StatementSnapshot]
    tables: list[a.TableSnapshot]

    def note(self, at: datetime) -> None:
        time.sleep(0.2)  # statistics of an ended session arrive a moment later
        rows = [a.Statement.model_validate(row) for row in self.server.rows("statements")]
        self.statements.append(a.StatementSnapshot(at=at, statements=tuple(rows)))
        held = [a.Table.model_validate(row) for row in self.server.rows("tables")]
        self.tables.append(a.TableSnapshot(at=at, tables=tuple(held)))

    def readings(self) -> list[Reading]:
        listed = tuple(a.Index.model_validate(row) for row in self.server.rows("indexes"))
        return [
            reading(
                StatementStatistics(database="shop", window=WINDOW),
                a.StatementSnapshots(snapshots=tuple(self.statements)),
            ),
            reading(
                TableStatistics(database="shop", window=WINDOW),
                a.TableSnapshots(snapshots=tuple(self.tables)),
            ),
            reading(IndexList(database="shop"), a.Indexes(indexes=listed)),
        ]


def customers(count: int) -> list[tuple[object, ...]]:
    return [(n * 37 % 30000, 20) for n in range(count)]


def emails(count: int) -> list[tuple[object, ...]]:
    return [(f"c{n * 37 % 30000}@shop.example", 20) for n in range(count)]


def baseline(server: Server) -> Diary:
    with server.connect() as connection:
        connection.execute("SELECT pg_stat_statements_reset(), pg_stat_reset()")
        connection.execute("ANALYZE orders")
    diary = Diary(server, [], [])
    server.run(BY_CUSTOMER, customers(20))
    diary.note(ONSET - timedelta(minutes=4))
    server.run(BY_CUSTOMER, customers(200))
    diary.note(ONSET - timedelta(seconds=5))
    return diary


def planned(connection: psycopg.Connection[dict[str, object]]) -> float:
    """The cost of the generic plan, planned anew."""
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE probe AS {BY_EMAIL}")
    row = connection.execute("EXPLAIN (FORMAT JSON) EXECUTE probe(NULL, NULL)").fetchone()
    connection.execute("DEALLOCATE probe")
    assert row is not None
    return cast("list[dict[str, dict[str, float]]]", row["QUERY PLAN"])[0]["Plan"]["Total Cost"]


def cost(server: Server) -> float:
    with server.connect() as connection:
        return planned(connection)


def ranked(readings: list[Reading]) -> tuple[Mechanism, ...]:
    findings = judge_database(observed(*readings), SCENE)
    return judge_mechanisms(ServiceSignals(service="checkout", db_time=8.0, own_latency=0.0), findings)


def test_a_missing_index_is_found_named_built_without_blocking_and_undone(server: Server) -> None:
    diary = baseline(server)
    server.run(BY_EMAIL, emails(15))
    diary.note(NOW)
    findings = judge_database(observed(*diary.readings(), migrations()), SCENE)
    told = by_judge(findings)
    assert (
        told["index_missing"].state == told["sequential_scans"].state == told["statement_new"].state == "yes"
    )
    assert told["index_in_no_migration"].state == "yes"
    first = ranked([*diary.readings(), migrations()])[0]
    assert (first.cause, first.entity and first.entity.name) == ("missing_index", "orders")
    assert first.probability > 0.8
    worded = word(first, "checkout")
    assert worded.command is not None
    assert worded.undo is not None
    before = cost(server)
    server.shell(worded.command)
    after = cost(server)
    assert before > 20 * after
    server.shell(worded.check)
    assert worded.watch is not None
    assert "current_locker_pid" in server.shell(worded.watch)
    server.shell(worded.undo)
    assert cost(server) == pytest.approx(before, rel=0.2)


def test_the_planners_gain_makes_a_missing_index_surer(server: Server) -> None:
    diary = baseline(server)
    server.run(BY_EMAIL, emails(15))
    diary.note(NOW)
    with server.connect() as connection:
        available = connection.execute(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'"
        ).fetchone()
        if available is None:
            pytest.skip("hypopg is not installed")
        connection.execute("CREATE EXTENSION IF NOT EXISTS hypopg")
        before = planned(connection)
        connection.execute("SELECT hypopg_create_index('CREATE INDEX ON orders (customer_email)')")
        after = planned(connection)
    queryid = next(s.queryid for s in diary.statements[-1].statements if "customer_email" in s.query)
    gain = a.IndexGain(
        queryid=queryid,
        table="orders",
        columns=("customer_email",),
        definition="CREATE INDEX ON orders (customer_email)",
        cost_before=before,
        cost_after=after,
    )
    without = ranked(diary.readings())[0]
    with_gain = ranked([*diary.readings(), gains(gain)])[0]
    assert with_gain.cause == without.cause == "missing_index"
    assert with_gain.log_odds > without.log_odds


def test_an_index_left_invalid_by_a_failed_build_is_rebuilt_not_created(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("CREATE INDEX orders_email_idx ON orders (customer_email)")
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_email_idx'::regclass"
        )
        try:
            diary = baseline(server)
            server.run(BY_EMAIL, emails(15))
            diary.note(NOW)
            told = by_judge(judge_database(observed(*diary.readings()), SCENE))
            first = ranked(diary.readings())[0]
            command = str(word(first, "checkout").command)
            server.shell(command)
            rebuilt = {i["index"]: i["valid"] for i in server.rows("indexes")}
        finally:
            connection.execute("DROP INDEX orders_email_idx")
    assert told["index_invalid"].state == "yes"
    assert first.cause == "missing_index"
    assert "REINDEX INDEX CONCURRENTLY public.orders_email_idx" in command
    assert rebuilt["orders_email_idx"] is True


def test_doubled_traffic_on_indexed_statements_blames_no_index(server: Server) -> None:
    diary = baseline(server)
    server.run(BY_CUSTOMER, customers(600))
    diary.note(NOW)
    told = by_judge(judge_database(observed(*diary.readings()), SCENE))
    assert told["sequential_scans"].state == "no"
    assert told["index_missing"].state != "yes"
    database = {
        "missing_index",
        "slow_query",
        "stale_statistics",
        "lock_contention",
        "connection_pool_exhausted",
    }
    assert all(m.probability < 0.5 for m in ranked(diary.readings()) if m.cause in database)


def test_a_real_lock_chain_leads_to_its_root(server: Server) -> None:
    holder, waiter, second = server.connect(), server.connect(), server.connect()
    try:
        holder.execute("SET application_name = 'nightly-job'")
        holder.execute("BEGIN")
        holder.execute("UPDATE orders SET status = 'held' WHERE id = 1")
        for connection in (waiter, second):
            connection.execute("BEGIN")
            connection.pgconn.send_query(b"UPDATE orders SET status = 'x' WHERE id = 1")
            time.sleep(0.1)
        time.sleep(1.1)
        rows = [a.Lock.model_validate(row) for row in server.rows("locks")]
        root = holder.info.backend_pid
    finally:
        holder.execute("ROLLBACK")
        for connection in (holder, waiter, second):
            connection.close()
    answer = reading(LockChain(database="shop", window=WINDOW), a.Locks(locks=tuple(rows)))
    told = by_judge(judge_database(observed(answer), SCENE))["lock_chain"]
    assert told.state == "yes"
    assert told.entity is not None
    assert told.entity.kind == "table"
    assert f"for process {root}" in told.why
    assert "2 sessions wait" in told.why
    assert "nightly-job" in told.why
