"""Every service's signs of being where the fault sits, from metrics, traces and logs together.

Turns readings into one row of non-negative features a service, each 0 when nothing speaks against it. Which
service wins is not decided here: the weights between the features are fitted (graph/ranking.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import mul

import numpy as np

from connectors.answers import CallGraphEdges, Floats, LogSet, PatternCounts, SeriesSet, SpanSet
from playbooks import logmix, spans
from playbooks.callgraph import CallGraph, call_graph, own_part
from playbooks.lift import Lift, lifts
from playbooks.loudness import agreed, loudness
from playbooks.model import Incident, Symptom
from playbooks.moves import KINDS, Moves, moves, surges
from playbooks.observations import Observations
from playbooks.onset import split_of
from playbooks.preparation import Prepared, prepare
from playbooks.quantities import unit_of
from playbooks.seasons import seasons
from playbooks.semantics import Scope, Signal
from playbooks.shifts import Shifts, Template, climbs, measure
from playbooks.symptom import SymptomView, usual_until
from playbooks.symptom import view as look_at_symptom
from playbooks.templates import named

FEATURES = (
    "self_time",
    "self_share",
    "gap",
    "gap_share",
    "wait_share",
    "error_origin",
    "structure",
    "log_mix",
    "log_errors",
    "latency",
    "latency_share",
    "errors",
    "errors_share",
    "cpu",
    "memory",
    "disk",
    "network",
    "pressure",
    "ramp",
    "surge",
    "alerted",
)
"""One column each, in this order; `docs/design/judgement.md` says what each means."""

# Where traces compare both windows they tell own time from waiting; metrics charge the wire to the caller.
_TRACED = 0.5
_ENOUGH_TRACES = 20
# A climb beyond this is a shift, however like the level was to the minutes before.
_CLIMBS = 3.0


@dataclass(frozen=True, slots=True)
class Evidenced:
    """Everything that was measured, kept for those who name causes and draw pictures."""

    prepared: Prepared
    shifts: Shifts
    symptom: SymptomView
    spans: spans.SpanView | None
    logs: logmix.LogView | None
    graph: CallGraph
    split: float
    climbs: Floats
    season: Floats | None = None
    lifts: tuple[Lift, ...] = ()

    def levelled(self, row: int) -> Floats:
        """A series as it would be if the incident's season of it had lasted all the time."""
        values = self.prepared.series.values[row]
        if self.season is None:
            return np.asarray(values)
        now = float(self.season[row, self.symptom.template.first :] @ self.symptom.template.weights)
        return np.asarray(values - self.season[row] + now)


@dataclass(frozen=True, slots=True)
class Suspects:
    """The services that may be at fault, sorted by name; `features`: (n, len(FEATURES))."""

    services: tuple[str, ...]
    features: Floats
    moves: Moves
    measured: Evidenced


def _series(seen: Observations, incident: Incident) -> SeriesSet:
    found = seen.first(SeriesSet)
    if found is not None and len(found.answer.times) >= 2:
        return found.answer
    now = incident.at.timestamp()
    return SeriesSet((), np.array([now - 60.0, now]), np.empty((0, 2)))


def _edges(prepared: Prepared, seen: Observations, view: spans.SpanView | None) -> Iterable[tuple[str, str]]:
    for found in seen.all(CallGraphEdges):
        yield from found.answer.edges
    if view is not None:
        yield from view.edges
    for key, said in zip(prepared.series.keys, prepared.meanings, strict=True):
        caller = key.get("source_workload")
        if caller and said.service and said.scope is Scope.EDGE:
            yield caller, said.service


_LEVELS = ("avg", "mean", "p50", "median", "", "p75", "p90", "p95", "p99")
_FACTORS = {"ms": 1e-3, "%": 1e-2}


@lru_cache(maxsize=8192)
def _kind_of_level(metric: str) -> int:
    """How well a series shows a typical level: a mean best, then low quantiles."""
    return next((i for i, word in enumerate(_LEVELS) if word and word in metric), 4)


def _levels(prepared: Prepared, rows: tuple[int, ...]) -> list[int]:
    """The rows that best show a service's typical level, all of one kind (one a route, pod or caller)."""
    served = [row for row in rows if prepared.meanings[row].scope is Scope.SERVICE] or list(rows)
    kinds = {row: _kind_of_level(prepared.series.keys[row].metric) for row in served}
    best = min(kinds.values(), default=0)
    metrics = sorted({prepared.series.keys[row].metric for row in served if kinds[row] == best})
    return [row for row in served if prepared.series.keys[row].metric in metrics[:1]]


