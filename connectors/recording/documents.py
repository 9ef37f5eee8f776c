"""The case's files of lines and texts: logs, changes, commits, topology, repository, schema dumps."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from connectors.answers import (
    CallGraphEdges,
    Change,
    Commit,
    Commits,
    LogRecord,
    LogSet,
    SourceFiles,
    Timeline,
)
from connectors.contract import Reading
from connectors.questions import SchemaDump
from connectors.recording.spans import write_lines
from connectors.redaction import redacted, redacted_pairs

SHARED = (LogSet, Timeline, Commits, CallGraphEdges)
"""Answers that share one file, however many questions they answer."""

_BLOCK = 60_000
Object = dict[str, object]


def write(case: Path, reading: Reading) -> None:
    """Write what the reading holds, where its kind has a file of its own."""
    writer = WRITERS.get(type(reading.answer))
    if writer is not None:
        writer(case, reading)


def iso(at: datetime) -> str:
    """An instant as the case's files write it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def whole(text: str) -> str:
    """A long text redacted to its end, block by block; no block ends inside of a private key."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        end = _block_end(text, at)
        parts.append(redacted(text[at:end]))
        at = end
    return "".join(parts)


def _block_end(text: str, at: int) -> int:
    """Where a block ends: after its last line, and before a key that is not over yet."""
    end = at + _BLOCK
    if end >= len(text):
        return len(text)
    line = text.rfind("\n", at, end) + 1
    end = line if line > at else end
    key = text.rfind("-----BEGIN ", at, end)
    return key if key > at and text.find("-----END ", key, end) < 0 else end


def _logs(case: Path, reading: Reading) -> None:
    assert isinstance(reading.answer, LogSet)
    write_lines(case / "logs.jsonl.gz", map(_record, reading.answer.records))


def _record(record: LogRecord) -> Object:
    attributes: Object = dict(redacted_pairs(record.attributes.items()))
    if record.logger:
        attributes["logger"] = record.logger
    return {
        "timestamp": iso(datetime.fromtimestamp(record.at, UTC)),
        "service": record.service,
        "severity_text": record.severity,
        "body": redacted(record.body),
        "attributes": attributes,
        "trace_id": record.trace,
    }


def _timeline(case: Path, reading: Reading) -> None:
    assert isinstance(reading.answer, Timeline)
    write_lines(
        case / "changes.jsonl.gz", (line for change in reading.answer.changes for line in _steps(change))
    )


def _steps(change: Change) -> Iterator[Object]:
    for at in change.steps or (change.at,):
        yield {
            "id": change.id,
            "at": iso(at),
            "kind": change.kind,
            "service": change.service,
            "summary": redacted(change.summary),
            "version": change.version,
            "commit": change.commit,
            "pods": list(change.pods),
            "link": redacted(change.link) if change.link else None,
        }


def _commits(case: Path, reading: Reading) -> None:
    assert isinstance(reading.answer, Commits)
    write_lines(case / "commits.jsonl.gz", map(_commit, reading.answer.commits))


def _commit(commit: Commit) -> Object:
    return {
        "sha": commit.sha,
        "at": iso(commit.at),
        "author": redacted(commit.author),
        "message": redacted(commit.message),
        "files": list(commit.files),
        "diff": whole(commit.diff) if commit.diff else None,
    }


def _edges(case: Path, reading: Reading) -> None:
    assert isinstance(reading.answer, CallGraphEdges)
    with (case / "topology.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("caller", "callee"))
        writer.writerows(reading.answer.edges)


def _sources(case: Path, reading: Reading) -> None:
    assert isinstance(reading.answer, SourceFiles)
    if isinstance(reading.question, SchemaDump):
        (case / "database").mkdir(exist_ok=True)
        script = "\n".join(file.text for file in reading.answer.files)
        (case / "database" / f"{reading.question.database}.sql").write_text(whole(script), encoding="utf-8")
        return
    for file in reading.answer.files:
        path = _inside(file.path)
        if path is not None:
            (case / path).parent.mkdir(parents=True, exist_ok=True)
            (case / path).write_text(whole(file.text), encoding="utf-8", newline="")


def _inside(written: str) -> PurePosixPath | None:
    """The path below repository/, or None where it would lead anywhere else."""
    path = PurePosixPath("repository", written)
    parts = PurePosixPath(written).parts
    return None if not parts or ".." in parts or PurePosixPath(written).is_absolute() else path


WRITERS: dict[type, Callable[[Path, Reading], Any]] = {
    LogSet: _logs,
    Timeline: _timeline,
    Commits: _commits,
    CallGraphEdges: _edges,
    SourceFiles: _sources,
}
