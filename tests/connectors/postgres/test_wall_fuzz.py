"""Statements grown from a grammar that mixes good and bad: whatever passes the wall has changed nothing."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.errors import RefusedError
from connectors.postgres import grammar
from connectors.postgres.foreign import plannable
from connectors.postgres.limits import Limits
from connectors.postgres.literals import without_literals
from connectors.postgres.wall import Wall
from tests.connectors.postgres import layers, shop
from tests.connectors.postgres.attacks import ACTS, UNTRIED_ACTS
from tests.connectors.postgres.servers import Server

pytestmark = pytest.mark.live

FORBIDDEN = {act.partition("(")[0].rpartition(".")[2] for act in (*ACTS, *UNTRIED_ACTS)} - {"count"}
SAFE_LEAVES = ("1", "'a'", "NULL", "c.oid", "c.relname", "now()", "count(*)", "current_database()", "$1")
BAD_LEAVES = (*ACTS, "(SELECT email FROM public.customers LIMIT 1)", "public.act()")
SOURCES = (
    "pg_class c",
    "pg_namespace c",
    "public.customers c",
    "(SELECT 1 AS oid, 'x' AS relname) c",
    "pg_authid c",
)
SPACES = (" ", "\n", "\t", " /* ; */ ", " --x\n", "/**/", " /* /* */ */ ")
ENDS = (
    "",
    "",
    "",
    ";",
    " FOR UPDATE",
    "; DELETE FROM public.orders",
    " --",
    " /*",
    ") AS x; --",
    " INTO public.planted",
)


def grown(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("CASE WHEN {} IS NULL THEN {} ELSE {} END".format, children, children, children),
        st.builds("coalesce({}, {})".format, children, children),
        st.builds("({})::text".format, children),
        st.builds("(SELECT {} LIMIT 1)".format, children),
        st.builds("({} = {})".format, children, children),
        st.builds("length(({})::text)".format, children),
        st.builds("ARRAY[{}]".format, children),
        st.builds("({} || {})".format, children, children),
        st.builds("max({})".format, children),
    )


EXPRESSIONS = st.recursive(st.sampled_from([*SAFE_LEAVES * 3, *BAD_LEAVES]), grown, max_leaves=5)
HEADS = (
    "",
    "",
    "",
    "WITH w AS (SELECT 1 AS x) ",
    "WITH w AS (DELETE FROM public.orders RETURNING 1) ",
    "EXPLAIN ANALYZE ",
)


@st.composite
def statements(draw: st.DrawFn) -> str:
    select = f"SELECT {draw(EXPRESSIONS)} FROM {draw(st.sampled_from(SOURCES))}"
    if draw(st.booleans()):
        select += f" WHERE {draw(EXPRESSIONS)} IS NOT NULL"
    if draw(st.booleans()):
        select += f" ORDER BY {draw(EXPRESSIONS)}"
    text = draw(st.sampled_from(HEADS)) + select + draw(st.sampled_from(ENDS))
    return text.replace(" ", draw(st.sampled_from(SPACES)), draw(st.integers(0, 4)))


QUICK = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@QUICK
@given(statements())
def test_what_the_grammar_admits_names_nothing_that_acts(sql: str) -> None:
    try:
        statement = grammar.admit(sql)
    except RefusedError:
        return
    assert not {name.name for name in statement.functions} & FORBIDDEN
    assert not {name.schema for name in (*statement.functions, *statement.relations)} - {"", "pg_catalog"}


def test_what_passes_the_wall_changes_nothing_and_shows_no_row(server: Server) -> None:
    wall = Wall("shop", server.dsn("postgres"), Limits(rows=50))
    answered: list[str] = []
    with server.admin() as connection, wall.session() as session:
        before = layers.state(connection)

        @QUICK
        @given(statements())
        def fuzz(sql: str) -> None:
            try:
                rows = session.rows(sql, *(["x"] if "$1" in sql else []))
            except (RefusedError, psycopg.Error):
                return
            answered.append(sql)
            assert not [value for value in shop.PERSONAL if value in repr(rows)], sql

        fuzz()
        assert layers.state(connection) == before
    assert len(answered) >= 5, "a fuzz of which nothing passes tries the first layer alone"


def test_what_is_planned_changes_nothing(server: Server) -> None:
    wall = Wall("shop", server.dsn("postgres"), Limits())
    planned: list[str] = []
    with server.admin() as connection, wall.session() as session:
        before = layers.state(connection)

        @QUICK
        @given(statements())
        def fuzz(sql: str) -> None:
            try:
                with session.reading() as reading:
                    reading.plan(plannable(reading, sql.replace("public.", "")).admitted)
            except (RefusedError, psycopg.Error):
                return
            planned.append(sql)

        fuzz()
        assert layers.state(connection) == before
    assert len(planned) >= 5, "a fuzz of which nothing passes tries the first layer alone"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "NOT " * 4900 + "true",
        "SELECT " + "a[" * 6000,
        "SELECT " + "lower(" * 2500 + "'x'" + ")" * 2500,
        "SELECT " + "(SELECT " * 2000 + "1" + ")" * 2000,
        "SELECT * FROM " + "(" * 6000 + "a" + ")" * 6000,
        "SELECT 1 " + "UNION ALL SELECT 1 " * 1000,
        "SELECT 1" + "::text" * 3000,
        "SELECT " + "1," * 9000 + "1",
        "/*" * 9000,
        "SELECT " + "x" * 20_000,
    ],
    ids=lambda sql: sql[:20],
)
def test_a_text_that_is_nested_without_end_is_refused(sql: str) -> None:
    with pytest.raises(RefusedError):
        grammar.admit(sql)
    assert isinstance(without_literals(sql), str)
