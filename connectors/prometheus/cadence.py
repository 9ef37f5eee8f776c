"""How often each target is scraped, and counters of slow ones made even. Pure.

A range query repeats a sample until the next one comes. Where a target is scraped every minute and asked for
every fifteen seconds, its counters seem to stand still three times of four and then to leap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats

USUAL_SECONDS = 15.0
_NICE = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300)
_FEWEST_ROWS = 5
_TELLING = 4
_SPAN = "firstcause_span"
SPANS = (30, 120, 600)
"""Seconds over which samples are counted."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """Seconds between two scrapes: of most jobs, and of each job that has `up`."""

    usual: float = USUAL_SECONDS
    by_job: Mapping[str, float] = field(default_factory=dict)


def cadence_query(selectors: Sequence[str]) -> str:
    """How many samples each job's oldest target has in the last half minute, two and ten minutes."""
    parts = []
    for seconds in SPANS:
        counted = " or ".join(f"count_over_time({of}[{seconds}s])" for of in selectors)
        parts.append(f'label_replace(max by (job) ({counted}), "{_SPAN}", "{seconds}", "", "")')
    return " or ".join(parts)


def read_cadence(rows: Sequence[tuple[Mapping[str, str], float]]) -> Cadence:
    """What the rows of `cadence_query` say."""
    counts: dict[str, dict[int, float]] = {}
    for labels, often in rows:
        span = next((each for each in SPANS if labels.get(_SPAN) == str(each)), None)
        if span is not None:
            counts.setdefault(labels.get("job", ""), {})[span] = often
    by_job = {job: found for job, told in counts.items() if (found := _interval(told)) is not None}
    if not by_job:
        return Cadence()
    ordered = sorted(by_job.values())
    return Cadence(ordered[(len(ordered) - 1) // 2], by_job)


def _interval(counts: Mapping[int, float]) -> float | None:
    """The interval by the longest span, or by a shorter one that a young target has filled better.

    Four samples tell; with fewer, a target is as likely young as slow, unless the last minutes had only one.
    """
    telling = [_nice(span, often) for span, often in counts.items() if often >= _TELLING]
    if telling:
        return min(telling)
    most = counts.get(SPANS[-1], 0.0)
    return _nice(SPANS[-1], most) if most >= 2 and counts.get(SPANS[1], 0.0) <= 1 else None


def _nice(seconds: int, often: float) -> float:
    """The interval people set that fits: a span holds half a sample more than it is long, on average."""
    return float(min(_NICE, key=lambda nice: abs(nice - seconds / (often - 0.5))))


def evened(labels: Sequence[Mapping[str, str]], values: Floats, known: Cadence, step: float) -> None:
    """Draw lines between the scrapes of what only rises where those are several steps apart, in place.

    The increase between two scrapes is spread over the time between them, as a rate spreads it. What comes
    after the last scrape is not known yet: NaN.
    """
    if values.shape[1] < 3:
        return
    for rows, every in _slow(labels, values, known, step):
        changes = np.diff(values[rows], axis=1)
        moved = np.isfinite(changes) & (changes != 0)
        rising = moved.any(axis=1) & ~(changes < 0).any(axis=1)
        for n in np.flatnonzero(rising):
            _draw(values[rows[n]], moved[n], every)


def _slow(
    labels: Sequence[Mapping[str, str]], values: Floats, known: Cadence, step: float
) -> Iterator[tuple[list[int], int]]:
    """Rows of targets that are scraped less than once a step, and how many steps lie between two scrapes.

    A target without `up` shows it by when its series move.
    """
    targets: dict[tuple[str, str], list[int]] = {}
    for row, each in enumerate(labels):
        job = each.get("job", "")
        if job:
            targets.setdefault((job, "" if job in known.by_job else each.get("instance", "")), []).append(row)
    for (job, _), rows in targets.items():
        every = max(round(known.by_job[job] / step), 1) if job in known.by_job else _shown(values[rows])
        if every > 1:
            yield rows, every


def _shown(values: Floats) -> int:
    """Steps between two instants at which any series of a target moves; 1 where too few tell."""
    if len(values) < _FEWEST_ROWS:
        return 1
    changes = np.diff(values, axis=1)
    at = np.flatnonzero((np.isfinite(changes) & (changes != 0)).any(axis=0))
    return int(np.median(np.diff(at))) if len(at) > _FEWEST_ROWS else 1


def _draw(row: Floats, moved: npt.NDArray[np.bool_], every: int) -> None:
    """One row: its scrapes are where it most often moves, counted from each other."""
    at = np.flatnonzero(moved) + 1
    phase = int(np.argmax(np.bincount(at % every, minlength=every)))
    places = np.arange(phase, len(row), every)
    places = places[np.isfinite(row[places])]
    if len(places) < 2:
        return
    inside = np.arange(places[0], places[-1] + 1)
    gaps = ~np.isfinite(row[inside])
    drawn = np.interp(inside, places, row[places])
    drawn[gaps] = np.nan
    row[inside] = drawn
    row[: places[0]] = np.nan
    row[places[-1] + 1 :] = np.nan
