"""Runs investigations: composes the machine with its sources, record, checkpoints, clocks and lock.

Nothing here decides anything about causes. Importing this module does not import langgraph; an
investigation does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from bot.questioning import QuestionSeen, seen
from bot.store import Store
from connectors.contract import Reading, Sources, Unavailable
from graph.calibration import load_calibration
from graph.context import Context, Options, Progress, Weigh
from graph.decisions import (
    Confirm,
    Decision,
    Label,
    NothingWrong,
    Partly,
    QuietHour,
    RuleOut,
    Skip,
    SomethingElse,
    label,
    pending,
)
from graph.errors import NotWaitingError, OtherIncidentError
from graph.experience import own_calibration
from graph.judgement import weigh
from graph.model import Proposal, Weighing
from graph.ranking import load_weights
from graph.record import Asked, Record, Seal, coverage
from graph.state import State, beginning
from playbooks.model import Incident

if TYPE_CHECKING:
    from bot.checkpoints import Run

__all__ = [
    "Confirm",
    "Decision",
    "Investigator",
    "Label",
    "NothingWrong",
    "Options",
    "Outcome",
    "Partly",
    "Progress",
    "QuietHour",
    "RuleOut",
    "Skip",
    "SomethingElse",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an investigation stands.

    `coverage` says for every kind of source "ok" or "unavailable: reason"; `gaps` holds each single
    question without an answer. `partial` says why the budget cut the investigation short, or is empty.
    `confirmation` is the label of a closed investigation, None where nobody decided. `notes` is what
    the readings say about themselves, each note once. `rejected` holds the
    proposals behind `ruled_out`, as they were judged; `questions` every question, without its bulk.
    """

    thread: str
    incident: Incident
    status: Literal["awaiting_confirmation", "closed"]
    weighing: Weighing
    coverage: Mapping[str, str]
    gaps: tuple[Asked, ...]
    queries: int
    elapsed_s: float
    partial: str
    ruled_out: tuple[str, ...]
    confirmation: Label | None
    notes: tuple[str, ...] = ()
    rejected: tuple[Proposal, ...] = ()
    questions: tuple[QuestionSeen, ...] = ()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _silent(_: Progress) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class Investigator:
    """Investigates incidents with these sources, into this record.

    With a `bot.store.Store` as its record, checkpoints lie in the same file: an investigation that was
    killed is finished by whoever calls `investigate` again with the same thread. `weigh`: another judgement
    than the own one, which learns from the record's labels. `clock` counts the budget's seconds, `now` dates
    the seal; neither has a say in the ranking.
    """

    sources: Sources
    record: Record
    options: Options = field(default_factory=Options)
    listen: Callable[[Progress], None] = _silent
    weigh: Weigh | None = None
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep

    def investigate(self, incident: Incident, thread: str | None = None) -> Outcome:
        """Begin an investigation, or take it up where it stands; a closed one is only shown.

        The thread names the investigation, by default the incident's id.

        Raises:
            BusyError: another process is working on this investigation.
            OtherIncidentError: the thread belongs to another incident.
        """
        thread = thread or incident.id
        with self._alone(thread):
            if self.record.open(thread, incident) != incident:
                raise OtherIncidentError(f"{thread!r} is the investigation of another incident")
            return self._advanced(thread, incident, None)

    def answer(self, thread: str, decision: Decision) -> Outcome:
        """Tell a waiting investigation what a person decided; ruling out ends in another proposal.

        Raises:
            BusyError: another process is working on this investigation.
            NotWaitingError: there is no investigation that waits under this thread.
            UnknownProposalError: the decision names a proposal that is not on the list.
        """
        with self._alone(thread):
            incident = self.record.incident(thread)
            if incident is None or self.record.sealed(thread):
                raise NotWaitingError(f"no investigation {thread!r} waits for an answer")
            return self._advanced(thread, incident, decision)

    def standing(self, thread: str) -> Outcome | None:
        """How an investigation stands, without going on with it; None where it has proposed nothing yet."""
        incident = self.record.incident(thread)
        if incident is None:
            return None
        if (seal := self.record.sealed(thread)) is not None:
            return self._outcome(thread, incident, _Standing.of_seal(seal))
        from bot.checkpoints import opened

        with opened(self.record, thread) as run:
            state = run.state()
        if state is None or not state.get("weighing"):
            return None
        return self._outcome(thread, incident, _Standing.of_state(state))

    def forget(self, thread: str) -> None:
        """Drop the investigation and everything recorded under it."""
        from bot.checkpoints import opened

        with self._alone(thread), opened(self.record, thread) as run:
            run.prune()
            self.record.forget(thread)

    def _alone(self, thread: str) -> AbstractContextManager[None]:
        """Keep other processes away from the thread; a record in memory has none."""
        return self.record.alone(thread) if isinstance(self.record, Store) else nullcontext()

    def _advanced(self, thread: str, incident: Incident, decision: Decision | None) -> Outcome:
        if (seal := self.record.sealed(thread)) is not None:
            return self._outcome(thread, incident, _Standing.of_seal(seal))
        from bot.checkpoints import opened

        with opened(self.record, thread) as run:
            state = run.state()
            said = None if decision is None else self._heard(decision, run)
            context = self._context(thread, incident, state["spent_seconds"] if state else 0.0)
            run.advance(said or (None if state else beginning(incident)), context)
            seal = self.record.sealed(thread)
            if seal is None:
                return self._outcome(thread, incident, _Standing.of_state(run.state() or beginning(incident)))
            run.prune()
        return self._outcome(thread, incident, _Standing.of_seal(seal))

    def _heard(self, decision: Decision, run: Run) -> Label:
        """Put a decision on record before the machine sees it, so that it outlives this process."""
        state = run.state()
        if state is None or not run.waits():
            raise NotWaitingError(f"{run.thread!r} does not wait for an answer: let it investigate first")
        if pending(self.record.labels(run.thread), state["weighing"], state["ruled_out"]):
            raise NotWaitingError(f"{run.thread!r} was answered already: let it investigate first")
        weighing = self.record.get_weighing(run.thread, state["weighing"])
        said = label(decision, state["weighing"], weighing, seen=self.options.confirm == "ask")
        self.record.put_label(run.thread, said)
        return said

    def _context(self, thread: str, incident: Incident, spent_before: float) -> Context:
        return Context(
            thread=thread,
            incident_at=incident.at,
            sources=self.sources,
            record=self.record,
            weigh=self.weigh or self._experienced(incident),
            options=self.options,
            listen=_one_at_a_time(self.listen),
            clock=self.clock,
            now=self.now,
            sleep=self.sleep,
            started=self.clock(),
            spent_before=spent_before,
        )

    def _experienced(self, incident: Incident) -> Weigh:
        """The judgement with what this record's labels of other incidents taught."""
        own = own_calibration(
            load_calibration(), self.record.said(), load_weights().digest, apart_from=incident.id
        )
        return partial(weigh, calibration=own)

    def _outcome(self, thread: str, incident: Incident, standing: _Standing) -> Outcome:
        asked = self.record.asked(thread)
        weighing = self.record.get_weighing(thread, standing.weighing)
        return Outcome(
            thread=thread,
            incident=incident,
            status=standing.status,
            weighing=weighing,
            coverage=coverage(asked, standing.not_asked, standing.partial),
            gaps=tuple(each for each in asked if isinstance(each.answer, Unavailable)),
            queries=len(asked),
            elapsed_s=standing.spent_seconds,
            partial=standing.partial,
            ruled_out=standing.ruled_out,
            confirmation=standing.label,
            notes=_notes(asked),
            rejected=self._rejected(thread, standing.ruled_out),
            questions=seen(asked, incident, weighing),
        )

    def _rejected(self, thread: str, ruled_out: tuple[str, ...]) -> tuple[Proposal, ...]:
        if not ruled_out:
            return ()
        judged = [
            proposal
            for said in self.record.labels(thread)
            if said.proposal in ruled_out and said.decision == "rule_out"
            for proposal in self.record.get_weighing(thread, said.weighing).proposals
            if proposal.id == said.proposal
        ]
        return tuple({proposal.id: proposal for proposal in judged}.values())


