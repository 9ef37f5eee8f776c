"""What PostgreSQL's cumulative counters gained before and after the onset: rates, never totals.

Sources: PostgreSQL manual, "pg_stat_statements" and "The Cumulative Statistics System". Counters are totals
since a reset, so one snapshot says nothing about a change. Computes only; judges are elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from connectors.answers import Statement, StatementSnapshots, Table, TableSnapshot, TableSnapshots

SHORTEST_SECONDS = 15.0
"""An interval shorter than this is too short for a rate."""


SHORTEST_SAMPLE_SECONDS = 1.0
"""Two samples of a running incident may lie closer together: only mean times are taken from them."""

NEXT_TO_NOTHING = 0.3
"""A rest of the totals below this part of what the incident accounts for is the rate's own uncertainty."""
ENOUGH = 0.5

ONSET_TOLERANCE = timedelta(seconds=60)
"""An onset is an estimate: a lone snapshot so little after it still counts as one from before."""


@dataclass(frozen=True, slots=True)
class StatementRate:
    """One statement in one interval: calls and milliseconds of execution a second.

    `counted`: calls in the interval. `blocks`: shared buffers that a call touched, 0 where unknown.
    """

    calls: float
    time_ms: float
    counted: float
    blocks: float = 0.0

    @property
    def mean_ms(self) -> float:
        """Mean time of one call in milliseconds, 0 without calls."""
        return self.time_ms / self.calls if self.calls > 0 else 0.0


@dataclass(frozen=True, slots=True)
class StatementChange:
    """A statement before and after the onset. `before` has no calls when it did not run then."""

    queryid: str
    query: str
    before: StatementRate
    after: StatementRate

    @property
    def is_new(self) -> bool:
        """Whether it runs only since the onset."""
        return self.before.counted <= 0 < self.after.counted

    @property
    def extra_ms(self) -> float:
        """Milliseconds of execution a second that it adds."""
        return self.after.time_ms - self.before.time_ms

    @property
    def slower(self) -> float:
        """Ratio of the mean times; 1 where it cannot be told."""
        if self.before.mean_ms <= 0 or self.after.mean_ms <= 0:
            return 1.0
        return self.after.mean_ms / self.before.mean_ms


@dataclass(frozen=True, slots=True)
class StatementDelta:
    """All statements of a database, the largest added time first; each side's length in seconds.

    `gained_ms`: milliseconds of execution a second that the statements which take more now have added.
    """

    changes: tuple[StatementChange, ...]
    seconds_before: float
    seconds_after: float
    gained_ms: float = 0.0

    def time_ms(self, after: bool) -> float:
        """Milliseconds of execution a second, all statements together."""
        return sum((c.after if after else c.before).time_ms for c in self.changes)

    def calls(self, after: bool) -> float:
        """Calls a second, all statements together."""
        return sum((c.after if after else c.before).calls for c in self.changes)


@dataclass(frozen=True, slots=True)
class TableChange:
    """One table: rows a second read by sequential scans, scans a second, and its state at the end.

    `bound`: there was one snapshot before the onset, so `read_before` is the most it can have been, taking
    the counters to be older than the interval since.
    """

    table: Table
    read_before: float
    read_after: float
    scans_before: float
    scans_after: float
    bound: bool = False


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


S = TypeVar("S", bound=_Timed)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which snapshots bound the two intervals: (first, last) before and after."""

    before: tuple[int, int]
    after: tuple[int, int]


def _cut(snapshots: Sequence[_Timed], onset: datetime | None) -> _Cut | None:
    """The widest interval that ends before the onset, and the widest that begins after it.

    Where only one snapshot lies after the onset, the interval of the incident begins at the last one before.
    """
    times = [s.at.timestamp() for s in snapshots]
    if len(times) < 3:
        return None
    if onset is None:
        middle = len(times) // 2
        return _Cut((0, middle), (middle, len(times) - 1))
    last_before = sum(t <= onset.timestamp() for t in times) - 1
    if last_before < 1 or last_before == len(times) - 1:
        return None
    first_after = last_before + 1
    long_enough = times[-1] - times[first_after] >= SHORTEST_SECONDS
    return _Cut((0, last_before), (first_after if long_enough else last_before, len(times) - 1))


def _pair_seconds(held: Sequence[_Timed], onset: datetime | None) -> float | str:
    """The length of two snapshots' interval when the onset lies in it, else what is amiss."""
    early = held[0].at - ONSET_TOLERANCE if held else None
    if len(held) != 2 or onset is None or early is None or not early <= onset <= held[1].at:
        return f"{len(held)} snapshots do not stand on both sides of the onset"
    seconds = (held[1].at - held[0].at).total_seconds()
    return seconds if seconds >= SHORTEST_SECONDS else f"the snapshots are only {seconds:.0f} s apart"


