"""What a card shows of an incident: values only, the same for a chat and for the web page.

A card is a pure function of this; whoever builds one needs no store, no clock and no network.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, get_args

from bot.desk import Desked, IncidentState
from bot.investigation import Outcome, Partly, SomethingElse
from bot.questioning import QuestionSeen
from bot.result import Result, of_outcome
from connectors.contract import Frozen, Instant, Source
from graph.context import Progress, Stage
from graph.decisions import Decision
from graph.record import weighing_bytes, weighing_id

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
_WEIGHED: Final = frozenset(map(str, Source)) - {"topology", "status"}
"""Kinds that causes are held against; the others support them, and nobody is asked twice for their sake."""
_NOT_CONFIGURED: Final = "unavailable: no source of this kind"


class Phase(StrEnum):
    """What kind of card it is."""

    WAITING = "waiting"
    INVESTIGATING = "investigating"
    FOUND = "found"  # a verdict that waits for a person
    CLOSED = "closed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class StageSeen(Frozen):
    """A stage that began: `seconds` spent in its ended visits; `since`: when the running one began."""

    stage: Stage
    seconds: float = 0.0
    since: float | None = None


class AskedOf(Frozen):
    """What one kind of source was asked; `reason`: why it last gave no answer."""

    source: str
    asked: int = 0
    answered: int = 0
    unavailable: int = 0
    reason: str = ""


class Underway(Frozen):
    """How far an investigation is. Every instant is in seconds since it began."""

    stages: tuple[StageSeen, ...] = ()
    asked: tuple[AskedOf, ...] = ()

    def heard(self, event: Progress, seconds: float) -> Underway:
        """This, after one more event that happened `seconds` after the beginning."""
        turned = self._turned(event.stage, seconds)
        return turned._counted(event) if event.source is not None and event.question else turned

    def ended(self, seconds: float) -> Underway:
        """This, with nothing running any more."""
        return self.model_copy(update={"stages": tuple(_ended(each, seconds) for each in self.stages)})

    def _turned(self, stage: Stage, seconds: float) -> Underway:
        if any(each.stage == stage and each.since is not None for each in self.stages):
            return self
        known = {each.stage: _ended(each, seconds) for each in self.stages}
        known[stage] = known.get(stage, StageSeen(stage=stage)).model_copy(update={"since": seconds})
        return self.model_copy(update={"stages": tuple(known[name] for name in STAGES if name in known)})

    def _counted(self, event: Progress) -> Underway:
        name = str(event.source)
        known = {each.source: each for each in self.asked}
        before = known.get(name, AskedOf(source=name))
        update: dict[str, object] = {
            "asked": before.asked + (event.state == "started"),
            "answered": before.answered + (event.state == "answered"),
            "unavailable": before.unavailable + (event.state == "unavailable"),
        }
        if event.state == "unavailable":
            update["reason"] = event.reason
        known[name] = before.model_copy(update=update)
        return self.model_copy(update={"asked": tuple(known[name] for name in sorted(known))})


def _ended(stage: StageSeen, seconds: float) -> StageSeen:
    if stage.since is None:
        return stage
    spent = stage.seconds + max(seconds - stage.since, 0.0)
    return stage.model_copy(update={"seconds": spent, "since": None})


class Said(Frozen):
    """One answer of a person: who, when, what, of which proposal. `by` is a Slack user's id, or a name."""

    by: str
    at: Instant
    decision: Literal[
        "confirm", "partly", "rule_out", "something_else", "nothing_wrong", "quiet_hour", "skip"
    ]
    proposal: str | None = None
    title: str = ""
    text: str = ""

    @classmethod
    def of(cls, decision: Decision, result: Result, by: str, at: Instant) -> Said:
        """The answer to what `result` showed; a confirmation without a proposal is of the first."""
        named = getattr(decision, "proposal", None)
        if named is None and decision.kind in ("confirm", "partly") and result.proposals:
            named = result.proposals[0].id
        title = next((each.title for each in result.proposals if each.id == named), "")
        text = decision.text if isinstance(decision, Partly) else ""
        text = decision.told() if isinstance(decision, SomethingElse) else text
        return cls(by=by, at=at, decision=decision.kind, proposal=named, title=title, text=text)


class CardView(Frozen):
    """All that a card shows.

    `seconds`: since the investigation began, while it is under way. `weighing`: the id of the weighing that
    `result` tells, which buttons carry, so that an answer to an older card is noticed. `answers`: what people
    said, the oldest first. `resumed`: taken up again after a restart. `error`: why there is no result;
    `again`: it is tried again by itself. `url`: the page with everything, where one can be reached.
    `questions`: what was asked, and why.
    """

    incident: Desked
    underway: Underway = Underway()
    seconds: float = 0.0
    resumed: bool = False
    result: Result | None = None
    weighing: str = ""
    answers: tuple[Said, ...] = ()
    error: str = ""
    again: bool = False
    url: str | None = None
    questions: tuple[QuestionSeen, ...] = ()

    @classmethod
    def found(
        cls, incident: Desked, outcome: Outcome, answers: tuple[Said, ...] = (), url: str | None = None
    ) -> CardView:
        """The view of an investigation that came to its proposals, or was closed."""
        return cls(
            incident=incident,
            result=of_outcome(outcome),
            weighing=weighing_id(weighing_bytes(outcome.weighing)),
            answers=answers,
            url=url,
            questions=outcome.questions,
        )

    @property
    def phase(self) -> Phase:
        """What kind of card this is."""
        state = self.incident.state
        if state is IncidentState.CANCELLED:
            return Phase.CANCELLED
        if state is IncidentState.CLOSED:
            return Phase.CLOSED
        if self.error:
            return Phase.FAILED
        if state is IncidentState.AWAITING_CONFIRMATION and self.result is not None:
            return Phase.FOUND
        return Phase.INVESTIGATING if state is not IncidentState.OPEN else Phase.WAITING


def unread(result: Result) -> tuple[str, ...]:
    """Kinds of sources that are there and gave nothing: a confirmation is given without them.

    What is not configured is not counted: it would be asked about every time.
    """
    return tuple(
        kind
        for kind, state in result.coverage.items()
        if kind in _WEIGHED and state.startswith("unavailable:") and state != _NOT_CONFIGURED
    )
