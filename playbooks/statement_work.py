"""Judges over the work of a call: whether a slower statement does more for each call, or merely waits.

Buffers touched by a call depend on the plan, the data and nothing else: a busy machine makes a call longer
and not larger. Source: PostgreSQL manual, "pg_stat_statements" (shared_blks_hit, shared_blks_read).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from connectors.answers import StatementSnapshots, Table, TableSnapshots
from connectors.database_answers import VacuumHealth, VacuumTable
from playbooks.deltas import StatementChange
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, number, of_database, short, unknown
from playbooks.model import Entity, Evidence
from playbooks.observations import Observations
from playbooks.statement_load import suspect_statements
from playbooks.tables import LARGE_ROWS, STALE_PART, stale_part, table_facts

SAME_WORK, MORE_WORK, OTHER_PLAN = 1.25, 2.0, 4.0
"""Blocks of a call in multiples of before: as ever, more of it, and more than grown tables explain."""
LEAST_BLOCKS = 64.0
"""Blocks that a call must touch since: below half a megabyte no plan is a bad one."""


JUDGES = ("statement_same_work", "plan_flipped", "dead_rows_read")


def judge_work(observations: Observations, scene: Scene) -> tuple[DetailedFinding, ...]:
    """Whether the statement that became slower does the same work, has another plan, or reads dead rows."""
    observed = of_database(observations, StatementSnapshots, scene.database)
    worst = _worst(observations, scene)
    if observed is None or worst is None:
        why = "no statement that became slower is known with its blocks"
        return tuple(unknown(judge, why, scene) for judge in JUDGES)
    text = (
        f"{short(worst.query, 120)} touches {number(worst.after.blocks)} blocks a call"
        f" instead of {number(worst.before.blocks)} and takes {worst.slower:.1f} times as long"
    )
    call = _Call(
        worst, worst.after.blocks / max(worst.before.blocks, 1.0), text, cite(observed.reading, text)
    )
    return (
        _same_work(call, scene),
        _plan_flipped(call, observations, scene),
        _dead_rows_read(call, observations, scene),
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """A statement that became slower, its blocks a call in multiples of before, and how that is told."""

    change: StatementChange
    ratio: float
    text: str
    evidence: Evidence


def _same_work(call: _Call, scene: Scene) -> DetailedFinding:
    judge = "statement_same_work"
    if SAME_WORK < call.ratio < MORE_WORK:
        return unknown(judge, f"no clear answer: {call.text}", scene)
    same = call.ratio <= SAME_WORK
    ruling = Ruling(judge=judge, state="yes" if same else "no", why=call.text, strength=5.0)
    return finding(ruling, scene, [call.evidence])


def _plan_flipped(call: _Call, observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "plan_flipped"
    if call.ratio < OTHER_PLAN or call.change.after.blocks < LEAST_BLOCKS:
        return unknown(judge, f"no sign of another plan: {call.text}", scene)
    table = _stale_table(observations, scene, call.change)
    if table is None:
        return unknown(judge, f"of no table with stale statistics: {call.text}", scene)
    ruling = Ruling(
        judge=judge,
        state="yes",
        why=f"{call.text}; the statistics of {table.table} are older than most of its rows",
        strength=1.5 * math.log2(call.ratio),
        entity=Entity(kind="table", name=table.table),
    )
    return finding(ruling, scene, [call.evidence], table_facts(table))


def _dead_rows_read(call: _Call, observations: Observations, scene: Scene) -> DetailedFinding:
    judge = "dead_rows_read"
    bloated = {name: t for name, t in _bloated(observations, scene).items() if name in _words(call.change)}
    if not bloated or call.ratio < MORE_WORK or call.change.after.blocks < LEAST_BLOCKS:
        return unknown(judge, f"nothing shows that dead rows are what is read: {call.text}", scene)
    table = max(bloated.values(), key=lambda t: (t.dead_rows, t.table))
    dead, live = number(table.dead_rows), number(table.live_rows)
    ruling = Ruling(
        judge=judge,
        state="yes",
        why=f"{call.text}; {table.table} holds {dead} dead rows beside {live} live ones",
        strength=3.0 + 1.5 * math.log2(call.ratio),
        entity=Entity(kind="table", name=table.table),
    )
    facts = {"table": table.table, "schema": table.db_schema, "rows": dead}
    return finding(ruling, scene, [call.evidence], facts)


def _worst(observations: Observations, scene: Scene) -> StatementChange | None:
    slower = [c for c in suspect_statements(observations, scene) if not c.is_new]
    return next((c for c in slower if c.before.blocks > 0 and c.after.blocks > 0), None)


def _stale_table(observations: Observations, scene: Scene, change: StatementChange) -> Table | None:
    """The stalest table that the statement names, unless dead rows explain what is read as well."""
    observed = of_database(observations, TableSnapshots, scene.database)
    if observed is None or not observed.answer.snapshots:
        return None
    latest = max(observed.answer.snapshots, key=lambda s: s.at)
    named = _words(change) - set(_bloated(observations, scene))
    stale = [
        t
        for t in latest.tables
        if t.table.lower() in named and t.live_rows >= LARGE_ROWS and stale_part(t) >= STALE_PART
    ]
    return max(stale, key=lambda t: (stale_part(t), t.table), default=None)


def _words(change: StatementChange) -> set[str]:
    return set(re.findall(r"\w+", change.query.lower()))


def _bloated(observations: Observations, scene: Scene) -> dict[str, VacuumTable]:
    """Tables with more dead rows than live ones, by name."""
    vacuum = of_database(observations, VacuumHealth, scene.database)
    return {t.table.lower(): t for t in vacuum.answer.tables if t.dead_rows > t.live_rows} if vacuum else {}
