"""What a person may say to a proposal, and the label that is kept of it.

What a decision does to an investigation is drawn in `graph.machine`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from connectors.contract import Frozen
from graph.errors import UnknownProposalError
from graph.model import Basis, Proposal, Verdict, Weighing


class Confirm(Frozen):
    """The proposal is right; without an id, the one ranked first."""

    kind: Literal["confirm"] = "confirm"
    proposal: str | None = None


class Partly(Frozen):
    """The proposal is a part of it; `text` says what else there was."""

    kind: Literal["partly"] = "partly"
    proposal: str | None = None
    text: str = ""


class RuleOut(Frozen):
    """The proposal is wrong: weigh again without it."""

    kind: Literal["rule_out"] = "rule_out"
    proposal: str


class SomethingElse(Frozen):
    """None of the proposals: what it was in words, and the cause's id and the service where known."""

    kind: Literal["something_else"] = "something_else"
    text: str = ""
    cause: str | None = None
    service: str | None = None

    def told(self) -> str:
        """All of it in words."""
        cause = (self.cause or "").replace("_", " ")
        where = f"at {self.service}" if self.service else ""
        named = " ".join(filter(None, (cause, where)))
        return ": ".join(filter(None, (named, self.text)))


class NothingWrong(Frozen):
    """There was no fault: the alert was wrong."""

    kind: Literal["nothing_wrong"] = "nothing_wrong"


class QuietHour(Frozen):
    """Nobody was alarmed: the moment is vouched for as one at which nothing was wrong."""

    kind: Literal["quiet_hour"] = "quiet_hour"


class Skip(Frozen):
    """Nobody decided: close without a label."""

    kind: Literal["skip"] = "skip"


Decision = Confirm | Partly | RuleOut | SomethingElse | NothingWrong | QuietHour | Skip
"""One answer of a person to a proposal."""

_DECISION: TypeAdapter[Decision] = TypeAdapter(Annotated[Decision, Field(discriminator="kind")])


def parse(text: str) -> Decision:
    """Read a decision back from the JSON it was written as."""
    return _DECISION.validate_json(text)


class Label(Frozen):
    """What is learned from one decision: which proposal of which weighing was judged, and how.

    `cause` and `service` are the judged proposal's, or those that somebody named instead; `verdict` and
    `basis` are the weighing's. `seen`: whether a person had the proposal before them; what an option
    confirmed teaches nothing.
    """

    decision: Literal[
        "confirm", "partly", "rule_out", "something_else", "nothing_wrong", "quiet_hour", "skip"
    ]
    weighing: str
    proposal: str | None = None
    cause: str | None = None
    text: str = ""
    service: str | None = None
    verdict: Verdict | None = None
    basis: Basis | None = None
    seen: bool = True

    def ruled_out(self) -> tuple[str, ...]:
        """The proposals that leave the ranking."""
        return (self.proposal,) if self.decision == "rule_out" and self.proposal else ()


def label(decision: Decision, weighing_id: str, weighing: Weighing, *, seen: bool = True) -> Label:
    """What the decision says of the weighing; a confirmation without an id is of the first proposal."""
    proposal = _judged(decision, weighing)
    named = decision if isinstance(decision, SomethingElse) else proposal
    return Label(
        decision=decision.kind,
        weighing=weighing_id,
        proposal=proposal.id if proposal else None,
        cause=named.cause if named else None,
        text=decision.text if isinstance(decision, Partly | SomethingElse) else "",
        service=named.service if named else None,
        verdict=weighing.verdict,
        basis=weighing.basis,
        seen=seen,
    )


def pending(labels: Iterable[Label], weighing_id: str, ruled_out: Collection[str]) -> Label | None:
    """What was said of this weighing and has not had its effect: the process that heard it was killed."""
    for said in labels:
        if said.weighing == weighing_id and not set(said.ruled_out()) & set(ruled_out):
            return said
    return None


def _judged(decision: Decision, weighing: Weighing) -> Proposal | None:
    """The proposal that the decision is about.

    Raises:
        UnknownProposalError: it names one that is not on the list.
    """
    if isinstance(decision, SomethingElse | NothingWrong | QuietHour | Skip):
        return None
    if decision.proposal is None:
        return weighing.proposals[0] if weighing.proposals else None
    for proposal in weighing.proposals:
        if proposal.id == decision.proposal:
            return proposal
    raise UnknownProposalError(f"there is no proposal {decision.proposal!r} on the list")
