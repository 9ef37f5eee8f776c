"""What every reader of a case's file shares: what it found, that it reads once, and how it names times."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from connectors.contract import Question, Source, Unavailable, Window

if TYPE_CHECKING:
    from connectors.answers import Answer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer from a file. `at`: the instant it speaks of, where that is not the end of the window."""

    answer: Answer
    query: str
    at: datetime | None = None
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """Answers the questions of one kind from the files of a case; asked side by side from threads."""

    source: ClassVar[Source]
    questions: ClassVar[tuple[type[Question], ...]]

    def present(self) -> bool:
        """Whether the case holds anything this reader reads."""
        ...

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """The answer, with nothing later than `now`."""
        ...


class Once(Generic[T]):
    """A value that is made at most once, whoever asks first."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: list[T] = []

    def get(self) -> T:
        """The value."""
        with self._lock:
            if not self._value:
                self._value.append(self._make())
        return self._value[0]


def unasked(source: Source, question: Question) -> Unavailable:
    """The reply to a question that a case has no way to answer."""
    return Unavailable(source, f"a case cannot answer {question.name}")


def missing(source: Source, name: str) -> Unavailable:
    """The reply when the file is not there: the source was unavailable, not silent."""
    return Unavailable(source, f"{name} is not part of this case")


def until(window: Window, now: datetime) -> datetime:
    """The end of what may be seen of the window."""
    return min(window.end, now)


def span_text(start: datetime, end: datetime) -> str:
    """A span of time for a query's text: the day once, then the clock."""
    day = "" if start.date() == end.date() else f"{end:%F}T"
    return f"{start:%FT%TZ}..{day}{end:%TZ}"


def instant(text: object) -> datetime:
    """An ISO 8601 text as an instant; a line without a zone is UTC. ValueError where it is none."""
    if not isinstance(text, str):
        raise ValueError("a time must be a text in ISO 8601")
    at = datetime.fromisoformat(text)
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time beyond the calendar") from error
