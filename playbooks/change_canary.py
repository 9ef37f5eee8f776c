"""Canary against stable: do the pods or the version that a change brought suffer, and the others not?

The one comparison in which nothing differs but the change. Log-odds only; must not read diffs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from connectors.answers import Change, ClusterState, Pod
from playbooks.change_candidates import Candidate
from playbooks.change_reach import Step
from playbooks.lift import log_tail
from playbooks.look import FaultLook, Level, Share

MOST = 3.0
AGAINST = -2.5
SHARED = 0.3
"""What equal pods still say against a change that spoils what all pods share: a table, a lock, a quota."""
_SURE = math.log(1e-3)
_FEWEST, _FEWEST_AGAINST = 8, 15
_RATIO, _ALIKE = 2.0, 1.4
_ROLLOUT = timedelta(minutes=15)
_CLOCKS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Side:
    bad: float
    total: float
    bad_before: float
    total_before: float

    @property
    def rate(self) -> float:
        return (self.bad + 0.5) / (self.total + 1.0)


def canary(candidate: Candidate, look: FaultLook, cluster: ClusterState | None, shared: bool = False) -> Step:
    """Whether the new pods suffer and the old ones do not.

    Args:
        candidate: the change.
        look: the fault, with how versions and pods fare.
        cluster: pods with their versions and states.
        shared: whether the change may spoil what old and new pods have in common.

    Returns:
        Traces are asked first, then metrics, then what the pods themselves report.
    """
    change = candidate.vehicle
    if change is None or candidate.service is None:
        return Step(0.0, "")
    new = _News(change, candidate.service, cluster)
    for step in (_by_shares(new, look), _by_levels(new, look), _by_pods(new), _by_names(change, look)):
        if step.value:
            return Step(step.value * SHARED, step.why) if shared and step.value < 0 else step
    return Step(0.0, "")


class _News:
    """Which versions and pods are the change's own."""

    def __init__(self, change: Change, service: str, cluster: ClusterState | None) -> None:
        self.service = service
        self._change = change
        self._pods = [p for p in (cluster.pods if cluster else ()) if p.service == service]
        mine = [p for p in self._pods if self._brought(p)]
        self.names = frozenset(p.name for p in mine) | frozenset(change.pods)
        self._sets = frozenset(name.rsplit("-", 1)[0] for name in self.names if name.count("-") >= 2)

    def _brought(self, pod: Pod) -> bool:
        change = self._change
        if pod.name in change.pods:
            return True
        if (pod.version and change.version) or (pod.commit and change.commit):
            return pod.version == change.version if change.version else pod.commit == change.commit
        began = min((*change.steps, change.at))
        return pod.started_at is not None and began - _CLOCKS <= pod.started_at <= change.at + _ROLLOUT

    def has(self, label: str, value: str) -> bool:
        """Whether this version or pod came with the change."""
        change = self._change
        if label == "version":
            commit = len(value) >= 7 and change.commit is not None and change.commit.startswith(value)
            return commit or value == change.version
        return value in self.names or value.rsplit("-", 1)[0] in self._sets

    def pods(self) -> tuple[list[Pod], list[Pod]]:
        """The service's pods, new and old."""
        new = [p for p in self._pods if p.name in self.names]
        return new, [p for p in self._pods if p.name not in self.names]


# --- traces ----------------------------------------------------------------------------------------------
def _by_shares(new: _News, look: FaultLook) -> Step:
    steps = [
        _compared(_summed(mine, new, True), _summed(mine, new, False), measure)
        for label in ("version", "pod")
        for measure in ("failed", "slow")
        if (mine := [s for s in look.shares if _about(s, new, label, measure)])
    ]  # fmt: skip
    return _strongest(steps)


def _about(part: Share | Level, new: _News, label: str, measure: str) -> bool:
    return (part.service, part.label, part.measure) == (new.service, label, measure)


def _strongest(steps: Sequence[Step]) -> Step:
    """What speaks for guilt before what speaks against: a fault need not show in every measure."""
    for_it = [s for s in steps if s.value > 0]
    return (
        max(for_it, key=lambda s: s.value)
        if for_it
        else min(steps, key=lambda s: s.value, default=Step(0.0, ""))
    )


def _summed(shares: Sequence[Share], new: _News, wanted: bool) -> _Side:
    mine = [s for s in shares if new.has(s.label, s.value) == wanted]
    return _Side(
        sum(s.bad for s in mine),
        sum(s.total for s in mine),
        sum(s.bad_before for s in mine),
        sum(s.total_before for s in mine),
    )


