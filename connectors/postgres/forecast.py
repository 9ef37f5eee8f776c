"""The plan layer: what the server itself says that a statement would do and cost, before anything runs.

The statement is put into a frame, `SELECT * FROM (…) LIMIT n`, which takes nothing but a SELECT, and what is
explained is, to the letter, what runs afterwards. Never EXPLAIN ANALYZE: that would run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from connectors.errors import RefusedError
from connectors.postgres import vocabulary
from connectors.postgres.channel import one_statement
from connectors.postgres.limits import Limits

if TYPE_CHECKING:
    from connectors.postgres.channel import Connection

LAYER = "plan"
EXPLAIN = "EXPLAIN (VERBOSE, FORMAT JSON, COSTS ON) "
_ACTING = frozenset({"ModifyTable", "LockRows", "Foreign Scan", "Custom Scan"})

Tree = dict[str, Any]


def framed(sql: str, most_rows: int) -> str:
    """The statement as the inside of a SELECT; one row more than the cap shows that the cap cut."""
    return f"SELECT * FROM (\n{sql}\n) AS answer LIMIT {most_rows + 1}"  # noqa: S608 - judged by the layers before


def foresee(connection: Connection, frame: str, values: Sequence[object], limits: Limits) -> Tree:
    """The plan of a framed statement, if it only reads what may be read and costs little enough.

    Raises:
        RefusedError: it acts, reads a table of a user, or costs too much.
        psycopg.Error: the server cannot plan it: it is no SELECT.
    """
    rows = one_statement(connection, EXPLAIN + frame, values).rows
    plan: Tree = rows[0]["QUERY PLAN"][0]["Plan"]
    for node in nodes(plan):
        _judge(node)
    cost = float(plan["Total Cost"])
    if cost > limits.plan_cost:
        raise RefusedError(LAYER, f"its cost of {cost:,.0f} is over the cap of {limits.plan_cost:,.0f}")
    return plan


def nodes(plan: Tree) -> Iterator[Tree]:
    """The node and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def _judge(node: Tree) -> None:
    kind = node["Node Type"]
    if kind in _ACTING:
        raise RefusedError(LAYER, f"{kind} is no plain reading")
    relation, schema = node.get("Relation Name"), node.get("Schema", "pg_catalog")
    if relation is not None and schema != "pg_catalog":
        raise RefusedError(LAYER, f"it reads {schema}.{relation}")
    if relation in _VALUES:
        raise RefusedError(LAYER, f"{relation} holds copies of values, or secrets")
    function = node.get("Function Name")
    if function is not None and schema != "pg_catalog" and function not in _SOURCES:
        raise RefusedError(LAYER, f"it calls {schema}.{function}")


_VALUES = frozenset(
    """
    pg_statistic pg_statistic_ext_data pg_largeobject pg_user_mapping pg_foreign_server
    pg_foreign_data_wrapper
    """.split()
)
"""Catalogues of pg_catalog that hold samples of rows, or credentials. (pg_authid is behind pg_stat_activity,
so that the plan cannot tell; the grammar and the grants do.)"""
_SOURCES = vocabulary.EXTENSION_RELATIONS | {"hypopg", "hypopg_create_index"}
"""Set-returning functions of the extensions we know, behind their views."""
