"""Judges over what services share outside of the call graph: the node under them, the queue between them.

By metrics alone. A node is at fault where pods of several services on it moved together and pods elsewhere
did not; a queue's lag is its consumer's doing where less is taken out, its producer's where more comes in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from connectors.answers import ClusterState, Floats, SeriesKey, SeriesSet
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, unknown
from playbooks.model import Entity
from playbooks.observations import Observations, Observed
from playbooks.semantics import Signal, meaning
from playbooks.shifts import medians

_MOVED, _CALM = 6.0, 3.0
_RATE = 4.0
_SUFFERS = frozenset({Signal.LATENCY, Signal.ERRORS, Signal.THROTTLING})
_QUEUES = ("queue", "topic", "destination", "subscription", "stream")
_QUEUE_LABELS = frozenset(_QUEUES)
_TAKEN = re.compile(r"consum|ack|deliver|process|receiv|dequeue|read")
_GIVEN = re.compile(r"publish|produc|sent|enqueue|written|append")


@dataclass(frozen=True, slots=True)
class _Pod:
    service: str
    pod: str
    node: str
    moved: float


def judge_neighbours(observations: Observations, scene: Scene) -> tuple[DetailedFinding, ...]:
    """`node_moved_together`, `queue_lag` and `queue_consumer_slow` of the scene's service."""
    observed = observations.first(SeriesSet)
    if observed is None or scene.onset is None or not scene.service:
        why = "no series, or no onset, is known"
        return tuple(
            unknown(j, why, scene) for j in ("node_moved_together", "queue_lag", "queue_consumer_slow")
        )
    onset = scene.onset.timestamp()
    queues = _Queues(observed, onset, observations.once(_named_queues))
    return (_node(observations, observed, scene, onset), *_queue(queues, scene))


def shifts(series: SeriesSet, rows: Sequence[int], onset: float) -> Floats:
    """Each row's median since the onset less the one before, in robust deviations of then; 0 for too few."""
    values, since = series.values[list(rows)], series.times >= onset
    usual, now = values[:, ~since], values[:, since]
    enough = (np.isfinite(usual).sum(axis=1) >= 8) & (np.isfinite(now).sum(axis=1) >= 2)
    usual, now = usual[enough], now[enough]
    middle = medians(usual)
    wide = 1.4826 * medians(np.abs(usual - middle[:, None]))
    spread = np.maximum(np.maximum(wide, 0.02 * np.abs(middle)), 1e-9)
    out = np.zeros(len(rows))
    out[enough] = (medians(now) - middle) / spread
    return out


# --- nodes -----------------------------------------------------------------------------------------------
def _node(
    observations: Observations, observed: Observed[SeriesSet], scene: Scene, onset: float
) -> DetailedFinding:
    pods = observations.once(_pods, onset)
    mine = [p for p in pods if p.service == scene.service]
    if not mine:
        return unknown("node_moved_together", "no pod of the service is known with its node", scene)
    node = max(mine, key=lambda p: (p.moved >= _MOVED, _company(p, pods), p.moved, p.node)).node
    here = _worst(p for p in pods if p.node == node)
    there = [p.moved for p in pods if p.node != node]
    moved = sorted(s for s, z in here.items() if z >= _MOVED)
    if len(here) < 2 or len(there) < 2 or scene.service not in moved:
        return unknown("node_moved_together", f"too little is known beside {node} to compare", scene)
    apart = sum(z >= _CALM for z in there) / len(there)
    text = (
        f"{len(moved)} of {len(here)} services with pods on {node} got worse together "
        f"({', '.join(moved[:4])}), {sum(z >= _CALM for z in there)} of {len(there)} pods elsewhere"
    )
    if len(moved) >= 2 and len(moved) >= 0.6 * len(here) and apart <= 0.25:
        ruling = Ruling(
            judge="node_moved_together",
            state="yes",
            why=text,
            strength=6.0,
            entity=Entity(kind="node", name=node),
        )
        return finding(ruling, scene, [cite(observed.reading, text)], {"node": node})
    if len(here) >= 3 and len(moved) == 1:
        ruling = Ruling(judge="node_moved_together", state="no", why=text, strength=4.0)
        return finding(ruling, scene, [cite(observed.reading, text)])
    return unknown("node_moved_together", f"no clear answer: {text}", scene)


def _company(mine: _Pod, pods: Iterable[_Pod]) -> int:
    """How many services moved on the node of this pod."""
    return len({p.service for p in pods if p.node == mine.node and p.moved >= _MOVED})


def _worst(pods: Iterable[_Pod]) -> Mapping[str, float]:
    worst: dict[str, float] = {}
    for pod in pods:
        worst[pod.service] = max(pod.moved, worst.get(pod.service, 0.0))
    return worst