def _notes(asked: Sequence[Asked]) -> tuple[str, ...]:
    readings = (each.answer for each in asked if isinstance(each.answer, Reading))
    return tuple(dict.fromkeys(note for reading in readings for note in reading.notes))


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an outcome says that is neither the incident's nor the record's."""

    status: Literal["awaiting_confirmation", "closed"]
    weighing: str
    not_asked: tuple[str, ...]
    partial: str
    spent_seconds: float
    ruled_out: tuple[str, ...]
    label: Label | None

    @classmethod
    def of_state(cls, state: State) -> _Standing:
        """An investigation that waits for a person."""
        return cls(
            status="awaiting_confirmation",
            weighing=state["weighing"],
            not_asked=tuple(state["not_asked"]),
            partial=state["partial"],
            spent_seconds=state["spent_seconds"],
            ruled_out=tuple(state["ruled_out"]),
            label=None,
        )

    @classmethod
    def of_seal(cls, seal: Seal) -> _Standing:
        """An investigation that is closed."""
        return cls(
            status="closed",
            weighing=seal.weighing,
            not_asked=seal.not_asked,
            partial=seal.partial,
            spent_seconds=seal.spent_seconds,
            ruled_out=seal.ruled_out,
            label=seal.label if seal.label and seal.label.decision != "skip" else None,
        )


def _one_at_a_time(listen: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """The listener, called by one thread at a time."""
    lock = threading.Lock()

    def listen_alone(progress: Progress) -> None:
        with lock:
            listen(progress)

    return listen_alone
