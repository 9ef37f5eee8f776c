"""Readings sorted by what they answer: the typed desk on which all judges work. Computes nothing else."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from connectors.answers import Answer
from connectors.contract import Question, Reading

A = TypeVar("A", bound=Answer)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Observed(Generic[A]):
    """One answer with the reading it came from."""

    answer: A
    reading: Reading


class Observations:
    """All readings of an investigation, found by the type of their answer; order never matters."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        """Take the readings; equal questions keep one answer."""
        by_key = {reading.question.key(): reading for reading in readings}
        self._readings = tuple(by_key[key] for key in sorted(by_key))
        self._once: dict[Hashable, object] = {}

    def all(self, kind: type[A]) -> tuple[Observed[A], ...]:
        """Every answer of this type, in a fixed order."""
        return tuple(Observed(r.answer, r) for r in self._readings if isinstance(r.answer, kind))

    def first(self, kind: type[A]) -> Observed[A] | None:
        """The first answer of this type, None when there is none."""
        return next(iter(self.all(kind)), None)

    def to(self, kind: type[Question]) -> tuple[Reading, ...]:
        """Every reading that answers this kind of question."""
        return tuple(r for r in self._readings if isinstance(r.question, kind))

    def everything(self) -> tuple[Reading, ...]:
        """All readings, in a fixed order."""
        return self._readings

    def once(self, work: Callable[..., T], *given: Hashable) -> T:
        """What a function makes of these observations, worked out once: judges of many services share it."""
        key = (work, given)
        if key not in self._once:
            self._once[key] = work(self, *given)
        return cast(T, self._once[key])
