"""What a proposal names as at fault: what the evidence names, else a database, one pod, or the service.

A pod is named only where the evidence is of that pod: it alone suffers, or it alone runs the service and no
change is guilty. Pure; must not move any probability.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from connectors.answers import ClusterState, Floats, SeriesKey, SeriesSet
from graph.hypotheses import Hypothesis
from playbooks.mechanisms import UNKNOWN_MECHANISM, facts_of
from playbooks.model import Entity, Incident
from playbooks.observations import Observations

_IN_DATABASE = frozenset({"lock_contention", "missing_index", "slow_query", "stale_statistics"})
_IN_POD = frozenset(
    "cpu_saturation memory_leak network_delay crash_loop disk_full exception_in_code wrong_result".split()
) | {UNKNOWN_MECHANISM}
_LATELY = 300.0
_ALONE, _CALM = 8.0, 3.0
_LOUD_LIFT = 3.5
"""A value that merely came with the incident speaks at 3 at most."""


def entity_of(hypothesis: Hypothesis, incident: Incident, seen: Observations) -> Entity:
    """The thing to name, as exactly as the evidence allows."""
    mechanism, service = hypothesis.mechanism, hypothesis.place.service
    if mechanism.entity is not None:
        return mechanism.entity
    whole = Entity(kind="service", name=service)
    if mechanism.cause in _IN_DATABASE:
        entry = next((s.database for s in incident.services if s.name == service), None)
        database = facts_of(mechanism).get("database") or entry
        return Entity(kind="database", name=database) if database else whole
    if hypothesis.place.change is not None or mechanism.cause not in _IN_POD:
        return whole
    pod = _lifted(hypothesis) or _of_metrics(seen, service, incident.at.timestamp())
    return Entity(kind="pod", name=pod) if pod else whole


def _lifted(hypothesis: Hypothesis) -> str | None:
    """The pod whose spans suffer more than those of its siblings."""
    pods = [
        f
        for f in hypothesis.findings
        if f.judge == "spans.lift" and f.entity is not None and f.entity.kind == "pod"
    ]
    loud = sorted((f for f in pods if f.strength > _LOUD_LIFT), key=lambda f: (-f.strength, f.why))
    return loud[0].entity.name if loud and loud[0].entity else None


def _of_metrics(seen: Observations, service: str, now: float) -> str | None:
    """The only pod of the service that runs, or the only one whose series left their usual range."""
    found = seen.first(SeriesSet)
    if found is None or not len(found.answer.times):
        return None
    series = found.answer
    late = series.times >= min(now, float(series.times[-1])) - _LATELY
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for row, key in enumerate(series.keys):
        pod = _pod(key, service)
        if pod is not None and np.isfinite(series.values[row][late]).any():
            rows[pod][key.metric] = row
    state = seen.first(ClusterState)
    known = {p.name for p in state.answer.pods if p.service == service} if state else set()
    if len(rows) == 1 and known <= set(rows):
        return next(iter(rows))
    loud = {pod: _loudness(series, held, late) for pod, held in rows.items()}
    alone = [pod for pod, z in loud.items() if z >= _ALONE]
    calm = all(z < _CALM for pod, z in loud.items() if pod not in alone)
    return alone[0] if len(alone) == 1 and len(loud) >= 3 and calm else None


def _pod(key: SeriesKey, service: str) -> str | None:
    pod, named = key.get("pod"), key.get("service")
    return pod if pod and (named == service or (named is None and pod.startswith(f"{service}-"))) else None


def _loudness(series: SeriesSet, rows: dict[str, int], late: np.ndarray) -> float:
    return max((_shift(series.values[row], late) for row in rows.values()), default=0.0)


def _shift(values: Floats, late: np.ndarray) -> float:
    """How far the last minutes lie from what was usual, in robust deviations."""
    usual, now = values[~late & np.isfinite(values)], values[late & np.isfinite(values)]
    if len(usual) < 8 or not len(now):
        return 0.0
    middle = float(np.median(usual))
    spread = max(1.4826 * float(np.median(np.abs(usual - middle))), 0.02 * abs(middle), 1e-9)
    return abs(float(np.median(now)) - middle) / spread
