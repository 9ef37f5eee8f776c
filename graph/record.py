"""The record of an investigation: every question with its answer, every weighing, every label, the seal.

Readings live here and not in the graph's state, which holds their ids, so that checkpoints stay small.
`MemoryRecord` serves tests, benchmarks and a process without a disk; the durable one is `bot.store`.
Both pass the same conformance test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.contract import Frozen, Instant, Question, Reading, Unavailable
from graph.decisions import Label
from graph.model import Weighing
from playbooks.model import Incident

Answered = Reading | Unavailable


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that was asked, and what came back."""

    question: Question
    answer: Answered


class Seal(Frozen):
    """What stands when an investigation is closed; it is written once."""

    closed_at: Instant
    weighing: str
    ruled_out: tuple[str, ...] = ()
    label: Label | None = None
    partial: str = ""
    not_asked: tuple[str, ...] = ()
    spent_seconds: float = 0.0


class Record(Protocol):
    """Where investigations are kept, each under its thread. Called from several threads at once.

    Everything may be written twice (a node that was killed runs again): the first write stands.
    """

    def open(self, thread: str, incident: Incident) -> Incident:
        """Begin or continue an investigation; returns the incident it was begun with."""
        ...

    def put_answer(self, thread: str, question: Question, answer: Answered) -> str:
        """Keep an answer under its question's id, which is returned."""
        ...

    def answer(self, thread: str, question: Question) -> Answered | None:
        """What the question was answered before, if it was asked."""
        ...

    def get_readings(self, thread: str, ids: Iterable[str]) -> Sequence[Answered]:
        """The answers of these ids, in the order of the ids; a damaged one is `Unavailable`."""
        ...

    def asked(self, thread: str) -> Sequence[Asked]:
        """Everything asked so far, by id."""
        ...

    def put_weighing(self, thread: str, weighing: Weighing) -> str:
        """Keep a weighing under the hash of its content, which is returned."""
        ...

    def get_weighing(self, thread: str, weighing: str) -> Weighing:
        """A weighing by its id."""
        ...

    def put_label(self, thread: str, label: Label) -> None:
        """Keep what a person said."""
        ...

    def labels(self, thread: str) -> Sequence[Label]:
        """What people said, in that order."""
        ...

    def seal(self, thread: str, seal: Seal) -> Seal:
        """Close the investigation; a seal that exists is returned unchanged."""
        ...

    def sealed(self, thread: str) -> Seal | None:
        """The seal, once closed."""
        ...

    def forget(self, thread: str) -> None:
        """Drop everything known under the thread."""
        ...
