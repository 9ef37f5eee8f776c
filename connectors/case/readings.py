"""readings.jsonl: recorded answers to questions that no other file of a case can answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connectors.case.directory import CaseDirectory
from connectors.case.jsonl import JsonLines, Record
from connectors.case.reader import Once, instant

NAME = "readings.jsonl"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded answer, as its line has it."""

    connector: str
    question: str
    params: Record
    at: datetime
    answer: object


@dataclass(frozen=True, slots=True)
class _Loaded:
    recordings: tuple[Recording, ...]
    notes: tuple[str, ...]


class Readings:
    """The lines of readings.jsonl by time, shared by every reader that needs them."""

    def __init__(self, directory: CaseDirectory, at: datetime) -> None:
        self._directory = directory
        self._at = at
        self._loaded = Once(self._load)

    def of(self, wanted: Callable[[Recording], bool], now: datetime) -> list[Recording]:
        """The recordings that are wanted and were made by now, oldest first."""
        return [r for r in self._loaded.get().recordings if r.at <= now and wanted(r)]

    def holds(self, wanted: Callable[[Recording], bool]) -> bool:
        """Whether there is any such recording."""
        return any(wanted(r) for r in self._loaded.get().recordings)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with the file."""
        return self._loaded.get().notes

    def _load(self) -> _Loaded:
        name = self._directory.find(NAME)
        if name is None:
            return _Loaded((), ())
        lines = JsonLines(self._directory, name)
        recordings = []
        for record in lines:
            recording = _recording(record)
            if recording is None:
                lines.reject()
            elif recording.at <= self._at:
                recordings.append(recording)
        recordings.sort(key=lambda r: r.at)
        return _Loaded(tuple(recordings), lines.trouble())


def _recording(record: Record) -> Recording | None:
    params = record.get("params")
    try:
        return Recording(
            connector=str(record["connector"]),
            question=str(record["question"]),
            params=params if isinstance(params, dict) else {},
            at=instant(record["at"]),
            answer=record["answer"],
        )
    except (KeyError, ValueError):
        return None
