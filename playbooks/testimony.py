"""What the measurements say of one service, as findings with evidence: for it and against it.

Puts numbers into sentences and cites where they come from. Weighs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from connectors.answers import Answer, LogSet, PatternCounts, SeriesSet, SpanSet
from connectors.contract import Reading, digest
from playbooks.facts import short
from playbooks.lift import findings
from playbooks.logmix import is_severe, pattern
from playbooks.messages import Message
from playbooks.model import Evidence, Finding
from playbooks.moves import Move
from playbooks.observations import Observations
from playbooks.quantities import clock, compared, shown, spreads, unit_of
from playbooks.suspects import Suspects

_NOTABLE = 3.0
_QUIET = 1.5
_NAMES = {
    "latency": "latency",
    "errors": "errors",
    "cpu": "processor use",
    "memory": "memory",
    "disk": "disk activity",
    "network": "network traffic",
    "pressure": "pressure",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What every sentence needs: the measurements, and the readings they came from."""

    suspects: Suspects
    seen: Observations
    now: datetime

    def reading(self, kind: type[Answer]) -> Reading | None:
        """The reading behind a kind of answer."""
        found = self.seen.first(kind)
        return found.reading if found else None


def about(desk: Desk, service: str) -> tuple[Finding, ...]:
    """Every notable finding about a service, and the telling silences, in a fixed order."""
    return tuple(
        finding
        for part in (_from_series, _from_spans, _from_lifts, _from_logs, _from_patterns)
        for finding in part(desk, service)
    )


def series_evidence(desk: Desk, row: int, value: str) -> Evidence | None:
    """Cite one series over the window that was read; the hash is that of its samples."""
    reading = desk.reading(SeriesSet)
    if reading is None or not isinstance(reading.answer, SeriesSet):
        return None
    origin = desk.suspects.measured.prepared.origin[row]
    samples = np.ascontiguousarray(reading.answer.values[list(origin)]).tobytes()
    return Evidence(
        source=reading.source,
        question=reading.question.name,
        query="; ".join(str(reading.answer.keys[row]) for row in origin),
        at=reading.at,
        value=value,
        sha256=digest(np.ascontiguousarray(reading.answer.times).tobytes() + samples),
    )


def _cite(reading: Reading | None, query: str, value: str) -> tuple[Evidence, ...]:
    if reading is None:
        return ()
    return (
        Evidence(
            source=reading.source,
            question=reading.question.name,
            query=f"{reading.query}; {query}" if query else reading.query,
            at=reading.at,
            value=value,
            sha256=reading.sha256,
        ),
    )


def _metric_name(desk: Desk, move: Move) -> str:
    key = desk.suspects.measured.prepared.series.keys[move.row]
    extra = [f"{n}={v}" for n, v in key.labels if n in {"route", "path", "source_workload", "datname"}]
    return f"{key.metric}{' ' + ' '.join(extra) if extra else ''}"


def _move(desk: Desk, service: str, kind: str, move: Move, state: str) -> Finding:
    unit = unit_of(desk.suspects.measured.prepared.series.keys[move.row].metric)
    value = f"{_metric_name(desk, move)}: {compared(move.usual, move.now, unit)}, {spreads(move.z)}"
    evidence = series_evidence(desk, move.row, value)
    if state == "yes":
        verb = "rose" if move.now >= move.usual else "fell"
        why = f"{_metric_name(desk, move)} {verb}: {compared(move.usual, move.now, unit)}"
    else:
        why = f"{_NAMES[kind]} stayed in its usual range ({shown(move.now, unit)})"
    return Finding(
        judge=f"series.{kind}",
        state="yes" if state == "yes" else "no",
        strength=min(abs(move.z), 20.0),
        why=why,
        service=service,
        evidence=(evidence,) if evidence else (),
    )


