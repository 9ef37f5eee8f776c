"""traces.jsonl: OTLP/JSON, one request a line; whole traces come out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

import numpy as np

from connectors.answers import Floats, Ints, SpanSet
from connectors.case.directory import CaseDirectory
from connectors.case.jsonl import JsonLines
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, Once, missing, span_text, unasked, until
from connectors.contract import Question, Source, Unavailable, Window
from connectors.otlp import SpanCollector
from connectors.questions import SpanSample
from connectors.span_selection import rows_of

NAME = "traces.jsonl"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The file's spans, and for each row the number of its trace; traces are numbered by their start."""

    spans: SpanSet
    trace_of: Ints
    trace_start: Floats
    notes: tuple[str, ...]


class TracesReader:
    """Answers questions about spans."""

    source: ClassVar[Source] = Source.TRACES
    questions: ClassVar[tuple[type[Question], ...]] = (SpanSample,)

    def __init__(self, directory: CaseDirectory, manifest: Manifest) -> None:
        self._directory = directory
        self._manifest = manifest
        self._loaded = Once(self._load)

    def present(self) -> bool:
        """Whether the case holds traces."""
        return self._directory.find(NAME) is not None

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """Whole traces whose first span started in the window."""
        if not self.present():
            return missing(self.source, NAME)
        if not isinstance(question, SpanSample):
            return unasked(self.source, question)
        loaded = self._loaded.get()
        if isinstance(loaded, Unavailable):
            return loaded
        traces = _in_window(loaded, question.window, now)
        if question.services:
            traces = traces[np.isin(traces, _touching(loaded, question.services))]
        chosen = _evenly(traces, question.most_traces)
        answer = _rows(loaded, chosen, now)
        end = until(question.window, now)
        query = (
            f"{NAME}: {len(chosen)} traces, {len(answer.span)} spans, {span_text(question.window.start, end)}"
        )
        drawn = (f"{len(chosen)} of {len(traces)} traces, drawn evenly",) if len(chosen) < len(traces) else ()
        return Found(answer, query, end, loaded.notes + drawn)

    def _load(self) -> _Loaded | Unavailable:
        lines = JsonLines(self._directory, self._directory.find(NAME) or NAME)
        collector = SpanCollector(self._manifest.at.timestamp())
        for request in lines:
            if not collector.add(request):
                lines.reject()
        reason = lines.useless()
        if reason is not None:
            return Unavailable(self.source, reason)
        spans = collector.spans(self._manifest.record_of("traces").intervals)
        if not spans.span and collector.malformed:
            return Unavailable(
                self.source, f"{lines.name}: none of its {collector.malformed} spans can be read"
            )
        numbers: dict[str, int] = {}
        trace_of = [numbers.setdefault(trace, len(numbers)) for trace in spans.trace]
        firsts = np.unique(np.array(trace_of, dtype=np.int64), return_index=True)[1]
        for column in (spans.parent, spans.kind, spans.start, spans.end, spans.status, spans.weight):
            column.setflags(write=False)
        notes = (*lines.trouble(), *_trouble(collector, lines.name))
        return _Loaded(spans, np.array(trace_of, dtype=np.int64), spans.start[firsts], notes)


def _trouble(collector: SpanCollector, name: str) -> tuple[str, ...]:
    counts = (
        (collector.malformed, "malformed spans skipped"),
        (collector.duplicates, "repeated spans dropped"),
    )
    return tuple(f"{name}: {count} {what}" for count, what in counts if count)


def _in_window(loaded: _Loaded, window: Window, now: datetime) -> Ints:
    start, end = window.start.timestamp(), until(window, now).timestamp()
    return np.flatnonzero((loaded.trace_start >= start) & (loaded.trace_start <= end)).astype(np.int64)


def _touching(loaded: _Loaded, services: tuple[str, ...]) -> Ints:
    wanted = frozenset(services)
    rows = [i for i, service in enumerate(loaded.spans.service) if service in wanted]
    return np.unique(loaded.trace_of[rows])


def _evenly(traces: Ints, most: int) -> Ints:
    """At most so many, evenly over their order: a sample that any second run draws again."""
    if len(traces) <= most:
        return traces
    return traces[np.linspace(0, len(traces) - 1, max(most, 0)).round().astype(np.int64)]


def _rows(loaded: _Loaded, traces: Ints, now: datetime) -> SpanSet:
    """The spans of these traces that had ended by now, parents renumbered."""
    spans = loaded.spans
    keep = np.isin(loaded.trace_of, traces) & (spans.end <= now.timestamp())
    intervals = _until(spans.intervals, now.timestamp())
    if keep.all():
        return replace(spans, intervals=intervals)
    return replace(rows_of(spans, np.flatnonzero(keep)), intervals=intervals)


def _until(intervals: tuple[tuple[float, float], ...], now: float) -> tuple[tuple[float, float], ...]:
    return tuple((start, min(end, now)) for start, end in intervals if start <= now)