def _volumes(prepared: Prepared, service: str, rows: list[int]) -> list[Floats | None]:
    """Requests behind each row: those with its very labels, else an equal part of the service's."""
    traffic = [
        row
        for row in prepared.rows(service, (Signal.TRAFFIC,))
        if prepared.meanings[row].scope is Scope.SERVICE
    ]
    if not traffic:
        return [None] * len(rows)
    by_labels = {prepared.series.keys[row].labels: prepared.series.values[row] for row in traffic}
    alike = np.nansum(prepared.series.values[traffic], axis=0) / max(len(rows), 1)
    return [by_labels.get(prepared.series.keys[row].labels, alike) for row in rows]


def _excess(
    prepared: Prepared, shifts: Shifts, view: SymptomView, service: str, signals: tuple[Signal, ...]
) -> float:
    """Extra trouble a sample while the symptom shows: level above usual, times requests where known.

    In seconds (latency) or parts of 1 (errors) whatever the series' unit, so that services compare.
    """
    rows = _levels(prepared, prepared.rows(service, signals))
    volumes = _volumes(prepared, service, rows)
    known = [n for n, row in enumerate(rows) if np.isfinite(shifts.usual[row])]
    if not known:
        return 0.0
    rows, volumes = [rows[n] for n in known], [volumes[n] for n in known]
    first, weights = view.template.first, view.template.weights
    bad = np.array([prepared.meanings[row].bad or 1 for row in rows], dtype=np.float64)[:, None]
    above = bad * (prepared.series.values[rows, first:] - shifts.usual[rows, None])
    above = np.where(np.isfinite(above), np.maximum(above - shifts.scale[rows, None], 0.0), 0.0)
    for n, volume in enumerate(volumes):
        if volume is not None:
            above[n] *= np.where(np.isfinite(volume[first:]), volume[first:], 0.0)
    factors = (_FACTORS.get(unit_of(prepared.series.keys[row].metric), 1.0) for row in rows)
    return float(sum(map(mul, (above * weights).sum(axis=1).tolist(), factors)))


def _own_shares(
    measured: Evidenced, incident_service: str | None, signals: tuple[Signal, ...]
) -> dict[str, float]:
    """Each service's own part of the extra trouble, as a share of all of it."""
    prepared, shifts, view, graph = measured.prepared, measured.shifts, measured.symptom, measured.graph
    services = sorted({said.service for said in prepared.meanings if said.service})
    excess = {service: _excess(prepared, shifts, view, service, signals) for service in services}
    own = own_part(graph, excess)
    root = excess.get(incident_service or "", 0.0)
    total = max(sum(own.values()), root)
    return {name: (amount / total if total > 0 else 0.0) for name, amount in own.items()}


def _gates(symptom: Symptom) -> tuple[float, float]:
    """How much latency and error evidence count under this kind of symptom."""
    if symptom is Symptom.LATENCY:
        return 1.0, 0.4
    if symptom is Symptom.ERRORS:
        return 0.4, 1.0
    if symptom is Symptom.TRAFFIC:
        return 0.4, 0.4
    return 1.0, 1.0


def examine(incident: Incident, seen: Observations) -> Suspects:
    """Measure every service known to any source."""
    raw = _series(seen, incident)
    prepared = prepare(raw)
    season = seasons(prepared.series.values, prepared.series.times, usual_until(prepared.series.times))
    calm = prepared.series.values if season is None else prepared.series.values - season
    symptom = look_at_symptom(incident, replace(prepared.series, values=calm), prepared.meanings)
    climbing = _climbing(prepared, calm)
    shifts = _shifted(calm, symptom.template, season, climbing)
    span_set, log_set = seen.first(SpanSet), seen.first(LogSet)
    lines = named(log_set.answer) if log_set else None
    split = split_of(
        span_set.answer if span_set else None,
        lines,
        incident.at.timestamp(),
        symptom.onset_low,
    )
    span_view = spans.view(span_set.answer, split) if span_set and len(span_set.answer.trace) else None
    traced = span_set.answer if span_set else None
    log_view = logmix.view(lines, traced, split) if lines and lines.records else None
    raised = lifts(traced, split) if traced is not None else ()
    graph = call_graph(_edges(prepared, seen, span_view))
    measured = Evidenced(
        prepared, shifts, symptom, span_view, log_view, graph, split, climbing, season, raised
    )
    moved = moves(prepared, shifts, graph)
    names = _names(incident, measured, moved)
    rows = _table(incident, measured, moved, names, _patterns(seen))
    return Suspects(names, rows, moved, measured)


def _shifted(values: Floats, template: Template, season: Floats | None, climbing: Floats) -> Shifts:
    """Shifts beyond the season, told with the levels that the season makes one expect; steady climbs too."""
    shifts = measure(values, template)
    z = np.fmax(shifts.z, np.where(climbing > _CLIMBS, climbing, np.nan))
    if season is None:
        return replace(shifts, z=z)
    due = season[:, template.first :] @ template.weights
    return replace(shifts, z=z, usual=shifts.usual + due, now=shifts.now + due)


