"""The contract between those who ask and those who answer: Question, Window, Reading, Unavailable, Connector.

A connector answers read-only questions about one kind of source. It never decides anything, never
changes what it reads, and never answers with anything later than the `now` it is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

if TYPE_CHECKING:
    from connectors.answers import Answer


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_aware)]
"""A point in time with its zone, kept in UTC."""


class Frozen(BaseModel):
    """A value: immutable, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(Frozen):
    """A closed span of time."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if self.end <= self.start:
            raise ValueError(f"the window is empty: {self.start:%FT%TZ} is not before {self.end:%FT%TZ}")
        return self

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start

    def holds(self, at: datetime) -> bool:
        """Whether the instant lies inside, ends included."""
        return self.start <= at <= self.end


class Source(StrEnum):
    """A kind of source; several instances of a kind may answer."""

    METRICS = "metrics"
    TRACES = "traces"
    LOGS = "logs"
    CLUSTER = "cluster"
    CHANGES = "changes"
    DATABASE = "database"
    REPOSITORY = "repository"
    TOPOLOGY = "topology"
    STATUS = "status"


class Question(Frozen):
    """A typed, read-only question. Subclasses add the parameters; `source` says who can answer."""

    source: ClassVar[Source]
    cost_seconds: ClassVar[float] = 0.5
    """What an answer usually costs on a live system, in seconds: the planner spends a budget of these."""

    @property
    def name(self) -> str:
        """The question's kind, as shown to people and kept in the record."""
        return type(self).__name__

    def key(self) -> str:
        """A text that is equal for equal questions: no question is asked twice."""
        return f"{self.name}:{self.model_dump_json()}"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No answer, and why. It is neither yes nor no, and never means that nothing happened.

    `retry` says whether asking again may help: whoever failed knows best.
    """

    source: Source
    reason: str
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer: what was asked, in the source's own language, when, and what came back.

    `query` is the text that a person can run again (PromQL, SQL, a file and its columns).
    `at` is the instant the answer speaks of; `sha256` is that of the answer's canonical bytes.
    `notes` hold what limits the answer: sampling, recorded intervals, truncation.
    """

    source: Source
    question: Question
    query: str
    at: datetime
    answer: Answer
    sha256: str
    notes: tuple[str, ...] = ()


def digest(data: bytes) -> str:
    """The hash under which an answer is kept: SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Connector(Protocol):
    """Answers the questions of one source instance. Called from worker threads: must be thread-safe."""

    @property
    def source(self) -> Source:
        """The kind of source this connector answers for."""
        ...

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        """Answer with nothing later than `now`; an expected failure is `Unavailable`, never an exception."""
        ...


class Sources(Protocol):
    """What the graph sees of all connectors together."""

    def available(self) -> Sequence[Source]:
        """The kinds of source that are configured."""
        ...

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        """Route a question to the connector that can answer it."""
        ...
