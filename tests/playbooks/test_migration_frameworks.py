"""Every framework's migrations: what they promise is read, and a new one is written in their manner."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import SourceFile
from connectors.migration_paths import in_order, is_migration, order
from playbooks.ddl import IndexPlan
from playbooks.migration_writing import migration_file
from playbooks.schema import Schema, read_schema

NOW = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
PLAN = IndexPlan(table="orders", db_schema="public", keys=("customer_email",))


def _files(*files: tuple[str, str]) -> tuple[SourceFile, ...]:
    taken = [SourceFile(path=path, text=text) for path, text in files if is_migration(path)]
    return in_order(tuple(sorted(taken, key=lambda file: order(file.path))))


SQL = """CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_email text,
                     customer_id bigint REFERENCES customers (id));
CREATE INDEX orders_by_customer ON orders (customer_id);
"""
ALEMBIC_ONE = '''"""first"""
revision = "aaa111"
down_revision = None

def upgrade():
    op.create_table("customers", sa.Column("id", sa.BigInteger, primary_key=True))
'''
ALEMBIC_TWO = '''"""second"""
revision: str = "bbb222"
down_revision: str | None = "aaa111"

def upgrade():
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("customer_email", sa.Text),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customers.id")),
    )
    op.create_index("orders_by_customer", "orders", ["customer_id"])
'''
DJANGO = """
class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Customer", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("Orders", [
            ("id", models.BigAutoField(primary_key=True)),
            ("customer_email", models.TextField()),
            ("customer", models.ForeignKey("shop.Customer", db_index=False, on_delete=models.CASCADE)),
        ]),
        migrations.AddIndex("Orders", models.Index(fields=["customer"], name="orders_by_customer")),
    ]
"""
RAILS = """ActiveRecord::Schema[7.1].define(version: 2024_01_01_000000) do
  create_table "customers" do |t|
  end
  create_table "orders" do |t|
    t.text "customer_email"
    t.bigint "customer_id"
    t.index ["customer_id"], name: "orders_by_customer"
  end
  add_foreign_key "orders", "customers"
