"""All that the judges of a database and its migrations say, in one call. Judges nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.answers import Dialect, Indexes, StatementSnapshots
from playbooks.contention import judge_connections, judge_locks
from playbooks.database_health import judge_health, most_connections
from playbooks.deltas import statement_delta
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, of_database, unknown
from playbooks.indexes import IndexCase, index_case, judge_indexes, same_pattern
from playbooks.migration_locks import judge_migration_locks
from playbooks.migrations import judge_migrations, known_schema
from playbooks.observations import Observations
from playbooks.plans import judge_plans
from playbooks.statement_load import StatementSpans, judge_statement_spans, judge_statements
from playbooks.statement_work import judge_work
from playbooks.tables import judge_tables, large_tables

__all__ = ["Scene", "StatementSpans", "judge_database"]

MOST_ELSEWHERE = 200
"""Statements looked through for the same pattern elsewhere, those with most time first: parsing costs."""


def judge_database(
    observations: Observations,
    scene: Scene,
    spans: Sequence[StatementSpans] = (),
    max_connections: int | None = None,
) -> tuple[DetailedFinding, ...]:
    """Every finding about one database, in a fixed order.

    Args:
        observations: all readings; those about other databases are left alone.
        scene: the service, its database, and the onset.
        spans: durations of the service's database spans by statement, for want of statistics.
        max_connections: the server's setting where known.

    Returns:
        Findings with the scene's service; a judge without its readings says unknown.
    """
    scene = replace(scene, dialect=_dialect(observations, scene))
    by_spans = judge_statement_spans(spans, scene)
    slow = [value for name, value in by_spans.facts if name == "statement"]
    known = known_schema(observations)
    case = index_case(observations, scene, known, slow)
    return (
        *judge_statements(observations, scene),
        by_spans,
        *judge_work(observations, scene),
        *judge_tables(observations, scene, _calls_factor(observations, scene)),
        *judge_indexes(case, scene),
        *judge_migrations(observations, case, scene),
        _elsewhere(observations, case, scene),
        judge_plans(observations, known, scene),
        judge_locks(observations, scene),
        judge_migration_locks(observations, scene),
        *judge_connections(
            observations, scene, max_connections or most_connections(observations, scene.database)
        ),
        *judge_health(observations, scene),
    )


def _dialect(observations: Observations, scene: Scene) -> Dialect:
    listed = of_database(observations, Indexes, scene.database)
    return next((index.dialect for index in listed.answer.indexes), "postgresql") if listed else "postgresql"


def _calls_factor(observations: Observations, scene: Scene) -> float:
    """By how much all statements' calls rose: more traffic alone scans more."""
    observed = of_database(observations, StatementSnapshots, scene.database)
    delta = statement_delta(observed.answer, scene.onset) if observed else ""
    if isinstance(delta, str) or delta.seconds_before <= 0:
        return 1.0
    return delta.calls(after=True) / max(delta.calls(after=False), 1e-9)


def _elsewhere(observations: Observations, case: IndexCase, scene: Scene) -> DetailedFinding:
    """The same pattern elsewhere: other statements that lack an index on a large table. Moves nothing."""
    judge = "same_pattern_elsewhere"
    statements = of_database(observations, StatementSnapshots, scene.database)
    listed = of_database(observations, Indexes, scene.database)
    if statements is None or listed is None or not case.missing or not statements.answer.snapshots:
        return unknown(judge, "nothing to look for, or nowhere to look", scene)
    latest = max(statements.answer.snapshots, key=lambda s: s.at)
    heaviest = sorted(latest.statements, key=lambda s: (-s.total_exec_time_ms, s.queryid))[:MOST_ELSEWHERE]
    texts = sorted({s.query for s in heaviest} - {m.query for m in case.missing})
    tables = large_tables(observations, scene.database)
    found = same_pattern(texts, listed.answer.indexes, tables, known_schema(observations).columns)
    text = f"also without an index: {'; '.join(found[:5])}" if found else "no other statement lacks an index"
    ruling = Ruling(judge=judge, state="yes" if found else "no", why=text, strength=1.0)
    return finding(ruling, scene, [cite(listed.reading, text)])
