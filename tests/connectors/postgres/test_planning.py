"""Plans of the application's statements, made through the wall and never run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from connectors import answers as a
from connectors import questions as q
from connectors.contract import Reading, Unavailable, Window
from connectors.errors import RefusedError
from connectors.postgres import planning
from connectors.postgres.connector import Instance, PostgresConnector
from connectors.postgres.foreign import plannable
from connectors.postgres.wall import Wall
from tests.connectors.postgres import layers
from tests.connectors.postgres.servers import Server

NOW = datetime.now(UTC)
WINDOW = Window(start=NOW - timedelta(hours=1), end=NOW)
DOUBLING = "SELECT x || x AS x FROM (" * 20 + "SELECT customer_email AS x FROM orders" + ") q" * 20
SLOW = "SELECT id FROM orders WHERE customer_email = $1 AND total_cents > $2 ORDER BY id LIMIT $3"


def ask(
    server: Server, question: q.DatabaseQuestion, user: str = "firstcause_plans"
) -> Reading | Unavailable:
    return PostgresConnector(Instance("shop", server.dsn(user), sample_seconds=0.1)).ask(  # type: ignore[return-value]  # ours
        question, now=NOW
    )


def queryid(server: Server, text: str) -> str:
    with server.admin() as connection:
        found = connection.execute(
            "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE %s ORDER BY calls DESC", [text]
        ).fetchone()
    assert found is not None, text
    return str(found[0])


@pytest.fixture
def slow(server: Server) -> str:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for number in range(3):
            connection.execute(
                f"SELECT id FROM orders WHERE customer_email = 'anna{number}'"
                " AND total_cents > 5 ORDER BY id LIMIT 3"
            )
    return queryid(server, "SELECT id FROM orders WHERE customer_email = $1%")


@pytest.mark.live
def test_the_generic_plan_of_a_statement_is_made_for_unknown_values(server: Server, slow: str) -> None:
    reading = ask(server, q.StatementPlan(database="shop", queryid=slow))
    assert isinstance(reading, Reading), reading
    plan = reading.answer
    assert isinstance(plan, a.Plan)
    assert plan.query == SLOW
    scans = [node for node in _nodes(plan.root) if node.relation == "orders"]
    assert scans
    assert "$1" in (scans[0].filter or "")
    assert "anna" not in repr(reading)


@pytest.mark.live
def test_an_index_that_does_not_exist_is_seen_to_help(server: Server, slow: str) -> None:
    reading = ask(server, q.HypotheticalIndexes(database="shop", queryid=slow))
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, a.IndexGains)
    gain = reading.answer.gains[0]
    assert gain.definition == 'CREATE INDEX ON "public"."orders" ("customer_email", "total_cents")'
    assert gain.cost_after < gain.cost_before / 5
    assert gain.bytes_estimate is not None
    assert 100_000 < gain.bytes_estimate < 5_000_000
    assert gain.build_seconds_estimate is not None
    assert 0 < gain.build_seconds_estimate < 5
    estimated = "estimated from table sizes: hypopg is not installed"
    assert (estimated in reading.notes) == (server.version == "18")
    with server.admin() as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_indexes WHERE tablename = 'orders'"
        ).fetchone() == (3,)


@pytest.mark.live
def test_without_the_grant_the_answer_says_which_one_is_missing(server: Server, slow: str) -> None:
    reply = ask(server, q.StatementPlan(database="shop", queryid=slow), "firstcause")
    assert isinstance(reply, Unavailable)
    assert "--plans SCHEMA" in reply.reason


@pytest.mark.live
def test_a_statement_nobody_ran_is_unavailable(server: Server) -> None:
    reply = ask(server, q.StatementPlan(database="shop", queryid="1"))
    assert isinstance(reply, Unavailable)
    assert "knows no statement 1" in reply.reason


@pytest.mark.live
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("UPDATE orders SET total_cents = $1 WHERE customer_email = $2", "WHERE customer_email = $1"),
        (
            "DELETE FROM orders o USING customers c WHERE o.customer_id = c.id AND c.email = $1",
            "public.customers",
        ),
        ("SELECT 1 FROM orders WHERE created_at > now() - interval $1", "CAST($1 AS interval)"),
        ("SELECT 1 FROM orders WHERE status = $1::order_status", "public.order_status"),
        (
            "WITH o AS (SELECT * FROM orders) SELECT * FROM o JOIN customers c ON c.id = o.customer_id",
            "FROM o ",
        ),
        ("SELECT * FROM orders WHERE id IN ($1 /*, ... */)", "public.orders"),
        (
            "SELECT customer_email || $1, concat(id) FROM orders WHERE customer_email ~ $2",
            "public.orders",
        ),
        (
            "SELECT to_char(created_at, $1), random() FROM orders GROUP BY 1, 2 HAVING count(*) > $2",
            "to_char",
        ),
        ("SELECT string_agg(customer_email, $1) FROM orders WHERE created_at > now()", "string_agg"),
    ],
)
def test_what_the_application_runs_is_planned(server: Server, text: str, printed: str) -> None:
    with Wall("shop", server.dsn("firstcause_plans")).session() as session, session.reading() as reading:
        statement = plannable(reading, text).admitted
        assert printed in statement.sql
        assert reading.plan(statement)["Total Cost"] >= 0


@pytest.mark.live
@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO orders DEFAULT VALUES",
        "SELECT public.lying()",
        "SELECT lying() FROM orders",
        "SELECT act() FROM orders",
        "SELECT pg_sleep($1) FROM orders",
        "SELECT * FROM orders FOR UPDATE",
        "SELECT * FROM customer_list",
        "SELECT * FROM orders WHERE customer_email OPERATOR(public.=) $1",
        "SELECT * INTO planted FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
        "UPDATE orders SET total_cents = 1 WHERE public.act() = 1",
        "SELECT 1; DELETE FROM orders",
        "TRUNCATE orders",
        "COPY orders TO PROGRAM 'id'",
        "PREPARE x AS SELECT 1",
        "EXPLAIN ANALYZE SELECT public.act()",
        "SELECT * FROM nothing_there",
        "SELECT repeat('x', 1000000000) FROM orders",
        "SELECT NULL::customers",
        "SELECT nextval('loose_seq')",
        "SELECT current_setting('data_directory') FROM orders",
        DOUBLING,
    ],
)
def test_what_acts_is_not_even_planned(server: Server, text: str) -> None:
    with server.admin() as connection:
        before = layers.state(connection)
        with (
            Wall("shop", server.dsn("postgres")).session() as session,
            session.reading() as reading,
            pytest.raises(RefusedError),
        ):
            reading.plan(plannable(reading, text).admitted)
        assert layers.state(connection) == before


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("(orders.customer_email = $1)", ("customer_email",)),
        ("((orders.total_cents > $2) AND ((orders.email)::text = ($1)::text))", ("email", "total_cents")),
        ("((a = 1) OR (b = 2))", ()),
        ("(a = ANY ($1))", ("a",)),
        ("(a = b)", ()),
        ("(lower(a) = $1)", ()),
        ("((a > $1) AND (b < $2) AND (c IS NULL))", ("c", "a")),
        ("not a filter at all (", ()),
    ],
)
def test_the_columns_an_index_could_serve(condition: str, columns: tuple[str, ...]) -> None:
    assert planning.indexable(condition) == columns


def _nodes(node: a.PlanNode) -> list[a.PlanNode]:
    return [node, *(each for child in node.children for each in _nodes(child))]
