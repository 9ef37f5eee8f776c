"""Since when spans and logs differ: the split between baseline and incident, found in the samples themselves.

An alert fires minutes after the onset, and a symptom may not show in any series at all. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from connectors.answers import Floats, LogSet, SpanSet
from playbooks.logmix import statement
from playbooks.spans import SERVER

_FEWEST = 5
_TOP = 4
_UNSEEN_SECONDS = 330.0


@dataclass(frozen=True, slots=True)
class Track:
    """One quantity sampled at irregular times: `times` rise, in seconds since the epoch."""

    times: Floats
    values: Floats


def _durations(spans: SpanSet) -> list[Track]:
    groups: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for row, kind in enumerate(spans.kind.tolist()):
        groups[(spans.service[row], spans.name[row], kind)].append(row)
    out = []
    seconds = np.log(np.maximum(spans.end - spans.start, 0.0) + 2e-4)
    for key in sorted(groups):
        rows = np.array(groups[key])
        if len(rows) >= 2 * _FEWEST:
            order = np.argsort(spans.start[rows], kind="stable")
            out.append(Track(spans.start[rows][order], seconds[rows][order]))
    return out


def _visits(logs: LogSet, spans: SpanSet | None) -> dict[str, list[tuple[float, str]]]:
    """Per service the traces it served, by time: its server spans, else its log lines."""
    began: dict[tuple[str, str], float] = {}
    if spans is not None:
        columns = (spans.service, spans.trace, spans.start.tolist(), spans.kind.tolist())
        for service, trace, start, kind in zip(*columns, strict=True):
            if kind == SERVER:
                began[(service, trace)] = min(start, began.get((service, trace), start))
    for record in logs.records:
        if record.trace:
            began.setdefault((record.service, record.trace), record.at)
    served: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for (service, trace), at in began.items():
        served[service].append((at, trace))
    return {service: sorted(visits) for service, visits in served.items()}


def _presences(logs: LogSet, spans: SpanSet | None) -> list[Track]:
    """Each statement's presence (0 or 1) in the traces that its service served, by time."""
    served = _visits(logs, spans)
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in logs.records:
        if record.trace:
            said[(record.service, statement(record))].add(record.trace)
    out = []
    for (service, _), present in sorted(said.items()):
        visits = served[service]
        if len(visits) >= 2 * _FEWEST:
            values = np.array([1.0 if trace in present else 0.0 for _, trace in visits])
            out.append(Track(np.array([at for at, _ in visits]), values))
    return out


def _evidence(track: Track, splits: Floats) -> Floats:
    """Student's statistic of after against before, absolute, at every split; 0 where a side is too small."""
    at = np.searchsorted(track.times, splits)
    n = len(track.times)
    sums = np.concatenate(([0.0], np.cumsum(track.values)))
    squares = np.concatenate(([0.0], np.cumsum(track.values**2)))
    before, after = at.astype(np.float64), (n - at).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_b, mean_a = sums[at] / before, (sums[n] - sums[at]) / after
        var_b = squares[at] / before - mean_b**2
        var_a = (squares[n] - squares[at]) / after - mean_a**2
        within = (before * np.maximum(var_b, 0) + after * np.maximum(var_a, 0)) / n
        error = np.sqrt((within + 0.02) * (1.0 / before + 1.0 / after))
        z = np.abs(mean_a - mean_b) / error
    return np.asarray(np.where((before >= _FEWEST) & (after >= _FEWEST), z, 0.0))


def best_split(tracks: Sequence[Track], splits: Floats, usual: float) -> float:
    """The split at which the samples differ most; `usual` when none is clearly better than it.

    The evidence of a split is the mean of the largest few statistics over all tracks, so that one sparse
    operation cannot choose it (binary segmentation with one change point, Scott & Knott 1974).
    """
    if not tracks or not len(splits):
        return usual
    grid = np.append(splits, usual)
    table = np.array([_evidence(track, grid) for track in tracks])
    top = np.sort(table, axis=0)[-_TOP:].mean(axis=0)
    best = int(np.argmax(top))
    return float(grid[best]) if top[best] > 1.1 * top[-1] and top[best] > 4.0 else usual


def split_of(spans: SpanSet | None, logs: LogSet | None, now: float, onset: float | None) -> float:
    """Find since when spans and logs differ, every 20 seconds over the time it may be.

    Args:
        spans: a sample of whole traces, None where there is none.
        logs: log records, None where there are none.
        now: the incident's now, seconds since the epoch.
        onset: when the symptom became visible, None where it is not: then the last ten minutes are searched.

    Returns:
        The split; in doubt the symptom's onset, else five and a half minutes before now. A symptom is seen
        late, never early: what the samples say may come up to four minutes before it.
    """
    tracks = _durations(spans) if spans is not None else []
    if logs is not None:
        tracks += _presences(logs, spans)
    usual = now - _UNSEEN_SECONDS if onset is None else onset
    first, last = (now - 600.0, now - 40.0) if onset is None else (onset - 240.0, onset + 20.0)
    return best_split(tracks, np.arange(first, min(last, now - 40.0), 20.0), usual)
