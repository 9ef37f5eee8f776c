"""The result as everyone outside receives it: CASE.md's JSON, typed. A contract: keys are added, not changed.

Confidences are rounded together, so that what is printed still adds up to 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from bot.investigation import Outcome
from connectors.case.jsonl import tells_damage
from graph import model as decided
from graph.model import Verdict
from playbooks.model import Evidence as Fact

FORMAT = 1
_PARTS = 10_000
"""Confidences are told to four decimals."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]


class _Part(BaseModel):
    """A part of the result: immutable; readers ignore keys they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EntityResult(_Part):
    """The thing at fault: a service, pod, node, table, index, database, external host."""

    kind: str
    name: str


class FileResult(_Part):
    """A file to add to the repository, in the project's own framework."""

    path: str
    text: str


class NextStepResult(_Part):
    """The least blocking, most reversible thing to do first. This program never runs it."""

    text: str
    command: str | None
    blocking: bool
    reversible: bool
    undo: Annotated[str | None, Field(description="The command that undoes it; null where none is known.")]
    files: Annotated[list[FileResult], Field(description="Files to add to the repository: a migration, say.")]
    locks: Annotated[str, Field(description="What waits while it runs, and what it waits for; may be empty.")]
    estimate: Annotated[str, Field(description="How large and how long, as far as known; may be empty.")]
    watch: Annotated[str | None, Field(description="The command that shows how it gets on, or null.")]


class ProposalResult(_Part):
    """One cause proposed, with what speaks for and against it."""

    rank: Annotated[int, Field(ge=1, le=10)]
    id: Annotated[str, Field(description="Stable for the same cause, service, entity and change.")]
    cause: Annotated[str, Field(description="A cause id of the playbooks.")]
    title: str
    service: str | None
    entity: EntityResult | None
    change: Annotated[str | None, Field(description="The guilty change; null when no change is held guilty.")]
    confidence: Annotated[Share, Field(description="The probability that this is the cause.")]
    calibrated: Annotated[bool, Field(description="Whether the confidence was fitted to outcomes.")]
    why: Annotated[str, Field(description="One sentence.")]
    evidence: Annotated[list[str], Field(description="Keys of `evidence` that speak for it.")]
    against: Annotated[list[str], Field(description="Keys of `evidence` that speak against it.")]
    against_text: str
    check_yourself: Annotated[str, Field(description="A command or step with which a person can check it.")]
    next_step: NextStepResult
    alternatives: Annotated[
        list[str], Field(description="Other mechanisms in the same place that the evidence does not exclude.")
    ]


class RuledOutResult(_Part):
    """A proposal that a person ruled out; the ranking is without it."""

    id: str
    title: str
    service: str | None
    change: str | None
    against: Annotated[str, Field(description="What spoke against it when it was judged; may be empty.")] = ""


class EvidenceResult(_Part):
    """A stored reading: what was asked, how to ask it again, when, what came back, and its hash."""

    source: str
    question: str
    query: str
    at: Moment
    value: str
    sha256: str


class LikelyResult(_Part):
    """The conformal set: the cause is among the first `places` proposals in `level` of all cases."""

    places: Annotated[int, Field(ge=1, le=10)]
    level: Share
    proposals: Annotated[list[str], Field(description="The ids of these proposals.")]
    cases: Annotated[int, Field(description="How many labelled incidents the promise rests on.")]


class TrustResult(_Part):
    """How far this site's own confirmed incidents stand behind the confidences."""

    labels: Annotated[int, Field(ge=0, description="How many judged incidents of this site count.")]
    doubt: Annotated[
        str, Field(description="What is missing to be called calibrated; empty where nothing is.")
    ]


class LanguageModelResult(_Part):
    """What a language model cost. Zero where none took part."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0


class Result(_Part):
    """What one investigation found, the same for a recorded case and for live systems."""

    format: Literal[1]
    incident: str
    verdict: Verdict
    summary: Annotated[str, Field(description="The verdict in a sentence.")]
    proposals: Annotated[list[ProposalResult], Field(max_length=10, description="By rank, the surest first.")]
    ruled_out: Annotated[list[RuledOutResult], Field(description="What a person ruled out before.")] = []
    none_of_these: Annotated[
        Share,
        Field(
            description="The probability that it is none of the causes considered; under the verdicts "
            "recovered and no_fault, the confidence that nothing (any longer) is wrong."
        ),
    ]
    others: Annotated[Share, Field(description="The sum of the causes considered beyond those listed.")]
    calibrated: bool
    trust: TrustResult = TrustResult(labels=0, doubt="")
    likely: Annotated[
        LikelyResult | None,
        Field(description="Among which proposals the cause is; null where that cannot be promised."),
    ] = None
    coverage: Annotated[
        dict[str, str], Field(description='By kind of source: "ok" or "unavailable: reason".')
    ]
    evidence: dict[str, EvidenceResult]
    partial: Annotated[str, Field(description="Why the budget cut the investigation short, or empty.")]
    caveats: Annotated[list[str], Field(description="What is special about the recording.")]
    elapsed_s: Annotated[float, Field(ge=0.0)]
    queries: Annotated[int, Field(ge=0)]
    llm: LanguageModelResult

    def to_json(self) -> str:
        """The document as text: pure ASCII, so that no terminal can be moved by what a log line held."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=True)


