"""How likely each mechanism is for one service: P(cause | service, evidence).

Signs declared in the catalogue move log-odds; unknown moves nothing; a hypothesis that nothing could have
contradicted earns nothing. Pure. Must not decide which service is at fault: that is the caller's judgement.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from playbooks.catalogue import Catalogue, Playbook, Sign, load_catalogue
from playbooks.facts import DetailedFinding
from playbooks.model import Entity, Finding
from playbooks.scores import signal_findings
from playbooks.signals import Callee, ServiceSignals

__all__ = ["UNKNOWN_MECHANISM", "Callee", "Mechanism", "ServiceSignals", "facts_of", "judge_mechanisms"]

UNKNOWN_MECHANISM = "unknown_mechanism"
"""The rival of every known mechanism: something is wrong here, and no playbook says what."""

FULL_STRENGTH = 6.0
"""A finding of this strength moves its whole weight; a faint one moves half of it."""

LABEL_PART = 0.6
"""How much a related label of the guilty change counts against the mechanism's own id."""

_WAITING = frozenset({"lock_chain", "lock_waits"})

NOT_MECHANISMS = frozenset({"recovered", "no_fault"})
"""Verdicts on the incident as a whole: judged elsewhere."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism of one service.

    `cause`: id of the playbook or `UNKNOWN_MECHANISM`. `probability`: over all mechanisms of the service;
    they add up to 1. `entity`: what is at fault, as far as the findings name it. `findings` speak for it,
    `against` against it, strongest first. `log_odds`: the sum behind the probability. `tested`: how many
    signs were known.
    """

    cause: str
    probability: float
    entity: Entity | None
    findings: tuple[Finding, ...]
    against: tuple[Finding, ...]
    log_odds: float = 0.0
    tested: int = 0


@dataclass(frozen=True, slots=True)
class _Moved:
    """A finding and what it moved."""

    finding: Finding
    weight: float


@dataclass(frozen=True, slots=True)
class _Weighed:
    playbook: Playbook
    entity: Entity | None
    score: float
    moved: tuple[_Moved, ...]


def judge_mechanisms(
    signals: ServiceSignals, findings: Sequence[Finding], catalogue: Catalogue | None = None
) -> tuple[Mechanism, ...]:
    """Rank the mechanisms of one service, likeliest first.

    Args:
        signals: what metrics, traces and logs say of the service.
        findings: what judges said of the service, its database and its cluster objects, in any order.
            Findings that name another service are left out.
        catalogue: the playbooks; the project's own when None.

    Returns:
        Every mechanism with its probability; they add up to 1 with `UNKNOWN_MECHANISM` among them.
    """
    books = catalogue or load_catalogue()
    mine = [f for f in findings if f.service is None or f.service == signals.service]
    known = [f for f in (*signal_findings(signals), *mine) if f.state != "unknown"]
    by_judge: dict[str, list[Finding]] = {}
    for one in sorted(_without_blind(known), key=_finding_order):
        by_judge.setdefault(one.judge, []).append(one)
    weighed = [
        _weigh(book, by_judge, signals)
        for book in books.playbooks
        if book.verdict not in NOT_MECHANISMS and _thinkable(book, by_judge)
    ]
    return _ranked(weighed)


def _without_blind(known: Sequence[Finding]) -> list[Finding]:
    """That database time did not rise is not known while calls wait: spans still open are not seen yet."""
    waiting = any(f.judge in _WAITING and f.state == "yes" for f in known)
    return [f for f in known if not (waiting and f.judge == "signal.db_time" and f.state == "no")]


def _thinkable(book: Playbook, by_judge: Mapping[str, list[Finding]]) -> bool:
    """Whether a rare cause has what it takes to be thought of at all: one of its tests that says yes."""
    return not book.only_if or any(f.state == "yes" for name in book.only_if for f in by_judge.get(name, ()))


def _finding_order(finding: Finding) -> tuple[str, str, float, str, str]:
    entity = finding.entity.name if finding.entity else ""
    return (finding.judge, finding.state, -finding.strength, entity, finding.why)


def _weigh(book: Playbook, by_judge: Mapping[str, list[Finding]], signals: ServiceSignals) -> _Weighed:
    """The best entity's sum of weights; without entities among the findings, one sum."""
    rivals = [_sum(book, entity, by_judge, signals) for entity in _entities(book, by_judge)]
    return max(rivals, key=lambda w: (w.score, w.entity is not None, _reversed(w.entity)))


