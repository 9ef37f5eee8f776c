"""Reach and order: can this change touch the services that suffer, and did it come before they did?

Log-odds only; must not read diffs.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from playbooks.change_candidates import Candidate
from playbooks.delays import DelayClass, load_delays
from playbooks.look import FaultLook

AFTER_ONSET = -10.0
TOO_LATE = -5.0
"""Onsets and the times of deploys are both told a little wrong: the doubt grows with each minute."""
_SAME, _CALLEE, _CALLER, _UNKNOWN, _APART = 1.0, 0.6, 0.3, 0.55, 0.03
_TRUST, _LEAST, _MOST = 0.5, -1.8, 1.0
"""Delays are known from few cases: half of what they say counts, and nearness alone never convicts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the log-odds with its reason; `value` above 0 speaks for guilt."""

    value: float
    why: str


def suspects(look: FaultLook) -> dict[str, float]:
    """How much each service is suspected: as told, else the alerted one and those that moved."""
    told = {s: p for s, p in sorted(look.suspicion.items()) if p > 0}
    if told:
        return told
    weights: dict[str, float] = {}
    for thing in look.moved:
        if thing.service:
            early = (
                1.0 if thing.onset is None or look.onset is None or thing.onset <= look.onset + 120 else 0.4
            )
            weights[thing.service] = max(
                weights.get(thing.service, 0.0), early * min(1.0, abs(thing.size) / 15)
            )
    if look.alerted:
        weights[look.alerted] = weights.get(look.alerted, 0.0) + 1.0
    total = sum(weights.values())
    return {service: weight / total for service, weight in sorted(weights.items())} if total else {}


def reach(candidate: Candidate, look: FaultLook, suspected: dict[str, float]) -> Step:
    """How much of the suspicion the change can touch from where it went out."""
    service = candidate.service
    if service is None or not suspected:
        return Step(
            0.0,
            "its service is not known" if service is None else "no service is suspected more than another",
        )
    calls = {(caller, callee) for caller, callee in look.edges}
    share = sum(p * _touch(service, other, calls) for other, p in suspected.items()) / sum(suspected.values())
    value = max(-3.0, min(0.6, math.log(max(share, 1e-3) / 0.5)))
    own = suspected.get(service, 0.0)
    if service == look.alerted:
        return Step(value, f"it changed {service}, which the alert names")
    if own >= 0.2:
        return Step(value, f"it changed {service}, which is suspected at {own:.0%}")
    if share >= 0.25:
        return Step(value, f"{service} is called by, or calls, the services that suffer")
    return Step(value, f"{service} is not on the way of the services that suffer")


def _touch(service: str, other: str, calls: set[tuple[str, str]]) -> float:
    if service == other:
        return _SAME
    depth = _depth(other, service, calls)
    if depth:
        return float(_CALLEE * 0.7 ** (depth - 1))
    if _depth(service, other, calls):
        return _CALLER
    return _APART if calls else 0.2


def _depth(start: str, goal: str, calls: set[tuple[str, str]]) -> int:
    """How many calls lead from start to goal, 0 when none do within four."""
    seen = {start}
    todo = deque([(start, 0)])
    while todo:
        name, depth = todo.popleft()
        if depth == 4:
            continue
        for caller, callee in sorted(calls):
            if caller == name and callee not in seen:
                if callee == goal:
                    return depth + 1
                seen.add(callee)
                todo.append((callee, depth + 1))
    return 0


def order(candidate: Candidate, look: FaultLook, slow: bool) -> Step:
    """Whether it came before the onset, and how usual the delay is for what it does.

    Densities of the delay by class of mechanism are heavy-tailed (`delays`) and what they say is bounded.
    """
    onset = look.onset if look.onset is not None else look.now
    high = look.onset_high if look.onset_high is not None else onset
    began = candidate.at.timestamp()
    delay = (onset - began) / 60.0
    if look.onset is None:
        return Step(0.0, "the onset is not known")
    if began > max(high, onset) + 60.0:
        late = (began - max(high, onset)) / 60.0
        return Step(max(AFTER_ONSET, TOO_LATE - late), f"it came {spell(-delay)} after the onset")
    if delay < 0:
        return Step(-0.8, f"it came {spell(-delay)} after the likeliest onset, within its uncertainty")
    return Step(_usual(delay, slow, look.shape), f"it came {spell(delay)} before the onset")


def _usual(minutes: float, slow: bool, shape: str) -> float:
    """How usual the delay is: slow mechanisms may strike at once as well, so the kinder class counts."""
    classes: list[DelayClass] = ["immediate"]
    if slow or shape in ("ramp", "countdown"):
        classes.append("gradual")
    if shape == "countdown":
        classes.append("countdown")
    held = load_delays().classes
    ratio = max(held[name].log_ratio(minutes) for name in classes)
    return max(_LEAST, min(_MOST, _TRUST * ratio))


def spell(minutes: float) -> str:
    """Minutes as people say them."""
    whole = round(minutes)
    if whole < 1:
        return f"{round(minutes * 60)} s"
    hours, rest = divmod(whole, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