def _pods(observations: Observations, onset: float) -> list[_Pod]:
    """How far each pod with a node moved to its bad side."""
    observed = observations.first(SeriesSet)
    series = observed.answer if observed else SeriesSet((), np.zeros(0), np.zeros((0, 0)))
    state = observations.first(ClusterState)
    nodes = {p.name: p.node for p in (state.answer.pods if state else ()) if p.node}
    suffering: list[tuple[int, int, tuple[str, str, str]]] = []
    for row, key in enumerate(series.keys):
        pod, service = key.get("pod"), key.get("service")
        node = key.get("node") or nodes.get(pod or "")
        if not (pod and service and node):
            continue
        said = meaning(key)
        if said.signal in _SUFFERS:
            suffering.append((row, said.bad or 1, (service, pod, node)))
    worst: dict[tuple[str, str, str], float] = {}
    moved = shifts(series, [row for row, _, _ in suffering], onset).tolist()
    for z, (_, bad, named) in zip(moved, suffering, strict=True):
        worst[named] = max(z * bad, worst.get(named, 0.0))
    return [_Pod(*named, z) for named, z in sorted(worst.items())]


# --- queues ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Queues:
    """The series that name a queue, by row, and the onset that they are looked at from."""

    observed: Observed[SeriesSet]
    onset: float
    named: Mapping[int, str]

    def moved(self, rows: Sequence[int]) -> list[tuple[SeriesKey, float]]:
        """These series with how far each moved."""
        series = self.observed.answer
        return list(
            zip((series.keys[row] for row in rows), shifts(series, rows, self.onset).tolist(), strict=True)
        )


def _named_queues(observations: Observations) -> Mapping[int, str]:
    observed = observations.first(SeriesSet)
    named = ((row, _queue_of(key)) for row, key in enumerate(observed.answer.keys if observed else ()))
    return {row: name for row, name in named if name}


def _queue(queues: _Queues, scene: Scene) -> tuple[DetailedFinding, DetailedFinding]:
    observed = queues.observed
    keys = observed.answer.keys
    mine = [row for row in queues.named if _consumes(keys[row], scene.service or "") and _is_lag(keys[row])]
    grown: dict[str, float] = defaultdict(float)
    for row, (_, z) in zip(mine, queues.moved(mine), strict=True):
        grown[queues.named[row]] = max(grown[queues.named[row]], z)
    if not grown:
        why = f"no queue that {scene.service} takes from is known"
        return unknown("queue_lag", why, scene), unknown("queue_consumer_slow", why, scene)
    name = max(grown, key=lambda queue: (grown[queue], queue))
    text = f"the lag of queue {name} rose {grown[name]:.1f} times its usual spread"
    if grown[name] < _MOVED:
        ruling = Ruling(
            judge="queue_lag", state="no", why=f"no queue's lag rose by much: {text}", strength=4.0
        )
        quiet = finding(ruling, scene, [cite(observed.reading, ruling.why)])
        return quiet, unknown("queue_consumer_slow", "no queue's lag rose by much", scene)
    ruling = Ruling(
        judge="queue_lag", state="yes", why=text, strength=6.0, entity=Entity(kind="queue", name=name)
    )
    return finding(ruling, scene, [cite(observed.reading, text)]), _whose(queues, scene, name)


def _whose(queues: _Queues, scene: Scene, name: str) -> DetailedFinding:
    """Whether less is taken out, or more put in."""
    observed, judge = queues.observed, "queue_consumer_slow"
    keys = observed.answer.keys
    rows = [row for row, queue in queues.named.items() if queue == name and not _is_lag(keys[row])]
    rates = [(key.metric, z) for key, z in queues.moved(rows)]
    given = [z for metric, z in rates if _GIVEN.search(metric)]
    taken = [z for metric, z in rates if _TAKEN.search(metric) and not _GIVEN.search(metric)]
    less, more = min(taken, default=0.0) <= -_RATE, max(given, default=0.0) >= _RATE
    entity = Entity(kind="queue", name=name)
    if less and not more:
        text = f"less is taken from {name} than usual, and no more is put in: its consumer is slow"
        ruling = Ruling(judge=judge, state="yes", why=text, strength=6.0, entity=entity)
        return finding(ruling, scene, [cite(observed.reading, text)])
    if more and not less:
        text = f"more is put into {name} than usual, and no less is taken out: its producer floods it"
        ruling = Ruling(judge=judge, state="no", why=text, strength=6.0)
        return finding(ruling, scene, [cite(observed.reading, text)])
    return unknown(judge, f"what goes into {name} and out of it does not tell whose doing it is", scene)


def _is_lag(key: SeriesKey) -> bool:
    return meaning(key).signal is Signal.QUEUE


def _queue_of(key: SeriesKey) -> str | None:
    if _QUEUE_LABELS.isdisjoint([name for name, _ in key.labels]):
        return None
    return next((value for label in _QUEUES if (value := key.get(label))), None)


def _consumes(key: SeriesKey, service: str) -> bool:
    group = key.get("consumergroup") or key.get("consumer_group") or key.get("group") or ""
    return key.get("service") == service or (bool(service) and service in re.split(r"[^\w-]", group))
