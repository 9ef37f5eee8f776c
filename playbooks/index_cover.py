"""Whether the indexes that exist serve what a statement filters by, and which one is missing.

B-tree reasoning only (PostgreSQL manual, "Multicolumn Indexes", "Partial Indexes", "Indexes on Expressions"):
an index serves a filter when its leading key is filtered by equality or joined. Computes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.answers import Index
from playbooks.ddl import IndexPlan
from playbooks.statements import ColumnUse, StatementUse, TableName, plain_key

Cover = Literal["covered", "half", "missing", "none"]
"""half: only a range or the order is served; none: the statement filters nothing an index could serve."""

MOST_KEYS = 3


@dataclass(frozen=True, slots=True)
class TableNeed:
    """What one table of a statement would want. `serving`: the index that serves it, where one does."""

    table: TableName
    cover: Cover
    plan: IndexPlan | None
    serving: str = ""
    filtered: tuple[str, ...] = ()


def table_needs(use: StatementUse, indexes: Sequence[Index]) -> tuple[TableNeed, ...]:
    """The need of every table the statement reads by a filter or join."""
    return tuple(_need(use, table, indexes) for table in use.tables)


def _need(use: StatementUse, table: TableName, indexes: Sequence[Index]) -> TableNeed:
    uses = [u for u in use.uses if u.table == table]
    point = [u for u in uses if u.how in {"equal", "join"}]
    ranges = [u for u in uses if u.how == "range"]
    order = [u for u in uses if u.how == "order"] if use.limited else []
    usable = [i for i in indexes if i.valid and _on(i, table) and _usable(i, uses)]
    serving = _leading(usable, point)
    filtered = tuple(dict.fromkeys(u.key for u in (*point, *ranges)))
    plan = _plan(table, point, (*ranges, *order))
    if serving:
        return TableNeed(table, "covered", plan, serving, filtered)
    half = _leading(usable, (*ranges, *order))
    if half:
        return TableNeed(table, "half" if point else "covered", plan, half, filtered)
    missing = bool(point or ranges or order)
    return TableNeed(table, "missing" if missing else "none", plan, "", filtered)


def _on(index: Index, table: TableName) -> bool:
    return index.table == table.name and (not table.db_schema or index.db_schema == table.db_schema)


def _usable(index: Index, uses: Sequence[ColumnUse]) -> bool:
    """A partial index serves only a statement that filters every column of its predicate."""
    _, found, predicate = index.definition.partition(" WHERE ")
    if not found:
        return True
    keys = {plain_key(u.key) for u in uses if u.how in {"equal", "flag"}}
    words = plain_key(predicate.split("=")[0].split(" IS ")[0])
    return any(key and words.startswith(key) for key in keys)


def _leading(indexes: Sequence[Index], uses: Sequence[ColumnUse]) -> str:
    keys = {plain_key(u.key) for u in uses}
    fitting = sorted(i.index for i in indexes if i.columns and plain_key(i.columns[0]) in keys)
    return fitting[0] if fitting else ""


def _plan(table: TableName, point: Sequence[ColumnUse], tail: Sequence[ColumnUse]) -> IndexPlan | None:
    """Equality first, then one range or the order: the shape that serves filter and sort together."""
    equal = [u for u in point if u.how == "equal"] or list(point)
    keys = list({u.key: u for u in equal}.values())[:MOST_KEYS]
    taken = {u.key for u in keys}
    keys += [u for u in tail if u.key not in taken][:1]
    if not keys:
        return None
    return IndexPlan(
        table=table.name,
        db_schema=table.db_schema,
        keys=tuple(u.key for u in keys),
        expressions=tuple(u.expression for u in keys),
    )
