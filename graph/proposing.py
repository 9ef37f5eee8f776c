"""Hypotheses become proposals a person can check: sentences, cited evidence, a check and a next step.

Words and citations only; the probabilities are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from connectors.answers import Commits, Timeline
from connectors.contract import Reading, Source
from graph.entities import entity_of
from graph.hypotheses import Hypothesis
from graph.model import NextStep, Proposal, ProposedFile
from playbooks.changes import NOTHING_AGAINST, Ground, JudgedChange, NoChange
from playbooks.facts import short
from playbooks.mechanisms import UNKNOWN_MECHANISM
from playbooks.model import Evidence, Finding, Incident
from playbooks.observations import Observations
from playbooks.wording import Wording, word

_MOST_FOR = 6
_MOST_AGAINST = 4
_LONGEST_WHY = 320


@dataclass(slots=True)
class Registry:
    """Evidence under short ids, each fact once, in the order in which it was first cited."""

    known: dict[str, Evidence] = field(default_factory=dict)
    _ids: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def cite(self, evidence: Evidence) -> str:
        """The id of a fact; the same fact keeps its id."""
        key = (evidence.query, evidence.value, evidence.sha256)
        if key not in self._ids:
            self._ids[key] = f"e{len(self._ids) + 1}"
            self.known[self._ids[key]] = evidence
        return self._ids[key]


@dataclass(frozen=True, slots=True)
class Scribe:
    """What proposing needs beside the hypothesis."""

    incident: Incident
    seen: Observations
    registry: Registry
    none: NoChange


def propose(scribe: Scribe, hypothesis: Hypothesis, confidence: float, rank: int) -> Proposal:
    """Put one hypothesis into words."""
    change = hypothesis.place.change
    worded = word(hypothesis.mechanism, hypothesis.place.service, _facts(scribe.incident, hypothesis))
    speaking = _speaking(hypothesis)
    silent = _against(hypothesis)
    evidence = [*_cited(scribe, speaking, _MOST_FOR), *_change_cited(scribe, change, hypothesis, guilty=True)]
    against = [
        *_cited(scribe, silent, _MOST_AGAINST),
        *_change_cited(scribe, change, hypothesis, guilty=False),
    ]
    return Proposal(
        id=hypothesis.id,
        rank=rank,
        cause=hypothesis.mechanism.cause,
        title=worded.title,
        service=hypothesis.place.service,
        entity=entity_of(hypothesis, scribe.incident, scribe.seen),
        change=change.change_id if change else None,
        confidence=confidence,
        why=_why(hypothesis, speaking, scribe.none),
        evidence=tuple(dict.fromkeys(evidence)),
        against=tuple(name for name in dict.fromkeys(against) if name not in evidence),
        against_text=_against_text(hypothesis, silent),
        check_yourself=worded.check,
        next_step=_step(_first_step(hypothesis, worded, _facts(scribe.incident, hypothesis))),
        mechanism_confidence=hypothesis.mechanism.probability,
        alternatives=tuple(m.cause for m in hypothesis.others[:3] if m.cause != UNKNOWN_MECHANISM),
    )


def _facts(incident: Incident, hypothesis: Hypothesis) -> dict[str, str]:
    service = hypothesis.place.service
    entry = next((s for s in incident.services if s.name == service), None)
    facts: dict[str, str] = {}
    if entry is not None:
        named = {"namespace": entry.namespace, "database": entry.database, "workload": entry.workload}
        facts |= {name: value for name, value in named.items() if value}
    change = hypothesis.place.change
    if change is not None:
        facts["change"] = change.change_id
    return facts


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    return list({(f.judge, f.why): f for f in findings}.values())


def _speaking(hypothesis: Hypothesis) -> list[Finding]:
    """What speaks for it: the mechanism's findings with evidence, then the service's, loudest first."""
    # What was found first; that something else was excluded comes last.
    own = sorted((f for f in hypothesis.mechanism.findings if f.evidence), key=lambda f: f.state != "yes")
    excluded = [f for f in own if f.state != "yes"]
    own = [f for f in own if f.state == "yes"]
    rest = sorted(
        (f for f in hypothesis.findings if f.state == "yes"), key=lambda f: (-f.strength, f.judge, f.why)
    )
    return _unique([*own, *rest, *excluded])


def _against(hypothesis: Hypothesis) -> list[Finding]:
    """What weighs against the mechanism, and what the service's own measurements deny."""
    named = [f for f in hypothesis.mechanism.against if f.why and not _mere_silence(f)]
    rest = [f for f in hypothesis.findings if f.state == "no" and f.judge.startswith(("series.", "spans."))]
    return _unique([*named, *sorted(rest, key=lambda f: (-f.strength, f.judge, f.why))])


