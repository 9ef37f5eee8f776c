from __future__ import annotations

import pytest

from connectors import answers as a
from connectors.questions import (
    Activity,
    HypotheticalIndexes,
    IndexList,
    LockChain,
    MigrationFiles,
    SchemaDump,
    StatementPlan,
    StatementStatistics,
    TableStatistics,
)
from tests.connectors.small_case import (
    MANIFEST,
    WIDE,
    SmallCase,
    answered,
    iso,
    minute,
    recording,
    refused,
    window,
)


def statement(**more: object) -> dict[str, object]:
    usual = {
        "queryid": 42,
        "query": "select $1",
        "calls": 10,
        "total_exec_time_ms": 5.5,
        "mean_exec_time_ms": 0.5,
    }
    return {**usual, **more}


def test_every_snapshot_of_the_window_comes_by_time(case: SmallCase) -> None:
    case.lines(
        "readings.jsonl",
        *(recording("statement_statistics", m, [statement(calls=m)]) for m in (60, 10, 30, 70)),
    )
    asked = StatementStatistics(database="shop", window=window(20, 90))
    found = answered(case.ask(asked), a.StatementSnapshots).snapshots
    assert [(s.at, s.statements[0].calls) for s in found] == [(minute(30), 30), (minute(60), 60)]
    assert found[0].statements[0] == a.Statement(
        queryid="42", query="select $1", calls=30, total_exec_time_ms=5.5
    )


def test_another_database_s_recordings_are_not_mixed_in(case: SmallCase) -> None:
    case.lines("readings.jsonl", recording("indexes", 10, [], database="other"))
    assert refused(case.ask(IndexList(database="shop"))) == "readings.jsonl holds no indexes of database shop"


def test_a_recording_that_names_no_database_answers_for_any(case: SmallCase) -> None:
    case.lines("readings.jsonl", recording("indexes", 10, [], database=None))
    assert answered(case.ask(IndexList(database="shop")), a.Indexes).indexes == ()


def test_tables_are_typed_and_absent_fields_get_their_default(case: SmallCase) -> None:
    row = {
        "schema": "sales",
        "table": "orders",
        "live_rows": 3,
        "seq_scan": None,
        "last_analyze": "2026-06-18 16:10:00.5+02",
        "last_autovacuum": iso(11),
        "n_dead_tup": 9,
    }
    case.lines("readings.jsonl", recording("table_statistics", 10, [row]))
    asked = TableStatistics(database="shop", window=WIDE)
    (snapshot,) = answered(case.ask(asked), a.TableSnapshots).snapshots
    (table,) = snapshot.tables
    assert (table.db_schema, table.table, table.live_rows, table.seq_scan) == ("sales", "orders", 3, 0)
    assert table.last_analyze == minute(10)
    assert table.last_autovacuum == minute(10), "not later than the recording itself"


def test_indexes_are_those_known_last(case: SmallCase) -> None:
    row = {
        "schema": "public",
        "table": "orders",
        "index": "orders_pkey",
        "columns": ["id"],
        "definition": "CREATE UNIQUE INDEX …",
        "valid": True,
        "unique": True,
        "bytes": 8192,
        "scans": 7,
    }
    case.lines("readings.jsonl", recording("indexes", 10, []), recording("indexes", 20, [row]))
    (index,) = answered(case.ask(IndexList(database="shop")), a.Indexes).indexes
    assert index == a.Index(
        table="orders",
        index="orders_pkey",
        columns=("id",),
        definition="CREATE UNIQUE INDEX …",
        unique=True,
        size_bytes=8192,
        scans=7,
    )


def test_a_row_that_makes_no_sense_is_counted(case: SmallCase) -> None:
    case.lines(
        "readings.jsonl", recording("indexes", 10, [{"table": "orders"}, {"index": "x", "table": "y"}])
    )
    reply = case.ask(IndexList(database="shop"))
    assert len(answered(reply, a.Indexes).indexes) == 1
    assert getattr(reply, "notes", ()) == ("readings.jsonl: 1 rows cannot be read",)


