"""Brings a live answer into the one form in which a case can hold it, so that what is saved replays alike.

Nothing is judged here and nothing of weight is lost: times are cut to what the case's formats can
write, rows are put into the order in which a case's reader would give them, and what says nothing (a
series without a sample) is left out. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from connectors.answers import (
    Answer,
    Change,
    ClusterState,
    Commits,
    LogSet,
    SeriesKey,
    SeriesSet,
    SpanSet,
    StatusFeeds,
    Timeline,
)
from connectors.codec import sha256
from connectors.contract import Frozen, Reading, Window


def normal(reading: Reading) -> Reading:
    """The reading with its answer in normal form; the same object where it is already."""
    form = _FORMS.get(type(reading.answer))
    window = getattr(reading.question, "window", None)
    answer = form(reading.answer) if form is not None else reading.answer
    cut = _CUTS.get(type(answer))
    if cut is not None and isinstance(window, Window):
        answer = cut(answer, window)
    if answer is reading.answer or (isinstance(answer, Frozen) and answer == reading.answer):
        return reading
    return replace(reading, answer=answer, sha256=sha256(answer))


def microseconds(at: float) -> float:
    """Seconds since the epoch as a text in ISO 8601 with microseconds can hold them."""
    return datetime.fromtimestamp(at, UTC).timestamp()


def _series(answer: SeriesSet) -> SeriesSet:
    """Keys in the order of their text, labels sorted, times in whole milliseconds, no empty series."""
    keys = [_sorted(key) for key in answer.keys]
    named = [str(key) for key in keys]
    spoken: list[bool] = np.asarray(np.isfinite(answer.values).any(axis=1)).tolist()
    order = [n for n in sorted(range(len(keys)), key=named.__getitem__) if spoken[n]]
    order = [n for place, n in enumerate(order) if place == 0 or named[n] != named[order[place - 1]]]
    times = np.round(answer.times * 1000) / 1000
    same = order == list(range(len(keys))) and tuple(keys) == answer.keys
    if same and np.array_equal(times, answer.times):
        return answer
    return SeriesSet(tuple(keys[n] for n in order), times, answer.values if same else answer.values[order])


def _sorted(key: SeriesKey) -> SeriesKey:
    labels = tuple(sorted([pair for pair in key.labels if pair[1]]))
    return key if labels == key.labels else SeriesKey(key.metric, labels)


def _spans(answer: SpanSet) -> SpanSet:
    """By start, then ids; intervals in microseconds."""
    rows = list(zip(answer.start.tolist(), answer.trace, answer.span, strict=True))
    order = sorted(range(len(rows)), key=rows.__getitem__)
    intervals = _intervals(answer.intervals)
    if order == list(range(len(rows))):
        return answer if intervals == answer.intervals else replace(answer, intervals=intervals)
    return _taken(answer, order, intervals)


def _taken(answer: SpanSet, order: list[int], intervals: tuple[tuple[float, float], ...]) -> SpanSet:
    """These rows in this order, parents renumbered."""
    place = np.full(len(answer.span) + 1, -1, dtype=np.int64)  # the last one answers for "no parent"
    place[order] = np.arange(len(order))
    arrays = ("has_parent", "kind", "start", "end", "status", "weight")
    texts = ("trace", "span", "service", "name", "attributes", "events")
    columns: dict[str, Any] = {name: getattr(answer, name)[order] for name in arrays}
    columns |= {name: tuple(getattr(answer, name)[n] for n in order) for name in texts}
    return SpanSet(**columns, parent=place[answer.parent[order]], intervals=intervals)


def _logs(answer: LogSet) -> LogSet:
    records = sorted(
        (replace(record, at=microseconds(record.at)) for record in answer.records), key=lambda each: each.at
    )
    return LogSet(tuple(records), answer.truncated, _intervals(answer.intervals))


def _intervals(intervals: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple(sorted((microseconds(start), microseconds(end)) for start, end in intervals))


def _timeline(answer: Timeline) -> Timeline:
    changes = sorted((_change(change) for change in answer.changes), key=lambda each: (each.at, each.id))
    return Timeline(changes=tuple(changes))


def _change(change: Change) -> Change:
    """A change begins with its first step, and what it leaves empty it leaves out."""
    steps = tuple(sorted(change.steps)) or (change.at,)
    empty = {name: None for name in ("service", "version", "commit", "link") if getattr(change, name) == ""}
    return change.model_copy(update={"steps": steps, "at": steps[0], **empty})


def _commits(answer: Commits) -> Commits:
    kept = (each.model_copy(update={"diff": each.diff or None}) for each in answer.commits)
    return Commits(commits=tuple(sorted(kept, key=lambda each: (each.at, each.sha))))


def _status(answer: StatusFeeds) -> StatusFeeds:
    events = sorted(set(answer.events), key=lambda each: (each.at, each.provider, each.component))
    return StatusFeeds(events=tuple(events))


def _series_within(answer: SeriesSet, window: Window) -> SeriesSet:
    start, end = window.start.timestamp(), window.end.timestamp()
    inside = (answer.times >= start) & (answer.times <= end)
    if inside.all():
        return answer
    return _series(SeriesSet(answer.keys, answer.times[inside], answer.values[:, inside]))


def _spans_within(answer: SpanSet, window: Window) -> SpanSet:
    """Whole traces that began in the window, and of them the spans that had ended by its end."""
    start, end = window.start.timestamp(), window.end.timestamp()
    began: dict[str, float] = {}
    for trace, at in zip(answer.trace, answer.start.tolist(), strict=True):
        began.setdefault(trace, at)  # rows come by start
    traces = {trace for trace, at in began.items() if start <= at <= end}
    keep = np.array([trace in traces for trace in answer.trace], dtype=bool) & (answer.end <= end)
    return answer if keep.all() else _taken(answer, np.flatnonzero(keep).tolist(), answer.intervals)


def _logs_within(answer: LogSet, window: Window) -> LogSet:
    start, end = window.start.timestamp(), window.end.timestamp()
    kept = tuple(record for record in answer.records if start <= record.at <= end)
    return answer if len(kept) == len(answer.records) else replace(answer, records=kept)


def _timeline_within(answer: Timeline, window: Window) -> Timeline:
    """Changes of which a step lies in the window, with the steps there were by its end."""
    seen = (
        change.model_copy(update={"steps": tuple(at for at in change.steps if at <= window.end)})
        for change in answer.changes
    )
    return Timeline(changes=tuple(each for each in seen if each.steps and each.steps[-1] >= window.start))


def _commits_within(answer: Commits, window: Window) -> Commits:
    return Commits(commits=tuple(each for each in answer.commits if window.holds(each.at)))


def _events_within(answer: ClusterState, window: Window) -> ClusterState:
    return answer.model_copy(update={"events": tuple(e for e in answer.events if window.holds(e.at))})


_CUTS: dict[type, Callable[[Any, Window], Answer]] = {
    SeriesSet: _series_within,
    SpanSet: _spans_within,
    LogSet: _logs_within,
    Timeline: _timeline_within,
    Commits: _commits_within,
    ClusterState: _events_within,
}
_FORMS: dict[type, Callable[[Any], Answer]] = {
    SeriesSet: _series,
    SpanSet: _spans,
    LogSet: _logs,
    Timeline: _timeline,
    Commits: _commits,
    StatusFeeds: _status,
}
