"""What every live trace store shares: a budget, many requests side by side, and the reading made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from connectors.answers import SpanSet
from connectors.codec import sha256
from connectors.contract import Reading, Source, Unavailable, Window
from connectors.governor import SourceFailedError
from connectors.otlp import SpanCollector, trace_id
from connectors.questions import SpanSample
from connectors.sampling_plan import Candidate, Pick, Slice, Stratum, slice_of
from connectors.span_selection import TraceSummary, of_traces, summaries, weighted, without_secrets
from connectors.spending import Asked, Budget

T = TypeVar("T")
R = TypeVar("R")

_LAG_SECONDS = 15.0
NOTHING_FOUND = "no trace of the window was found; this does not mean that there was no traffic"
COUNTS_ARE_NO_RATES = "drawn in equal parts from slices of the window: counts of spans are not rates"

Exemplars = Sequence[str] | Callable[[Window], Sequence[str]]
"""Trace ids that metrics point to, or who knows them."""


@dataclass(frozen=True, slots=True)
class TraceBudget(Budget):
    """What one question about traces may cost its store."""


def unavailable(failures: Sequence[SourceFailedError], nothing: str) -> Unavailable:
    """Why there is no sample: the commonest failure, or that nothing was found."""
    if not failures:
        return Unavailable(Source.TRACES, nothing, retry=True)
    reason = Counter(failure.reason for failure in failures).most_common(1)[0][0]
    return Unavailable(Source.TRACES, reason, retry=any(failure.retry for failure in failures))


def failed_notes(what: str, asked: Asked[T, R]) -> list[str]:
    """What is missing from answers that came only in part."""
    notes = []
    if asked.failures:
        total = len(asked.answers) + len(asked.failures)
        notes.append(f"partly: {len(asked.failures)} of {total} {what} failed: {asked.failures[0].reason}")
    if asked.left_out:
        notes.append(f"partly: {what} ended at the budget of {asked.left_out}")
    return notes


def exemplar_ids(exemplars: Exemplars, window: Window, most: int, now: datetime) -> list[str]:
    """The exemplars' trace ids that are ids, at most so many, each once; none of them later than `now`."""
    window = Window(start=window.start, end=min(window.end, now))
    found: dict[str, None] = {}
    for written in exemplars(window) if callable(exemplars) else exemplars:
        try:
            identity = trace_id(written)
        except (TypeError, ValueError):
            continue
        if identity:
            found.setdefault(identity)
    return list(found)[:most]


def candidate_of(trace: str, brief: TraceSummary, pieces: Sequence[Slice], chance: bool) -> Candidate | None:
    """The trace as a candidate; None where it began outside of the window."""
    piece = slice_of(pieces, brief.start)
    if piece is None:
        return None
    stratum = Stratum(piece.number, brief.service, brief.name, brief.error)
    return Candidate(trace, brief.start, brief.duration, stratum, chance)


def collected(payloads: Iterable[Mapping[str, object]], now: datetime) -> tuple[SpanSet, list[str]]:
    """The spans of OTLP answers that had ended by `now`, and what was wrong with others."""
    collector = SpanCollector(now.timestamp())
    strangers = sum(not collector.add(dict(payload)) for payload in payloads)
    counts = (
        (strangers, "answers without spans"),
        (collector.malformed, "malformed spans skipped"),
        (collector.later, "spans left out that had not ended yet"),
    )
    return collector.spans(), [f"{count} {what}" for count, what in counts if count]


def in_window(spans: SpanSet, window: Window, now: datetime) -> SpanSet:
    """Whole traces whose first span began in the window."""
    start, end = window.start.timestamp(), min(window.end, now).timestamp()
    return of_traces(spans, {key for key, each in summaries(spans).items() if start <= each.start <= end})


def touching(spans: SpanSet, services: Sequence[str]) -> SpanSet:
    """Whole traces that one of the services took part in; all where none is named."""
    if not services:
        return spans
    wanted = frozenset(services)
    pairs = zip(spans.trace, spans.service, strict=True)
    return of_traces(spans, {trace for trace, service in pairs if service in wanted})


def lag_note(spans: SpanSet, end: datetime) -> list[str]:
    """What is to be said where the window's last seconds are empty."""
    if not len(spans.start):
        return []
    empty = end.timestamp() - float(spans.start.max())
    if empty < _LAG_SECONDS:
        return []
    return [
        f"no trace began in the last {empty:.0f} s: traces are found only some half a minute after they end, "
        "so this says nothing about traffic"
    ]


def reading(
    question: SpanSample, query: str, spans: SpanSet, by_trace: Mapping[str, float] | None, now: datetime
) -> Reading:
    """The sample as a reading: weighed where its weights are known, without secrets."""
    answer = without_secrets(spans if by_trace is None else weighted(spans, by_trace))
    return Reading(
        source=Source.TRACES,
        question=question,
        query=query,
        at=min(question.window.end, now.astimezone(UTC)),
        answer=answer,
        sha256=sha256(answer),
    )


def fetched_picks(picks: Iterable[Pick], spans: SpanSet) -> list[Pick]:
    """The picks whose traces are in the sample."""
    present = frozenset(spans.trace)
    return [pick for pick in picks if pick.trace in present]