def test_an_answer_that_is_none_is_not_an_empty_one(case: SmallCase) -> None:
    case.lines("readings.jsonl", recording("indexes", 10, None))
    assert "holds no indexes" in refused(case.ask(IndexList(database="shop")))


def test_sessions_and_locks_are_typed(case: SmallCase) -> None:
    group = {
        "state": "active",
        "wait_event_type": "Lock",
        "wait_event": None,
        "count": 4,
        "oldest_seconds": 12.5,
    }
    lock = {
        "blocked_pid": 1,
        "blocked_query": "update",
        "blocker_pid": 2,
        "blocker_state": "idle in transaction",
    }
    case.lines(
        "readings.jsonl",
        recording("activity", 10, [group]),
        recording("lock_chain", 10, [lock]),
        recording("lock_chain", 20, []),
    )
    (snapshot,) = answered(case.ask(Activity(database="shop", window=WIDE)), a.ActivitySnapshots).snapshots
    assert snapshot.groups[0] == a.ActivityGroup(
        state="active", wait_event_type="Lock", count=4, oldest_seconds=12.5
    )
    early = answered(case.ask(LockChain(database="shop", window=window(0, 15))), a.Locks)
    assert early.locks[0].blocker_state == "idle in transaction"
    late = answered(case.ask(LockChain(database="shop", window=WIDE)), a.Locks)
    assert late.locks == ()


PLAN = {
    "Node Type": "Limit",
    "Total Cost": 10.5,
    "Plan Rows": 1,
    "Plans": [{"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(a = $1)", "Plan Rows": 5}],
}


@pytest.mark.parametrize("tree", [PLAN, [{"Plan": PLAN}], {"Plan": PLAN}])
def test_a_plan_is_a_tree_however_it_was_printed(case: SmallCase, tree: object) -> None:
    answer = {"plan": tree, "total_cost": 10.5}
    about = {"queryid": 42, "query": "select $1"}
    case.lines("readings.jsonl", recording("plan", 10, answer, **about))
    plan = answered(case.ask(StatementPlan(database="shop", queryid="42")), a.Plan)
    child = a.PlanNode(node_type="Seq Scan", relation="orders", filter="(a = $1)", rows=5)
    root = a.PlanNode(node_type="Limit", total_cost=10.5, rows=1, children=(child,))
    assert plan == a.Plan(queryid="42", query="select $1", root=root)
    assert "holds no plan" in refused(case.ask(StatementPlan(database="shop", queryid="43")))


def test_hypothetical_indexes_come_with_what_was_asked(case: SmallCase) -> None:
    def trial(queryid: str, at: float, after: float) -> dict[str, object]:
        answer = {"definition": "CREATE INDEX ON orders (a)", "cost_before": 24106, "cost_after": after}
        about = {"queryid": queryid, "query": "select", "table": "orders", "columns": ["a"]}
        return recording("hypothetical_index", at, answer, **about)

    case.lines("readings.jsonl", trial("1", 10, 99), trial("1", 20, 44), trial("2", 10, 7))
    both = answered(case.ask(HypotheticalIndexes(database="shop")), a.IndexGains).gains
    assert [(g.queryid, g.cost_after) for g in both] == [("1", 44), ("2", 7)]
    (one,) = answered(case.ask(HypotheticalIndexes(database="shop", queryid="1")), a.IndexGains).gains
    assert (one.table, one.columns, one.cost_before) == ("orders", ("a",), 24106)


def test_a_dump_is_the_schema_itself(case: SmallCase) -> None:
    case.text("database/shop.sql", "create table orders (id int);")
    (file,) = answered(case.ask(SchemaDump(database="shop")), a.SourceFiles).files
    assert file == a.SourceFile(path="database/shop.sql", text="create table orders (id int);")
    assert "database/x.sql is not part" in refused(case.ask(SchemaDump(database="x")))