end
"""
LIQUIBASE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">
  <changeSet id="1" author="a">
    <createTable tableName="customers">
      <column name="id" type="bigint"><constraints primaryKey="true"/></column>
    </createTable>
    <createTable tableName="orders">
      <column name="id" type="bigint"><constraints primaryKey="true" nullable="false"/></column>
      <column name="customer_email" type="text"/>
      <column name="customer_id" type="bigint"/>
    </createTable>
    <addForeignKeyConstraint baseTableName="orders" baseColumnNames="customer_id" constraintName="fk"
                             referencedTableName="customers" referencedColumnNames="id"/>
    <createIndex tableName="orders" indexName="orders_by_customer"><column name="customer_id"/></createIndex>
    <rollback><dropTable tableName="orders"/></rollback>
  </changeSet>
  <changeSet id="2" author="a" dbms="mysql"><dropTable tableName="orders"/></changeSet>
  <changeSet id="3" author="a"><sql>CREATE INDEX by_sql ON orders (id, customer_email)</sql></changeSet>
</databaseChangeLog>
"""
LIQUIBASE_YAML = """databaseChangeLog:
  - changeSet:
      id: 1
      author: a
      changes:
        - createTable:
            tableName: customers
            columns:
              - column: {name: id, type: bigint, constraints: {primaryKey: true}}
        - createTable:
            tableName: orders
            columns:
              - column: {name: id, type: bigint, constraints: {primaryKey: true}}
              - column: {name: customer_email, type: text}
              - column:
                  name: customer_id
                  type: bigint
                  constraints: {foreignKeyName: fk, references: customers(id)}
        - createIndex:
            tableName: orders
            indexName: orders_by_customer
            columns:
              - column: {name: customer_id}
      rollback:
        - dropTable: {tableName: orders}
"""
LIQUIBASE_SQL = f"--liquibase formatted sql\n\n--changeset a:1\n{SQL}--rollback DROP TABLE orders;\n"
PRISMA = """generator client { provider = "prisma-client-js" }
model Customer {
  id     BigInt   @id
  orders Orders[]
  @@map("customers")
}
model Orders {
  id            BigInt   @id // the key
  customerEmail String   @map("customer_email")
  customerId    BigInt   @map("customer_id")
  customer      Customer @relation(fields: [customerId], references: [id])
  @@index([customerId], map: "orders_by_customer")
  @@map("orders")
}
"""
PROJECTS: dict[str, tuple[tuple[str, str], ...]] = {
    "plain SQL": (("migrations/0001_init.sql", SQL),),
    "flyway": (
        ("db/migration/V1__init.sql", SQL),
        ("db/migration/R__views.sql", "CREATE VIEW v AS SELECT 1;"),
    ),
    "golang-migrate": (("m/000001_init.up.sql", SQL), ("m/000001_init.down.sql", "DROP TABLE orders;")),
    "alembic": (("alembic/versions/bbb222_b.py", ALEMBIC_TWO), ("alembic/versions/ccc_a.py", ALEMBIC_ONE)),
    "django": (("shop/migrations/0001_initial.py", DJANGO),),
    "rails": (
        ("db/schema.rb", RAILS),
        (
            "db/migrate/20240101000000_a.rb",
            "class A < ActiveRecord::Migration[7.1]\n  def change\n  end\nend\n",
        ),
    ),
    "liquibase xml": (("db/changelog/001-init.xml", LIQUIBASE_XML),),
    "liquibase yaml": (("db/changelog/001-init.yaml", LIQUIBASE_YAML),),
    "liquibase sql": (("db/changelog/001-init.sql", LIQUIBASE_SQL),),
    "prisma": (
        ("prisma/schema.prisma", PRISMA),
        ("prisma/migrations/20240101000000_init/migration.sql", SQL),
    ),
    "prisma by hand": (
        ("prisma/schema.prisma", PRISMA),
        ("prisma/migrations/0_init/migration.sql", "CREATE TABLE other (id integer);"),
        ("prisma/migrations/0011_orders/migration.sql", SQL),
    ),
    "sqitch": (
        (
            "sqitch.plan",
            "%syntax-version=1.0.0\n%project=shop\n\nzeta 2024-01-01T00:00:00Z A <a@b> # first\n",
        ),
        ("deploy/zeta.sql", f"-- Deploy shop:zeta to pg\n\n{SQL}"),
        ("revert/zeta.sql", "DROP TABLE orders;"),
    ),
}


def _orders(schema: Schema) -> str:
    return next(table for table in schema.tables if table.endswith("orders"))


@pytest.mark.parametrize("project", PROJECTS)
def test_the_tables_indexes_and_foreign_keys_of_a_framework_are_read(project: str) -> None:
    schema = read_schema(_files(*PROJECTS[project]))
    assert schema.skipped == ()
    orders = _orders(schema)
    assert {"id", "customer_email", "customer_id"} <= schema.tables[orders]
    # Rails and Django name fields, the others columns
    assert {("customer_id",), ("customer",)} & {index.columns for index in schema.on(orders)}
    [key] = {(key.table, key.columns, key.target) for key in schema.foreign_keys}
    assert key in {
        (orders, ("customer_id",), "customers"),
        (orders, ("customer_id",), "shop_customer"),
    }


@pytest.mark.parametrize("project", PROJECTS)
def test_a_new_migration_in_the_projects_manner_promises_the_index_and_does_not_block(project: str) -> None:
    files = _files(*PROJECTS[project])
    made = migration_file(PLAN, files, NOW)
    assert made is not None
    assert made.path not in {file.path for file in files}
    assert is_migration(made.path), made.path
    assert "CONCURRENTLY" in made.text
    schema = read_schema([*files, SourceFile(path=made.path, text=made.text)])
    assert schema.skipped == ()
    assert schema.indexes["orders_customer_email_idx"].columns == ("customer_email",)