def _compared(new: _Side, old: _Side, measure: str) -> Step:
    """Fisher's one-sided exact test, and the ratio of the rates."""
    if new.total < _FEWEST or old.total < _FEWEST:
        return Step(0.0, "")
    said = (
        f"{new.bad:.0f} of {new.total:.0f} requests to the new pods are {measure}, "
        f"{old.bad:.0f} of {old.total:.0f} to the others"
    )
    ratio = new.rate / old.rate
    log_p = _tail(new.bad, new.total, new.bad + old.bad, new.total + old.total)
    if ratio >= _RATIO and log_p < _SURE:
        return Step(min(MOST, 1.2 + 0.25 * -log_p / math.log(10.0)), said)
    if ratio <= _ALIKE and new.total >= _FEWEST_AGAINST and _worse(old):
        return Step(AGAINST, f"the others suffer as much: {said}")
    return Step(0.0, "")


def _worse(old: _Side) -> bool:
    """Whether the old pods themselves got worse at the onset."""
    if old.bad < 5 or old.bad / old.total < 0.05 or old.total_before < _FEWEST:
        return False
    before = (old.bad_before + 0.5) / (old.total_before + 1.0)
    whole = old.total + old.total_before
    return old.rate >= _RATIO * before and _tail(old.bad, old.total, old.bad + old.bad_before, whole) < _SURE


def _tail(bad: float, drawn: float, marked: float, total: float) -> float:
    numbers = (np.array([x], dtype=np.float64) for x in (bad, drawn, marked, total))
    return float(log_tail(*numbers)[0])


# --- metrics ---------------------------------------------------------------------------------------------
def _by_levels(new: _News, look: FaultLook) -> Step:
    steps = [
        _level(mine, new, measure)
        for label in ("version", "pod")
        for measure in ("errors", "latency")
        if (mine := [x for x in look.levels if _about(x, new, label, measure)])
    ]  # fmt: skip
    return _strongest(steps)


def _level(levels: Sequence[Level], new: _News, measure: str) -> Step:
    mine = [x for x in levels if new.has(x.label, x.value)]
    rest = [x for x in levels if not new.has(x.label, x.value)]
    if not mine or not rest:
        return Step(0.0, "")
    now, other = (float(np.median([x.now for x in side])) for side in (mine, rest))
    scale = max(max(x.spread for x in rest), 0.1 * other, 1e-9)
    said = f"{measure} of the new pods {now:.3g}, of the others {other:.3g}"
    if now >= _RATIO * other and now - other >= 4.0 * scale:
        return Step(1.8, said)
    usual = [x.usual for x in rest if x.usual is not None]
    grown = bool(usual) and other >= 1.5 * float(np.median(usual)) + 4.0 * min(x.spread for x in rest)
    if grown and now <= _ALIKE * other:
        return Step(-1.8, f"the others suffer as much: {said}")
    return Step(0.0, "")


# --- pods and names --------------------------------------------------------------------------------------
def _by_pods(news: _News) -> Step:
    new, old = news.pods()
    if not new or not old:
        return Step(0.0, "")
    sick_new, sick_old = sum(map(_sick, new)), sum(map(_sick, old))
    if sick_new and not sick_old:
        return Step(1.8, f"{sick_new} of {len(new)} new pods are failing and none of {len(old)} old ones")
    if sick_old and sick_old / len(old) >= sick_new / len(new):
        return Step(-1.5, f"{sick_old} of {len(old)} old pods are failing as well")
    return Step(0.0, "")


def _sick(pod: Pod) -> bool:
    return pod.ready is False or any(c.waiting_reason or c.restarts > 0 for c in pod.containers)


def _by_names(change: Change, look: FaultLook) -> Step:
    """Series that carry a version or pod: do those of the new one move, and those of others not?"""
    labels = [label for label in (change.version, *change.pods) if label and len(label) >= 2][:20]
    tagged = [m for m in look.moved if re.search(r"\b(version|pod)=\"", m.text[:2000]) and m.direction > 0]
    if not labels or not tagged:
        return Step(0.0, "")
    new = [m for m in tagged if any(f'"{label}"' in m.text for label in labels)]
    old = [m for m in tagged if m not in new and m.service == change.service]
    if new and not old:
        return Step(1.2, f"what moved is of the new version only ({new[0].text[:80]})")
    if old and not new:
        return Step(-1.0, f"what moved is not of the new version ({old[0].text[:80]})")
    return Step(0.0, "")
