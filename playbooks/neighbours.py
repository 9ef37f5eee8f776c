"""Judges over what services share outside of the call graph: the node under them, the queue between them.

By metrics alone. A node is at fault where pods of several services on it moved together and pods elsewhere
did not; a queue's lag is its consumer's doing where less is taken out, its producer's where more comes in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from connectors.answers import ClusterState, Floats, SeriesKey, SeriesSet
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, unknown
from playbooks.model import Entity
from playbooks.observations import Observations, Observed
from playbooks.semantics import Signal, meaning

_MOVED, _CALM = 6.0, 3.0
_RATE = 4.0
_SUFFERS = frozenset({Signal.LATENCY, Signal.ERRORS, Signal.THROTTLING})
_QUEUES = ("queue", "topic", "destination", "subscription", "stream")
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
    since = observed.answer.times >= scene.onset.timestamp()
    return (_node(observations, observed, scene, since), *_queue(observed, scene, since))


def shift(values: Floats, since: np.ndarray) -> float:
    """The median since the onset less the one before, in robust deviations of before; 0 for too few."""
    usual, now = values[~since & np.isfinite(values)], values[since & np.isfinite(values)]
    if len(usual) < 8 or len(now) < 2:
        return 0.0
    middle = float(np.median(usual))
    spread = max(1.4826 * float(np.median(np.abs(usual - middle))), 0.02 * abs(middle), 1e-9)
    return (float(np.median(now)) - middle) / spread


# --- nodes -----------------------------------------------------------------------------------------------
def _node(
    observations: Observations, observed: Observed[SeriesSet], scene: Scene, since: np.ndarray
) -> DetailedFinding:
    pods = _pods(observations, observed.answer, since)
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


def _pods(observations: Observations, series: SeriesSet, since: np.ndarray) -> list[_Pod]:
    state = observations.first(ClusterState)
    nodes = {p.name: p.node for p in (state.answer.pods if state else ()) if p.node}
    worst: dict[tuple[str, str, str], float] = {}
    for row, key in enumerate(series.keys):
        pod, service = key.get("pod"), key.get("service")
        node = key.get("node") or nodes.get(pod or "")
        if not (pod and service and node):
            continue
        said = meaning(key)
        if said.signal in _SUFFERS:
            toward = shift(series.values[row], since) * (said.bad or 1)
            named = (service, pod, node)
            worst[named] = max(toward, worst.get(named, 0.0))
    return [_Pod(*named, moved) for named, moved in sorted(worst.items())]


# --- queues ----------------------------------------------------------------------------------------------
def _queue(
    observed: Observed[SeriesSet], scene: Scene, since: np.ndarray
) -> tuple[DetailedFinding, DetailedFinding]:
    series = observed.answer
    grown: dict[str, float] = defaultdict(float)
    for row, key in enumerate(series.keys):
        name = _queue_of(key)
        if name and _consumes(key, scene.service or "") and _is_lag(key):
            grown[name] = max(grown[name], shift(series.values[row], since))
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
    return finding(ruling, scene, [cite(observed.reading, text)]), _whose(observed, scene, since, name)


def _whose(observed: Observed[SeriesSet], scene: Scene, since: np.ndarray, name: str) -> DetailedFinding:
    """Whether less is taken out, or more put in."""
    series, judge = observed.answer, "queue_consumer_slow"
    rows = [(row, key) for row, key in enumerate(series.keys) if _queue_of(key) == name]
    rates = [(key.metric, shift(series.values[row], since)) for row, key in rows if not _is_lag(key)]
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
    return next((value for label in _QUEUES if (value := key.get(label))), None)


def _consumes(key: SeriesKey, service: str) -> bool:
    group = key.get("consumergroup") or key.get("consumer_group") or key.get("group") or ""
    return key.get("service") == service or (bool(service) and service in re.split(r"[^\w-]", group))
