"""Joins what several instances of a kind of source answered to one question into one reading. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from connectors.answers import (
    Answer,
    CallGraphEdges,
    ClusterState,
    Commits,
    Floats,
    LogSet,
    PatternCounts,
    SeriesKey,
    SeriesSet,
    SourceFiles,
    SpanSet,
    StatusFeeds,
    Timeline,
)
from connectors.codec import sha256
from connectors.contract import Question, Reading, Unavailable
from connectors.exemplars import Exemplars
from connectors.timeline import one_timeline


def joined(question: Question, replies: Sequence[tuple[str, Reading | Unavailable]]) -> Reading | Unavailable:
    """One reading of all that answered; who did not is named in its notes, or in the reason."""
    readings = [(name, reply) for name, reply in replies if isinstance(reply, Reading)]
    silent = [(name, reply) for name, reply in replies if isinstance(reply, Unavailable)]
    if not readings:
        if not silent:
            return Unavailable(question.source, "no configured source knows what is asked about")
        why = "; ".join(_named(name, each) for name, each in silent)
        return Unavailable(question.source, why, retry=any(each.retry for _, each in silent))
    notes = tuple(f"partly: {_named(name, each)}" for name, each in silent)
    first = readings[0][1]
    if len(readings) == 1:
        return _noted(first, notes)
    join = _JOINS.get(type(first.answer))
    if join is None:
        left_out = ", ".join(name for name, _ in readings[1:])
        return _noted(first, (*notes, f"answered too, and not used: {left_out}"))
    answer = join([reading.answer for _, reading in readings])
    return Reading(
        source=question.source,
        question=question,
        query="\n".join(f"-- {name}\n{reading.query}" for name, reading in readings),
        at=max(reading.at for _, reading in readings),
        answer=answer,
        sha256=sha256(answer),
        notes=tuple(dict.fromkeys((*notes, *(note for _, reading in readings for note in reading.notes)))),
    )


def _named(name: str, silent: Unavailable) -> str:
    """The reason with the source's name in front, which many reasons begin with already."""
    return silent.reason if silent.reason.startswith(f"{name}: ") else f"{name}: {silent.reason}"


def _noted(reading: Reading, notes: tuple[str, ...]) -> Reading:
    return Reading(
        source=reading.source,
        question=reading.question,
        query=reading.query,
        at=reading.at,
        answer=reading.answer,
        sha256=reading.sha256,
        notes=(*notes, *reading.notes),
    )


def _series(answers: Sequence[Answer]) -> Answer:
    """Series on the finest time axis; where two servers hold one, the first one's samples count."""
    sets = cast("Sequence[SeriesSet]", answers)
    axis = min(sets, key=lambda each: (len(each.times) < 2, _step(each.times))).times
    rows: dict[SeriesKey, int] = {}
    for each in sets:
        for key in each.keys:
            rows.setdefault(key, len(rows))
    values = np.full((len(rows), len(axis)), np.nan)
    for each in sets:
        mine = [rows[key] for key in each.keys]
        values[mine] = np.where(np.isnan(values[mine]), _onto(axis, each), values[mine])
    return SeriesSet(keys=tuple(rows), times=axis, values=values)


def _step(times: Floats) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else np.inf


def _onto(axis: Floats, each: SeriesSet) -> Floats:
    """The values at other instants: the last sample for as long as its own step, NaN after that.

    What only rises is taken for a counter, and its increase is spread over the time between two samples: a
    counter that stands still and leaps has no rate.
    """
    if np.array_equal(axis, each.times) or not each.keys:
        return each.values
    last = len(each.times) - 1
    before = np.searchsorted(each.times, axis, side="right") - 1
    known = (before >= 0) & (axis - each.times[before] < _step(each.times))
    after, before = np.clip(before + 1, 0, last), np.clip(before, 0, last)
    held = np.where(known, each.values[:, before], np.nan)
    change = np.diff(each.values, axis=1)
    rising = (change > 0).any(axis=1) & ~(change < 0).any(axis=1)
    span = each.times[after] - each.times[before]
    share = np.divide(axis - each.times[before], span, out=np.zeros(len(axis)), where=span > 0)
    rise = each.values[rising][:, after] - held[rising]
    held[rising] = np.where(share > 0, held[rising] + share * rise, held[rising])
    beyond = axis > each.times[-1]
    held[np.ix_(rising, beyond)] = np.nan
    return held


