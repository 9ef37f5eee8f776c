"""Published simple methods, on the same data and the same windows as an investigation: what it must beat.

Each takes a view of the case cut at the incident's now, and ranks services. Ties are broken by a hash of the
case's and the service's name: by nothing that could carry the answer, and the same in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.bench.answers import Method, Ranking
from connectors.answers import CallGraphEdges, Change, Floats, SeriesSet, SpanSet, Timeline
from connectors.contract import Question, Reading, Sources
from connectors.questions import CallEdges, ChangeTimeline, SeriesSweep, SpanSample
from playbooks.model import Incident
from playbooks.semantics import meaning
from playbooks.symptom import symptom_rows

INCIDENT_SECONDS: Final = 300.0
LEAST_SAMPLES: Final = 3
_DAMPING: Final = 0.85
_BACKWARD: Final = 0.1
_STEPS: Final = 200
_LEAST_PULL: Final = 1e-6

Edge = tuple[str, str]


@dataclass(frozen=True)
class View:
    """What the baselines see of a case: nothing later than its now, and nothing of its truth.

    `services` says for every row of `series` whom it speaks of. `since` is the first sample of the incident.
    """

    case: str
    alerted: str | None
    series: SeriesSet | None
    services: tuple[str | None, ...]
    symptom: tuple[int, ...]
    since: int
    edges: tuple[Edge, ...]
    changes: tuple[Change, ...] | None

    @property
    def aliases(self) -> tuple[tuple[str, str], ...]:
        """Each change's id with its commit."""
        return tuple((change.id, change.commit) for change in self.changes or () if change.commit)


def view_of(sources: Sources, incident: Incident, case: str) -> View:
    """Ask for what the baselines need."""

    def ask(question: Question) -> object:
        reading = sources.ask(question, now=incident.at)
        return reading.answer if isinstance(reading, Reading) else None

    series = ask(SeriesSweep(window=incident.window))
    series = series if isinstance(series, SeriesSet) and len(series.keys) else None
    timeline = ask(ChangeTimeline(window=incident.window))
    return View(
        case=case,
        alerted=incident.service,
        series=series,
        services=tuple(meaning(key).service for key in series.keys) if series else (),
        symptom=symptom_rows(incident, series) if series else (),
        since=incident_start(series.times, incident.at.timestamp()) if series else 0,
        edges=_edges(ask(CallEdges()), ask(SpanSample(window=incident.window))),
        changes=timeline.changes if isinstance(timeline, Timeline) else None,
    )


def incident_start(times: Floats, now: float) -> int:
    """The first sample of the last five minutes, or of the last three samples if that is earlier."""
    recent = int(np.searchsorted(times, now - INCIDENT_SECONDS, side="right"))
    return max(min(recent, len(times) - LEAST_SAMPLES), 0)


def _edges(topology: object, spans: object) -> tuple[Edge, ...]:
    found: set[Edge] = set(topology.edges) if isinstance(topology, CallGraphEdges) else set()
    if isinstance(spans, SpanSet):
        for row in np.flatnonzero(spans.parent >= 0):
            found.add((spans.service[int(spans.parent[row])], spans.service[int(row)]))
    return tuple(sorted((caller, callee) for caller, callee in found if caller != callee))


def ranked(scores: Mapping[str, float], case: str) -> tuple[str, ...]:
    """Services by score, the highest first; those without a number last."""
    return tuple(sorted(scores, key=lambda name: (-_number(scores[name]), _hash(case, name))))


def _number(score: float) -> float:
    return -np.inf if np.isnan(score) else score


def _hash(case: str, name: str) -> str:
    return hashlib.sha256(f"{case}\n{name}".encode()).hexdigest()


def baro(view: View) -> Ranking:
    """BARO's scorer: the largest deviation from the baseline's median, in its interquartile ranges.

    Pham, Ha, Zhang: "BARO: Robust Root Cause Analysis for Microservices via Multivariate Bayesian Online
    Change Point Detection", FSE 2024. Only its ranking step, RobustScorer: the change point is not searched
    for; the incident is the last five minutes. As there, a range of zero counts as 1, and only rises count.
    """

    def centre_and_scale(usual: Floats) -> tuple[Floats, Floats]:
        low, centre, high = np.nanquantile(usual, (0.25, 0.5, 0.75), axis=1)
        return centre, high - low

    return _by_deviation(view, centre_and_scale)


def nsigma(view: View) -> Ranking:
    """N-sigma: the largest deviation from the baseline's mean, in its standard deviations.

    The three-sigma rule as a ranking; used as a baseline by Li et al.: "Causal Inference-Based Root Cause
    Analysis for Online Service Systems with Intervention Recognition" (CIRCA), KDD 2022.
    """

    def centre_and_scale(usual: Floats) -> tuple[Floats, Floats]:
        return np.nanmean(usual, axis=1), np.nanstd(usual, axis=1)

    return _by_deviation(view, centre_and_scale)


def _by_deviation(view: View, centre_and_scale: Callable[[Floats], tuple[Floats, Floats]]) -> Ranking:
    if view.series is None or view.since == 0:
        return Ranking(why_not="no metrics with a baseline")
    values = view.series.values
    usual, incident = values[:, : view.since], values[:, view.since :]
    known = np.isfinite(usual).any(axis=1) & np.isfinite(incident).any(axis=1)
    scores = np.full(len(values), np.nan)
    if known.any():
        centre, scale = centre_and_scale(usual[known])
        scale = np.where(scale > 0, scale, 1.0)
        scores[known] = (np.nanmax(incident[known], axis=1) - centre) / scale
    return Ranking(services=ranked(_best(view.services, scores), view.case))