def _gain(earlier: float, later: float) -> float:
    """What a counter gained; after a reset, all it holds."""
    return later - earlier if later >= earlier else later


def statement_delta(snapshots: StatementSnapshots, onset: datetime | None) -> StatementDelta | str:
    """Compare the statements before and after the onset; a text says why it is impossible."""
    held = sorted(snapshots.snapshots, key=lambda s: s.at)
    cut = _cut(held, onset)
    by_id = [{s.queryid: s for s in snapshot.statements} for snapshot in held]
    if cut is None:
        live = len(held) >= 2 and onset is not None and onset < held[0].at - ONSET_TOLERANCE
        return _running(held, by_id, onset) if live and onset else _lifetime(held, by_id, onset)
    spans = [(held[b].at - held[a].at).total_seconds() for a, b in (cut.before, cut.after)]
    if min(spans) < SHORTEST_SECONDS:
        return f"the snapshots are {min(spans):.0f} s apart, too short for a rate"
    return _changes(
        {q: _rate(by_id, cut.before, q, spans[0]) for q in by_id[cut.before[1]]},
        {q: _rate(by_id, cut.after, q, spans[1]) for q in by_id[cut.after[1]]},
        by_id[-1],
        (spans[0], spans[1]),
    )


def _rate(
    by_id: Sequence[Mapping[str, Statement]], bounds: tuple[int, int], queryid: str, seconds: float
) -> StatementRate:
    end = by_id[bounds[1]][queryid]
    start = by_id[bounds[0]].get(queryid)
    calls = _gain(start.calls if start else 0.0, end.calls)
    time_ms = _gain(start.total_exec_time_ms if start else 0.0, end.total_exec_time_ms)
    blocks = _gain(_blocks(start) if start else 0.0, _blocks(end)) / calls if calls > 0 else 0.0
    return StatementRate(calls / seconds, time_ms / seconds, calls, blocks)


def _blocks(statement: Statement) -> float:
    return statement.shared_blks_hit + statement.shared_blks_read


def _changes(
    before: Mapping[str, StatementRate],
    after: Mapping[str, StatementRate],
    texts: Mapping[str, Statement],
    spans: tuple[float, float],
) -> StatementDelta:
    none = StatementRate(0.0, 0.0, 0.0)
    changes = [
        StatementChange(q, texts[q].query, before.get(q, none), rate)
        for q, rate in after.items()
        if q in texts
    ]
    changes.sort(key=lambda c: (-c.extra_ms, c.queryid))
    gained = sum(max(0.0, c.extra_ms) for c in changes)
    return StatementDelta(tuple(changes), spans[0], spans[1], gained)


def _lifetime(
    held: Sequence[_Timed], by_id: Sequence[Mapping[str, Statement]], onset: datetime | None
) -> StatementDelta | str:
    """Two snapshots, one before the onset: its totals since the reset stand for the usual mean times.

    Rates before are unknown then, so they are set to those after: only mean times can differ.
    """
    seconds = _pair_seconds(held, onset)
    if isinstance(seconds, str):
        return seconds
    after = {q: _rate(by_id, (0, 1), q, seconds) for q in by_id[1]}
    before = {
        q: StatementRate(
            after[q].calls, after[q].calls * s.total_exec_time_ms / s.calls, s.calls, _blocks(s) / s.calls
        )
        for q, s in by_id[0].items()
        if s.calls > 0 and q in after
    }
    return _changes(before, after, by_id[1], (0.0, seconds))


