"""The fault and each service drawn from the measurements, for those who judge changes and mechanisms.

Translates; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from statistics import median

import numpy as np

from connectors.answers import Floats, LogSet, PatternCounts, SeriesSet, SpanSet
from playbooks.facts import DetailedFinding
from playbooks.look import FaultLook, Moved
from playbooks.model import Finding, Incident
from playbooks.observations import Observations
from playbooks.parts import levels, shares
from playbooks.semantics import Meaning, Scope, Signal
from playbooks.signals import Callee, ServiceSignals
from playbooks.spans import GroupShift
from playbooks.statement_load import StatementSpans
from playbooks.suspects import Suspects

_NOTABLE = 3.0
_MOST_MOVED = 400
_WORDS = {
    Signal.LATENCY: "latency",
    Signal.ERRORS: "errors",
    Signal.SUCCESS: "errors",
    Signal.TRAFFIC: "traffic",
    Signal.CPU: "cpu",
    Signal.THROTTLING: "cpu",
    Signal.MEMORY: "memory",
    Signal.DISK: "disk",
    Signal.NETWORK: "network",
    Signal.POOL: "pool",
    Signal.QUEUE: "queue",
    Signal.RESTARTS: "other",
    Signal.CACHE: "other",
    Signal.OTHER: "other",
}


def series_onset(values: Floats, usual: float, scale: float, first: int) -> int | None:
    """Index at which a series left its usual range for good, looking back from the incident's samples."""
    if not np.isfinite(usual) or not np.isfinite(scale) or scale <= 0:
        return None
    far = np.abs(values - usual) / scale >= _NOTABLE
    inside = np.flatnonzero(far[first:])
    if not len(inside):
        return None
    start = first + int(inside[0])
    while start > 0 and (far[start - 1] or (start > 1 and far[start - 2])):
        start -= 1
    return start


def _direction(said: Meaning, z: float) -> int:
    rose = 1 if z > 0 else -1
    return -rose if said.signal is Signal.SUCCESS else rose


def _moved_series(suspects: Suspects) -> Iterable[Moved]:
    measured = suspects.measured
    prepared, shifts = measured.prepared, measured.shifts
    z = np.where(np.isfinite(shifts.z), shifts.z, 0.0)
    order = np.argsort(-np.abs(z), kind="stable")[:_MOST_MOVED]
    for row in order.tolist():
        if abs(z[row]) < _NOTABLE:
            break
        said = prepared.meanings[row]
        index = series_onset(
            measured.levelled(row), shifts.usual[row], shifts.scale[row], measured.symptom.template.first
        )
        yield Moved(
            service=said.service,
            signal="database" if said.scope is Scope.DATABASE else _WORDS[said.signal],
            direction=_direction(said, float(z[row])),
            size=min(abs(float(z[row])), 40.0),
            onset=None if index is None else float(prepared.series.times[index]),
            text=str(prepared.series.keys[row])[:300],
        )


def _is_database(group: GroupShift) -> bool:
    return group.kind == "wait" and "/" in group.where


def _moved_spans(suspects: Suspects) -> Iterable[Moved]:
    view = suspects.measured.spans
    for group in view.groups if view else ():
        if abs(group.z) >= _NOTABLE:
            yield Moved(
                service=group.service,
                signal="database" if _is_database(group) else "latency",
                direction=1 if group.z > 0 else -1,
                size=min(abs(group.z), 40.0),
                onset=None,
                text=f"{group.operation} {group.where}".strip(),
            )
    for name, said in sorted(view.services.items()) if view else ():
        if said.error_z >= _NOTABLE:
            yield Moved(name, "errors", 1, min(said.error_z, 40.0), None, said.error_text or "failed spans")


def _moved_logs(suspects: Suspects, seen: Observations) -> Iterable[Moved]:
    view, found = suspects.measured.logs, seen.first(LogSet)
    bodies: dict[tuple[str, str], str] = {}
    for record in found.answer.records if found else ():
        if record.logger:
            bodies.setdefault((record.service, record.logger), record.body[:200])
    for shift in view.shifts[:120] if view else ():
        text = f"{shift.statement} {bodies.get((shift.service, shift.statement), '')}".strip()
        yield Moved(
            shift.service,
            "log",
            1 if shift.z > 0 else -1,
            min(abs(shift.z), 40.0),
            shift.first_at,
            text[:300],
        )
    for counts in seen.all(PatternCounts):
        for row in counts.answer.patterns:
            if row.more != 0 and row.negative is not False:
                size = min(abs(row.more) / np.sqrt(max(row.count - row.more, 0.0) + 1.0), 40.0)
                yield Moved(
                    row.service or None,
                    "log",
                    1 if row.more > 0 else -1,
                    float(size),
                    None,
                    row.pattern[:300],
                )