def _mere_silence(finding: Finding) -> bool:
    """What weighs against a mechanism but tells a person nothing: silence, a change spoken of before."""
    return (
        finding.state == "no" and finding.judge.startswith("message_")
    ) or finding.judge == "signal.change"


def _cited(scribe: Scribe, findings: Sequence[Finding], most: int) -> list[str]:
    return [scribe.registry.cite(e) for f in findings[:most] for e in f.evidence[:2]]


def _change_cited(
    scribe: Scribe, change: JudgedChange | None, hypothesis: Hypothesis, guilty: bool
) -> list[str]:
    """Evidence of what was judged of the change, or of its absence where no change is held guilty."""
    if change is None:
        reasons = scribe.none.reasons if guilty and hypothesis.place.probability > 0.05 else ()
    else:
        reasons = change.reasons
    chosen = [r for r in reasons if (r.log_odds > 0.1) == guilty and abs(r.log_odds) > 0.1][:4]
    found = [_ground(scribe, r.finding.why, ground) for r in chosen for ground in r.grounds[:1]]
    return [scribe.registry.cite(e) for e in found if e is not None]


def _ground(scribe: Scribe, why: str, ground: Ground) -> Evidence | None:
    reading = _reading_behind(scribe.seen, ground)
    if reading is None:
        return None
    return Evidence(
        source=ground.source,
        question=reading.question.name,
        query=ground.query,
        at=ground.at,
        value=why or ground.value,
        sha256=reading.sha256,
    )


def _reading_behind(seen: Observations, ground: Ground) -> Reading | None:
    kinds = (Commits, Timeline) if "commit" in ground.query.lower() else (Timeline, Commits)
    if ground.source is Source.CHANGES:
        found = [o.reading for kind in kinds for o in seen.all(kind)]
        return found[0] if found else None
    return next((r for r in seen.everything() if r.source is ground.source), None)


def _why(hypothesis: Hypothesis, speaking: Sequence[Finding], none: NoChange) -> str:
    """One sentence: the change first where one is guilty, then the strongest finding."""
    change = hypothesis.place.change
    parts = [change.why] if change is not None and change.why else []
    parts += [f.why for f in speaking if f.why][:4]
    if (
        change is None
        and none.mechanism is not None
        and none.why
        and none.cause == hypothesis.mechanism.cause
    ):
        parts.insert(0, none.why)
    return _joined(parts) or "Nothing stands out more than this."


def _joined(parts: Sequence[str]) -> str:
    """The parts that fit, the first whatever its length; one that only repeats is left out."""
    text = ""
    for part in (_clean(part) for part in parts):
        if part[:40] in text:
            continue
        longer = f"{text}; {part}" if text else part
        if not text or len(longer) <= _LONGEST_WHY:
            text = longer
    return short(text, _LONGEST_WHY)


def _clean(text: str) -> str:
    return text.strip().rstrip(".")


def _against_text(hypothesis: Hypothesis, silent: Sequence[Finding]) -> str:
    change = hypothesis.place.change
    parts = [f.why for f in silent if f.why][:3]
    if change is not None and change.against and (not parts or change.against != NOTHING_AGAINST):
        parts.insert(0, change.against)
    rivals = [m for m in hypothesis.others if m.cause != UNKNOWN_MECHANISM]
    if rivals and not parts:
        parts.append(f"{rivals[0].cause.replace('_', ' ')} would look the same")
    return _joined(parts) or "Nothing that was asked speaks against it."


# What is mended in the database itself is mended there, whoever brought it.
_MENDED_IN_PLACE = frozenset({"table", "index", "statement", "database"})


def _first_step(hypothesis: Hypothesis, worded: Wording, facts: dict[str, str]) -> Wording:
    """Roll back what a guilty change brought, unless the remedy lies in the database."""
    entity = hypothesis.mechanism.entity
    if hypothesis.place.change is None or (entity is not None and entity.kind in _MENDED_IN_PLACE):
        return worded
    return word(replace(hypothesis.mechanism, cause="bad_deploy"), hypothesis.place.service, facts)


def _step(worded: Wording) -> NextStep:
    return NextStep(
        text=worded.step,
        command=worded.command,
        blocking=worded.blocking,
        reversible=worded.reversible,
        undo=worded.undo,
        locks=worded.locks,
        estimate=worded.estimate,
        watch=worded.watch,
        files=tuple(ProposedFile(path=path, text=text) for path, text in worded.files),
    )