@pytest.mark.parametrize("name", ["../case", "..", "/etc/passwd", "deep/shop", ""])
def test_a_database_s_name_cannot_lead_elsewhere(case: SmallCase, name: str) -> None:
    case.text("database/deep/shop.sql", "x")
    assert "not part of this case" in refused(case.ask(SchemaDump(database=name)))


# --- repository ---------------------------------------------------------------------------------------
def paths(case: SmallCase, service: str | None = None) -> list[str]:
    return [f.path for f in answered(case.ask(MigrationFiles(service=service)), a.SourceFiles).files]


def test_migrations_come_in_the_order_in_which_they_apply(case: SmallCase) -> None:
    for name in ("V10__c.sql", "V2__b.sql", "V1__a.sql", "U2__b.sql", "0003_x.down.sql"):
        case.text(f"repository/db/migrations/{name}", "-- x")
    case.text("repository/db/schema.sql", "-- whole")
    assert paths(case) == [
        "db/schema.sql",
        "db/migrations/V1__a.sql",
        "db/migrations/V2__b.sql",
        "db/migrations/V10__c.sql",
    ]


def test_only_what_shapes_a_schema_is_a_migration(case: SmallCase) -> None:
    for name in (
        "app/main.py",
        "shop/migrations/__init__.py",
        "shop/migrations/0001_initial.py",
        "db/migrate/20240101_add.rb",
        "deploy/values.yaml",
        "alembic/env.py",
        "README.md",
    ):
        case.text(f"repository/{name}", "x")
    assert paths(case) == ["db/migrate/20240101_add.rb", "shop/migrations/0001_initial.py"]


def test_alembic_revisions_come_in_the_order_of_their_chain(case: SmallCase) -> None:
    def revision(name: str, own: str, after: str) -> None:
        text = f'revision: str = "{own}"\ndown_revision: str | None = {after}\n'
        case.text(f"repository/alembic/versions/{name}.py", text)

    revision("a_third", "3", '("2", "1b")')
    revision("b_first", "1", "None")
    revision("c_second", "2", '"1"')
    revision("d_other", "1b", "'1'")
    revision("z_lost", "9", '"8"')
    case.text("repository/alembic/versions/b_note.sql", "x")
    names = [path.rpartition("/")[2] for path in paths(case)]
    assert names == ["b_first.py", "z_lost.py", "b_note.sql", "c_second.py", "d_other.py", "a_third.py"]


def test_alembic_revisions_in_a_circle_end(case: SmallCase) -> None:
    case.text("repository/versions/a.py", 'revision = "1"\ndown_revision = "2"\n')
    case.text("repository/versions/b.py", 'revision = "2"\ndown_revision = "1"\n')
    assert len(paths(case)) == 2


def test_a_service_s_migrations_are_those_of_its_folder(case: SmallCase) -> None:
    case.manifest(
        MANIFEST + "services: {checkout: {repository: repository/checkout/}, cart: {repository: cart}}\n"
    )
    case.text("repository/checkout/a.sql", "x").text("repository/cart/b.sql", "x")
    assert paths(case, "checkout") == ["checkout/a.sql"]
    assert paths(case, "cart") == ["cart/b.sql"]
    assert paths(case, "unknown") == ["cart/b.sql", "checkout/a.sql"]


def test_a_file_too_large_is_left_out_and_counted(case: SmallCase) -> None:
    case.text("repository/huge.sql", "x" * (2**20 + 1)).text("repository/small.sql", "x")
    reply = case.ask(MigrationFiles())
    assert [f.path for f in answered(reply, a.SourceFiles).files] == ["small.sql"]
    assert getattr(reply, "notes", ()) == ("1 files left out: too large or too many",)


def test_without_a_repository_there_is_no_answer(case: SmallCase) -> None:
    assert refused(case.ask(MigrationFiles())) == "repository/ is not part of this case"