def _edges(suspects: Suspects) -> tuple[tuple[str, str], ...]:
    graph = suspects.measured.graph
    return tuple((caller, callee) for caller, callees in graph.callees.items() for callee in callees)


def _shape(suspects: Suspects) -> str:
    """Step or ramp, by how much of the symptom's rise came with its first samples."""
    view = suspects.measured.symptom
    if not view.visible:
        return "unknown"
    excess = view.excess[view.template.first :]
    if len(excess) < 6 or float(excess.max()) <= 0:
        return "unknown"
    third = max(len(excess) // 3, 1)
    early, late = float(np.median(excess[:third])), float(np.median(excess[-third:]))
    return "ramp" if late > 2.0 * max(early, 0.5) else "step"


def moved_by_tests(findings: Iterable[Finding]) -> tuple[Moved, ...]:
    """What tests on a database found, as moved things: a diff may touch the statement in the finding."""
    return tuple(
        Moved(f.service, "database", 1, 40.0, None, text[:600])
        for f in findings
        if f.state == "yes" and (text := _tested(f))
    )


def _tested(finding: Finding) -> str:
    """The statement that a finding is about, with its columns; empty where it is about none."""
    facts = dict(finding.facts) if isinstance(finding, DetailedFinding) else {}
    if "statement" not in facts:
        return ""
    return " ".join([facts["statement"], facts.get("columns", ""), finding.why])


def fault_look(
    incident: Incident,
    suspects: Suspects,
    seen: Observations,
    suspicion: Mapping[str, float],
    tested: Sequence[Moved] = (),
) -> FaultLook:
    """The fault as seen from outside; `tested` is what tests on databases found."""
    view, split = suspects.measured.symptom, suspects.measured.split
    traced, metered = seen.first(SpanSet), seen.first(SeriesSet)
    moved = (*tested, *_moved_series(suspects), *_moved_spans(suspects), *_moved_logs(suspects, seen))
    return FaultLook(
        now=incident.at.timestamp(),
        alerted=incident.service,
        alert_text=f"{incident.title} {incident.text}",
        onset=view.onset,
        onset_low=view.onset_low,
        onset_high=view.onset_high,
        shape=_shape(suspects),
        moved=moved,
        suspicion=dict(suspicion),
        edges=_edges(suspects),
        shares=shares(traced.answer, split) if traced else (),
        levels=levels(metered.answer, split) if metered else (),
    )


def _peak(
    suspects: Suspects, service: str | None, signals: Sequence[Signal], scopes: Sequence[Scope] = ()
) -> float | None:
    """The largest shift towards the bad side among a service's series of these signals; None without any."""
    found = None
    for row in suspects.measured.prepared.rows(service, tuple(signals)):
        said, z = suspects.measured.prepared.meanings[row], float(suspects.measured.shifts.z[row])
        if not np.isfinite(z) or (scopes and said.scope not in scopes):
            continue
        toward = z * (said.bad or 1)
        found = toward if found is None else max(found, toward)
    return found


def _traffic(suspects: Suspects, service: str) -> float | None:
    zs = [
        float(suspects.measured.shifts.z[row])
        for row in suspects.measured.prepared.rows(service, (Signal.TRAFFIC,))
        if suspects.measured.prepared.meanings[row].scope is Scope.SERVICE
    ]
    known = [z for z in zs if isfinite(z)]
    return median(known) if known else None


def uniform_load(suspects: Suspects) -> float | None:
    """How much all services' traffic rose alike: the lower quartile of the shifts; None for under three."""
    zs = [z for name in suspects.services if (z := _traffic(suspects, name)) is not None]
    return float(np.quantile(zs, 0.25)) if len(zs) >= 3 else None


def ramp(suspects: Suspects, service: str, signals: tuple[Signal, ...]) -> float | None:
    """How far the service's steadiest level climbs, in robust deviations; None without any."""
    rows = suspects.measured.prepared.rows(service, signals)
    return max((float(suspects.measured.climbs[row]) for row in rows), default=None)


def _callees(suspects: Suspects, service: str) -> tuple[Callee, ...]:
    view = suspects.measured.spans
    if view is None or service not in view.services:
        return ()
    out = []
    for name in suspects.measured.graph.callees.get(service, ()):
        other = view.services.get(name)
        if other is not None:
            out.append(Callee(name=name, score=max(other.self_z, other.wait_z, other.gap_z), monitored=True))
    waits: dict[str, float] = {}
    for group in view.services[service].waits:
        if not _is_database(group) and group.where:
            waits[group.where] = max(waits.get(group.where, 0.0), group.z)
    failed = view.services[service].refusals
    out += [
        Callee(name=name, score=z, monitored=False, errors=failed.get(name))
        for name, z in sorted(waits.items())
    ]
    return tuple(out)


def _node_busy(suspects: Suspects, service: str) -> float | None:
    prepared, z = suspects.measured.prepared, suspects.measured.shifts.z
    keys, meanings = prepared.series.keys, prepared.meanings
    nodes = {keys[row].get("node") for row in prepared.rows(service, tuple(Signal))} - {None}
    if not nodes:
        return None
    loads = (
        row
        for (_, signal), rows in prepared.by_signal.items()
        if signal in {Signal.CPU, Signal.MEMORY}
        for row in rows
    )
    zs = [
        float(z[row]) for row in loads if meanings[row].scope is Scope.NODE and keys[row].get("node") in nodes
    ]
    known = [z for z in zs if np.isfinite(z)]
    return max(known) if known else None


def _span_scores(suspects: Suspects, service: str) -> dict[str, float | None]:
    view = suspects.measured.spans
    names = ("own_latency", "network_gap", "error_origin", "db_time", "downstream_time")
    if view is None or service not in view.services or min(view.traces) < 4:
        return dict.fromkeys(names)
    said = view.services[service]
    waits = [g.z for g in said.waits if _is_database(g)]
    others = [g.z for g in said.waits if not _is_database(g)]
    return {
        "own_latency": said.self_z,
        "network_gap": said.gap_z,
        "error_origin": said.error_z,
        "db_time": max(waits) if waits else None,
        "downstream_time": max(others) if others else None,
    }


def service_signals(
    suspects: Suspects, service: str, mechanism: str | None, guilt: float | None
) -> ServiceSignals:
    """What the measurements say of one service; `mechanism` and `guilt` are the judged change's, if any."""
    traffic = _traffic(suspects, service)
    logs = suspects.measured.logs.services.get(service) if suspects.measured.logs else None
    served = (Scope.SERVICE, Scope.EDGE)
    return ServiceSignals(
        service=service,
        **_span_scores(suspects, service),
        log_mix=logs.mix_z if logs else None,
        log_new_errors=logs.error_z if logs else None,
        cpu_up=_peak(suspects, service, (Signal.CPU,), (Scope.SERVICE,)),
        cpu_throttled=_peak(suspects, service, (Signal.THROTTLING,)),
        memory_up=_peak(suspects, service, (Signal.MEMORY,), (Scope.SERVICE,)),
        memory_ramp=ramp(suspects, service, (Signal.MEMORY,)),
        restarts=_peak(suspects, service, (Signal.RESTARTS,)),
        traffic_up=traffic,
        traffic_down=-traffic if traffic is not None else None,
        disk_up=_peak(suspects, service, (Signal.DISK,)),
        network_io=_peak(suspects, service, (Signal.NETWORK,), (Scope.SERVICE,)),
        pool_waiting=_peak(suspects, service, (Signal.POOL,)),
        queue_up=_peak(suspects, service, (Signal.QUEUE,)),
        latency_up=_peak(suspects, service, (Signal.LATENCY,), served),
        errors_up=_peak(suspects, service, (Signal.ERRORS, Signal.SUCCESS), served),
        uniform_load=uniform_load(suspects),
        node_busy=_node_busy(suspects, service),
        callees=_callees(suspects, service),
        change_mechanism=mechanism,
        change_probability=guilt,
        no_change=False,
    )


def statement_spans(suspects: Suspects, seen: Observations, service: str) -> tuple[StatementSpans, ...]:
    """The service's database spans by statement, durations in seconds before and since the split."""
    found = seen.first(SpanSet)
    if found is None:
        return ()
    spans, split = found.answer, suspects.measured.split
    by_text: dict[str, tuple[list[float], list[float]]] = {}
    for row, name in enumerate(spans.service):
        text = spans.attributes[row].get("db.query.text") or spans.attributes[row].get("db.statement")
        if name == service and text:
            sides = by_text.setdefault(text, ([], []))
            sides[bool(spans.start[row] >= split)].append(float(spans.end[row] - spans.start[row]))
    return tuple(StatementSpans(text, tuple(b), tuple(d)) for text, (b, d) in sorted(by_text.items()))
