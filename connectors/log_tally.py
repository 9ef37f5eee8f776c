"""Counts of lines by service and level over slices of time: what moved, how much of each to read. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.sampling_plan import Slice
from connectors.spending import Budget

_MOVED = 4.0
_PARTS = 2
_MOST_ENTRIES = 5_000  # what Loki returns at most, unless it is told otherwise


@dataclass(frozen=True, slots=True)
class LogBudget(Budget):
    """What one question about logs may cost: lines to keep, and bytes that counting may make Loki scan."""

    requests: int = 120
    lines: int = 8_000
    scanned_bytes: int = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Probe:
    """A stretch of time to read lines from, at most so many; `share` is its part of the slice's lines."""

    start: int
    end: int
    limit: int
    share: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Lines counted by service and level, for each slice, the newest first."""

    pieces: tuple[Slice, ...]
    counts: tuple[Mapping[tuple[str, str], float], ...]

    def total(self) -> float:
        """All lines counted."""
        return sum(sum(each.values()) for each in self.counts)

    def levels(self, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        """The levels, as the store writes them, that are wanted."""
        return tuple(sorted({level for each in self.counts for _, level in each if wanted(level)}))

    def of(self, wanted: Callable[[str, str], bool]) -> tuple[float, ...]:
        """The lines of each slice whose service and level are wanted."""
        return tuple(sum(count for pair, count in each.items() if wanted(*pair)) for each in self.counts)

    def moved(self) -> list[tuple[str, str]]:
        """Services and levels whose rate changed at some edge between slices, the clearest change first.

        Rates before and after an edge are compared on the square-root scale, where a Poisson count's variance
        is constant (Huffman, Technometrics 26, 1984).
        """
        totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * len(self.pieces))
        for number, each in enumerate(self.counts):
            for pair, count in each.items():
                totals[pair][number] = count
        seconds = [float(piece.end - piece.start) for piece in self.pieces]
        scored = {pair: _shift(counts, seconds) for pair, counts in totals.items()}
        return sorted(
            (pair for pair, z in scored.items() if z >= _MOVED), key=lambda pair: (-scored[pair], pair)
        )


def _shift(counts: Sequence[float], seconds: Sequence[float]) -> float:
    """The largest change of the rate over all edges, in standard errors."""
    best = 0.0
    for edge in range(1, len(counts)):
        after, before = sum(counts[:edge]), sum(counts[edge:])
        of_after, of_before = sum(seconds[:edge]), sum(seconds[edge:])
        change = math.sqrt(after / of_after) - math.sqrt(before / of_before)
        best = max(best, 2 * abs(change) / math.sqrt(1 / of_after + 1 / of_before))
    return best


def probes(pieces: Sequence[Slice], expected: Sequence[float] | None, quota: int) -> list[Probe]:
    """What to read of each slice so that each gives about `quota` lines.

    A slice that holds more is read in a few short stretches spread over it, so that the lines are not all
    from its end.
    """
    quota = max(quota, 1)
    plan: list[Probe] = []
    for number, piece in enumerate(pieces):
        count = None if expected is None else expected[number]
        if count is not None and count <= 0:
            continue
        if count is None or count <= quota:
            plan.append(Probe(piece.start, piece.end, min(quota * 2, _MOST_ENTRIES), 1.0))
            continue
        length = (piece.end - piece.start) / _PARTS
        taken = max(round(length * quota / count), 1)
        for part in range(_PARTS):
            start = piece.start + round(part * length)
            plan.append(Probe(start, min(start + taken, piece.end), -(-quota // _PARTS), quota / count))
    return plan
