"""Judge over plans: an index is there, and the statement's own words keep the planner from using it.

Source: PostgreSQL manual, "Indexes on Expressions", "Operator Classes": an index on a column serves neither
a function of the column nor the column cast to another type. Must not judge whether a statement is slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.answers import Index, Indexes, Plan, PlanNode
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, of_database, short, unknown
from playbooks.indexes import KnownSchema
from playbooks.model import Entity
from playbooks.observations import Observations, Observed
from playbooks.statements import plain_key
from playbooks.tables import LARGE_ROWS, large_tables

_CAST = re.compile(r"\(\(?\"?(?P<column>\w{1,63})\"?\)::(?P<type>[a-z][a-z ]{1,30})")
_CALL = re.compile(r"\b(?P<call>[a-z_]\w{0,62})\(\(?\"?(?P<column>\w{1,63})\"?\)?(?:::[a-z ]{1,30})?\)")
_CHARACTERS = ("text", "character varying", "varchar", "bpchar", "character")
_NO_FUNCTIONS = frozenset({"any", "all", "and", "or", "not", "in"})


@dataclass(frozen=True, slots=True)
class _Defeated:
    """An index that a filter's own words keep out: what stands around its first column."""

    index: Index
    node: PlanNode
    wrapped: str
    cast: str


def judge_plans(observations: Observations, known: KnownSchema, scene: Scene) -> DetailedFinding:
    """Whether a suspicious statement's plan passes over an index for a cast or function on its column."""
    judge = "index_defeated"
    plans = [
        each
        for each in observations.all(Plan)
        if scene.database is None or getattr(each.reading.question, "database", None) == scene.database
    ]
    listed = of_database(observations, Indexes, scene.database)
    if not plans or listed is None:
        return unknown(judge, "no plan of a suspicious statement is known", scene)
    tables = large_tables(observations, scene.database)
    for plan in plans:
        for node in _nodes(plan.answer.root):
            size = tables.get(node.relation or "")
            if node.node_type == "Seq Scan" and size is not None and size.live_rows >= LARGE_ROWS:
                found = _defeated(node, listed.answer.indexes, known)
                if found is not None:
                    return _finding(found, plan, scene)
    text = f"no filter of {len(plans)} plans hides an indexed column behind a cast or function"
    ruling = Ruling(judge=judge, state="no", why=text, strength=2.0)
    return finding(ruling, scene, [cite(plans[0].reading, text)])


def _nodes(root: PlanNode) -> Iterator[PlanNode]:
    waiting = [root]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting.extend(node.children)


def _defeated(node: PlanNode, indexes: tuple[Index, ...], known: KnownSchema) -> _Defeated | None:
    filter_ = (node.filter or "")[:4_000]
    leading = {
        plain_key(index.columns[0]): index
        for index in indexes
        if index.valid and index.table == node.relation and index.columns
    }
    for match in _CAST.finditer(filter_):
        index = leading.get(match["column"])
        if index is not None and not _same_characters(node.relation or "", match, known):
            return _Defeated(
                index, node, f"{match['column']}::{match['type'].strip()}", match["type"].strip()
            )
    for match in _CALL.finditer(filter_):
        index = leading.get(match["column"])
        if index is not None and match["call"] not in _NO_FUNCTIONS:
            return _Defeated(index, node, f"{match['call']}({match['column']})", "")
    return None


def _same_characters(table: str, match: re.Match[str], known: KnownSchema) -> bool:
    """PostgreSQL prints a varchar column as cast to text, and its index serves that all the same."""
    if not match["type"].strip().startswith(_CHARACTERS):
        return False
    declared = known.types.get((table, match["column"]), "")
    return not declared or declared.startswith((*_CHARACTERS, "string", "char"))


def _finding(found: _Defeated, plan: Observed[Plan], scene: Scene) -> DetailedFinding:
    table, column = found.node.relation or "", found.index.columns[0]
    text = (
        f"{short(plan.answer.query, 120)} compares {found.wrapped}: index {found.index.index} on "
        f"{table} ({column}) cannot serve it, and the plan reads the whole table"
    )
    ruling = Ruling(
        judge="index_defeated",
        state="yes",
        why=text,
        strength=6.0,
        entity=Entity(kind="table", name=table),
    )
    facts = {
        "table": table,
        "schema": found.index.db_schema,
        "columns": column,
        "index": found.index.index,
        "statement": short(plan.answer.query),
        "queryid": plan.answer.queryid,
        "comparison": found.wrapped,
    }
    return finding(ruling, scene, [cite(plan.reading, text)], facts)