def _from_series(desk: Desk, service: str) -> Iterable[Finding]:
    for kind, moves in desk.suspects.moves.get(service, {}).items():
        if moves and moves[0].z >= _NOTABLE:
            yield from (_move(desk, service, kind, m, "yes") for m in moves[:2] if m.z >= _NOTABLE)
        elif moves and moves[0].z < _QUIET and kind in {"latency", "errors", "cpu"}:
            yield _move(desk, service, kind, moves[0], "no")


def _from_spans(desk: Desk, service: str) -> Iterable[Finding]:
    view = desk.suspects.measured.spans
    if view is None or service not in view.services or min(view.traces) < 4:
        return
    reading, said = desk.reading(SpanSet), view.services[service]
    slowest = said.slowest
    if slowest is not None and slowest.z >= _NOTABLE and slowest.now > slowest.usual:
        value = compared(slowest.usual, slowest.now, "s")
        share = f"; {said.self_share:.0%} of the extra time of all traces" if said.self_share >= 0.05 else ""
        what = short(slowest.operation, 120)
        yield _span_finding(
            "spans.self", service, slowest.z, f"own time of {what} rose: {value}{share}",
            _cite(reading, f"self time of {service} {what}", value),
        )  # fmt: skip
    for wait in sorted(said.waits, key=lambda g: -g.excess)[:2]:
        if wait.z >= _NOTABLE and wait.excess > 0:
            value = compared(wait.usual, wait.now, "s")
            where = f"{short(wait.where, 80) or 'an untraced dependency'} ({short(wait.operation, 120)})"
            yield _span_finding(
                "spans.wait", service, wait.z, f"waits longer for {where}: {value}",
                _cite(reading, f"client spans of {service} to {wait.where}", value),
            )  # fmt: skip
    yield from _gaps(desk, service)
    if said.error_z >= _NOTABLE:
        text = f": {short(said.error_text, 160)}" if said.error_text else ""
        yield _span_finding(
            "spans.errors", service, said.error_z, f"failed spans begin here{text}",
            _cite(reading, f"failed spans of {service} without a failed child", short(said.error_text, 160)),
        )  # fmt: skip
    if abs(said.structure_z) >= _NOTABLE:
        yield _span_finding(
            "spans.structure", service, abs(said.structure_z), short(said.structure_text, 240),
            _cite(reading, f"calls made by {service}", short(said.structure_text, 240)),
        )  # fmt: skip
    if max(said.self_z, said.gap_z, said.wait_z, said.error_z) < _QUIET:
        why = f"traces show nothing unusual in its own part ({view.traces[1]} traces of the incident)"
        yield Finding(
            judge="spans.self",
            state="no",
            strength=3.0,
            why=why,
            service=service,
            evidence=_cite(reading, f"spans of {service}", why),
        )


def _from_lifts(desk: Desk, service: str) -> Iterable[Finding]:
    """Attribute values that the service's slow or failed spans carry more often than they should."""
    return findings(desk.suspects.measured.lifts, service, desk.reading(SpanSet))[:3]


def _gaps(desk: Desk, service: str) -> Iterable[Finding]:
    view, reading = desk.suspects.measured.spans, desk.reading(SpanSet)
    if view is None or view.services[service].gap_share < 0.05:
        return
    edges = [
        g for g in view.groups if g.kind == "gap" and service in (g.service, g.where) and g.z >= _NOTABLE
    ]
    for edge in sorted(edges, key=lambda g: (-g.excess, g.service, g.where))[:2]:
        value = compared(edge.usual, edge.now, "s")
        why = f"time between {edge.service}'s call and {edge.where}'s answer rose outside both: {value}"
        query = f"client span less server span, {edge.service} → {edge.where}"
        yield _span_finding("spans.gap", service, edge.z, why, _cite(reading, query, value))


def _span_finding(judge: str, service: str, z: float, why: str, evidence: Sequence[Evidence]) -> Finding:
    return Finding(
        judge=judge,
        state="yes",
        strength=min(z, 20.0),
        why=why,
        service=service,
        evidence=tuple(evidence),
    )