def _reversed(entity: Entity | None) -> tuple[int, ...]:
    """Orders names downwards, so that of equal scores the first name wins."""
    return tuple(-ord(c) for c in entity.name) if entity else ()


def _entities(book: Playbook, by_judge: Mapping[str, list[Finding]]) -> Iterable[Entity | None]:
    found = {
        (f.entity.kind, f.entity.name): f.entity
        for sign in book.signs
        if sign.if_yes > 0
        for f in by_judge.get(sign.judge, ())
        if f.state == "yes" and f.entity is not None and f.entity.kind == book.entity
    }
    return [found[key] for key in sorted(found)] or [None]


def _sum(
    book: Playbook, entity: Entity | None, by_judge: Mapping[str, list[Finding]], signals: ServiceSignals
) -> _Weighed:
    """Prior and weights. That rivals are excluded helps only a hypothesis that something speaks for."""
    moved: list[_Moved] = []
    contradictable = False
    for sign in book.signs:
        answer = _answer(sign, entity, book, by_judge)
        if answer is None:
            continue
        contradictable = contradictable or min(sign.if_yes, sign.if_no) < 0
        moved.append(_Moved(answer, _weight(sign, answer)))
    by_change = _change(book, signals)
    spoken_for = by_change > 0 or any(m.weight > 0 and m.finding.state == "yes" for m in moved)
    total = sum(m.weight for m in moved) + by_change
    earned = total if contradictable and spoken_for else min(0.0, total)
    moved.sort(key=lambda m: (-abs(m.weight), m.finding.judge))
    return _Weighed(book, entity, book.prior + earned, tuple(moved))


def _answer(
    sign: Sign, entity: Entity | None, book: Playbook, by_judge: Mapping[str, list[Finding]]
) -> Finding | None:
    """The judge's answer about this entity: one about another entity of the same kind is not about it."""
    about = [
        f
        for f in by_judge.get(sign.judge, ())
        if entity is None or f.entity is None or f.entity.kind != book.entity or f.entity == entity
    ]
    return max(about, key=lambda f: (f.state == "yes", f.strength)) if about else None


def _weight(sign: Sign, answer: Finding) -> float:
    declared = sign.if_yes if answer.state == "yes" else sign.if_no
    return declared * (0.5 + 0.5 * min(1.0, answer.strength / FULL_STRENGTH))


def _change(book: Playbook, signals: ServiceSignals) -> float:
    """What the guilty change's own mechanism adds, by how sure its guilt is."""
    if signals.change_mechanism is None or signals.change_probability is None:
        return 0.0
    if signals.change_mechanism == book.id:
        return book.change * signals.change_probability
    part = LABEL_PART if signals.change_mechanism in book.change_labels else 0.0
    return part * book.change * signals.change_probability


def _ranked(weighed: Sequence[_Weighed]) -> tuple[Mechanism, ...]:
    """Log-odds to probabilities, with the unknown mechanism at 0."""
    top = max(0.0, *(w.score for w in weighed)) if weighed else 0.0
    total = math.exp(-top) + sum(math.exp(w.score - top) for w in weighed)
    mechanisms = [_mechanism(w, math.exp(w.score - top) / total) for w in weighed]
    mechanisms.append(Mechanism(UNKNOWN_MECHANISM, math.exp(-top) / total, None, (), ()))
    return tuple(sorted(mechanisms, key=lambda m: (-m.probability, m.cause)))


def _mechanism(weighed: _Weighed, probability: float) -> Mechanism:
    return Mechanism(
        cause=weighed.playbook.id,
        probability=probability,
        entity=weighed.entity,
        findings=tuple(m.finding for m in weighed.moved if m.weight > 0),
        against=tuple(m.finding for m in weighed.moved if m.weight < 0),
        log_odds=weighed.score,
        tested=len(weighed.moved),
    )


def facts_of(mechanism: Mechanism) -> dict[str, str]:
    """The facts of the findings behind a mechanism; the strongest finding's word counts."""
    facts: dict[str, str] = {}
    for one in mechanism.findings:
        if isinstance(one, DetailedFinding):
            facts = dict(one.facts) | facts
    if mechanism.entity is not None:
        facts["entity"] = mechanism.entity.name
    return facts
