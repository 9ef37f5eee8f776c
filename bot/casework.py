"""Composes an investigation: its sources, its incident, its record, its name; and opens a recorded case.

The name (thread) holds what the case's files look like and this program's version, so that the same
command takes up what was left unfinished, and never shows an old answer for a changed case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import bot
from bot import incidents
from bot.errors import BadInputError
from bot.investigation import Decision, Investigator, Options, Outcome, Progress
from bot.store import Store
from bot.store import Where as StorePlace
from connectors.case import open_case
from connectors.contract import Sources
from connectors.errors import ConnectorError
from graph.record import MemoryRecord, Record
from playbooks.model import Incident

_HIDDEN = frozenset({"truth.yaml", "truth_extra.json"})


@dataclass(frozen=True)
class Place:
    """Where the record is kept; `chosen` when the user named the file."""

    path: StorePlace
    chosen: bool


@dataclass(frozen=True)
class Casework:
    """One incident, recorded or live, ready to be investigated."""

    incident: Incident
    sources: Sources
    record: Record
    thread: str

    def investigate(self, options: Options, listen: Callable[[Progress], None]) -> Outcome:
        """Investigate, or go on where an earlier process stopped; what is closed is investigated anew."""
        worker = self._worker(options, listen)
        return worker.investigate(self.incident, self._open_thread(worker))

    def answer(
        self, thread: str, decision: Decision, options: Options, listen: Callable[[Progress], None]
    ) -> Outcome:
        """Tell the waiting investigation what a person decided."""
        return self._worker(options, listen).answer(thread, decision)

    def shown(self) -> Outcome:
        """The investigation of this name as it was closed; nothing is asked anew."""
        return self._worker(Options(), lambda _: None).investigate(self.incident, self.thread)

    def _open_thread(self, worker: Investigator) -> str:
        """The thread to go on with: not one that is closed, and never over a person's answer."""
        for n in count(1):
            thread = self.thread if n == 1 else f"{self.thread}#{n}"
            if self.record.sealed(thread) is not None and self.record.labels(thread):
                continue
            begun = self.record.incident(thread)
            # Begun by an earlier state of this program, which read the alert differently: of no use now.
            if self.record.sealed(thread) is not None or begun not in (None, self.incident):
                worker.forget(thread)
            return thread
        raise AssertionError("counting does not end")

    def _worker(self, options: Options, listen: Callable[[Progress], None]) -> Investigator:
        return Investigator(sources=self.sources, record=self.record, options=options, listen=listen)


def opened(case: Path, place: Place, warn: Callable[[str], None]) -> Casework:
    """Open a case and the record its investigation goes into.

    Raises:
        BadInputError: the case cannot be read, or the store the user chose cannot be written.
    """
    try:
        sources = open_case(case)
    except ConnectorError as error:
        raise BadInputError(str(error)) from error
    incident = incidents.of_case(sources.manifest, sources.alert_bytes)
    thread = f"{incident.id}@{_fingerprint(case)}"
    return Casework(incident, sources, recorded_at(place, warn), thread)


def recorded_at(place: Place, warn: Callable[[str], None]) -> Record:
    """The record at a place; in memory, with a warning, where the default place cannot be written.

    Raises:
        BadInputError: the place the user chose cannot be written.
    """
    try:
        return Store(place.path)
    except BadInputError as error:
        if place.chosen:
            raise
        warn(f"nothing is kept of this run: {error}")
        return MemoryRecord()


def _fingerprint(case: Path) -> str:
    """A short hash of the program's version, the case's place, and its files' names, sizes and times."""
    root = case.resolve()
    parts = [bot.__version__, str(root)]
    for path in sorted(root.rglob("*")):
        if path.name not in _HIDDEN and path.is_file():
            stat = path.stat()
            parts.append(f"{path.relative_to(root)}:{stat.st_size}:{stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
