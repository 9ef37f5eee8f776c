"""Judges over indexes: is one missing for the statement that became slow, is one invalid, would one help.

The suspects come from statement statistics or, where the database was not asked, from the callers' spans.
Must not judge statements themselves (see `playbooks.statement_load`) nor migrations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from connectors.answers import Dialect, Index, Indexes, IndexGain, IndexGains, Table
from playbooks.ddl import IndexPlan, identifier, qualified
from playbooks.deltas import StatementChange
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, number, of_database, short, unknown
from playbooks.index_cover import TableNeed, table_needs
from playbooks.model import Entity
from playbooks.observations import Observations, Observed
from playbooks.schema_operations import ForeignKey
from playbooks.statement_load import suspect_statements
from playbooks.statements import Columns, StatementUse, TableName, plain_key, read_statement
from playbooks.tables import LARGE_ROWS, large_tables

GAIN = 5.0
"""A planner's cost ratio that confirms an index; below `NO_GAIN` it contradicts it."""
NO_GAIN = 1.5


@dataclass(frozen=True, slots=True)
class MissingIndex:
    """An index that a slow statement wants and that nobody has.

    `parent`: the table whose rows it deletes, where the index is wanted by a foreign key that names it.
    """

    plan: IndexPlan
    query: str
    queryid: str
    rows: float | None
    half: bool = False
    gain: IndexGain | None = None
    parent: str = ""

    @property
    def filtered(self) -> str:
        """The columns, for people."""
        return ", ".join(self.plan.keys)


@dataclass(frozen=True, slots=True)
class KnownSchema:
    """What migrations and a dump tell of the tables: their columns and types, and who refers to whom."""

    columns: Columns = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()
    types: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexCase:
    """Everything that speaks of indexes, collected once."""

    missing: tuple[MissingIndex, ...]
    served: tuple[str, ...]
    unread: tuple[str, ...]
    suspects: tuple[StatementChange, ...]
    listed: Observed[Indexes] | None
    gains: Observed[IndexGains] | None


def index_case(
    observations: Observations, scene: Scene, known: KnownSchema, spans: Sequence[str] = ()
) -> IndexCase:
    """Hold the suspect statements against the indexes that exist.

    Args:
        observations: the readings.
        scene: what is judged.
        known: the tables' columns and foreign keys, as far as migrations or a dump tell them.
        spans: statements whose spans became longer, for want of statement statistics.
    """
    listed = of_database(observations, Indexes, scene.database)
    gains = of_database(observations, IndexGains, scene.database)
    suspects = suspect_statements(observations, scene)
    tables = large_tables(observations, scene.database)
    candidates = [(c.query, c.queryid) for c in suspects] or [(text, "") for text in spans]
    missing: list[MissingIndex] = []
    served: list[str] = []
    unread: list[str] = []
    for query, queryid in candidates:
        use = read_statement(query, known.columns)
        if not isinstance(use, StatementUse):
            unread.append(f"{short(query, 80)}: {use.reason}")
            continue
        if listed is None:
            continue
        missing.extend(_by_foreign_keys(use, (query, queryid), known, listed.answer.indexes, tables))
        for need in table_needs(use, listed.answer.indexes):
            found = _missing(need, (query, queryid), tables, scene.dialect)
            if found is not None:
                missing.append(_with_gain(found, gains))
            elif need.serving:
                served.append(f"{need.table.name} has {need.serving}")
    missing.sort(key=_rank)
    return IndexCase(tuple(missing), tuple(served), tuple(unread), suspects, listed, gains)


def _by_foreign_keys(
    use: StatementUse,
    statement: tuple[str, str],
    known: KnownSchema,
    indexes: Sequence[Index],
    tables: dict[str, Table],
) -> list[MissingIndex]:
    """Where rows are deleted, PostgreSQL looks for those that refer to them, once a row and foreign key.

    PostgreSQL manual, "Constraints": declaring a foreign key does not create an index on its columns.
    """
    if use.kind != "delete":
        return []
    found = []
    for key in known.foreign_keys:
        child = tables.get(key.table)
        if key.target not in {table.name for table in use.tables} or child is None:
            continue
        if child.live_rows >= LARGE_ROWS and not _led(key, indexes):
            plan = IndexPlan(key.table, child.db_schema, key.columns, dialect=_dialect_of(indexes))
            found.append(MissingIndex(plan, *statement, child.live_rows, parent=key.target))
    return found


def _dialect_of(indexes: Sequence[Index]) -> Dialect:
    return next((index.dialect for index in indexes), "postgresql")


def _led(key: ForeignKey, indexes: Sequence[Index]) -> bool:
    """Whether a whole index leads with one of the key's columns: the look-up filters all of them."""
    names = {plain_key(column) for column in key.columns}
    return any(
        index.valid
        and index.table == key.table
        and " WHERE " not in index.definition
        and bool(index.columns)
        and plain_key(index.columns[0]) in names
        for index in indexes
    )


