"""Whether an alert belongs to an incident that is known, or begins one. Pure.

Alerts of one trouble come in crowds: of a service, of its callers and of what it calls, of one node. They
fold into the incident that shares their neighbourhood, and the incident says why. Nothing is dropped: every
alert ends in exactly one incident.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.desk import LIVE, Desked, IncidentState
from playbooks.callgraph import CallGraph

CROWD = 3
"""So many incidents of one call graph within a window are a storm: further alerts there join the nearest."""

MOST = 12
"""So many incidents within a window are a storm wherever they are: what follows joins the newest."""

ROUNDS = 2
"""Investigations of one incident at most, of those that alerts begin: the first, and one that knows more."""

MOST_SERVICES = 200
"""So many services an incident names at most: a row that every alert reads must not grow without end."""

_RECURRING = frozenset({"alertmanager"})
"""Systems that name a later trouble as an earlier one: the group of alerts, not the trouble."""

_PLACES = ("namespace", "cluster")


class Fold(StrEnum):
    """Why an alert belongs where it was put."""

    NEW = "new"
    SAME = "same"  # the pager calls it by the same name
    SERVICE = "service"
    NEIGHBOUR = "neighbour"
    LABELS = "labels"
    STORM = "storm"  # of one call graph
    OVERFLOW = "overflow"  # too many at once: nobody knows whether it belongs there


@dataclass(frozen=True, slots=True)
class Alarm:
    """What one notification says: the services it names, what it is called elsewhere, its labels.

    `at` is when it came in, `started_at` since when it has been firing.
    """

    at: datetime
    services: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How far apart alerts of one trouble may be: in time, and in calls between services."""

    window: timedelta
    neighbours: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an alert belongs; no incident: it begins one.

    `again`: it changes the picture so far that one more investigation is worth it. `why` is shown to people.
    """

    fold: Fold
    incident: Desked | None = None
    again: bool = False
    why: str = ""


def place(alarm: Alarm, known: Sequence[Desked], graph: CallGraph, rules: Rules) -> Placed:
    """Where an alert belongs.

    `known`: the incidents called as the alert calls itself, of any state, and the live ones.
    """
    same = [each for each in known if _same(alarm, each, rules)]
    if same:
        return _into(_newest(same), alarm, graph, Fold.SAME, "the pager names the same incident")
    live = [
        each for each in known if each.state in LIVE and abs(alarm.at - each.last_alert_at) <= rules.window
    ]
    own = [each for each in live if set(alarm.services) & set(alerting(each))]
    if own:
        return _into(_eldest(own), alarm, graph, Fold.SERVICE, "the same service")
    return (
        _neighbour(alarm, live, graph, rules)
        or _labelled(alarm, live, graph)
        or _overflow(live)
        or Placed(Fold.NEW)
    )


def alerting(incident: Desked) -> tuple[str, ...]:
    """Every service that alerted, the first one first."""
    return tuple(dict.fromkeys(name for name in (incident.service, *incident.services) if name))


def joined(incident: Desked, alarm: Alarm, placed: Placed) -> Desked:
    """The incident with the alert folded in."""
    services = tuple(dict.fromkeys((*alerting(incident), *alarm.services)))
    if placed.fold is Fold.OVERFLOW:  # its neighbours do not become this incident's
        services = alerting(incident)
    return incident.model_copy(
        update={
            "joined": incident.joined + 1,
            "last_alert_at": max(incident.last_alert_at, alarm.at),
            "services": services[:MOST_SERVICES],
            "refs": {**alarm.refs, **incident.refs},
            "resolved_at": None,
            "again": incident.again or placed.again,
            "note": _noted(incident.note, placed),
        }
    )


_STORM = re.compile(r"storm: (\d+) further alerts? folded: .*")


def _noted(note: str, placed: Placed) -> str:
    """The note with one more alert counted, where it was folded for the crowd; a line for each thing said."""
    if placed.fold not in (Fold.STORM, Fold.OVERFLOW):
        return note
    counts = [int(found[1]) for line in note.splitlines() if (found := _STORM.fullmatch(line))]
    count = sum(counts) + 1
    said = f"storm: {count} further {'alert' if count == 1 else 'alerts'} folded: {placed.why}"
    return "\n".join([said, *(line for line in note.splitlines() if not _STORM.fullmatch(line))])


def _same(alarm: Alarm, incident: Desked, rules: Rules) -> bool:
    """Whether both are called the same. A name that recurs means the same trouble only while it lasts."""
    for system, ref in alarm.refs.items():
        if incident.refs.get(system) != ref:
            continue
        if system not in _RECURRING:
            return True
        fires_since = alarm.started_at or alarm.at
        live = incident.state in LIVE
        # What was decided was decided of the services it named: another one in the group is new trouble.
        if not live and set(alarm.services) - set(alerting(incident)):
            continue
        recent = live and alarm.at - incident.last_alert_at <= rules.window
        if recent or fires_since <= incident.last_alert_at:
            return True
    return False


def _neighbour(alarm: Alarm, live: Sequence[Desked], graph: CallGraph, rules: Rules) -> Placed | None:
    """The nearest incident within reach; in a storm, within the same call graph."""
    steps = _steps(alarm.services, graph)
    near = {
        each.id: min(found)
        for each in live
        if (found := [steps[name] for name in alerting(each) if name in steps])
    }
    reached = [each for each in live if each.id in near]
    if not reached:
        return None
    best = min(reached, key=lambda each: (near[each.id], _age(each)))
    if near[best.id] <= rules.neighbours:
        return _into(best, alarm, graph, Fold.NEIGHBOUR, _calls(alarm, best, graph, near[best.id]))
    if len(reached) < CROWD:
        return None
    return _into(
        best, alarm, graph, Fold.STORM, f"{len(reached)} incidents of one call graph are open already"
    )


def _labelled(alarm: Alarm, live: Sequence[Desked], graph: CallGraph) -> Placed | None:
    """An incident on the same node, or of the same rule in the same place, unless the calls know better."""
    placed_by_calls = _known(alarm.services, graph)
    for each in sorted(live, key=_age):
        if placed_by_calls and _known(alerting(each), graph):
            continue
        why = _shared(alarm.labels, each.labels)
        if why:
            return _into(each, alarm, graph, Fold.LABELS, why)
    return None


def _overflow(live: Sequence[Desked]) -> Placed | None:
    if len(live) < MOST:
        return None
    newest = max(live, key=_age)
    return Placed(
        Fold.OVERFLOW, newest, why=f"{MOST} incidents are open already; nobody knows whether they belong here"
    )


def _into(incident: Desked, alarm: Alarm, graph: CallGraph, fold: Fold, why: str) -> Placed:
    return Placed(fold, incident, fold is not Fold.STORM and _deeper(alarm, incident, graph), why)


def _deeper(alarm: Alarm, incident: Desked, graph: CallGraph) -> bool:
    """Whether another look is worth it: what the incident's service calls alerts too, and nobody knew.

    That callers alert is what is to be expected, and teaches nothing.
    """
    begun = incident.state in (IncidentState.INVESTIGATING, IncidentState.AWAITING_CONFIRMATION)
    if not begun or incident.again or incident.rounds >= ROUNDS:
        return False
    new = set(alarm.services) - set(alerting(incident))
    return bool(new & graph.reachable(incident.service).keys())


def _steps(services: Iterable[str], graph: CallGraph) -> dict[str, int]:
    """Every service that calls lead to, in either direction, with the fewest calls between."""
    steps = {name: 0 for name in services if _known((name,), graph)}
    queue = deque(steps)
    while queue:
        at = queue.popleft()
        for other in (*graph.callees.get(at, ()), *graph.callers.get(at, ())):
            if other not in steps:
                steps[other] = steps[at] + 1
                queue.append(other)
    return steps


def _known(services: Iterable[str], graph: CallGraph) -> bool:
    return any(name in graph.callees or name in graph.callers for name in services)


def _calls(alarm: Alarm, incident: Desked, graph: CallGraph, steps: int) -> str:
    for name in alarm.services:
        for other in alerting(incident):
            if other in graph.callees.get(name, ()):
                return f"{name} calls {other}"
            if other in graph.callers.get(name, ()):
                return f"{other} calls {name}"
    return f"{steps} calls apart"


def _shared(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What two alerts have in common besides their services; empty where it is too little."""

    def equal(label: str) -> bool:
        return bool(one.get(label)) and one.get(label) == other.get(label)

    if equal("node"):
        return f"the same node {one['node']}"
    places = [f"{label} {one[label]}" for label in _PLACES if equal(label)]
    differ = any(one.get(label) and other.get(label) and not equal(label) for label in _PLACES)
    if equal("alertname") and places and not differ:
        return f"the same rule {one['alertname']} in {', '.join(places)}"
    return ""


def _age(incident: Desked) -> tuple[datetime, int, str]:
    return (incident.opened_at, len(incident.id), incident.id)  # INC-9 before INC-10


def _eldest(incidents: Sequence[Desked]) -> Desked:
    return min(incidents, key=_age)


def _newest(incidents: Sequence[Desked]) -> Desked:
    """The newest, but a live one before one that is decided."""
    return max(incidents, key=lambda each: (each.state in LIVE, _age(each)))
