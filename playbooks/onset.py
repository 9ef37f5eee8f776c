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


@dataclass(frozen=True, slots=True)
class Track:
    """One quantity sampled at irregular times: `times` rising, seconds since the epoch; `values` alike long."""

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


def _presences(logs: LogSet, spans: SpanSet | None) -> list[Track]:
    """Each statement's presence (0 or 1) in the traces that its service served, by time."""
    began: dict[tuple[str, str], float] = {}
    if spans is not None:
        for service, trace, start, kind in zip(
            spans.service, spans.trace, spans.start.tolist(), spans.kind.tolist(), strict=True
        ):
            if kind == SERVER:
                began[(service, trace)] = min(start, began.get((service, trace), start))
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in logs.records:
        if record.trace:
            began.setdefault((record.service, record.trace), record.at)
            said[(record.service, statement(record))].add(record.trace)
    served: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for (service, trace), at in began.items():
        served[service].append((at, trace))
    for visits in served.values():
        visits.sort()
    out = []
    for service, text in sorted(said):
        visits = served[service]
        if len(visits) >= 2 * _FEWEST:
            present = said[(service, text)]
            values = np.array([1.0 if trace in present else 0.0 for _, trace in visits])
            out.append(Track(np.array([at for at, _ in visits]), values))
    return out


def _evidence(track: Track, splits: Floats) -> Floats:
    """Welch's statistic of after against before, absolute, at every split; 0 where a side is too small."""
    at = np.searchsorted(track.times, splits)
    n = len(track.times)
    sums = np.concatenate(([0.0], np.cumsum(track.values)))
    squares = np.concatenate(([0.0], np.cumsum(track.values**2)))
    before, after = at.astype(np.float64), (n - at).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_b, mean_a = sums[at] / before, (sums[n] - sums[at]) / after
        var_b = squares[at] / before - mean_b**2
        var_a = (squares[n] - squares[at]) / after - mean_a**2
        error = np.sqrt((np.maximum(var_b, 0) + 0.02) / before + (np.maximum(var_a, 0) + 0.02) / after)
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


def split_of(
    spans: SpanSet | None, logs: LogSet | None, now: float, usual: float, longest: float = 600.0
) -> float:
    """Find the split within the last `longest` seconds before `now`, every 20 seconds; `usual` in doubt."""
    tracks = _durations(spans) if spans is not None else []
    if logs is not None:
        tracks += _presences(logs, spans)
    splits = np.arange(min(now - longest, usual), now - 40.0, 20.0)
    return best_split(tracks, splits, usual)
