"""Takes rows out of a SpanSet, tells of its traces, and takes secrets out of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from connectors.answers import Ints, SpanSet
from connectors.redaction import redacted, redacted_pairs

_ERROR = 2
_REMEMBERED = 400


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One trace: when it began and how long it took, in seconds; its root, else its first span; any error."""

    start: float
    duration: float
    service: str
    name: str
    error: bool


def rows_of(spans: SpanSet, rows: Ints) -> SpanSet:
    """These rows, in their order; a parent that is not among them is no longer one of the sample."""
    place = np.full(len(spans.span) + 1, -1, dtype=np.int64)  # the last one answers for "no parent"
    place[rows] = np.arange(len(rows))
    return SpanSet(
        trace=tuple(spans.trace[i] for i in rows),
        span=tuple(spans.span[i] for i in rows),
        parent=place[spans.parent[rows]],
        has_parent=spans.has_parent[rows],
        service=tuple(spans.service[i] for i in rows),
        name=tuple(spans.name[i] for i in rows),
        kind=spans.kind[rows],
        start=spans.start[rows],
        end=spans.end[rows],
        status=spans.status[rows],
        weight=spans.weight[rows],
        attributes=tuple(spans.attributes[i] for i in rows),
        events=tuple(spans.events[i] for i in rows),
        intervals=spans.intervals,
    )


def of_traces(spans: SpanSet, traces: Collection[str]) -> SpanSet:
    """The spans of these traces."""
    if all(trace in traces for trace in spans.trace):
        return spans
    rows = [row for row, trace in enumerate(spans.trace) if trace in traces]
    return rows_of(spans, np.array(rows, dtype=np.int64))


def summaries(spans: SpanSet) -> dict[str, TraceSummary]:
    """Every trace in brief, by its id, in the order of their starts."""
    first: dict[str, int] = {}
    root: dict[str, int] = {}
    ends: dict[str, float] = {}
    failed: set[str] = set()
    columns = (spans.trace, spans.has_parent.tolist(), spans.end.tolist(), spans.status.tolist())
    for row, (trace, has_parent, end, status) in enumerate(zip(*columns, strict=True)):
        first.setdefault(trace, row)
        if not has_parent:
            root.setdefault(trace, row)
        ends[trace] = max(end, ends.get(trace, end))
        if status == _ERROR:
            failed.add(trace)
    return {
        trace: TraceSummary(
            start=float(spans.start[row]),
            duration=ends[trace] - float(spans.start[row]),
            service=spans.service[root.get(trace, row)],
            name=spans.name[root.get(trace, row)],
            error=trace in failed,
        )
        for trace, row in first.items()
    }


def weighted(spans: SpanSet, by_trace: Mapping[str, float]) -> SpanSet:
    """Each span's adjusted count, times what its trace stands for."""
    factors = np.array([by_trace.get(trace, 1.0) for trace in spans.trace], dtype=np.float64)
    return replace(spans, weight=spans.weight * factors)


def without_secrets(spans: SpanSet) -> SpanSet:
    """The spans with names, attributes and exceptions redacted."""
    return replace(
        spans,
        service=tuple(map(_text, spans.service)),
        name=tuple(map(_text, spans.name)),
        attributes=tuple(dict(_clean(*item) for item in each.items()) for each in spans.attributes),
        events=tuple(tuple(map(redacted, events)) for events in spans.events),
    )


@lru_cache(maxsize=8_192)  # the same few texts come with thousands of spans
def _text(text: str) -> str:
    return redacted(text)


def _clean(name: str, value: str) -> tuple[str, str]:
    """The pair without secrets; long values are not worth the memory to remember them."""
    return _pair(name, value) if len(value) <= _REMEMBERED else redacted_pairs([(name, value)])[0]


@lru_cache(maxsize=32_768)
def _pair(name: str, value: str) -> tuple[str, str]:
    return redacted_pairs([(name, value)])[0]
