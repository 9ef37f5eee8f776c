"""Judges over statement statistics: which statement became slower, came newly, or runs far more often.

A finding holds its numbers; "no" is said only where the numbers could have shown it.
Source: PostgreSQL manual, "pg_stat_statements". Must not judge indexes (see `playbooks.indexes`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from connectors.answers import StatementSnapshots
from playbooks.deltas import StatementChange, StatementDelta, statement_delta
from playbooks.facts import (
    DetailedFinding,
    Ruling,
    Scene,
    cite,
    finding,
    ms,
    number,
    of_database,
    short,
    unknown,
)
from playbooks.model import Entity
from playbooks.observations import Observations, Observed

SLOWER = 2.0
"""A statement is slower when its mean time doubled; below half of that excess it is unchanged."""
UNCHANGED = 1.5
LEAST_RISE_MS = 2.0
"""Milliseconds by which a mean must rise: doubling 0.1 ms harms nobody."""
LEAST_CALLS = 5.0
LEAST_SHARE = 0.3
"""The part of the added database time that the suspect statement must explain."""


def judge_statements(observations: Observations, scene: Scene) -> tuple[DetailedFinding, ...]:
    """Which statement became slower, came newly or ran more often; or that none did."""
    observed = of_database(observations, StatementSnapshots, scene.database)
    judges = ("statement_slower", "statement_new", "statement_more_calls", "statements_slower_alike")
    if observed is None:
        return tuple(unknown(judge, "no statement statistics", scene) for judge in judges)
    delta = statement_delta(observed.answer, scene.onset)
    if isinstance(delta, str):
        return tuple(unknown(judge, delta, scene) for judge in judges)
    return (
        _slower(delta, observed, scene),
        _new(delta, observed, scene),
        _more_calls(delta, observed, scene),
        _slower_alike(delta, observed, scene),
    )


def suspect_statements(
    observations: Observations, scene: Scene, most: int = 5
) -> tuple[StatementChange, ...]:
    """The statements that add most time to the database since the onset, worst first."""
    observed = of_database(observations, StatementSnapshots, scene.database)
    delta = statement_delta(observed.answer, scene.onset) if observed else ""
    if isinstance(delta, str):
        return ()
    return tuple(c for c in delta.changes if _notable(c, delta))[:most]


def _notable(change: StatementChange, delta: StatementDelta) -> bool:
    enough = change.after.counted >= LEAST_CALLS or change.after.mean_ms >= 1_000
    return (
        enough and change.extra_ms > 0 and change.extra_ms >= LEAST_SHARE * delta.gained_ms and _worse(change)
    )


def _worse(change: StatementChange) -> bool:
    risen = change.after.mean_ms - change.before.mean_ms
    return risen >= LEAST_RISE_MS and (change.is_new or change.slower >= SLOWER)


def _common_factor(delta: StatementDelta, but: str) -> float:
    """By how much the other statements slowed down, as the median ratio of their mean times."""
    ratios = [
        c.slower
        for c in delta.changes
        if c.queryid != but and c.before.counted >= LEAST_CALLS and c.after.counted >= LEAST_CALLS
    ]
    return median(ratios) if ratios else 1.0


def _facts(change: StatementChange) -> dict[str, str]:
    return {"queryid": change.queryid, "statement": short(change.query)}


def _statement(change: StatementChange) -> Entity:
    return Entity(kind="statement", name=short(change.query, 120))


def _doubling(ratio: float) -> float:
    """Strength of a ratio: 3 for fourfold, 6 for sixteenfold."""
    return 1.5 * math.log2(max(1.0, ratio))


def _totals(delta: StatementDelta) -> str:
    before, after = delta.time_ms(after=False), delta.time_ms(after=True)
    return f"time in the database {ms(before)}/s before, {ms(after)}/s since"


def _slower(delta: StatementDelta, observed: Observed[StatementSnapshots], scene: Scene) -> DetailedFinding:
    known = [c for c in delta.changes if not c.is_new and c.after.counted >= LEAST_CALLS]
    slow = [
        c for c in known if _notable(c, delta) and c.slower >= UNCHANGED * _common_factor(delta, c.queryid)
    ]
    if slow:
        worst = slow[0]
        text = (
            f"{short(worst.query, 120)} takes {ms(worst.after.mean_ms)} a call "
            f"instead of {ms(worst.before.mean_ms)} ({worst.slower:.1f}x) "
            f"at {number(worst.after.calls)} calls/s; {_totals(delta)}"
        )
        ruling = Ruling(
            judge="statement_slower",
            state="yes",
            why=text,
            strength=_doubling(worst.slower),
            entity=_statement(worst),
        )
        return finding(ruling, scene, [cite(observed.reading, text)], _facts(worst))
    return _not_slower(known, delta, observed, scene)


def _not_slower(
    known: list[StatementChange], delta: StatementDelta, observed: Observed[StatementSnapshots], scene: Scene
) -> DetailedFinding:
    if not known:
        return unknown("statement_slower", "no statement ran often enough before and since the onset", scene)
    worst = max(known, key=lambda c: (c.slower if _matters(c) else 0.0, c.queryid))
    text = (
        f"none of {len(known)} statements became slower: the largest change of a mean is "
        f"{worst.slower:.1f}x ({ms(worst.before.mean_ms)} → {ms(worst.after.mean_ms)}); {_totals(delta)}"
    )
    if _matters(worst) and worst.slower >= UNCHANGED:
        return unknown("statement_slower", f"no clear answer: {text}", scene)
    if any(c.is_new and _notable(c, delta) for c in delta.changes):
        return unknown("statement_slower", "a statement that is new takes the time; see there", scene)
    ruling = Ruling(judge="statement_slower", state="no", why=text, strength=5.0)
    return finding(ruling, scene, [cite(observed.reading, text)])


def _matters(change: StatementChange) -> bool:
    return change.after.mean_ms - change.before.mean_ms >= LEAST_RISE_MS / 2


def _new(delta: StatementDelta, observed: Observed[StatementSnapshots], scene: Scene) -> DetailedFinding:
    new = [c for c in delta.changes if c.is_new]
    heavy = [c for c in new if _notable(c, delta)]
    if heavy:
        worst = heavy[0]
        share = worst.after.time_ms / max(delta.time_ms(after=True), 1e-9)
        text = (
            f"{short(worst.query, 120)} runs only since the onset: {ms(worst.after.mean_ms)} a call, "
            f"{number(worst.after.calls)} calls/s, {share:.0%} of the time in the database; {_totals(delta)}"
        )
        growth = delta.time_ms(after=True) / max(delta.time_ms(after=False), 1.0)
        ruling = Ruling(
            judge="statement_new",
            state="yes",
            why=text,
            strength=max(2.0, _doubling(growth)),
            entity=_statement(worst),
        )
        return finding(ruling, scene, [cite(observed.reading, text)], _facts(worst))
    if delta.seconds_before <= 0:
        return unknown(
            "statement_new", "one snapshot before the onset cannot show which statements ran", scene
        )
    text = f"no new statement weighs: {len(new)} of {len(delta.changes)} are new; {_totals(delta)}"
    ruling = Ruling(judge="statement_new", state="no", why=text, strength=4.0)
    return finding(ruling, scene, [cite(observed.reading, text)])


def _more_calls(
    delta: StatementDelta, observed: Observed[StatementSnapshots], scene: Scene
) -> DetailedFinding:
    """One statement runs far more often than the others do: a loop around a query, not more traffic."""
    if delta.seconds_before <= 0:
        return unknown("statement_more_calls", "one snapshot before the onset tells no rate", scene)
    common = [c for c in delta.changes if c.before.counted >= LEAST_CALLS]
    if not common:
        return unknown("statement_more_calls", "no statement ran before the onset", scene)
    usual = median(c.after.calls / c.before.calls for c in common)
    worst = max(common, key=lambda c: (c.after.calls - c.before.calls, c.queryid))
    ratio = worst.after.calls / worst.before.calls
    text = (
        f"{short(worst.query, 120)} runs {number(worst.after.calls)} times a second instead of "
        f"{number(worst.before.calls)} ({ratio:.1f}x; the median statement {usual:.1f}x)"
    )
    excess = ratio / max(usual, 1.0)
    if ratio >= 3 and excess >= 2 and worst.extra_ms > 0:
        ruling = Ruling(
            judge="statement_more_calls",
            state="yes",
            why=text,
            strength=_doubling(excess),
            entity=_statement(worst),
        )
        return finding(ruling, scene, [cite(observed.reading, text)], _facts(worst))
    ruling = Ruling(
        judge="statement_more_calls",
        state="no",
        why=f"no statement runs far more often than the others: {text}",
        strength=3.0,
    )
    return finding(ruling, scene, [cite(observed.reading, text)])


def _slower_alike(
    delta: StatementDelta, observed: Observed[StatementSnapshots], scene: Scene
) -> DetailedFinding:
    """All statements slower together: the server lacks something, no statement is to blame."""
    known = [c for c in delta.changes if c.before.counted >= LEAST_CALLS and c.after.counted >= LEAST_CALLS]
    if len(known) < 4:
        return unknown("statements_slower_alike", f"only {len(known)} statements ran before and since", scene)
    factor = median(c.slower for c in known)
    part = sum(c.slower >= UNCHANGED for c in known) / len(known)
    text = f"the median statement takes {factor:.1f}x as long ({part:.0%} of {len(known)} at least 1.5x)"
    alike = factor >= SLOWER and part >= 0.7
    ruling = Ruling(
        judge="statements_slower_alike",
        state="yes" if alike else "no",
        why=text,
        strength=_doubling(factor) if alike else 4.0,
        entity=Entity(kind="database", name=scene.database or "database") if alike else None,
    )
    return finding(ruling, scene, [cite(observed.reading, text)])


# --- spans, where the database itself was not asked -------------------------------------------------
@dataclass(frozen=True, slots=True)
class StatementSpans:
    """Durations in seconds of the spans of one `db.query.text`, before and since the onset."""

    statement: str
    baseline: tuple[float, ...]
    incident: tuple[float, ...]


def judge_statement_spans(samples: Iterable[StatementSpans], scene: Scene) -> DetailedFinding:
    """Whether a statement's spans became longer: the callers' view of the database.

    Waiting for a connection is not part of it where the client puts that into a span of its own.
    """
    judge = "statement_spans_slower"
    told = [s for s in samples if len(s.incident) >= 2]
    compared = sorted(
        (s for s in told if min(len(s.baseline), len(s.incident)) >= 5),
        key=lambda s: (-median(s.incident) / max(median(s.baseline), 1e-4), s.statement),
    )
    fresh = sorted((s for s in told if not s.baseline), key=lambda s: (-median(s.incident), s.statement))
    if not compared:
        return unknown(judge, "too few database spans before and since the onset", scene)
    usual = median(median(s.baseline) for s in compared)
    worst = compared[0]
    ratio = median(worst.incident) / max(median(worst.baseline), 1e-4)
    if ratio < SLOWER and fresh and median(fresh[0].incident) >= max(0.05, 10 * usual):
        worst, ratio = fresh[0], median(fresh[0].incident) / max(usual, 1e-4)
    return _span_finding(worst, ratio, scene)


def _span_finding(worst: StatementSpans, ratio: float, scene: Scene) -> DetailedFinding:
    now = median(worst.incident) * 1000
    before = f"{ms(median(worst.baseline) * 1000)} before" if worst.baseline else "not seen before"
    text = f"spans of {short(worst.statement, 120)}: median {ms(now)} ({before}; {len(worst.incident)} spans)"
    risen = (
        ratio >= SLOWER and now - (median(worst.baseline) * 1000 if worst.baseline else 0.0) >= LEAST_RISE_MS
    )
    if not risen and ratio >= UNCHANGED:
        return unknown("statement_spans_slower", f"no clear answer: {text}", scene)
    ruling = Ruling(
        judge="statement_spans_slower",
        state="yes" if risen else "no",
        why=text if risen else f"no statement's spans became longer: {text}",
        strength=_doubling(ratio) if risen else 3.0,
        entity=Entity(kind="statement", name=short(worst.statement, 120)) if risen else None,
    )
    return finding(ruling, scene, facts={"statement": short(worst.statement)} if risen else None)
