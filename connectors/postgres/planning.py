"""Plans of the application's statements, and what an index that does not exist would change in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from connectors import answers as a
from connectors import questions as q
from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.postgres import forecast, foreign, grammar, statistics
from connectors.postgres.inquiry import Inquiry
from connectors.postgres.literals import without_literals
from connectors.postgres.role import identifier

if TYPE_CHECKING:
    from connectors.postgres.forecast import Tree
    from connectors.postgres.wall import Reading

MOST_STATEMENTS = 8
"""Statements that are tried when none is named: those that took most time."""
LARGE_ROWS = 10_000
"""Rows from which on a filtered sequential scan is worth an index."""
MOST_COLUMNS = 3
_SEARCHING = ("select", "with", "update", "delete")
_UNPLANNABLE = (RefusedError, psycopg.DataError, psycopg.ProgrammingError)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scan that filters a large table, and the columns an index on it would need, equality first."""

    schema: str
    table: str
    columns: tuple[str, ...]
    rows: float

    @property
    def definition(self) -> str:
        """The index to try."""
        columns = ", ".join(map(identifier, self.columns))
        return f"CREATE INDEX ON {identifier(self.schema)}.{identifier(self.table)} ({columns})"


def plan(inquiry: Inquiry) -> a.Plan:
    """The generic plan of the statement that is named.

    Raises:
        SourceFailedError: the server knows no such statement, or cannot plan it.
    """
    question = inquiry.question
    assert isinstance(question, q.StatementPlan)
    text = _text(inquiry, question.queryid)
    try:
        with inquiry.session.reading() as reading:
            statement = foreign.plannable(reading, text)
            tree = reading.plan(statement.admitted)
    except _UNPLANNABLE as error:
        raise SourceFailedError(f"{inquiry.database}: {_why(error)}", counts=False) from error
    if statement.rewritten:
        inquiry.notes.append("planned as the SELECT that finds the statement's rows")
    inquiry.statements.append(f"EXPLAIN (GENERIC_PLAN) {statement.admitted.sql}")
    return a.Plan(queryid=question.queryid, query=without_literals(text), root=node_of(tree))


def node_of(tree: Tree) -> a.PlanNode:
    """A node of EXPLAIN's JSON as an answer; literals in its filter become parameters."""
    condition = tree.get("Filter")
    return a.PlanNode(
        node_type=str(tree["Node Type"]),
        relation=tree.get("Relation Name"),
        filter=without_literals(condition) if condition else None,
        index=tree.get("Index Name"),
        total_cost=float(tree.get("Total Cost", 0.0)),
        rows=float(tree.get("Plan Rows", 0.0)),
        children=tuple(node_of(child) for child in tree.get("Plans", ())),
    )


def hypothetical(inquiry: Inquiry) -> a.IndexGains:
    """What indexes would gain for the statement that is named, or for those that took most time."""
    question = inquiry.question
    assert isinstance(question, q.HypotheticalIndexes)
    schema = inquiry.extension("hypopg")
    if schema is None:
        inquiry.notes.append("estimated from table sizes: hypopg is not installed")
    gains: list[a.IndexGain] = []
    for queryid, text in _suspicious(inquiry, question.queryid):
        try:
            with inquiry.session.reading() as reading:
                gains.extend(_gains(reading, schema, queryid, text))
        except _UNPLANNABLE as error:
            inquiry.notes.append(f"statement {queryid}: {_why(error)}")
    inquiry.statements.append("EXPLAIN without and with hypopg_create_index")
    return a.IndexGains(gains=tuple(gains))


def _gains(reading: Reading, hypopg: str | None, queryid: str, text: str) -> Iterator[a.IndexGain]:
    statement = foreign.plannable(reading, text).admitted
    before = reading.plan(statement)
    for candidate in dict.fromkeys(_candidates(reading, before)):
        if hypopg is None:
            after, size = _modelled(reading, before, candidate)
        else:
            after, size = _tried(reading, hypopg, statement, candidate)
        yield a.IndexGain(
            queryid=queryid,
            table=candidate.table,
            columns=candidate.columns,
            definition=candidate.definition,
            cost_before=float(before["Total Cost"]),
            cost_after=after,
            bytes_estimate=size,
            build_seconds_estimate=_build_seconds(reading, candidate),
        )


def _tried(
    reading: Reading, hypopg: str, statement: grammar.Admitted, candidate: Candidate
) -> tuple[float, float]:
    """The cost and size with an index that hypopg keeps in our session's memory alone."""
    made = f"SELECT indexrelid::int8 AS id FROM {hypopg}.hypopg_create_index($1)"  # noqa: S608 - quoted
    index = reading.rows(made, candidate.definition).rows[0]["id"]
    after = reading.plan(statement)
    size = reading.rows(f"SELECT {hypopg}.hypopg_relation_size($1::oid)::float8 AS size", index).rows[0][
        "size"
    ]
    reading.rows(f"SELECT {hypopg}.hypopg_reset()::text AS done")
    return float(after["Total Cost"]), float(size)


_FIGURES = """
    SELECT c.reltuples::float8 AS rows, pg_relation_size(c.oid)::float8 AS bytes,
           (SELECT sum(CASE WHEN k.attlen > 0 THEN k.attlen::int4 ELSE 24 END)::float8 FROM pg_attribute k
            WHERE k.attrelid = c.oid AND k.attname = ANY($3::text[])) AS width,
           (SELECT setting::float8 FROM pg_settings WHERE name = 'random_page_cost') AS page_cost
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2"""


