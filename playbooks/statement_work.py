"""Judges over the work of a call: whether a slower statement does more for each call, or merely waits.

Buffers touched by a call depend on the plan, the data and nothing else: a busy machine makes a call longer
and not larger. Source: PostgreSQL manual, "pg_stat_statements" (shared_blks_hit, shared_blks_read).
"""

from __future__ import annotations

import math
import re

from connectors.answers import StatementSnapshots, Table, TableSnapshots
from connectors.database_answers import VacuumHealth
from playbooks.deltas import StatementChange
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, number, of_database, short, unknown
from playbooks.model import Entity
from playbooks.observations import Observations
from playbooks.statement_load import suspect_statements
from playbooks.tables import LARGE_ROWS, STALE_PART, stale_part, table_facts

SAME_WORK, MORE_WORK, OTHER_PLAN = 1.25, 2.0, 4.0
"""Blocks of a call in multiples of before: as ever, more of it, and more than grown tables explain."""
LEAST_BLOCKS = 64.0
"""Blocks that a call must touch since: below half a megabyte no plan is a bad one."""


def judge_work(observations: Observations, scene: Scene) -> tuple[DetailedFinding, ...]:
    """Whether the statement that became slower does the same work as ever, and whether its plan flipped."""
    observed = of_database(observations, StatementSnapshots, scene.database)
    worst = _worst(observations, scene)
    if observed is None or worst is None:
        why = "no statement that became slower is known with its blocks"
        return tuple(unknown(judge, why, scene) for judge in ("statement_same_work", "plan_flipped"))
    ratio = worst.after.blocks / max(worst.before.blocks, 1.0)
    text = (
        f"{short(worst.query, 120)} touches {number(worst.after.blocks)} blocks a call"
        f" instead of {number(worst.before.blocks)} and takes {worst.slower:.1f} times as long"
    )
    evidence = [cite(observed.reading, text)]
    if SAME_WORK < ratio < MORE_WORK:
        same = unknown("statement_same_work", f"no clear answer: {text}", scene)
    else:
        ruling = Ruling(
            judge="statement_same_work", state="yes" if ratio <= SAME_WORK else "no", why=text, strength=5.0
        )
        same = finding(ruling, scene, evidence)
    if ratio < OTHER_PLAN or worst.after.blocks < LEAST_BLOCKS:
        return same, unknown("plan_flipped", f"no sign of another plan: {text}", scene)
    table = _stale_table(observations, scene, worst)
    if table is None:
        return same, unknown("plan_flipped", f"of no table with stale statistics: {text}", scene)
    flipped = Ruling(
        judge="plan_flipped",
        state="yes",
        why=f"{text}; the statistics of {table.table} are older than most of its rows",
        strength=1.5 * math.log2(ratio),
        entity=Entity(kind="table", name=table.table),
    )
    return same, finding(flipped, scene, evidence, table_facts(table))


def _worst(observations: Observations, scene: Scene) -> StatementChange | None:
    slower = [c for c in suspect_statements(observations, scene) if not c.is_new]
    return next((c for c in slower if c.before.blocks > 0 and c.after.blocks > 0), None)


def _stale_table(observations: Observations, scene: Scene, change: StatementChange) -> Table | None:
    """The stalest table that the statement names, unless dead rows explain what is read as well."""
    observed = of_database(observations, TableSnapshots, scene.database)
    if observed is None or not observed.answer.snapshots:
        return None
    vacuum = of_database(observations, VacuumHealth, scene.database)
    bloated = {t.table for t in vacuum.answer.tables if t.dead_rows > t.live_rows} if vacuum else set()
    latest = max(observed.answer.snapshots, key=lambda s: s.at)
    words = set(re.findall(r"\w+", change.query.lower()))
    stale = [
        t
        for t in latest.tables
        if t.table.lower() in words - bloated and t.live_rows >= LARGE_ROWS and stale_part(t) >= STALE_PART
    ]
    return max(stale, key=lambda t: (stale_part(t), t.table), default=None)
