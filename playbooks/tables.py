"""Judges over table statistics: what sequential scans read, and whether the planner's statistics are stale.

Sources: PostgreSQL manual, "The Cumulative Statistics System" (pg_stat_all_tables), "Routine Vacuuming".
"""

from __future__ import annotations

import math

from connectors.answers import Table, TableSnapshots
from playbooks.deltas import TableChange, table_changes
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, number, of_database, unknown
from playbooks.model import Entity
from playbooks.observations import Observations, Observed

LARGE_ROWS = 10_000.0
"""Below so many rows a sequential scan is the right plan."""
LEAST_READ = 5_000.0
"""Rows a second that sequential scans must read to matter at all."""
MORE = 3.0
STALE_PART = 0.5
"""Rows changed since the last ANALYZE as a part of all, from which plans rest on fiction."""


def large_tables(observations: Observations, database: str | None) -> dict[str, Table]:
    """Every known table by name, as it last stood; of equal names in several schemas the larger."""
    observed = of_database(observations, TableSnapshots, database)
    if observed is None or not observed.answer.snapshots:
        return {}
    latest = max(observed.answer.snapshots, key=lambda s: s.at)
    tables: dict[str, Table] = {}
    for table in sorted(latest.tables, key=lambda t: (t.live_rows, t.db_schema)):
        tables[table.table] = table
    return tables


def table_facts(table: Table) -> dict[str, str]:
    """The facts that commands about the table need."""
    return {"table": table.table, "schema": table.db_schema, "rows": number(table.live_rows)}


def judge_tables(
    observations: Observations, scene: Scene, calls_factor: float = 1.0
) -> tuple[DetailedFinding, ...]:
    """Which tables are read far more by sequential scans, and whose statistics are stale.

    Args:
        observations: the readings.
        scene: what is judged.
        calls_factor: by how much the statements' calls rose anyway: scans may rise as much.
    """
    observed = of_database(observations, TableSnapshots, scene.database)
    if observed is None or not observed.answer.snapshots:
        return tuple(
            unknown(j, "no table statistics", scene) for j in ("sequential_scans", "statistics_stale")
        )
    return (*_scans(observed, scene, max(1.0, calls_factor)), _stale(observed, scene))


def _scans(
    observed: Observed[TableSnapshots], scene: Scene, calls_factor: float
) -> tuple[DetailedFinding, ...]:
    changes = table_changes(observed.answer, scene.onset)
    if isinstance(changes, str):
        return (unknown("sequential_scans", changes, scene),)
    grown = [c for c in changes if _grown(c, calls_factor)]
    if grown:
        return tuple(_scan_finding(c, observed, scene) for c in grown[:3])
    return (_no_scans(changes, observed, scene),)


def _grown(change: TableChange, calls_factor: float) -> bool:
    risen = change.read_after - change.read_before
    enough = risen >= LEAST_READ and change.read_after >= MORE * calls_factor * change.read_before
    return enough and change.table.live_rows >= LARGE_ROWS


def _scan_text(change: TableChange) -> str:
    whole = change.read_after / max(change.table.live_rows, 1.0)
    most = "at most " if change.bound else ""
    return (
        f"sequential scans read {number(change.read_after)} rows/s of {change.table.table} instead of "
        f"{most}{number(change.read_before)} ({number(change.table.live_rows)} live rows: "
        f"{whole:.2g} whole tables a second, {change.scans_after:.2g} scans/s)"
    )


def _scan_finding(change: TableChange, observed: Observed[TableSnapshots], scene: Scene) -> DetailedFinding:
    text = _scan_text(change)
    ruling = Ruling(
        judge="sequential_scans",
        state="yes",
        why=text,
        strength=1.5 * math.log2(change.read_after / max(change.read_before, 1_000.0)),
        entity=Entity(kind="table", name=change.table.table),
    )
    return finding(ruling, scene, [cite(observed.reading, text)], table_facts(change.table))


def _no_scans(
    changes: tuple[TableChange, ...], observed: Observed[TableSnapshots], scene: Scene
) -> DetailedFinding:
    if not changes:
        return unknown("sequential_scans", "the database reports no tables", scene)
    doubtful = [
        c for c in changes if c.bound and c.read_after >= LEAST_READ and c.table.live_rows >= LARGE_ROWS
    ]
    if doubtful:
        why = f"one snapshot before the onset does not tell whether this is more: {_scan_text(doubtful[0])}"
        return unknown("sequential_scans", why, scene)
    text = f"no large table is read more by sequential scans; most: {_scan_text(changes[0])}"
    ruling = Ruling(judge="sequential_scans", state="no", why=text, strength=5.0)
    return finding(ruling, scene, [cite(observed.reading, text)])


def stale_part(table: Table) -> float:
    """Rows changed since the last ANALYZE as a part of the live ones."""
    return table.n_mod_since_analyze / max(table.live_rows, 1.0)


def _stale(observed: Observed[TableSnapshots], scene: Scene) -> DetailedFinding:
    """Rows changed since the last ANALYZE, against the rows there are: beyond half, plans rest on fiction."""
    latest = max(observed.answer.snapshots, key=lambda s: s.at)
    large = [t for t in latest.tables if max(t.live_rows, t.n_mod_since_analyze) >= LARGE_ROWS]
    if not large:
        return unknown("statistics_stale", "no table is large enough for its statistics to matter", scene)
    worst = max(large, key=lambda t: (stale_part(t), t.table))
    when = f"{worst.last_analyze:%Y-%m-%d %H:%M}" if worst.last_analyze else "unknown"
    text = (
        f"{worst.table}: {number(worst.n_mod_since_analyze)} rows changed since the last analyze ({when}) "
        f"of {number(worst.live_rows)}"
    )
    part = stale_part(worst)
    if STALE_PART / 2 <= part < STALE_PART:
        return unknown("statistics_stale", f"no clear answer: {text}", scene)
    stale = part >= STALE_PART
    ruling = Ruling(
        judge="statistics_stale",
        state="yes" if stale else "no",
        why=text if stale else f"the planner's statistics are fresh; the least fresh: {text}",
        strength=3.0 + 1.5 * math.log2(part / STALE_PART) if stale else 4.0,
        entity=Entity(kind="table", name=worst.table) if stale else None,
    )
    return finding(ruling, scene, [cite(observed.reading, text)], table_facts(worst) if stale else None)