@pytest.mark.parametrize(
    ("project", "path", "says"),
    [
        ("alembic", "alembic/versions/", "down_revision = 'bbb222'"),
        ("flyway", "db/migration/V2__", "executeInTransaction=false"),
        ("prisma", "prisma/migrations/20260618150600_", "schema.prisma"),
        ("prisma by hand", "prisma/migrations/0012_orders_", "schema.prisma"),
        ("liquibase xml", "db/changelog/002-", 'runInTransaction="false"'),
        ("liquibase yaml", "db/changelog/002-", "runInTransaction: false"),
        ("liquibase sql", "db/changelog/002-", "runInTransaction:false"),
        ("sqitch", "deploy/orders_customer_email_idx.sql", "-- Deploy shop:orders_customer_email_idx to pg"),
    ],
)
def test_what_each_framework_needs_beside_the_statement_is_said(project: str, path: str, says: str) -> None:
    made = migration_file(PLAN, _files(*PROJECTS[project]), NOW)
    assert made is not None
    assert made.path.startswith(path)
    assert says in made.text


def test_an_alembic_chain_with_two_heads_gets_no_migration_that_would_take_a_side() -> None:
    other = ALEMBIC_TWO.replace('"bbb222"', '"ddd444"')
    files = _files(*PROJECTS["alembic"], ("alembic/versions/ddd444_c.py", other))
    assert migration_file(PLAN, files, NOW) is None


def test_sqitchs_scripts_come_in_the_order_of_the_plan_and_not_of_their_names() -> None:
    files = _files(
        (
            "sqitch.plan",
            "%project=shop\nzeta 2024-01-01T00:00:00Z A <a@b>\n@v1 2024\nalpha 2024-01-02T00:00:00Z A <a@b>",
        ),
        ("deploy/alpha.sql", "DROP INDEX i;"),
        ("deploy/zeta.sql", "CREATE TABLE t (x int); CREATE INDEX i ON t (x);"),
        ("verify/zeta.sql", "SELECT 1;"),
    )
    assert [file.path for file in files] == ["deploy/zeta.sql", "deploy/alpha.sql"]
    assert read_schema(files).indexes == {}


def test_flyways_repeatable_migrations_come_after_all_numbered_ones() -> None:
    paths = ["db/R__a.sql", "db/V10__b.sql", "db/V9.1__c.sql", "db/V2_1__d.sql"]
    assert sorted(paths, key=order) == ["db/V2_1__d.sql", "db/V9.1__c.sql", "db/V10__b.sql", "db/R__a.sql"]


def test_a_types_name_is_kept_where_a_file_says_it() -> None:
    schema = read_schema(_files(*PROJECTS["plain SQL"]))
    assert schema.types["orders", "customer_email"] == "text"
    assert schema.types["orders", "id"] == "int8"


def test_dropping_a_table_or_column_takes_its_foreign_keys_along() -> None:
    gone = read_schema(
        _files(("m/1_a.sql", SQL), ("m/2_b.sql", "ALTER TABLE orders DROP COLUMN customer_id;"))
    )
    assert gone.foreign_keys == ()
    gone = read_schema(_files(("m/1_a.sql", SQL), ("m/2_b.sql", "DROP TABLE customers CASCADE;")))
    assert gone.foreign_keys == ()


BOMB = """<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c SYSTEM "file:///etc/passwd">]><databaseChangeLog>&b;&c;</databaseChangeLog>"""


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("changelog/1.xml", BOMB, "not readable as XML"),
        ("changelog/1.xml", "<project/>", "no changelog of Liquibase"),
        ("changelog/1.yaml", "a: &x [1]\ndatabaseChangeLog: [*x, *x]\n", "aliases"),
        ("changelog/1.yaml", "kind: Deployment\n", "no changelog of Liquibase"),
        ("changelog/1.json", "{", "not readable"),
        ("prisma/schema.prisma", "datasource db {}", "no model"),
    ],
)
def test_a_file_that_is_hostile_or_no_migration_is_skipped_with_its_reason(
    path: str, text: str, reason: str
) -> None:
    [skipped] = read_schema([SourceFile(path=path, text=text)]).skipped
    assert reason in skipped.reason


@given(st.sampled_from(sorted(PROJECTS)), st.data())
def test_no_damage_to_a_migration_makes_the_reader_or_the_writer_raise(
    project: str, data: st.DataObject
) -> None:
    path, text = data.draw(st.sampled_from(PROJECTS[project]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    damaged = SourceFile(path=path, text=text[:start] + data.draw(st.text(max_size=10)) + text[end:])
    read_schema([damaged])
    migration_file(PLAN, [damaged], NOW)