def _running(
    held: Sequence[_Timed], by_id: Sequence[Mapping[str, Statement]], onset: datetime
) -> StatementDelta | str:
    """Snapshots of a running incident alone: what the totals hold beyond it stands for the usual mean times.

    What runs between the last two is taken to have run since the onset; the rest of the totals, back to their
    reset, is what was before. A statement that leaves next to no rest is new; where the rest is neither
    little nor enough, nothing is said of the statement. Rates before are unknown, as in `_lifetime`.
    """
    seconds = (held[-1].at - held[-2].at).total_seconds()
    if seconds < SHORTEST_SAMPLE_SECONDS:
        return f"the snapshots are only {seconds:.1f} s apart"
    since = (held[-2].at - onset).total_seconds()
    after: dict[str, StatementRate] = {}
    before: dict[str, StatementRate] = {}
    for q in by_id[-1]:
        rate = _rate(by_id, (len(held) - 2, len(held) - 1), q, seconds)
        total = by_id[-2].get(q)
        usual = _rest(total, rate, since) if total else StatementRate(0.0, 0.0, 0.0)
        if usual is not None:
            after[q], before[q] = rate, usual
    return _changes(before, after, by_id[-1], (0.0, seconds))


def _rest(total: Statement, rate: StatementRate, since: float) -> StatementRate | None:
    """A statement's usual rate by what its totals hold beyond `since` seconds at this rate; None: unclear."""
    expected = rate.calls * since
    calls = total.calls - expected
    time_ms = total.total_exec_time_ms - rate.time_ms * since
    if calls <= NEXT_TO_NOTHING * expected:  # less than nothing: it began after the onset
        return StatementRate(0.0, 0.0, 0.0)
    if calls < ENOUGH * expected or time_ms <= 0:
        return None
    blocks = max(0.0, _blocks(total) - rate.blocks * expected) / calls
    return StatementRate(rate.calls, rate.calls * time_ms / calls, calls, blocks)


def table_changes(snapshots: TableSnapshots, onset: datetime | None) -> tuple[TableChange, ...] | str:
    """Compare what sequential scans read before and after the onset, the largest rise first."""
    held = sorted(snapshots.snapshots, key=lambda s: s.at)
    cut = _cut(held, onset)
    if cut is None:
        return _table_bounds(held, onset)
    spans = [(held[b].at - held[a].at).total_seconds() for a, b in (cut.before, cut.after)]
    if min(spans) < SHORTEST_SECONDS:
        return f"the snapshots are {min(spans):.0f} s apart, too short for a rate"
    by_name = [{(t.db_schema, t.table): t for t in snapshot.tables} for snapshot in held]
    sides = ((cut.before, spans[0]), (cut.after, spans[1]))
    changes = []
    for key, table in by_name[-1].items():
        before, after = (_scanned(by_name, bounds, key, seconds) for bounds, seconds in sides)
        changes.append(TableChange(table, before.read, after.read, before.scans, after.scans))
    changes.sort(key=lambda c: (c.read_before - c.read_after, c.table.db_schema, c.table.table))
    return tuple(changes)


def _table_bounds(held: Sequence[TableSnapshot], onset: datetime | None) -> tuple[TableChange, ...] | str:
    seconds = _pair_seconds(held, onset)
    if isinstance(seconds, str):
        return seconds
    by_name = [{(t.db_schema, t.table): t for t in snapshot.tables} for snapshot in held]
    changes = []
    for key, table in by_name[1].items():
        start = by_name[0].get(key)
        after = _scanned(by_name, (0, 1), key, seconds)
        read, scans = (start.seq_tup_read, start.seq_scan) if start else (0.0, 0.0)
        changes.append(
            TableChange(table, read / seconds, after.read, scans / seconds, after.scans, bound=True)
        )
    changes.sort(key=lambda c: (c.read_before - c.read_after, c.table.db_schema, c.table.table))
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class _Scanned:
    read: float
    scans: float


def _scanned(
    by_name: Sequence[Mapping[tuple[str, str], Table]],
    bounds: tuple[int, int],
    key: tuple[str, str],
    seconds: float,
) -> _Scanned:
    start, end = by_name[bounds[0]].get(key), by_name[bounds[1]].get(key)
    if end is None:
        return _Scanned(0.0, 0.0)
    read = _gain(start.seq_tup_read if start else 0.0, end.seq_tup_read)
    scans = _gain(start.seq_scan if start else 0.0, end.seq_scan)
    return _Scanned(read / seconds, scans / seconds)