def _best(services: tuple[str | None, ...], scores: Floats) -> dict[str, float]:
    """Each service's largest score."""
    best: dict[str, float] = {}
    for service, score in zip(services, scores, strict=True):
        if service is not None:
            known = best.get(service, np.nan)
            best[service] = float(np.fmax(known, score))
    return best


def correlation(view: View) -> Ranking:
    """Ranked correlation: services whose own signal of the symptom's kind rises and falls with the symptom.

    Hardt et al.: "The PetShop Dataset: Finding Causes of Performance Issues across Microservices", CLeaR
    2024, baseline "ranked correlation": the same kind of signal, the alerted service left out. Measured on
    the incident and a stretch twice as long before it, so that there is a rise to agree on.
    """
    if view.series is None or not view.symptom:
        return Ranking(why_not="no series shows the symptom")
    scores = _best(view.services, _correlations(view, view.series))
    scores.pop(view.alerted or "", None)
    return Ranking(services=ranked(scores, view.case))


def _correlations(view: View, series: SeriesSet) -> Floats:
    """How far each series of the symptom's kind goes with it: the largest over the symptom's own series."""
    length = len(series.times) - view.since
    values = series.values[:, max(view.since - 2 * length, 0) :]
    signals = [meaning(key).signal for key in series.keys]
    found = np.full(len(values), np.nan)
    for row in view.symptom:
        alike = np.array([signal == signals[row] for signal in signals])
        found = np.where(alike, np.fmax(found, pearson(values, values[row])), found)
    return found


def pearson(values: Floats, target: Floats) -> Floats:
    """The correlation of every row with the target over the samples both have; NaN where one is constant."""
    both = np.isfinite(values) & np.isfinite(target)[None, :]
    count = np.maximum(both.sum(axis=1), 1)
    x = np.where(both, values, 0.0)
    y = np.where(both, target[None, :], 0.0)
    x = np.where(both, x - (x.sum(axis=1) / count)[:, None], 0.0)
    y = np.where(both, y - (y.sum(axis=1) / count)[:, None], 0.0)
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x * y).sum(axis=1) / spread
    return np.asarray(np.where((both.sum(axis=1) >= LEAST_SAMPLES) & (spread > 0), np.clip(r, -1, 1), np.nan))


def random_walk(view: View) -> Ranking:
    """A random walk from the symptom along the calls, drawn to services that correlate with the symptom.

    Kim, Sumbaly, Shah: "Root Cause Detection in a Service-Oriented Architecture" (MonitorRank), SIGMETRICS
    2013, as a personalised PageRank. Causes spread against the calls, so the walker, who goes from effect to
    cause, goes from caller to callee; a tenth of a caller's pull leads back, and a walker stays where no
    callee pulls as much.
    """
    if view.series is None or not view.symptom:
        return Ranking(why_not="no series shows the symptom")
    if not view.edges:
        return Ranking(why_not="no call graph")
    pull = _best(view.services, _correlations(view, view.series))
    names = sorted({name for edge in view.edges for name in edge})
    visits = _page_rank(names, view.edges, pull, view.alerted)
    visits.pop(view.alerted or "", None)
    return Ranking(services=ranked(visits, view.case))


def _page_rank(
    names: list[str], edges: tuple[Edge, ...], pull: Mapping[str, float], start: str | None
) -> dict[str, float]:
    """How often a walker is where; it restarts by pull, never at the start."""
    place = {name: i for i, name in enumerate(names)}
    weight = np.array([np.fmax(pull.get(name, 0.0), _LEAST_PULL) for name in names])
    step = np.zeros((len(names), len(names)))
    for caller, callee in edges:
        step[place[caller], place[callee]] += weight[place[callee]]
        step[place[callee], place[caller]] += _BACKWARD * weight[place[caller]]
    stay = np.maximum(weight - step.max(axis=1), 0.0)
    step[np.diag_indices(len(names))] = np.where([name == start for name in names], 0.0, stay)
    totals = step.sum(axis=1, keepdims=True)
    step = np.divide(step, totals, out=np.zeros_like(step), where=totals > 0)
    restart = np.where([name == start for name in names], 0.0, weight)
    restart = restart / restart.sum() if restart.sum() > 0 else np.full(len(names), 1 / len(names))
    visits = restart
    for _ in range(_STEPS):
        visits = _DAMPING * visits @ step + (1 - _DAMPING) * restart
    return {name: float(np.round(visits[place[name]], 12)) for name in names}


def latest_deploy(view: View) -> Ranking:
    """What people look at first: services by how late they were deployed; the last deploy is blamed.

    The order against which Yu et al. measure "ChangeRCA: Finding Root Causes from Software Changes in Large
    Online Systems", FSE 2024.
    """
    if view.changes is None:
        return Ranking(why_not="no record of changes")
    blamed = [change for change in view.changes if change.service is not None and change.kind == "deploy"]
    if not blamed:
        return Ranking(why_not="no deploy on record")
    last = max(blamed, key=lambda change: (change.at, _hash(view.case, change.id)))
    when: dict[str, float] = {}
    for change in blamed:
        name = change.service or ""
        when[name] = max(when.get(name, -np.inf), change.at.timestamp())
    return Ranking(services=ranked(when, view.case), change=last.commit or last.id)


METHODS: Final[Mapping[Method, Callable[[View], Ranking]]] = {
    "baro": baro,
    "nsigma": nsigma,
    "correlation": correlation,
    "random_walk": random_walk,
    "latest_deploy": latest_deploy,
}