def _spans(answers: Sequence[Answer]) -> Answer:
    """All spans, by start and id; a span that two stores hold counts once."""
    sets = cast("Sequence[SpanSet]", answers)
    rows: dict[tuple[str, str], tuple[SpanSet, int]] = {}
    for each in sets:
        for n in range(len(each.span)):
            rows.setdefault((each.trace[n], each.span[n]), (each, n))
    order = sorted(rows.items(), key=lambda row: (row[1][0].start[row[1][1]], row[0]))
    place = {key: n for n, (key, _) in enumerate(order)}
    taken = [origin for _, origin in order]
    parents = [
        place[(each.trace[each.parent[n]], each.span[each.parent[n]])] if each.parent[n] >= 0 else -1
        for each, n in taken
    ]
    return SpanSet(
        trace=tuple(each.trace[n] for each, n in taken),
        span=tuple(each.span[n] for each, n in taken),
        parent=np.array(parents, dtype=np.int64),
        has_parent=np.array([each.has_parent[n] for each, n in taken], dtype=np.bool_),
        service=tuple(each.service[n] for each, n in taken),
        name=tuple(each.name[n] for each, n in taken),
        kind=np.array([each.kind[n] for each, n in taken], dtype=np.int64),
        start=np.array([each.start[n] for each, n in taken]),
        end=np.array([each.end[n] for each, n in taken]),
        status=np.array([each.status[n] for each, n in taken], dtype=np.int64),
        weight=np.array([each.weight[n] for each, n in taken]),
        attributes=tuple(each.attributes[n] for each, n in taken),
        events=tuple(each.events[n] for each, n in taken),
        intervals=tuple(sorted({interval for each in sets for interval in each.intervals})),
    )


def _logs(answers: Sequence[Answer]) -> Answer:
    sets = cast("Sequence[LogSet]", answers)
    records = sorted(
        (record for each in sets for record in each.records),
        key=lambda each: (each.at, each.service, each.body),
    )
    return LogSet(
        records=tuple(records),
        truncated=any(each.truncated for each in sets),
        intervals=tuple(sorted({interval for each in sets for interval in each.intervals})),
    )


def _timeline(answers: Sequence[Answer]) -> Answer:
    return one_timeline(change for each in answers for change in cast("Timeline", each).changes)


def _commits(answers: Sequence[Answer]) -> Answer:
    """Commits by time; the telling with a diff counts before one without."""
    known: dict[str, object] = {}
    commits = [commit for each in answers for commit in cast("Commits", each).commits]
    for commit in sorted(commits, key=lambda each: each.diff is None):
        known.setdefault(commit.sha, commit)
    kept = {commit.sha: commit for commit in commits if known[commit.sha] is commit}
    return Commits(commits=tuple(sorted(kept.values(), key=lambda each: (each.at, each.sha))))


def _edges(answers: Sequence[Answer]) -> Answer:
    return CallGraphEdges(
        edges=tuple(sorted({edge for each in answers for edge in cast("CallGraphEdges", each).edges}))
    )


def _status(answers: Sequence[Answer]) -> Answer:
    events = {event for each in answers for event in cast("StatusFeeds", each).events}
    return StatusFeeds(
        events=tuple(sorted(events, key=lambda each: (each.at, each.provider, each.component)))
    )


def _patterns(answers: Sequence[Answer]) -> Answer:
    return PatternCounts(
        patterns=tuple(each for answer in answers for each in cast("PatternCounts", answer).patterns)
    )


def _clusters(answers: Sequence[Answer]) -> Answer:
    """Everything that stands in any of them; every part of the state is a list."""
    return ClusterState.model_validate(
        {
            part: tuple(entry for each in answers for entry in getattr(each, part))
            for part in ClusterState.model_fields
        }
    )


def _exemplars(answers: Sequence[Answer]) -> Answer:
    """Exemplars by value; one that two servers remember counts once."""
    found = {each for answer in answers for each in cast("Exemplars", answer).exemplars}
    return Exemplars(exemplars=tuple(sorted(found, key=lambda each: (-each.value, each.trace, each.metric))))


def _files(answers: Sequence[Answer]) -> Answer:
    return SourceFiles(files=tuple(each for answer in answers for each in cast("SourceFiles", answer).files))


_JOINS: dict[type, Callable[[Sequence[Answer]], Answer]] = {
    SeriesSet: _series,
    SpanSet: _spans,
    LogSet: _logs,
    Timeline: _timeline,
    Commits: _commits,
    CallGraphEdges: _edges,
    StatusFeeds: _status,
    PatternCounts: _patterns,
    ClusterState: _clusters,
    SourceFiles: _files,
    Exemplars: _exemplars,
}
