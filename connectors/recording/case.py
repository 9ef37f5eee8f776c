"""A whole case out of questions and answers: all of its files, or none.

Everything is redacted once more on its way to the disk. An existing directory is never written into.
What a source did not answer is left out, and is then as unavailable in the replay as it was.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from connectors.answers import LogSet, SpanSet
from connectors.case.manifest import FORMAT, Manifest
from connectors.contract import Question, Reading, Unavailable
from connectors.errors import CaseError
from connectors.joining import joined
from connectors.recording import documents, readings, series, spans
from connectors.redaction import redacted

Answered = tuple[Question, Reading | Unavailable]


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written where."""

    path: Path
    files: tuple[str, ...]


def save(target: Path, manifest: Manifest, trigger: bytes, asked: Sequence[Answered]) -> Saved:
    """Write a case.

    Args:
        target: a directory that does not exist yet, or is empty.
        manifest: what the case says about itself.
        trigger: the alert, byte for byte as it was received.
        asked: every question, with what came back.

    Raises:
        CaseError: the directory holds something, or cannot be written.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise CaseError(f"{target}: exists already, and is not overwritten")
    found = _one_each([answer for _, answer in asked if isinstance(answer, Reading)])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as place:
            case = Path(place) / "case"
            case.mkdir()
            _write(case, manifest, trigger, found)
            if target.is_dir():
                target.rmdir()
            shutil.move(case, target)
    except OSError as error:
        raise CaseError(f"{target}: cannot be written: {error.strerror}") from error
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    return Saved(target, tuple(files))


def _one_each(found: Sequence[Reading]) -> list[Reading]:
    """The readings; several of one kind that share a file are joined, as several instances' would be."""
    shared = (*series.ANSWERS, *spans.ANSWERS, *documents.SHARED)
    groups: dict[object, list[Reading]] = {}
    for n, reading in enumerate(found):
        kind = type(reading.answer)
        groups.setdefault(kind if kind in shared else n, []).append(reading)
    whole = []
    for group in groups.values():
        one = group[0] if len(group) == 1 else joined(group[0].question, [("", each) for each in group])
        assert isinstance(one, Reading)
        whole.append(one)
    return whole


def _write(case: Path, manifest: Manifest, trigger: bytes, found: Sequence[Reading]) -> None:
    (case / "alert.json").write_bytes(trigger)
    for reading in found:
        series.write(case, reading)
        spans.write(case, reading)
        documents.write(case, reading)
    readings.write(case, found)
    text = yaml.safe_dump(_manifest(manifest, found), sort_keys=False, allow_unicode=True, width=110)
    (case / "case.yaml").write_text(text, encoding="utf-8")


def _manifest(manifest: Manifest, found: Sequence[Reading]) -> dict[str, object]:
    source: dict[str, object] = {"name": manifest.source_name, "licence": manifest.source_licence}
    if manifest.source_notes:
        source["notes"] = [redacted(note) for note in manifest.source_notes]
    document: dict[str, object] = {
        "format": FORMAT,
        "id": manifest.id,
        "title": manifest.title,
        "source": {name: value for name, value in source.items() if value},
        "incident": {"service": manifest.service, "at": _iso(manifest.at)},
        "window": {"start": _iso(manifest.window.start), "end": _iso(manifest.window.end)},
        "recorded": _recorded(found),
        "services": {
            name: entry.model_dump(exclude_none=True) for name, entry in sorted(manifest.services.items())
        },
    }
    return {name: value for name, value in document.items() if value}


def _recorded(found: Sequence[Reading]) -> dict[str, object]:
    """When the sources were recorded at all, where that was not throughout."""
    recorded: dict[str, object] = {}
    for reading in found:
        if isinstance(reading.answer, SpanSet | LogSet) and reading.answer.intervals:
            spans_of = reading.answer.intervals
            recorded[reading.source.value] = {
                "intervals": [[_iso(_moment(start)), _iso(_moment(end))] for start, end in spans_of]
            }
    return recorded


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