def _rank(missing: MissingIndex) -> tuple[float, bool, float, str]:
    gain = _ratio(missing.gain) if missing.gain else 1.0
    return (-gain, missing.half, -(missing.rows or 0.0), missing.plan.table)


def _missing(
    need: TableNeed, statement: tuple[str, str], tables: dict[str, Table], dialect: Dialect
) -> MissingIndex | None:
    if need.cover not in {"missing", "half"} or need.plan is None:
        return None
    table = tables.get(need.table.name)
    if table is not None and table.live_rows < LARGE_ROWS:
        return None
    schema = need.table.db_schema or (table.db_schema if table else "public")
    plan = replace(need.plan, db_schema=schema, dialect=dialect)
    return MissingIndex(plan, *statement, table.live_rows if table else None, need.cover == "half")


def _ratio(gain: IndexGain) -> float:
    return gain.cost_before / max(gain.cost_after, 1e-9)


def _with_gain(missing: MissingIndex, gains: Observed[IndexGains] | None) -> MissingIndex:
    """The planner's estimate for this statement and table, and the index it was estimated for."""
    fitting = [
        g
        for g in (gains.answer.gains if gains else ())
        if g.table.rsplit(".", 1)[-1] == missing.plan.table
        and (not missing.queryid or g.queryid == missing.queryid)
        and g.columns
    ]
    if not fitting:
        return missing
    best = max(fitting, key=lambda g: (_ratio(g), g.columns))
    same = {plain_key(k) for k in missing.plan.keys} >= {plain_key(c) for c in best.columns}
    plan = replace(
        missing.plan, keys=best.columns, expressions=tuple(not c.isidentifier() for c in best.columns)
    )
    return replace(missing, gain=best, plan=plan if same else missing.plan)


# --- judges -----------------------------------------------------------------------------------------
def judge_indexes(case: IndexCase, scene: Scene) -> tuple[DetailedFinding, ...]:
    """Whether an index is missing, whether the planner would gain, whether one is invalid."""
    return (_index_missing(case, scene), _index_gain(case, scene), _index_invalid(case, scene))


def missing_facts(missing: MissingIndex) -> dict[str, str]:
    """The facts from which title, command and next step are filled."""
    return {
        "table": missing.plan.table,
        "schema": missing.plan.db_schema,
        "columns": missing.filtered,
        "index": missing.plan.name,
        "ddl": missing.plan.create(),
        "ddl_undo": missing.plan.drop(),
        "queryid": missing.queryid,
        "statement": short(missing.query),
        **_build(missing.gain),
    }


def _build(gain: IndexGain | None) -> dict[str, str]:
    """How large the index becomes and how long its build takes, roughly, as far as estimated."""
    if gain is None or not gain.bytes_estimate:
        return {}
    seconds = gain.build_seconds_estimate
    size = f"about {number(gain.bytes_estimate / 1e6)} MB"
    return {"build": f"{size}, built in some {number(max(seconds, 1.0))} s" if seconds else size}


def _invalid_wanted(case: IndexCase) -> tuple[Index, MissingIndex] | None:
    """An invalid index that would serve a slow statement, the rebuildable ones first."""
    listed = case.listed.answer.indexes if case.listed else ()
    invalid = sorted((i for i in listed if not i.valid), key=lambda i: (i.unique, i.index))
    return next(((i, m) for i in invalid for m in case.missing if _serves(i, m)), None)


def _rebuild_facts(index: Index, missing: MissingIndex) -> dict[str, str]:
    """Rebuilding beats building another one; but a unique build that met duplicates would meet them again."""
    facts = missing_facts(missing)
    if index.unique:
        return facts
    name = qualified(index.db_schema, index.index)
    return facts | {
        "index": index.index,
        "ddl": f"REINDEX INDEX CONCURRENTLY {name}",
        "ddl_undo": f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
    }


def _index_missing(case: IndexCase, scene: Scene) -> DetailedFinding:
    judge = "index_missing"
    if case.listed is None:
        return unknown(judge, "the indexes that exist are not known", scene)
    if case.missing:
        wanted = _invalid_wanted(case)
        facts = _rebuild_facts(*wanted) if wanted and wanted[1] == case.missing[0] else None
        return _missing_finding(case.missing[0], case.listed, scene, facts)
    if case.suspects and not case.served:
        why = "; ".join(case.unread[:2]) or "the slow statements filter nothing that an index could serve"
        return unknown(judge, why, scene)
    if not case.suspects:
        return unknown(judge, "no statement is suspect, so none was held against the indexes", scene)
    text = f"the slow statements have indexes for what they filter: {'; '.join(case.served[:3])}"
    ruling = Ruling(judge=judge, state="no", why=text, strength=4.0)
    return finding(ruling, scene, [cite(case.listed.reading, text)])


