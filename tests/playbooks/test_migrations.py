"""Migrations as promised schema, held against the catalogue; and the DDL that mends a gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import answers as a
from connectors.answers import SourceFile
from playbooks.database import judge_database
from playbooks.ddl import IndexPlan, identifier, literal
from playbooks.migration_writing import migration_file
from playbooks.model import Finding
from playbooks.schema import Schema, read_schema
from tests.playbooks.test_database_kit import (
    INDEXES,
    MIGRATIONS,
    NEW_EMAIL,
    NOW,
    SCENE,
    by_judge,
    indexes,
    migrations,
    observed,
    statements,
    tables,
)

LAB = Path(__file__).parent.parent / "lab"
SLOW = (statements(*NEW_EMAIL), tables(("orders", 3e6, 0.0, 2e6)))
CREATES = SourceFile(
    path="migrations/0003_idx.sql", text="CREATE INDEX orders_email_idx ON orders (customer_email);"
)


def schema(*files: tuple[str, str]) -> Schema:
    return read_schema(SourceFile(path=path, text=text) for path, text in files)


def told(*files: SourceFile, have: tuple[a.Index, ...] = INDEXES) -> dict[str, Finding]:
    return by_judge(judge_database(observed(*SLOW, indexes(*have), migrations(*files)), SCENE))


def test_a_needed_index_that_no_migration_creates_is_told_with_table_and_column() -> None:
    found = told(*MIGRATIONS)["index_in_no_migration"]
    assert found.state == "yes"
    assert "orders.customer_email" in found.why
    assert "none of 2 migrations" in found.why


def test_an_index_promised_but_absent_from_the_catalogue_is_told() -> None:
    found = told(*MIGRATIONS, CREATES)
    assert found["index_in_no_migration"].state == "no"
    assert found["index_promised_absent"].state == "yes"
    assert "0003_idx.sql" in found["index_promised_absent"].why
    assert "0003_idx.sql" in str(found["index_promised_absent"].evidence[0])


def test_a_promised_index_left_invalid_counts_as_absent() -> None:
    bad = a.Index(table="orders", index="orders_email_idx", columns=("customer_email",), valid=False)
    found = told(*MIGRATIONS, CREATES, have=(*INDEXES, bad))
    assert found["index_promised_absent"].state == found["index_invalid"].state == "yes"


def test_an_index_that_only_the_model_declares_wants_a_migration() -> None:
    model = SourceFile(
        path="prisma/schema.prisma",
        text="model orders {\n  id Int @id\n  customer_email String\n\n  @@index([customer_email])\n}\n",
    )
    found = told(model, *MIGRATIONS)
    assert found["index_in_no_migration"].state == found["index_promised_absent"].state == "yes"
    assert "none of 2 migrations" in found["index_in_no_migration"].why
    assert "though prisma/schema.prisma declares one" in found["index_in_no_migration"].why
    assert "no migration was made of it" in found["index_promised_absent"].why


def test_a_model_that_stands_alone_is_what_the_project_runs() -> None:
    model = SourceFile(
        path="prisma/schema.prisma", text="model orders {\n  a Int\n  @@index([customer_email])\n}\n"
    )
    assert told(model)["index_in_no_migration"].state == "no"


def test_an_index_in_no_migration_is_drift() -> None:
    extra = a.Index(table="orders", index="by_hand", columns=("status",))
    assert "by_hand" in told(*MIGRATIONS, have=(*INDEXES, extra))["index_unpromised"].why


def test_an_index_dropped_by_a_later_migration_is_not_promised() -> None:
    drop = SourceFile(path="migrations/0004_drop.sql", text="DROP INDEX orders_email_idx;")
    found = told(*MIGRATIONS, CREATES, drop)["index_in_no_migration"]
    assert found.state == "yes"
    assert "dropped again" in found.why


def test_an_unreadable_migration_weakens_the_claim_and_is_named() -> None:
    whole = told(*MIGRATIONS)["index_in_no_migration"]
    part = told(*MIGRATIONS, SourceFile(path="migrations/0003_x.sql", text="CREATE GARBAGE ON (;"))[
        "index_in_no_migration"
    ]
    assert part.strength < whole.strength
    assert "0003_x.sql" in part.why


def test_only_unreadable_migrations_leave_everything_unknown() -> None:
    found = told(SourceFile(path="a.sql", text="CREATE GARBAGE ("), SourceFile(path="b.txt", text="hello"))
    assert found["index_in_no_migration"].state == "unknown"


def test_statements_that_are_not_postgresql_are_skipped_one_by_one() -> None:
    read = schema(
        ("1.sql", "CREATE TABLE a (x int);\nCREATE TABLE b ENGINE=InnoDB;\nCREATE INDEX ON a (x); -- ü;")
    )
    assert set(read.tables) == {"a"}
    assert set(read.indexes) == {"a_x_idx"}
    assert [s.path for s in read.skipped] == ["1.sql"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("1.down.sql", "DROP TABLE a;"),
        ("revert/a.sql", "DROP TABLE a;"),
        ("db/U2__undo.sql", "DROP TABLE a;"),
        ("2.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nDROP TABLE a;"),
        ("2.sql", "-- migrate:up\n-- migrate:down\nDROP TABLE a;"),
    ],
)
def test_what_leads_back_is_left_out(path: str, text: str) -> None:
    assert set(schema(("0.sql", "CREATE TABLE a (x int);"), (path, text)).tables) == {"a"}


def test_renames_and_drops_are_followed() -> None:
    read = schema(
        ("1.sql", "CREATE TABLE a (x int, y int); CREATE INDEX i ON a (x); CREATE INDEX j ON a (y);"),
        (
            "2.sql",
            "ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME COLUMN x TO z; ALTER TABLE b DROP COLUMN y;",
        ),
        ("3.sql", "ALTER INDEX i RENAME TO k;"),
    )
    assert read.tables == {"b": frozenset({"z"})}
    assert [(i.name, i.table, i.columns) for i in read.indexes.values()] == [("k", "b", ("z",))]


def test_a_dump_with_data_and_psql_commands_is_read() -> None:
    dump = (
        "\\restrict abc\nCREATE TABLE public.a (x int);\nCOPY public.a (x) FROM stdin;\n1;'\n\\.\n"
        "CREATE INDEX i ON public.a USING btree (x);\n"
    )
    read = schema(("dump.sql", dump))
    assert (set(read.tables), set(read.indexes), read.skipped) == ({"a"}, {"i"}, ())


@given(st.text(max_size=300), st.sampled_from([".sql", ".py", ".rb", ".xml"]))
def test_no_file_makes_the_reader_raise(text: str, ending: str) -> None:
    read_schema([SourceFile(path=f"m{ending}", text=text)])


# --- frameworks ------------------------------------------------------------------------------------
ALEMBIC = """
def upgrade():
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text))
    op.create_index(op.f("ix_orders_email"), "orders", ["email"], unique=False)
    op.execute("CREATE INDEX CONCURRENTLY by_sql ON orders (lower(email))")

