"""Migrations that lock: which statements of a schema change keep others out, and how to write them instead.

Source: PostgreSQL manual, "ALTER TABLE" (Notes), "CREATE INDEX", "Explicit Locking". Reads, never runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from connectors.answers import Locks, SourceFiles
from connectors.questions import MigrationFiles
from playbooks.contention import LEAST_BLOCKED_SECONDS, lock_chains
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, of_database, short, unknown
from playbooks.model import Entity
from playbooks.observations import Observations

LONGEST_FILE = 500_000


@dataclass(frozen=True, slots=True)
class LockingStep:
    """A step of a schema change that keeps others out of a table.

    `blocks`: "reads and writes" (ACCESS EXCLUSIVE) or "writes" (SHARE, SHARE ROW EXCLUSIVE); `lasts`:
    whether it scans or rewrites the table while it does, rather than holding the lock for a moment.
    `instead`: the way that does not block.
    """

    table: str
    does: str
    blocks: str
    lasts: bool
    instead: str


def locking_steps(sql: str) -> tuple[LockingStep, ...]:
    """The locking steps of SQL text, in order; what cannot be parsed has none."""
    if len(sql) > LONGEST_FILE:
        return ()
    from pglast.parser import ParseError, parse_sql  # noqa: PLC0415, RUF100  0.15 s: only where a lock is judged

    try:
        statements = parse_sql(sql)
    except (ParseError, RecursionError, ValueError):
        return ()
    created: set[str] = set()
    found: list[LockingStep] = []
    for raw in statements:
        node: Any = raw.stmt
        if type(node).__name__ == "CreateStmt":
            created.add(node.relation.relname)
        reader = _READERS.get(type(node).__name__)
        # A table that the same file creates is empty, and nobody else knows it yet.
        found.extend(step for step in (reader(node) if reader else ()) if step.table not in created)
    return tuple(found)


def judge_migration_locks(observations: Observations, scene: Scene) -> DetailedFinding:
    """Whether the session at the root of the lock queue runs a schema change that blocks by its nature."""
    judge = "migration_locks"
    observed = of_database(observations, Locks, scene.database)
    if observed is None:
        return unknown(judge, "nobody asked who waits for whom", scene)
    chains = [c for c in lock_chains(observed.answer.locks) if c.longest_seconds >= LEAST_BLOCKED_SECONDS]
    for chain in chains:
        # A schema change that itself waits keeps everyone out who comes after it: its queue is its doing too.
        waiting = [lock.blocked_query for lock in observed.answer.locks if lock.blocked_seconds >= 1.0]
        for query in (chain.root.blocker_query, *waiting):
            steps = locking_steps(query)
            if steps:
                return _finding(steps[0], query, observed.reading, observations, scene)
    text = "no session that others wait for changes the schema" if chains else "nobody waits for a lock"
    ruling = Ruling(judge=judge, state="no", why=text, strength=2.0)
    return finding(ruling, scene, [cite(observed.reading, text)])


def _finding(
    step: LockingStep, query: str, reading: Any, observations: Observations, scene: Scene
) -> DetailedFinding:
    path = _where(observations, step)
    lasts = "for as long as it takes" if step.lasts else "until its transaction ends"
    text = (
        f"{short(query, 120)} {step.does}: it keeps {step.blocks} of {step.table} out {lasts}"
        f"{f'; it stands in {path}' if path else ''}. Instead: {step.instead}"
    )
    ruling = Ruling(
        judge="migration_locks",
        state="yes",
        why=text,
        strength=6.0,
        entity=Entity(kind="table", name=step.table),
    )
    facts = {"table": step.table, "statement": short(query), "instead": step.instead}
    if path:
        facts["migration_path"] = path
    return finding(ruling, scene, [cite(reading, text)], facts)


def _where(observations: Observations, step: LockingStep) -> str:
    """The migration that holds such a step of this table, the last one first."""
    for found in observations.to(MigrationFiles):
        files = found.answer.files if isinstance(found.answer, SourceFiles) else ()
        for file in reversed(files):
            if file.path.endswith(".sql") and any(
                (each.table, each.does) == (step.table, step.does) for each in locking_steps(file.text)
            ):
                return file.path
    return ""


# --- which steps lock -------------------------------------------------------------------------------------
def _alter(node: Any) -> Iterator[LockingStep]:
    if node.relation is None:
        return
    for command in node.cmds or ():
        known = _ALTERS.get(getattr(command.subtype, "name", ""))
        step = known(node.relation.relname, command) if known else None
        if step is not None:
            yield step


def _add_column(table: str, command: Any) -> LockingStep | None:
    """A constant default costs nothing (since 11); one that is computed a row rewrites the table."""
    column = command.def_
    kinds = [c.contype.name for c in column.constraints or ()]
    default = next((c.raw_expr for c in column.constraints or () if c.contype.name == "CONSTR_DEFAULT"), None)
    computed = default is not None and _calls(default)
    serial = bool(column.typeName.names) and column.typeName.names[-1].sval in {"serial", "bigserial"}
    if computed or serial or "CONSTR_IDENTITY" in kinds or "CONSTR_GENERATED" in kinds:
        way = "add the column without a default, set the default, and fill it in batches"
        return LockingStep(table, "adds a column that is computed for every row", _ALL, True, way)
    if {"CONSTR_UNIQUE", "CONSTR_PRIMARY"} & set(kinds):
        return LockingStep(table, "adds a column with an index", _ALL, True, _INDEX_FIRST)
    return None


def _calls(node: Any) -> bool:
    """Whether an expression calls a function that may differ from row to row."""
    name = type(node).__name__
    if name == "FuncCall":
        return node.funcname[-1].sval not in {
            "now",
            "current_timestamp",
            "to_timestamp",
            "transaction_timestamp",
        }
    return name == "TypeCast" and _calls(node.arg)


def _add_constraint(table: str, command: Any) -> LockingStep | None:
    constraint = command.def_
    kind = constraint.contype.name
    if kind in {"CONSTR_CHECK", "CONSTR_FOREIGN"} and not constraint.skip_validation:
        blocks = _WRITES if kind == "CONSTR_FOREIGN" else _ALL
        way = "ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own"
        return LockingStep(table, "adds a constraint and checks every row", blocks, True, way)
    if kind in {"CONSTR_UNIQUE", "CONSTR_PRIMARY"} and not constraint.indexname:
        return LockingStep(table, "adds a constraint and builds its index", _ALL, True, _INDEX_FIRST)
    return None


def _set_not_null(table: str, _: Any) -> LockingStep:
    way = (
        "CHECK (… IS NOT NULL) NOT VALID, VALIDATE it, then SET NOT NULL, which needs no scan then (since 12)"
    )
    return LockingStep(table, "sets NOT NULL and checks every row", _ALL, True, way)


def _alter_type(table: str, _: Any) -> LockingStep:
    way = "add a column of the new type, fill it in batches, and swap the two"
    return LockingStep(table, "changes a column's type and may rewrite the table", _ALL, True, way)


def _index(node: Any) -> Iterator[LockingStep]:
    if not node.concurrent:
        yield LockingStep(
            node.relation.relname, "builds an index", _WRITES, True, "CREATE INDEX CONCURRENTLY"
        )


def _vacuum(node: Any) -> Iterator[LockingStep]:
    full = any(option.defname == "full" for option in node.options or ())
    for relation in node.rels or () if full else ():
        way = "plain VACUUM, or pg_repack"
        yield LockingStep(relation.relation.relname, "rewrites the table", _ALL, True, way)


def _lock(node: Any) -> Iterator[LockingStep]:
    for relation in node.relations or ():
        way = "lock the rows that are needed, with a lock_timeout"
        yield LockingStep(relation.relname, "locks the table", _ALL, False, way)


def _cluster(node: Any) -> Iterator[LockingStep]:
    if node.relation is not None:
        yield LockingStep(node.relation.relname, "rewrites the table", _ALL, True, "pg_repack")


def _truncate(node: Any) -> Iterator[LockingStep]:
    for relation in node.relations or ():
        yield LockingStep(relation.relname, "empties the table", _ALL, False, "DELETE in batches")


def _reindex(node: Any) -> Iterator[LockingStep]:
    concurrent = any(option.defname == "concurrently" for option in node.params or ())
    if node.relation is not None and not concurrent:
        yield LockingStep(
            node.relation.relname, "rebuilds an index", _WRITES, True, "REINDEX … CONCURRENTLY (since 12)"
        )


_ALL, _WRITES = "reads and writes", "writes"
_INDEX_FIRST = "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX"
_ALTERS: dict[str, Callable[[str, Any], LockingStep | None]] = {
    "AT_AddColumn": _add_column,
    "AT_AddConstraint": _add_constraint,
    "AT_SetNotNull": _set_not_null,
    "AT_AlterColumnType": _alter_type,
}
_READERS: dict[str, Callable[[Any], Iterator[LockingStep]]] = {
    "AlterTableStmt": _alter,
    "IndexStmt": _index,
    "VacuumStmt": _vacuum,
    "LockStmt": _lock,
    "ClusterStmt": _cluster,
    "TruncateStmt": _truncate,
    "ReindexStmt": _reindex,
}