def _missing_finding(
    missing: MissingIndex, listed: Observed[Indexes], scene: Scene, facts: dict[str, str] | None
) -> DetailedFinding:
    on_table = [i for i in listed.answer.indexes if i.table == missing.plan.table]
    have = "; ".join(f"{i.index} ({', '.join(i.columns)})" for i in on_table[:6]) or "none"
    size = f"{number(missing.rows)} rows" if missing.rows is not None else "size unknown"
    lead = "no valid index leads with" if not missing.half else "only the sort or a range has an index, not"
    does = f"filters {missing.plan.table} ({size}) by {missing.filtered}"
    if missing.parent:
        does = (
            f"makes PostgreSQL look through {missing.plan.table} ({size}), whose {missing.filtered} "
            f"refers to {missing.parent}, for every row it deletes"
        )
    text = f"{short(missing.query, 140)} {does}: {lead} {missing.plan.keys[0]}; the table has {have}"
    large = math.log10(max(missing.rows, LARGE_ROWS) / LARGE_ROWS) if missing.rows is not None else 0.0
    ruling = Ruling(
        judge="index_missing",
        state="yes",
        why=text,
        strength=(2.5 if missing.half else 4.0) + 1.5 * large,
        entity=Entity(kind="table", name=missing.plan.table),
    )
    return finding(ruling, scene, [cite(listed.reading, text)], facts or missing_facts(missing))


def _index_gain(case: IndexCase, scene: Scene) -> DetailedFinding:
    tested = [m for m in case.missing if m.gain is not None]
    if case.gains is None or not tested:
        return unknown("index_gain", "no hypothetical index was tried for a slow statement", scene)
    missing = tested[0]
    gain = missing.gain
    assert gain is not None
    ratio = _ratio(gain)
    size = f", about {number(gain.bytes_estimate / 1e6)} MB" if gain.bytes_estimate else ""
    text = (
        f"with an index on {gain.table} ({', '.join(gain.columns)}){size} the planner's cost falls from "
        f"{number(gain.cost_before)} to {number(gain.cost_after)} ({ratio:,.1f}x)"
    )
    if NO_GAIN <= ratio < GAIN:
        return unknown("index_gain", f"no clear answer: {text}", scene)
    helps = ratio >= GAIN
    ruling = Ruling(
        judge="index_gain",
        state="yes" if helps else "no",
        why=text if helps else f"an index would not help: {text}",
        strength=min(8.0, 1.5 * math.log2(ratio)) if helps else 5.0,
        entity=Entity(kind="table", name=missing.plan.table) if helps else None,
    )
    return finding(ruling, scene, [cite(case.gains.reading, text)], missing_facts(missing) if helps else None)


def _index_invalid(case: IndexCase, scene: Scene) -> DetailedFinding:
    judge = "index_invalid"
    if case.listed is None:
        return unknown(judge, "the indexes that exist are not known", scene)
    wanted = _invalid_wanted(case)
    if wanted:
        return _invalid_finding(wanted[0], wanted[1], case.listed, scene)
    invalid = [i for i in case.listed.answer.indexes if not i.valid]
    names = ", ".join(sorted(i.index for i in invalid)[:5])
    text = f"invalid indexes ({names}) serve no slow statement" if invalid else "every index is valid"
    ruling = Ruling(judge=judge, state="no", why=text, strength=3.0)
    return finding(ruling, scene, [cite(case.listed.reading, text)])


def _serves(index: Index, missing: MissingIndex) -> bool:
    same = index.table == missing.plan.table and bool(index.columns)
    return same and plain_key(index.columns[0]) in {plain_key(k) for k in missing.plan.keys}


def _invalid_finding(
    index: Index, missing: MissingIndex, listed: Observed[Indexes], scene: Scene
) -> DetailedFinding:
    text = (
        f"index {index.index} on {index.table} ({', '.join(index.columns)}) exists but is INVALID, "
        f"as a concurrent build that failed leaves it: the planner does not use it"
    )
    if index.unique:  # every write still feeds it, and refuses duplicates of what it holds
        text += f"; it is unique, so duplicates may have failed it: remove these, or drop {index.index}"
    ruling = Ruling(
        judge="index_invalid",
        state="yes",
        why=text,
        strength=7.0,
        entity=Entity(kind="table", name=index.table),
    )
    return finding(ruling, scene, [cite(listed.reading, text)], _rebuild_facts(index, missing))


def same_pattern(
    statements: Sequence[str], indexes: Sequence[Index], tables: dict[str, Table], columns: Columns
) -> tuple[str, ...]:
    """Where else a statement filters a large table by what no index leads with: `table (columns)`, sorted."""
    found: set[str] = set()
    for text in statements:
        use = read_statement(text, columns)
        if not isinstance(use, StatementUse):
            continue
        for need in table_needs(use, indexes):
            table = tables.get(need.table.name)
            if need.cover == "missing" and need.plan and table and table.live_rows >= LARGE_ROWS:
                found.add(f"{_shown(need.table)} ({', '.join(need.plan.keys)})")
    return tuple(sorted(found))


def _shown(table: TableName) -> str:
    return ".".join(identifier(part) for part in (table.db_schema, table.name) if part)
