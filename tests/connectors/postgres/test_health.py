"""The state of real servers, as the catalogue and the statistics have it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import psycopg
import pytest

from connectors import database_answers as d
from connectors import questions as q
from connectors.case.database_kept import KEPT
from connectors.codec import decode, encode
from connectors.contract import Reading
from connectors.postgres.connector import Instance, PostgresConnector
from tests.connectors.postgres.servers import Server
from tests.connectors.small_case import SmallCase, answered, iso, recording

pytestmark = pytest.mark.live

NOW = datetime.now(UTC)
A = TypeVar("A")


def asked(server: Server, question: q.DatabaseQuestion, kind: type[A], user: str = "firstcause") -> A:
    reply = PostgresConnector(Instance("shop", server.dsn(user))).ask(question, now=NOW)
    assert isinstance(reply, Reading), reply
    assert isinstance(reply.answer, kind)
    assert decode(encode(reply.answer)) == reply.answer
    return reply.answer


def test_a_table_whose_statistics_are_stale_is_seen(server: Server) -> None:
    with server.admin() as connection:
        connection.execute("CREATE TABLE stale AS SELECT n FROM generate_series(1, 1000) n")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("ANALYZE stale")
        connection.execute("DELETE FROM stale WHERE n <= 900")
        connection.execute("ALTER TABLE stale SET (autovacuum_enabled = off)")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT 1")
        try:
            vacuum = asked(server, q.VacuumState(database="shop"), d.VacuumHealth)
        finally:
            connection.execute("DROP TABLE stale")
    (stale,) = [table for table in vacuum.tables if table.table == "stale"]
    assert (stale.estimated_rows, stale.dead_rows, stale.live_rows) == (1000, 900, 100)
    assert stale.changed_rows >= 900 > stale.analyze_after == 150
    assert stale.vacuum_after == 250
    assert not stale.autovacuum
    assert stale.analyzed_seconds is not None
    assert 0 <= stale.analyzed_seconds < 60
    assert stale.vacuumed_seconds is None
    assert not vacuum.enabled
    assert vacuum.freeze_max_age == 200_000_000


def test_checkpoints_are_counted(server: Server) -> None:
    before = asked(server, q.CheckpointsAndWal(database="shop"), d.WriteAhead)
    with server.admin() as connection:
        connection.execute("CREATE TABLE passing (n int)")
        connection.execute("DROP TABLE passing")
        connection.execute("CHECKPOINT")
    after = asked(server, q.CheckpointsAndWal(database="shop"), d.WriteAhead)
    assert after.checkpoints_requested > before.checkpoints_requested
    assert (after.max_wal_size_bytes, after.checkpoint_timeout_seconds) == (2**30, 300)
    assert after.wal_bytes is not None
    assert before.wal_bytes is not None
    assert after.wal_bytes > before.wal_bytes


def test_a_slot_that_nobody_reads_keeps_wal(server: Server) -> None:
    with server.admin() as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
        connection.execute("SELECT pg_switch_wal()")
        try:
            state = asked(server, q.ReplicationLag(database="shop"), d.ReplicationState)
        finally:
            connection.execute("SELECT pg_drop_replication_slot('forgotten')")
    (slot,) = state.slots
    assert (slot.slot, slot.kind, slot.active, slot.wal_status) == (
        "forgotten",
        "physical",
        False,
        "reserved",
    )
    assert slot.retained_bytes > 0
    assert not state.in_recovery


def test_deadlocks_and_temporary_files_are_counted(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("SET work_mem = '64kB'")
        connection.execute("SELECT count(*) FROM (SELECT * FROM orders ORDER BY customer_email, id) s")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT 1")
    totals = asked(server, q.DatabaseTotals(database="shop"), d.DatabaseCounters)
    assert totals.temp_bytes > 100_000
    assert totals.size_bytes > 5_000_000
    assert totals.deadlocks == 0


def test_a_key_near_its_end_comes_first(server: Server) -> None:
    with server.admin() as connection:
        connection.execute("SELECT setval('customers_id_seq', 2000000000)")
        keys = asked(server, q.KeysLeft(database="shop"), d.KeySpace, "firstcause_plans").keys
        connection.execute("SELECT setval('customers_id_seq', 2001)")
    assert (keys[0].table, keys[0].column, keys[0].kind) == ("customers", "id", "int4")
    assert keys[0].used == pytest.approx(2e9 / 2147483647)
    (orders,) = [key for key in keys if key.table == "orders"]
    assert orders.kind == "int8"
    assert orders.used < 1e-12


def test_a_setting_that_waits_for_a_restart_is_seen(server: Server) -> None:
    with server.admin() as connection:
        connection.execute("ALTER SYSTEM SET max_connections = 41")
        connection.execute("ALTER SYSTEM SET primary_conninfo = 'host=x password=hunter2'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            for _ in range(100):
                settings = asked(server, q.SettingsInForce(database="shop"), d.ServerSettings)
                found = {setting.name: setting for setting in settings.settings}
                if found["max_connections"].pending_restart:
                    break
        finally:
            connection.execute("ALTER SYSTEM RESET ALL")
            connection.execute("SELECT pg_reload_conf()")
    assert found["max_connections"].pending_restart
    assert found["max_connections"].value == "40"
    assert settings.version.startswith(f"PostgreSQL {server.version}.")
    assert "hunter2" not in repr(settings)


def test_indexes_of_no_use_are_named(server: Server) -> None:
    with server.admin() as connection:
        connection.execute("CREATE INDEX fat ON orders (total_cents) WITH (fillfactor = 10)")
        connection.execute("CREATE INDEX longer ON orders (created_at, id)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'longer'::regclass")
        connection.execute("ANALYZE orders")
        try:
            problems = asked(server, q.IndexCondition(database="shop"), d.IndexProblems).problems
        finally:
            connection.execute("DROP INDEX fat, longer")
    found = {(each.kind, each.index or each.table, each.other) for each in problems}
    assert ("duplicate", "orders_created_at_idx", "orders_created_at_again_idx") in found
    assert ("foreign_key", "orders", "orders_customer_id_fkey") in found
    assert ("invalid", "longer", "") in found
    assert ("bloated", "fat", "") in found
    assert ("unused", "fat", "") in found
    assert not [each for each in problems if each.index in ("orders_pkey", "customers_pkey")]
    (bloated,) = [each for each in problems if each.kind == "bloated"]
    assert 0.5 < bloated.wasted_bytes / bloated.size_bytes < 1


def test_an_extension_that_was_not_updated_is_a_mismatch(server: Server) -> None:
    with server.admin() as connection:
        connection.execute("UPDATE pg_extension SET extversion = '0.1' WHERE extname = 'plpgsql'")
        found = asked(server, q.VersionChecks(database="shop"), d.VersionMismatches).mismatches
        connection.execute("UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'plpgsql'")
    assert d.VersionMismatch(kind="extension", name="plpgsql", recorded="0.1", actual="1.0") in found


@pytest.mark.parametrize("question", KEPT, ids=lambda kind: kind.__name__)
def test_what_a_live_server_answers_replays_from_a_case(
    server: Server, question: type[q.DatabaseQuestion], case: SmallCase
) -> None:
    name, kind = KEPT[question]
    live = asked(server, question(database="shop"), kind)
    case.lines("readings.jsonl", recording(name, 10, live.model_dump(mode="json")))
    assert answered(case.ask(question(database="shop")), kind) == live
    case.lines("readings.jsonl", recording(name, 10, {"unheard": iso(1)}))
    assert "cannot be read" in getattr(case.ask(question(database="shop")), "reason", "")