def _from_logs(desk: Desk, service: str) -> Iterable[Finding]:
    view = desk.suspects.measured.logs
    if view is None or service not in view.services:
        return
    said, reading = view.services[service], desk.reading(LogSet)
    shifts = [(s, z) for s, z in ((said.error, said.error_z), (said.strongest, said.mix_z)) if s is not None]
    for shift, z in shifts[: 1 if said.error is said.strongest else 2]:
        if z < _NOTABLE:
            continue
        before, during = f"{shift.before} of {shift.of_before}", f"{shift.during} of {shift.of_during}"
        verb = (
            "came more often"
            if shift.z > 0
            else "nearly vanished"
            if shift.during == 0
            else "came less often"
        )
        since = f", first at {clock(shift.first_at)}" if shift.first_at and shift.before == 0 else ""
        why = f"“{short(shift.statement, 140)}” {verb}: in {before} requests before, {during} now{since}"
        judge = "logs.errors" if shift.severe else "logs.mix"
        yield _span_finding(
            judge,
            service,
            z,
            why,
            _cite(
                reading,
                f"{service}: {short(shift.statement, 140)}",
                f"{before} requests before, {during} now",
            ),
        )


def _from_patterns(desk: Desk, service: str) -> Iterable[Finding]:
    reading = desk.reading(PatternCounts)
    if reading is None or not isinstance(reading.answer, PatternCounts):
        return
    mine = [p for p in reading.answer.patterns if p.service == service and p.more > 0 and p.negative]
    for row in sorted(mine, key=lambda p: (-p.more, p.pattern))[:2]:
        why = f"“{short(row.pattern, 140)}” came {row.count:g} times, {row.more:g} more than usual"
        yield _span_finding(
            "logs.patterns",
            service,
            min(row.more, 20.0),
            why,
            _cite(reading, short(row.pattern, 140), why),
        )


def messages(desk: Desk, service: str) -> tuple[Message, ...] | None:
    """The service's warnings and errors by pattern, with how often they came; None where no log was read."""
    counted, lines = desk.reading(PatternCounts), desk.reading(LogSet)
    if counted is None and lines is None:
        return None
    found = [
        Message(p.pattern, max(p.count - p.more, 0.0), p.count)
        for observed in desk.seen.all(PatternCounts)
        for p in observed.answer.patterns
        if p.service == service and p.negative is not False
    ]
    view = desk.suspects.measured.logs
    bodies = _bodies(lines, service)
    for shift in view.all_shifts if view else ():
        if shift.service == service and (shift.severe or shift.z > 0):
            usual = shift.before * max(shift.of_during, 1) / max(shift.of_before, 1)
            text = bodies.get(shift.statement, shift.statement)
            found.append(Message(text, usual, float(shift.during)))
    onset = desk.suspects.measured.symptom.onset_low
    if lines is not None and isinstance(lines.answer, LogSet) and onset is not None:
        found.extend(error_messages(lines.answer, service, onset))
    return tuple(found)


def error_messages(logs: LogSet, service: str, onset: float) -> list[Message]:
    """The service's errors by message: where one logger writes all, its name says nothing of the words."""
    times = [record.at for record in logs.records]
    if not times or not min(times) < onset < max(times):
        return []
    expected = (max(times) - onset) / (onset - min(times))
    counts: dict[str, list[float]] = {}
    for record in logs.records:
        if record.service == service and record.logger and is_severe(record):
            counts.setdefault(pattern(record.body), [0.0, 0.0])[record.at >= onset] += 1
    return [Message(text, before * expected, since) for text, (before, since) in sorted(counts.items())]


def _bodies(reading: Reading | None, service: str) -> dict[str, str]:
    """One masked message for each logger, so that words can be looked for."""
    out: dict[str, str] = {}
    if reading is not None and isinstance(reading.answer, LogSet):
        for record in reading.answer.records:
            if record.service == service and record.logger and record.logger not in out:
                out[record.logger] = pattern(record.body)
    return out
