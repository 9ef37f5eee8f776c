"""Runs investigations: composes the machine with its sources, record, checkpoints, clocks and lock.

Nothing here decides anything about causes. Importing this module does not import langgraph; an
investigation does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from connectors.contract import Sources
from graph.context import Options, Progress, Weigh
from graph.decisions import Confirm, Decision, Label, Partly, RuleOut, Skip, SomethingElse
from graph.judgement import weigh
from graph.model import Weighing
from graph.record import Asked, Record
from playbooks.model import Incident

__all__ = [
    "Confirm",
    "Decision",
    "Investigator",
    "Label",
    "Options",
    "Outcome",
    "Partly",
    "Progress",
    "RuleOut",
    "Skip",
    "SomethingElse",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an investigation stands.

    `coverage` says for every kind of source "ok" or "unavailable: reason"; `gaps` holds each single
    question without an answer. `partial` says why the budget cut the investigation short, or is empty.
    `confirmation` is the label of a closed investigation, None where nobody decided.
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


def _silent(_: Progress) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class Investigator:
    """Investigates incidents with these sources, into this record.

    With a `bot.store.Store` as its record, checkpoints lie in the same file: an investigation that was
    killed is finished by whoever calls `investigate` again with the same thread.
    """

    sources: Sources
    record: Record
    options: Options = field(default_factory=Options)
    listen: Callable[[Progress], None] = _silent
    weigh: Weigh = weigh

    def investigate(self, incident: Incident, thread: str | None = None) -> Outcome:
        """Begin an investigation, or take it up where it stands; a closed one is only shown.

        The thread names the investigation, by default the incident's id.

        Raises:
            BusyError: another process is working on this investigation.
            OtherIncidentError: the thread belongs to another incident.
        """
        raise NotImplementedError

    def answer(self, thread: str, decision: Decision) -> Outcome:
        """Tell a waiting investigation what a person decided; ruling out ends in another proposal.

        Raises:
            BusyError: another process is working on this investigation.
            NotWaitingError: there is no investigation that waits under this thread.
            UnknownProposalError: the decision names a proposal that is not on the list.
        """
        raise NotImplementedError

    def forget(self, thread: str) -> None:
        """Drop the investigation and everything recorded under it."""
        raise NotImplementedError
