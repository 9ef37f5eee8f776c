"""logs.jsonl, one record a line; and the pattern counts that a log store made itself."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import ClassVar

from connectors.answers import LogRecord, LogSet, PatternCount, PatternCounts
from connectors.case.directory import CaseDirectory
from connectors.case.jsonl import JsonLines, Record, as_text, objects, optional, text
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, Once, instant, missing, span_text, unasked, until
from connectors.case.readings import NAME as READINGS
from connectors.case.readings import Readings, Recording
from connectors.contract import Question, Source, Unavailable
from connectors.questions import LogPatterns, LogSample

NAME = "logs.jsonl"
PATTERNS = "log patterns against the baseline"


@dataclass(frozen=True, slots=True)
class _Loaded:
    records: list[LogRecord]
    notes: tuple[str, ...]


class LogsReader:
    """Answers questions about log records and their patterns."""

    source: ClassVar[Source] = Source.LOGS
    questions: ClassVar[tuple[type[Question], ...]] = (LogSample, LogPatterns)

    def __init__(self, directory: CaseDirectory, manifest: Manifest, readings: Readings) -> None:
        self._directory = directory
        self._manifest = manifest
        self._readings = readings
        self._loaded = Once(self._load)

    def present(self) -> bool:
        """Whether the case holds logs or pattern counts."""
        return self._directory.find(NAME) is not None or self._readings.holds(_is_patterns)

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """The records of a window, or the patterns as they were counted last."""
        if isinstance(question, LogSample):
            return self._sample(question, now)
        if isinstance(question, LogPatterns):
            return self._patterns(question, now)
        return unasked(self.source, question)

    def _sample(self, question: LogSample, now: datetime) -> Found | Unavailable:
        if self._directory.find(NAME) is None:
            return missing(self.source, NAME)
        loaded = self._loaded.get()
        if isinstance(loaded, Unavailable):
            return loaded
        end = until(question.window, now)
        first = bisect_left(loaded.records, question.window.start.timestamp(), key=attrgetter("at"))
        last = bisect_right(loaded.records, end.timestamp(), key=attrgetter("at"))
        records = loaded.records[first:last]
        if question.services:
            wanted = frozenset(question.services)
            records = [record for record in records if record.service in wanted]
        kept = _evenly(records, question.most_lines)
        answer = LogSet(tuple(kept), len(kept) < len(records), self._intervals(now))
        drawn = (f"{len(kept)} of {len(records)} lines, drawn evenly",) if answer.truncated else ()
        query = f"{NAME}: {len(kept)} lines, {span_text(question.window.start, end)}"
        return Found(answer, query, end, loaded.notes + drawn)

    def _intervals(self, now: datetime) -> tuple[tuple[float, float], ...]:
        cut = now.timestamp()
        recorded = self._manifest.record_of("logs").intervals
        return tuple((start, min(end, cut)) for start, end in recorded if start <= cut)

    def _load(self) -> _Loaded | Unavailable:
        lines = JsonLines(self._directory, self._directory.find(NAME) or NAME)
        latest = self._manifest.at.timestamp()
        records = []
        for fields in lines:
            record = _record(fields)
            if record is None:
                lines.reject()
            elif record.at <= latest:
                records.append(record)
        reason = lines.useless()
        if reason is not None:
            return Unavailable(self.source, reason)
        records.sort(key=attrgetter("at"))
        return _Loaded(records, lines.trouble())

    def _patterns(self, question: LogPatterns, now: datetime) -> Found | Unavailable:
        counted = self._readings.of(_is_patterns, until(question.window, now))
        if not counted:
            return Unavailable(self.source, f"{READINGS} holds no pattern counts")
        last = counted[-1]
        patterns = tuple(_pattern(row) for row in objects(last.answer) if optional(row, "signature"))
        query = f"{READINGS}: {PATTERNS}, as counted at {last.at:%FT%TZ}"
        return Found(PatternCounts(patterns=patterns), query, last.at, self._readings.notes)


def _is_patterns(recording: Recording) -> bool:
    return recording.connector == "logs" and recording.question == PATTERNS


def _evenly(records: list[LogRecord], most: int) -> list[LogRecord]:
    if len(records) <= most:
        return records
    return [records[i * len(records) // most] for i in range(most)]


def _record(fields: Record) -> LogRecord | None:
    try:
        at = instant(fields.get("timestamp")).timestamp()
    except ValueError:
        return None
    listed = fields.get("attributes")
    attributes = (
        {key: value if type(value) is str else as_text(value) for key, value in listed.items()}
        if isinstance(listed, dict)
        else {}
    )
    return LogRecord(
        at=at,
        service=text(fields, "service"),
        severity=text(fields, "severity_text"),
        body=text(fields, "body"),
        logger=attributes.pop("logger", ""),
        trace=text(fields, "trace_id"),
        attributes=attributes,
    )


def _pattern(row: Record) -> PatternCount:
    sentiment = optional(row, "sentiment")
    return PatternCount(
        pattern=text(row, "signature"),
        service=text(row, "service"),
        count=_number(row.get("count")),
        more=_number(row.get("delta_vs_baseline")),
        negative=None if sentiment is None else sentiment == "negative",
    )


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
