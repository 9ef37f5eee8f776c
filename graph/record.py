"""The record of an investigation: every question with its answer, every weighing, every label, the seal.

Readings live here and not in the graph's state, which holds their ids, so that checkpoints stay small.
`MemoryRecord` serves tests, benchmarks and a process without a disk; the durable one is `bot.store`.
Both pass the same conformance test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from connectors.contract import Frozen, Instant, Question, Reading, Source, Unavailable, digest
from graph.decisions import Label
from graph.errors import NotRecordedError
from graph.experience import Said
from graph.model import Wanted, Weighing
from graph.planning import question_id, question_of
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

    def incident(self, thread: str) -> Incident | None:
        """The incident that is investigated under the thread, if there is one."""
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
        """Everything asked so far, by source, in the order asked there: the same in every run."""
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

    def said(self) -> Sequence[Said]:
        """What people said in every investigation, in the order in which each was first labelled."""
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


def readings_of(record: Record, thread: str, ids: Iterable[str]) -> tuple[Reading, ...]:
    """The readings behind these ids; one that was damaged in the store is left out."""
    return tuple(each for each in record.get_readings(thread, ids) if isinstance(each, Reading))


# Answers that a source may well not have: their absence does not make it partial.
_EXTRA = frozenset(
    """
    LogPatterns HypotheticalIndexes StatementPlan SchemaDump Activity LockChain ConnectionsInUse
    LongTransactions VacuumState KeysLeft ReplicationLag CheckpointsAndWal SettingsInForce
    """.split()
)

_PARTLY = "partly: "
"""How a reading's note begins where one of several instances of a source did not answer."""


def coverage(asked: Sequence[Asked], not_asked: Sequence[str], why: str) -> dict[str, str]:
    """What each kind of source contributed: "ok", "partly: …" where it left something out, or why nothing."""
    reasons = dict.fromkeys(map(str, Source), "no source of this kind")
    reasons |= dict.fromkeys(not_asked, why)
    left_out: dict[str, str] = {}
    for each in reversed(asked):
        if isinstance(each.answer, Unavailable):
            reasons[each.answer.source.value] = each.answer.reason
            if each.question.name not in _EXTRA:
                left_out[each.answer.source.value] = f"{_PARTLY}{each.answer.reason}"
        else:
            told = next((note for note in each.answer.notes if note.startswith(_PARTLY)), None)
            if told is not None:
                left_out[each.answer.source.value] = told
    answered = {each.answer.source.value for each in asked if isinstance(each.answer, Reading)}
    return {
        name: left_out.get(name, "ok") if name in answered else f"unavailable: {why}"
        for name, why in reasons.items()
    }


def weighing_bytes(weighing: Weighing) -> bytes:
    """A weighing as it is stored and hashed; questions keep their kind."""
    plain = weighing.model_copy(update={"wanted": ()}).model_dump(mode="json")
    wanted = [[each.question.key(), each.gain] for each in weighing.wanted]
    return json.dumps({"weighing": plain, "wanted": wanted}, separators=(",", ":"), sort_keys=True).encode()


def weighing_of(data: bytes) -> Weighing:
    """The weighing that `weighing_bytes` wrote."""
    stored = json.loads(data)
    wanted = tuple(Wanted(question=question_of(key), gain=gain) for key, gain in stored["wanted"])
    return Weighing.model_validate_json(json.dumps(stored["weighing"])).model_copy(update={"wanted": wanted})


def weighing_id(data: bytes) -> str:
    """A weighing's id: the hash of what is stored of it."""
    return "w" + digest(data)


@dataclass(slots=True)
class _Kept:
    """What memory holds of one investigation."""

    incident: Incident
    answers: dict[str, Asked] = field(default_factory=dict)
    weighings: dict[str, bytes] = field(default_factory=dict)
    labels: dict[Label, None] = field(default_factory=dict)
    seal: Seal | None = None


class MemoryRecord:
    """A record that ends with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._labelled: list[str] = []

    def open(self, thread: str, incident: Incident) -> Incident:
        """Begin or continue an investigation."""
        with self._lock:
            return self._kept.setdefault(thread, _Kept(incident)).incident

    def incident(self, thread: str) -> Incident | None:
        """The incident that is investigated under the thread."""
        kept = self._kept.get(thread)
        return kept.incident if kept else None

    def put_answer(self, thread: str, question: Question, answer: Answered) -> str:
        """Keep an answer; the first one stands."""
        with self._lock:
            name = question_id(question)
            self._of(thread).answers.setdefault(name, Asked(question, answer))
            return name

    def answer(self, thread: str, question: Question) -> Answered | None:
        """The answer the question had before."""
        with self._lock:
            known = self._of(thread).answers.get(question_id(question))
            return known.answer if known else None

    def get_readings(self, thread: str, ids: Iterable[str]) -> tuple[Answered, ...]:
        """The answers of these ids."""
        with self._lock:
            answers = self._of(thread).answers
            return tuple(_held(answers, name).answer for name in ids)

    def asked(self, thread: str) -> tuple[Asked, ...]:
        """Everything asked, by source."""
        with self._lock:
            return tuple(sorted(self._of(thread).answers.values(), key=lambda each: each.question.source))

    def put_weighing(self, thread: str, weighing: Weighing) -> str:
        """Keep a weighing."""
        data = weighing_bytes(weighing)
        with self._lock:
            self._of(thread).weighings[weighing_id(data)] = data
        return weighing_id(data)

    def get_weighing(self, thread: str, weighing: str) -> Weighing:
        """A weighing by its id."""
        with self._lock:
            return weighing_of(_held(self._of(thread).weighings, weighing))

    def put_label(self, thread: str, label: Label) -> None:
        """Keep what a person said, once."""
        with self._lock:
            self._of(thread).labels.setdefault(label)
            self._labelled.append(thread)

    def labels(self, thread: str) -> tuple[Label, ...]:
        """What people said."""
        with self._lock:
            return tuple(self._of(thread).labels)

    def said(self) -> tuple[Said, ...]:
        """What people said, investigation by investigation."""
        with self._lock:
            threads = dict.fromkeys(self._labelled)
            kept = [self._kept[thread] for thread in threads if thread in self._kept]
            return tuple(Said(each.incident.id, tuple(each.labels)) for each in kept if each.labels)

    def seal(self, thread: str, seal: Seal) -> Seal:
        """Close the investigation, once."""
        with self._lock:
            kept = self._of(thread)
            kept.seal = kept.seal or seal
            return kept.seal

    def sealed(self, thread: str) -> Seal | None:
        """The seal, once closed."""
        kept = self._kept.get(thread)
        return kept.seal if kept else None

    def forget(self, thread: str) -> None:
        """Drop the thread."""
        with self._lock:
            self._kept.pop(thread, None)
            self._labelled = [each for each in self._labelled if each != thread]

    def _of(self, thread: str) -> _Kept:
        return _held(self._kept, thread)


_T = TypeVar("_T")


def _held(things: Mapping[str, _T], name: str) -> _T:
    if name not in things:
        raise NotRecordedError(f"the record does not hold {name!r}")
    return things[name]