def downgrade():
    op.drop_index("ix_orders_email")
"""
DJANGO = """
class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Order", [("id", models.BigAutoField(primary_key=True)), ("email", models.TextField())]
        ),
        migrations.AddField("order", "customer", models.ForeignKey("auth.User", on_delete=models.CASCADE)),
        AddIndexConcurrently("order", models.Index(fields=["-created", "email"], name="by_created")),
    ]
"""
RAILS = """
class A < ActiveRecord::Migration[7.0]
  def change
    create_table :orders do |t|
      t.string :email, null: false
      t.references :customer
      t.index [:email], unique: true, name: "by_email"
    end
    add_index :orders, [:email, :customer_id], name: "both"
    remove_index :orders, name: "both"
  end
end
"""


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("alembic/versions/3f.py", ALEMBIC, {"orders": {("id",), ("email",), ("lower(email)",)}}),
        (
            "shop/migrations/0002_a.py",
            DJANGO,
            {"shop_order": {("id",), ("customer_id",), ("created", "email")}},
        ),
        ("db/migrate/20240101000000_a.rb", RAILS, {"orders": {("email",), ("customer_id",)}}),
    ],
)
def test_the_indexes_of_a_framework_are_read(
    path: str, text: str, expected: dict[str, set[tuple[str, ...]]]
) -> None:
    read = schema((path, text))
    assert {table: {i.columns for i in read.on(table)} for table in read.tables} == expected
    assert read.skipped == ()


# --- DDL -------------------------------------------------------------------------------------------
def plan(table: str = "orders", *keys: str) -> IndexPlan:
    return IndexPlan(table=table, db_schema="public", keys=keys or ("customer_email",))


def test_the_index_is_built_concurrently_and_can_be_undone() -> None:
    wanted = (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_customer_email_idx ON public.orders (customer_email)"
    )
    assert plan().create() == wanted
    assert plan().drop() == "DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_email_idx"


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=40))
def test_any_name_stays_one_create_index_statement(table: str, column: str) -> None:
    from pglast.parser import parse_sql

    if "\x00" in table + column or not (table.isprintable() and column.isprintable()):
        return
    made = IndexPlan(table=table, db_schema="public", keys=(column,))
    parsed = parse_sql(made.create())
    assert [type(p.stmt).__name__ for p in parsed] == ["IndexStmt"]
    assert len(made.name.encode()) <= 63


def test_reserved_words_and_odd_names_are_quoted() -> None:
    assert [identifier(n) for n in ("orders", "order", "Order", 'a"b; DROP')] == [
        "orders", '"order"', '"Order"', '"a""b; DROP"',
    ]  # fmt: skip
    assert literal("o'x") == "'o''x'"
    assert literal("a\\") == " E'a\\\\'"


@pytest.mark.parametrize(
    ("last", "path"),
    [
        ("migrations/0006_orders.sql", "migrations/0007_orders_customer_email_idx.sql"),
        ("db/V12__orders.sql", "db/V13__orders_customer_email_idx.sql"),
        ("m/000041_x.up.sql", "m/000042_orders_customer_email_idx.up.sql"),
        ("m/20240101120000_x.sql", "m/20260618150600_orders_customer_email_idx.sql"),
        ("shop/migrations/0009_x.py", "shop/migrations/0010_orders_customer_email_idx.py"),
        ("db/migrate/20240101120000_x.rb", "db/migrate/20260618150600_add_orders_customer_email_idx.rb"),
    ],
)
def test_the_migration_file_is_numbered_as_the_projects_own(last: str, path: str) -> None:
    made = migration_file(plan(), [SourceFile(path=last, text="")], NOW)
    assert made is not None
    assert made.path == path
    assert "CREATE INDEX CONCURRENTLY" in made.text


def test_the_new_migration_promises_what_was_missing() -> None:
    made = migration_file(plan(), MIGRATIONS, NOW)
    assert made is not None
    read = read_schema([*MIGRATIONS, SourceFile(path=made.path, text=made.text)])
    assert read.indexes["orders_customer_email_idx"].columns == ("customer_email",)


def test_the_labs_migrations_are_all_read() -> None:
    found = sorted(LAB.rglob("0*.sql"))
    if not found:
        pytest.skip("the lab keeps no migrations here")
    read = read_schema(SourceFile(path=p.name, text=p.read_text()) for p in found)
    assert read.skipped == ()
    assert "customer_email" in read.tables["orders"]
    assert not any("customer_email" in i.columns for i in read.on("orders"))


def test_another_databases_readings_are_left_alone() -> None:
    scene = replace(SCENE, database="other")
    found = by_judge(judge_database(observed(*SLOW, indexes()), scene))
    assert {found[j].state for j in ("index_missing", "statement_new", "sequential_scans")} == {"unknown"}