def _patterns(seen: Observations) -> dict[str, float]:
    """Per service the loudness of message patterns that the log store itself reports as new and bad."""
    out: dict[str, float] = defaultdict(float)
    for found in seen.all(PatternCounts):
        for row in found.answer.patterns:
            if row.negative is not False and row.more > 0:
                usual = max(row.count - row.more, 0.0)
                out[row.service] = max(out[row.service], loudness(row.more / np.sqrt(usual + 1.0)))
    return out


def _names(incident: Incident, measured: Evidenced, moved: Moves) -> tuple[str, ...]:
    names = set(moved) | set(measured.graph.callees) | set(measured.graph.callers)
    names |= {said.service for said in measured.prepared.meanings if said.service}
    if measured.spans is not None:
        names |= set(measured.spans.services)
    if measured.logs is not None:
        names |= set(measured.logs.services)
    if incident.service:
        names.add(incident.service)
    return tuple(sorted(names))


def _table(
    incident: Incident,
    measured: Evidenced,
    moved: Moves,
    names: tuple[str, ...],
    patterns: dict[str, float],
) -> Floats:
    gate_latency, gate_errors = _gates(incident.symptom)
    traced = _TRACED if measured.spans is not None and min(measured.spans.traces) >= _ENOUGH_TRACES else 1.0
    latency = _own_shares(measured, incident.service, (Signal.LATENCY,))
    errors = _own_shares(measured, incident.service, (Signal.ERRORS, Signal.SUCCESS))
    surge = surges(measured.prepared, measured.shifts, measured.graph)
    table = np.zeros((len(names), len(FEATURES)))
    for index, name in enumerate(names):
        row = dict.fromkeys(FEATURES, 0.0)
        _from_spans(row, measured.spans, name)
        _from_logs(row, measured.logs, name)
        row["log_errors"] = max(row["log_errors"], patterns.get(name, 0.0))
        for kind, _ in KINDS:
            row[kind] = agreed([move.z for move in moved.get(name, {}).get(kind, ())])
        # What the network of others took is in this service's latency, and is not its own.
        mine = traced * (1.0 - _elsewhere(measured.spans, name)) if traced < 1.0 else 1.0
        row["latency_share"] = latency.get(name, 0.0) * gate_latency * mine * _told(row["latency"])
        row["latency"] *= gate_latency * mine
        row["errors_share"] = errors.get(name, 0.0) * gate_errors * _told(row["errors"])
        row["errors"] *= gate_errors
        row["ramp"] = _ramp(measured, name)
        row["surge"] = surge.get(name, 0.0)
        row["alerted"] = float(name == incident.service)
        table[index] = [row[feature] for feature in FEATURES]
    return table


def _told(loud: float) -> float:
    """How far a share of the trouble can be told, 0 to 1: where nothing is loud there is little to share.

    In full from a loudness of 1.8 on, a shift of six or so.
    """
    return float(min(loud / 1.8, 1.0))


def _elsewhere(view: spans.SpanView | None, service: str) -> float:
    """The part of the service's extra time that traces blame on the network of its callees."""
    return view.services[service].elsewhere if view is not None and service in view.services else 0.0


_FILLING = (Signal.MEMORY, Signal.QUEUE, Signal.POOL, Signal.DISK)


def _climbing(prepared: Prepared, values: Floats) -> Floats:
    """How steadily each level that can fill up climbs; 0 for everything else."""
    rows = [row for row, said in enumerate(prepared.meanings) if said.signal in _FILLING]
    out = np.zeros(len(prepared.meanings))
    out[rows] = climbs(values[rows])
    return out


def _ramp(measured: Evidenced, service: str) -> float:
    """The loudness of the steadiest climb among levels that can fill up."""
    rows = measured.prepared.rows(service, _FILLING)
    return loudness(max((float(measured.climbs[row]) for row in rows), default=0.0))


def _from_spans(row: dict[str, float], view: spans.SpanView | None, name: str) -> None:
    if view is None or name not in view.services:
        return
    said = view.services[name]
    row["self_time"], row["self_share"] = loudness(max(said.self_z, said.wait_z)), said.self_share
    row["gap"], row["gap_share"] = loudness(said.gap_z), said.gap_share
    row["wait_share"] = said.wait_share
    row["error_origin"] = loudness(said.error_z)
    row["structure"] = loudness(abs(said.structure_z))


def _from_logs(row: dict[str, float], view: logmix.LogView | None, name: str) -> None:
    if view is None or name not in view.services:
        return
    said = view.services[name]
    row["log_mix"], row["log_errors"] = loudness(said.mix_z), loudness(said.error_z)
