"""Hypotheses: a place (service and, where one is guilty, a change) with the mechanisms possible there.

Combines P(service), P(change) and P(mechanism | place). Pure arithmetic over what judges said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from graph.ranking import ServiceOdds
from playbooks.changes import ChangeJudgement, JudgedChange
from playbooks.mechanisms import UNKNOWN_MECHANISM, Mechanism, facts_of
from playbooks.model import Entity, Finding

_MOST_PLACES = 14
_LEAST = 1e-4
_GENERAL = frozenset({"bad_deploy", "config_change", "exception_in_code", "wrong_result"})
_NEED_A_CHANGE = frozenset({"bad_deploy", "config_change"})
_IN_DATABASE = frozenset({"table", "index", "statement", "database"})
# Below this a mechanism is a guess: the place is proposed and its mechanism called unknown.
_NAMED_FROM = 0.25


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault may sit: a service, and the change that may be guilty there (None: no change is)."""

    service: str
    change: JudgedChange | None
    probability: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A place with its likeliest mechanism. `others` are the place's other mechanisms, likeliest first."""

    place: Place
    mechanism: Mechanism
    others: tuple[Mechanism, ...]
    findings: tuple[Finding, ...]
    probability: float

    @property
    def id(self) -> str:
        """The same for the same cause, service, entity and change, in every weighing."""
        change = self.place.change.change_id if self.place.change else None
        return claim(self.mechanism, self.place.service, change)


def claim(mechanism: Mechanism, service: str, change: str | None) -> str:
    """The id of a mechanism at a service; what lies in a named database is one claim, whoever suffers."""
    database = facts_of(mechanism).get("database")
    if database and mechanism.entity is not None and mechanism.entity.kind in _IN_DATABASE:
        return identity(mechanism.cause, f"database/{database}", mechanism.entity, change)
    return identity(mechanism.cause, service, mechanism.entity, change)


def identity(cause: str, service: str | None, entity: Entity | None, change: str | None) -> str:
    """A proposal's id: a short hash of what it claims."""
    named = f"{entity.kind}/{entity.name}" if entity else ""
    return "p" + sha256(f"{cause}|{service}|{named}|{change}".encode()).hexdigest()[:10]


def places(odds: ServiceOdds, judged: ChangeJudgement) -> tuple[Place, ...]:
    """Every place with its probability; what is left of 1 is "none of these".

    A change brings its own service with it; where it names none, it is as likely as each service is suspect.
    """
    found = [Place(service, None, p * judged.none.probability) for service, p in odds.probability.items()]
    for change in judged.changes:
        if change.service is not None:
            found.append(Place(change.service, change, change.probability * (1.0 - odds.none)))
            continue
        found += [Place(s, change, change.probability * p) for s, p in odds.probability.items()]
    likely = [place for place in found if place.probability >= _LEAST]
    likely.sort(key=_order)
    return tuple(likely[:_MOST_PLACES])


def _order(place: Place) -> tuple[float, str, str]:
    return -place.probability, place.service, place.change.change_id if place.change else ""


def settle(
    place: Place,
    mechanisms: Sequence[Mechanism],
    findings: tuple[Finding, ...],
    ruled_out: Collection[str],
) -> Hypothesis | None:
    """The place's likeliest mechanism that nobody ruled out; None when none is left."""
    change = place.change.change_id if place.change else None
    if change is None:
        mechanisms = _without_changes(mechanisms)
    left = [m for m in mechanisms if claim(m, place.service, change) not in ruled_out]
    remaining = sum(m.probability for m in left)
    if not left or remaining <= 0:
        return None
    best = _named(left)
    others = tuple(m for m in left if m.cause != best.cause and m.probability >= 0.05)
    # A place where mechanisms were ruled out has lost their part of its probability.
    lost = sum(m.probability for m in mechanisms) - remaining
    return Hypothesis(place, best, others, findings, place.probability * max(1.0 - lost, 0.0))


def _named(mechanisms: Sequence[Mechanism]) -> Mechanism:
    """The likeliest mechanism that says what happens; else the likeliest that says only that something does.

    That a new version is at fault is said by the place's change already.
    """
    told = [m for m in mechanisms if m.cause != UNKNOWN_MECHANISM and m.probability >= _NAMED_FROM]
    rest = sum(m.probability for m in mechanisms if m.cause not in _GENERAL)
    telling = [
        m
        for m in mechanisms
        if m.cause not in _GENERAL
        and m.cause != UNKNOWN_MECHANISM
        and m.probability >= max(_NAMED_FROM * rest, 0.01)
    ]
    best = max(telling or told or mechanisms, key=lambda m: (m.probability, m.cause))
    return replace(best, probability=best.probability / rest) if telling and rest > 0 else best


def _without_changes(mechanisms: Sequence[Mechanism]) -> list[Mechanism]:
    """Mechanisms that need no guilty change, their probabilities scaled to add up to 1."""
    kept = [m for m in mechanisms if m.cause not in _NEED_A_CHANGE]
    total = sum(m.probability for m in kept)
    return [replace(m, probability=m.probability / total) for m in kept] if total > 0 else kept


def normalised(hypotheses: Sequence[Hypothesis], none: float) -> tuple[Mapping[str, float], float]:
    """Probabilities by hypothesis id, and of "none of these", that add up to 1."""
    total = sum(h.probability for h in hypotheses) + none
    if total <= 0:
        return {}, 1.0
    merged: dict[str, float] = {}
    for hypothesis in hypotheses:
        merged[hypothesis.id] = merged.get(hypothesis.id, 0.0) + hypothesis.probability / total
    return merged, none / total
