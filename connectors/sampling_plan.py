"""Which traces to draw: balanced over time whatever the onset, and over route, status and latency within it.

A question about spans names a window and not the onset, so the window is cut into slices that double in
length backwards from its end, and each pair of slices may give equally many traces: wherever the onset
lies, both sides of it get a fair share. Within a slice the strata are route and status, with a floor for
rare ones (stratified sampling: Cochran, Sampling Techniques, 1977, chapter 5); within a stratum traces are
drawn evenly over their durations, the fastest and the slowest among them. Pure, and without chance: the
same candidates give the same draw.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from connectors.contract import Window

GRID_SECONDS = 30
"""Slices begin and end on multiples of this, so that a store's own counts can be added up to them."""

_NEWEST_SECONDS = 300
_PARTS = 2
_MOST_TIERS = 8
_FLOOR = 2


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of the window, in whole seconds since the epoch; the end is left out."""

    number: int
    start: int
    end: int


class Stratum(NamedTuple):
    """Traces that are alike: same slice, same root operation, all failed or none."""

    slice: int
    service: str
    name: str
    error: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trace that could be drawn; `start` and `duration` in seconds.

    `chance`: whether the search that found it looked for nothing but time, so that its share tells of all.
    """

    trace: str
    start: float
    duration: float
    stratum: Stratum
    chance: bool = True


class Pick(NamedTuple):
    """A trace to fetch, and for which stratum it stands."""

    trace: str
    stratum: Stratum


def slices(window: Window, now: datetime) -> tuple[Slice, ...]:
    """The window's slices, the newest first, none of them later than `now`."""
    start = int(window.start.timestamp())
    end = -int(-min(window.end, now).timestamp() // 1)
    edges = [end]
    length = min(_NEWEST_SECONDS, max((end - start) // 4, 1))
    while edges[-1] > start and len(edges) <= _MOST_TIERS:
        edge = _on_grid(edges[-1] - length)
        # A remainder shorter than half a tier is not worth a tier of its own.
        edges.append(start if edge - start < length / 2 or len(edges) == _MOST_TIERS else edge)
        if len(edges) > 2:
            length *= 2
    pieces = [piece for newer, older in pairwise(edges) for piece in _parts(older, newer)]
    return tuple(Slice(number, *piece) for number, piece in enumerate(pieces))


def _on_grid(second: int) -> int:
    return second // GRID_SECONDS * GRID_SECONDS


def _parts(start: int, end: int) -> list[tuple[int, int]]:
    """A tier in two, the newer first; one that is too short stays whole."""
    middle = _on_grid((start + end) // _PARTS)
    return [(middle, end), (start, middle)] if start < middle < end else [(start, end)]


def slice_of(pieces: Sequence[Slice], at: float) -> Slice | None:
    """The slice in which the instant lies."""
    return next((piece for piece in pieces if piece.start <= at < piece.end), None)


def draw(candidates: Iterable[Candidate], most: int) -> list[Pick]:
    """At most so many traces, in an order of which any beginning is itself a balanced draw."""
    strata: dict[Stratum, list[Candidate]] = defaultdict(list)
    for candidate in sorted(set(candidates), key=lambda each: (each.duration, each.trace)):
        strata[candidate.stratum].append(candidate)
    sizes = {stratum: len(members) for stratum, members in strata.items()}
    placed: list[tuple[float, Stratum, str]] = []
    for stratum, count in _shares(sizes, most).items():
        members = [candidate.trace for candidate in strata[stratum]]
        for rank, place in enumerate(_spread(count)):
            trace = members[_even(place, count, len(members))]
            placed.append((rank / count, stratum, trace))
    return [Pick(trace, stratum) for _, stratum, trace in sorted(placed)]


def _even(place: int, count: int, size: int) -> int:
    """The row of the n-th of `count` places spread over `size` rows, first and last included."""
    return size // 2 if count == 1 else round(place * (size - 1) / (count - 1))


def _spread(count: int) -> list[int]:
    """The numbers below `count`, far ones after each other: reversed bits (van der Corput's sequence)."""
    return sorted(range(count), key=lambda n: int(f"{n:016b}"[::-1], 2))


def _shares(sizes: Mapping[Stratum, int], most: int) -> dict[Stratum, int]:
    """How many each stratum gives: slices alike as far as they can, within a slice by size above a floor."""
    by_slice: dict[int, dict[Stratum, int]] = defaultdict(dict)
    for stratum, size in sizes.items():
        by_slice[stratum.slice][stratum] = size
    quotas = _level({number: sum(within.values()) for number, within in by_slice.items()}, most)
    return {
        stratum: count
        for number, within in sorted(by_slice.items())
        for stratum, count in _within(within, quotas[number]).items()
        if count
    }


def _level(sizes: Mapping[int, int], most: int) -> dict[int, int]:
    """`most` shared out alike, what one cannot give shared among the others."""
    given: dict[int, int] = {}
    left = most
    for done, (number, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        given[number] = min(size, left // (len(sizes) - done))
        left -= given[number]
    return given


def _within(sizes: Mapping[Stratum, int], quota: int) -> dict[Stratum, int]:
    order = sorted(sizes, key=lambda stratum: (not stratum.error, -sizes[stratum], stratum))
    given = dict.fromkeys(order, 0)
    for _ in range(_FLOOR):
        for stratum in order:
            if given[stratum] < sizes[stratum] and quota > 0:
                given[stratum] += 1
                quota -= 1
    open_sizes = {stratum: sizes[stratum] - given[stratum] for stratum in order}
    total = sum(open_sizes.values())
    if total and quota:
        exact = {stratum: min(1.0, quota / total) * size for stratum, size in open_sizes.items()}
        for stratum, share in exact.items():
            given[stratum] += int(share)
        rest = min(quota, total) - sum(map(int, exact.values()))
        by_remainder = sorted(order, key=lambda each: (-(exact[each] % 1), each))
        for stratum in by_remainder[:rest]:
            given[stratum] += 1
    return given


@dataclass(frozen=True, slots=True)
class Population:
    """What is known of how many traces there were.

    `complete`: the slices of which every trace is a candidate. `counted`: traces by slice, root service and
    root operation, where the store counts.
    """

    complete: Collection[int]
    counted: Mapping[tuple[int, str, str], float] | None = None


def weights(
    candidates: Iterable[Candidate], fetched: Iterable[Pick], population: Population
) -> dict[str, float] | None:
    """How many traces each fetched one stands for; None where that is not known throughout."""
    members: Counter[Stratum] = Counter()
    by_chance: Counter[Stratum] = Counter()
    for candidate in set(candidates):
        members[candidate.stratum] += 1
        by_chance[candidate.stratum] += candidate.chance
    of_route: Counter[tuple[int, str, str]] = Counter()
    for stratum, count in by_chance.items():
        of_route[stratum[:3]] += count
    picks = list(fetched)
    drawn = Counter(pick.stratum for pick in picks)
    found: dict[str, float] = {}
    for pick in picks:
        stratum, route = pick.stratum, pick.stratum[:3]
        if stratum.slice in population.complete:
            size = float(members[stratum])
        elif population.counted is not None and route in population.counted and of_route[route]:
            share = by_chance[stratum] / of_route[route]
            size = max(population.counted[route] * share, float(members[stratum]))
        else:
            return None
        found[pick.trace] = size / drawn[stratum]
    return found