def _figures(reading: Reading, candidate: Candidate) -> dict[str, Any]:
    return reading.rows(_FIGURES, candidate.schema, candidate.table, list(candidate.columns)).rows[0]


def _modelled(reading: Reading, plan: Tree, candidate: Candidate) -> tuple[float, float]:
    """Cost and size by PostgreSQL's own model of a B-tree, roughly (costsize.c: pages and tuples).

    An entry takes its columns and 16 bytes, pages are filled to 90 %; each row found costs one page read at
    random and a tuple's CPU; the descent costs the height of the tree. What is above the scan stays.
    """
    figures = _figures(reading, candidate)
    rows = max(float(figures["rows"]), 1.0)
    size = math.ceil(rows * (float(figures["width"] or 8.0) + 16.0) / (0.9 * 8192)) * 8192.0
    scan = next(node for node in forecast.nodes(plan) if _scans(node, candidate))
    found = max(float(scan["Plan Rows"]), 1.0)
    page = float(figures["page_cost"])
    height = 1 + max(0, math.ceil(math.log(max(rows / 300.0, 1.0), 300.0)))
    cost = page * (height + found) + found * 0.015
    return max(float(plan["Total Cost"]) - float(scan["Total Cost"]), 0.0) + cost, size


def _build_seconds(reading: Reading, candidate: Candidate) -> float:
    """How long a build takes, in order of magnitude: read at 200 MB/s, sorted at a million rows a second.

    CREATE INDEX CONCURRENTLY reads the table twice.
    """
    figures = _figures(reading, candidate)
    return 2 * float(figures["bytes"]) / 200e6 + max(float(figures["rows"]), 0.0) / 1e6


def _scans(node: Tree, candidate: Candidate) -> bool:
    return _reads_all(node) and node.get("Relation Name") == candidate.table


def _reads_all(node: Tree) -> bool:
    """Whether the node reads a whole table: in its own order, or in that of an index, only to filter it."""
    return node["Node Type"] in {"Seq Scan", "Index Scan"} and "Filter" in node and "Index Cond" not in node


def _candidates(reading: Reading, plan: Tree) -> Iterator[Candidate]:
    """Every scan of a whole large table that filters by columns an index could serve."""
    for node in forecast.nodes(plan):
        columns = indexable(node["Filter"]) if _reads_all(node) else ()
        if columns:
            candidate = Candidate(node["Schema"], node["Relation Name"], columns, float(node["Plan Rows"]))
            if float(_figures(reading, candidate)["rows"]) >= LARGE_ROWS:
                yield candidate


def indexable(condition: str) -> tuple[str, ...]:
    """The columns of a filter that a B-tree could serve: those compared as equal, then one for a range."""
    try:
        tree: Any = grammar.parsed(f"SELECT 1 WHERE {condition}").whereClause
    except RefusedError:
        return ()
    both = _kind(tree) == "BoolExpr" and tree.boolop.name == "AND_EXPR"
    compared = [found for part in (tree.args if both else (tree,)) if (found := _compared(part))]
    equal = [column for column, operator in compared if operator == "="]
    ranges = [column for column, operator in compared if operator in {"<", ">", "<=", ">="}]
    return tuple(dict.fromkeys((*equal, *ranges[:1])))[:MOST_COLUMNS]


def _compared(node: Any) -> tuple[str, str] | None:
    """A comparison of one column with something that is no column."""
    if _kind(node) == "NullTest" and node.nulltesttype.name == "IS_NULL":
        column = _column(node.arg)
        return (column, "=") if column else None
    if _kind(node) != "A_Expr" or node.kind.name not in {"AEXPR_OP", "AEXPR_OP_ANY"}:
        return None
    column = _column(node.lexpr)
    if column is None or any(_kind(each) == "ColumnRef" for each in foreign.walk(node.rexpr)):
        return None
    return column, str(node.name[-1].sval)


def _column(node: Any) -> str | None:
    while _kind(node) == "TypeCast":
        node = node.arg
    return str(node.fields[-1].sval) if _kind(node) == "ColumnRef" else None


def _kind(node: object) -> str:
    return type(node).__name__


def _text(inquiry: Inquiry, queryid: str) -> str:
    for row in inquiry.rows(statistics.statement_sql(inquiry)):
        if row["queryid"] == queryid:
            return str(row["query"])
    raise SourceFailedError(
        f"{inquiry.database}: pg_stat_statements knows no statement {queryid}", counts=False
    )


def _suspicious(inquiry: Inquiry, queryid: str | None) -> Sequence[tuple[str, str]]:
    """The statement that is named, or those that search and took most time."""
    if queryid is not None:
        return [(queryid, _text(inquiry, queryid))]
    rows = inquiry.rows(statistics.statement_sql(inquiry))
    texts = [(str(row["queryid"]), str(row["query"])) for row in rows]
    searching = [
        each for each in texts if each[1].lstrip().lower().startswith(("select", "with", "update", "delete"))
    ]
    return searching[:MOST_STATEMENTS]


def _why(error: Exception) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "the role may not SELECT there: firstcause sql-role --plans SCHEMA prints the grant"
    if isinstance(error, psycopg.Error):
        return f"the server cannot plan it as it stands [SQLSTATE {error.sqlstate}]"
    return str(error)
