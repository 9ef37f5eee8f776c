"""A case as the sources of an investigation: routes each question, lets nothing later than now through."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from connectors.case.changes import ChangesReader
from connectors.case.cluster import ClusterReader
from connectors.case.database import DatabaseReader
from connectors.case.directory import CaseDirectory
from connectors.case.logs import LogsReader
from connectors.case.manifest import Manifest, read_manifest
from connectors.case.metrics import MetricsReader
from connectors.case.reader import Found, Reader, unasked
from connectors.case.readings import Readings
from connectors.case.repository import RepositoryReader
from connectors.case.status import StatusReader
from connectors.case.time_wall import refuse_later
from connectors.case.topology import TopologyReader
from connectors.case.traces import TracesReader
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.errors import CaseError

_ABOUT = {
    Source.METRICS: re.compile(r"\b(metrics?|samples?|series|baseline|rows)\b", re.IGNORECASE),
    Source.TRACES: re.compile(r"\b(traces?|spans?)\b", re.IGNORECASE),
    Source.LOGS: re.compile(r"\blogs?\b", re.IGNORECASE),
    Source.TOPOLOGY: re.compile(r"\btopology\b", re.IGNORECASE),
}


class CaseSources:
    """Every source of one case. Safe to ask from several threads; a file is parsed at most once."""

    def __init__(self, manifest: Manifest, alert_bytes: bytes | None, readers: Sequence[Reader]) -> None:
        self.manifest = manifest
        self.alert_bytes = alert_bytes
        self._readers = tuple(readers)
        self._route = {question: reader for reader in readers for question in reader.questions}

    def available(self) -> Sequence[Source]:
        """The kinds of source of which the case holds anything."""
        present = {reader.source for reader in self._readers if reader.present()}
        return [source for source in Source if source in present]

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        """The answer from the case's files, with nothing later than `now` or the incident's own now."""
        now = min(now, self.manifest.at)
        reader = self._route.get(type(question))
        if reader is None:
            return unasked(question.source, question)
        try:
            found = reader.answer(question, now)
        except CaseError as error:
            return Unavailable(question.source, str(error))
        if isinstance(found, Unavailable):
            return found
        refuse_later(found.answer, now)
        return self._reading(question, found, now)

    def _reading(self, question: Question, found: Found, now: datetime) -> Reading:
        return Reading(
            source=question.source,
            question=question,
            query=found.query,
            at=min(found.at or now, now),
            answer=found.answer,
            sha256=sha256(found.answer),
            notes=(*found.notes, *self._notes(question.source)),
        )

    def _notes(self, source: Source) -> tuple[str, ...]:
        """What the manifest says about this source: how it was recorded, and what is special about it."""
        recorded = self.manifest.record_of(source.value)
        notes = [f"sampling: {recorded.sampling}"] if recorded.sampling else []
        if recorded.intervals:
            notes.append(
                f"recorded in {len(recorded.intervals)} intervals only; silence between means nothing"
            )
        return (*notes, *(note for note in self.manifest.source_notes if _speaks_of(note, source)))


def _speaks_of(note: str, source: Source) -> bool:
    """Whether a note concerns the source: it names it, or names none."""
    named = {kind for kind, words in _ABOUT.items() if words.search(note)}
    return source in named or not named


def open_case(path: Path | str) -> CaseSources:
    """The case in a directory, or CaseError where it is not one. Metrics are read, and checked, at once."""
    directory = CaseDirectory(Path(path))
    manifest = read_manifest(directory)
    readings = Readings(directory, manifest.at)
    metrics = MetricsReader(directory, manifest)
    metrics.load()
    readers: tuple[Reader, ...] = (
        metrics,
        TracesReader(directory, manifest),
        LogsReader(directory, manifest, readings),
        ClusterReader(directory, manifest, readings),
        ChangesReader(directory, manifest),
        DatabaseReader(directory, readings),
        RepositoryReader(directory, manifest),
        TopologyReader(directory),
        StatusReader(readings),
    )
    alert = directory.read("alert.json") if directory.find("alert.json") is not None else None
    return CaseSources(manifest, alert, readers)