def of_outcome(outcome: Outcome) -> Result:
    """The result of an investigation as it stands."""
    weighing = outcome.weighing
    shares = rounded_together(
        [*(proposal.confidence for proposal in weighing.proposals), weighing.none_of_these]
    )
    return Result(
        format=FORMAT,
        incident=outcome.incident.id,
        verdict=weighing.verdict,
        summary=weighing.summary,
        proposals=[
            _proposal(proposal, share, weighing.calibrated)
            for proposal, share in zip(weighing.proposals, shares.listed, strict=False)
        ],
        ruled_out=[
            RuledOutResult(
                id=each.id,
                title=each.title,
                service=each.service,
                change=each.change,
                against=each.against_text,
            )
            for each in outcome.rejected
        ],
        none_of_these=shares.listed[-1],
        others=shares.others,
        calibrated=weighing.calibrated,
        trust=TrustResult(labels=weighing.trust.labels, doubt=weighing.trust.doubt),
        likely=_likely(weighing),
        coverage=dict(sorted(outcome.coverage.items())),
        evidence={key: _evidence(fact) for key, fact in weighing.evidence.items()},
        partial=outcome.partial,
        caveats=_caveats(outcome),
        elapsed_s=round(outcome.elapsed_s, 3),
        queries=outcome.queries,
        llm=LanguageModelResult(),
    )


def _likely(weighing: decided.Weighing) -> LikelyResult | None:
    """Said of causes only: under recovered and no_fault the claim is that nothing is wrong."""
    found = weighing.likely
    if found is None or weighing.verdict in (Verdict.RECOVERED, Verdict.NO_FAULT):
        return None
    return LikelyResult(
        places=found.places,
        level=found.level,
        proposals=[proposal.id for proposal in weighing.proposals[: found.places]],
        cases=found.cases,
    )


_TELLING = ("the server's clock is ", "the metrics begin at ")
"""How the notes begin that touch on everything: a clock that is off, a history that is short."""


def _caveats(outcome: Outcome) -> list[str]:
    """What the case says of itself, then which parts of its files were not read."""
    damage = (note for note in outcome.notes if tells_damage(note) or note.startswith(_TELLING))
    return list(dict.fromkeys((*outcome.incident.caveats, *damage)))


class Shares(_Part):
    """Shares of 1, rounded: those listed, and what is left for the others."""

    listed: list[float]
    others: float


def rounded_together(shares: Sequence[float]) -> Shares:
    """Round shares so that with the rest they still add up to 1 (largest remainder, ties to the first)."""
    exact = [share * _PARTS for share in (*shares, max(0.0, 1.0 - sum(shares)))]
    floors = [int(part + 1e-9) for part in exact]
    missing = max(0, _PARTS - sum(floors))
    by_remainder = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for i in by_remainder[:missing]:
        floors[i] += 1
    *listed, others = (part / _PARTS for part in floors)
    return Shares(listed=listed, others=others)


def schema() -> dict[str, object]:
    """The JSON Schema of the document, as kept in docs/result.schema.json."""
    generated = Result.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "firstcause result, format 1",
        **{key: value for key, value in generated.items() if key != "title"},
    }


def _proposal(proposal: decided.Proposal, confidence: float, calibrated: bool) -> ProposalResult:
    entity = proposal.entity
    return ProposalResult(
        rank=proposal.rank,
        id=proposal.id,
        cause=proposal.cause,
        title=proposal.title,
        service=proposal.service,
        entity=EntityResult(kind=entity.kind, name=entity.name) if entity else None,
        change=proposal.change,
        confidence=confidence,
        calibrated=calibrated,
        why=proposal.why,
        evidence=list(proposal.evidence),
        against=list(proposal.against),
        against_text=proposal.against_text,
        check_yourself=proposal.check_yourself,
        next_step=_next_step(proposal.next_step),
        alternatives=list(proposal.alternatives),
    )


def _next_step(step: decided.NextStep) -> NextStepResult:
    return NextStepResult(
        text=step.text,
        command=step.command,
        blocking=step.blocking,
        reversible=step.reversible,
        undo=step.undo,
        files=[FileResult(path=file.path, text=file.text) for file in step.files],
        locks=step.locks,
        estimate=step.estimate,
        watch=step.watch,
    )


def _evidence(fact: Fact) -> EvidenceResult:
    return EvidenceResult(
        source=fact.source.value,
        question=fact.question,
        query=fact.query,
        at=fact.at,
        value=fact.value,
        sha256=fact.sha256,
    )
