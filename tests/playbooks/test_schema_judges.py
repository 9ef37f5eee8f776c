"""Foreign keys without an index, schema changes that lock, and casts that keep an index out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import answers as a
from connectors.contract import Reading
from connectors.questions import StatementPlan
from playbooks.database import judge_database
from playbooks.migration_locks import locking_steps
from playbooks.model import Finding
from tests.playbooks.test_database_kit import (
    NORMAL,
    SCENE,
    by_judge,
    indexes,
    locks,
    migrations,
    observed,
    reading,
    statements,
    tables,
)

DELETE = "DELETE FROM customers WHERE id = $1"
SCHEMA = a.SourceFile(
    path="migrations/0001_init.sql",
    text="CREATE TABLE customers (id bigint PRIMARY KEY);\n"
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint REFERENCES customers, code bigint);",
)
SLOW_DELETE = statements(*NORMAL, (DELETE, 2.0, 0.3, 2.0, 180.0))
BIG = tables(("orders", 1_000_000, 0.0, 2_000_000.0), ("customers", 50_000, 0.0, 0.0))
PRIMARY = (
    a.Index(table="orders", index="orders_pkey", columns=("id",), unique=True),
    a.Index(table="customers", index="customers_pkey", columns=("id",), unique=True),
)
BY_CUSTOMER = a.Index(table="orders", index="orders_customer_idx", columns=("customer_id",))


def _judged(*readings: Reading) -> dict[str, Finding]:
    return by_judge(judge_database(observed(*readings), SCENE))


# --- foreign keys -----------------------------------------------------------------------------------
def test_a_slow_delete_of_what_others_refer_to_wants_an_index_on_the_referring_table() -> None:
    found = _judged(SLOW_DELETE, BIG, indexes(*PRIMARY), migrations(SCHEMA))["index_missing"]
    assert found.state == "yes"
    assert found.entity is not None
    assert found.entity.name == "orders"
    assert "refers to customers" in found.why
    facts = dict(getattr(found, "facts", ()))
    assert facts["ddl"].startswith("CREATE INDEX CONCURRENTLY")
    assert "ON public.orders (customer_id)" in facts["ddl"]


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param((SLOW_DELETE, BIG, indexes(*PRIMARY, BY_CUSTOMER), migrations(SCHEMA)), id="it exists"),
        pytest.param(
            (SLOW_DELETE, tables(("orders", 500, 0.0, 0.0)), indexes(*PRIMARY), migrations(SCHEMA)),
            id="the table is small",
        ),
        pytest.param((SLOW_DELETE, BIG, indexes(*PRIMARY)), id="no foreign key is known"),
    ],
)
def test_no_index_is_wanted_for_a_delete_where(readings: tuple[Reading, ...]) -> None:
    found = _judged(*readings)["index_missing"]
    assert found.state != "yes"


def test_a_partial_or_invalid_index_on_a_foreign_key_is_none() -> None:
    invalid = BY_CUSTOMER.model_copy(update={"valid": False})
    partial = BY_CUSTOMER.model_copy(
        update={"definition": "CREATE INDEX i ON orders (customer_id) WHERE (code = 1)"}
    )
    for index in (invalid, partial):
        found = _judged(SLOW_DELETE, BIG, indexes(*PRIMARY, index), migrations(SCHEMA))["index_missing"]
        assert found.state == "yes"


# --- migrations that lock -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sql", "blocks", "instead"),
    [
        ("CREATE INDEX i ON orders (code)", "writes", "CONCURRENTLY"),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (code > 0)", "reads and writes", "NOT VALID"),
        ("ALTER TABLE orders ADD FOREIGN KEY (code) REFERENCES t (id)", "writes", "NOT VALID"),
        ("ALTER TABLE orders ADD UNIQUE (code)", "reads and writes", "USING INDEX"),
        ("ALTER TABLE orders ALTER code SET NOT NULL", "reads and writes", "IS NOT NULL"),
        ("ALTER TABLE orders ALTER code TYPE bigint", "reads and writes", "new type"),
        (
            "ALTER TABLE orders ADD token uuid DEFAULT gen_random_uuid()",
            "reads and writes",
            "without a default",
        ),
        ("ALTER TABLE orders ADD n bigserial", "reads and writes", "without a default"),
        ("VACUUM FULL orders", "reads and writes", "VACUUM"),
        ("REINDEX TABLE orders", "writes", "CONCURRENTLY"),
        ("LOCK TABLE orders", "reads and writes", "lock_timeout"),
        ("CLUSTER orders USING i", "reads and writes", "pg_repack"),
        ("TRUNCATE orders", "reads and writes", "batches"),
    ],
)
def test_a_step_that_keeps_others_out_is_known_with_what_to_do_instead(
    sql: str, blocks: str, instead: str
) -> None:
    [step] = locking_steps(sql)
    assert (step.table, step.blocks) == ("orders", blocks)
    assert instead in step.instead


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON orders (code)",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (code > 0) NOT VALID",
        "ALTER TABLE orders VALIDATE CONSTRAINT c",
        "ALTER TABLE orders ADD CONSTRAINT c UNIQUE USING INDEX i",
        "ALTER TABLE orders ADD note text DEFAULT 'none'",
        "ALTER TABLE orders ADD at timestamptz DEFAULT now()",
        "REINDEX TABLE CONCURRENTLY orders",
        "VACUUM ANALYZE orders",
        "CREATE TABLE new (id int); CREATE INDEX i ON new (id); ALTER TABLE new ADD CHECK (id > 0)",
        "UPDATE orders SET code = 1",
        "not sql at all",
    ],
)
def test_a_step_that_lets_others_through_is_not_accused(sql: str) -> None:
    assert locking_steps(sql) == ()


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_of_locks_raise(sql: str) -> None:
    locking_steps(sql)


def _lock(blocker: str, blocked: str = "SELECT 1", seconds: float = 20.0) -> a.Lock:
    return a.Lock(
        blocked_pid=2, blocked_query=blocked, blocked_seconds=seconds, blocker_pid=1, blocker_query=blocker
    )


def test_a_schema_change_at_the_root_of_a_queue_is_named_with_its_migration() -> None:
    sql = "ALTER TABLE orders ADD CONSTRAINT positive CHECK (code > 0)"
    second = a.SourceFile(path="migrations/0002_positive.sql", text=f"{sql};")
    found = _judged(locks(_lock(sql)), migrations(SCHEMA, second))["migration_locks"]
    assert found.state == "yes"
    assert "migrations/0002_positive.sql" in found.why
    assert "NOT VALID" in found.why


def test_a_schema_change_that_waits_itself_is_named_too_for_everyone_waits_behind_it() -> None:
    queue = locks(_lock("SELECT * FROM orders FOR UPDATE", "ALTER TABLE orders ALTER code SET NOT NULL"))
    assert _judged(queue)["migration_locks"].state == "yes"


def test_a_queue_behind_an_idle_transaction_accuses_no_migration() -> None:
    queue = locks(_lock("UPDATE orders SET code = 1", "UPDATE orders SET code = 2"))
    assert _judged(queue, migrations(SCHEMA))["migration_locks"].state == "no"


# --- casts that keep an index out ----------------------------------------------------------------------
BY_CODE = a.Index(table="orders", index="orders_code_idx", columns=("code",))


def _plan(filter_: str, node: str = "Seq Scan") -> Reading:
    root = a.PlanNode(
        node_type="Gather", children=(a.PlanNode(node_type=node, relation="orders", filter=filter_),)
    )
    question = StatementPlan(database="shop", queryid="7")
    return reading(
        question, a.Plan(queryid="7", query="SELECT * FROM orders WHERE code::text = $1", root=root)
    )


@pytest.mark.parametrize("filter_", ["((code)::text = $1)", "(lower((code)::text) = $1)", "(abs(code) = $1)"])
def test_an_index_that_a_cast_or_function_keeps_out_is_named(filter_: str) -> None:
    found = _judged(_plan(filter_), BIG, indexes(*PRIMARY, BY_CODE), migrations(SCHEMA))["index_defeated"]
    assert found.state == "yes"
    assert "orders_code_idx" in found.why


@pytest.mark.parametrize(
    ("filter_", "node", "declared"),
    [
        ("(code = $1)", "Seq Scan", "bigint"),
        ("((code)::text = $1)", "Index Scan", "bigint"),
        ("((code)::text = $1)", "Seq Scan", "varchar(20)"),
        ("((other)::text = $1)", "Seq Scan", "bigint"),
    ],
)
def test_a_plan_without_such_a_cast_accuses_nothing(filter_: str, node: str, declared: str) -> None:
    schema = SCHEMA.model_copy(update={"text": SCHEMA.text.replace("code bigint", f"code {declared}")})
    found = _judged(_plan(filter_, node), BIG, indexes(*PRIMARY, BY_CODE), migrations(schema))
    assert found["index_defeated"].state == "no"
