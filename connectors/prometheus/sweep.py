"""Fetches series: discovers what there is, asks for it in few wide queries, names it as a case would.

Every failure of a part leaves a note; only when nothing could be had does the question fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet
from connectors.governor import SourceFailedError
from connectors.prometheus.client import PrometheusApi, Vector, first_telling
from connectors.prometheus.identity import Identities, ServiceMapping
from connectors.prometheus.matrix import Grid, Matrix
from connectors.prometheus.owners import INFO_METRICS, Owners, read_owners
from connectors.prometheus.selection import (
    IDENTITY,
    Query,
    Room,
    quantile_queries,
    range_queries,
    select,
    selector,
    summed_queries,
    timed_histograms,
    wanted,
)

T = TypeVar("T")
MOST_POINTS = 1_200
_USUAL_INTERVAL = 15.0
_GUESSED_COUNT = 200
_MOST_BUCKETS = 30_000
_MOST_SAMPLES_IN_ALL = 8_000_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be seen: a span of time that ends at now at the latest, and conditions on every series."""

    start: datetime
    end: datetime
    conditions: str = ""

    def of(self, metrics: Sequence[str]) -> str:
        """A selector of metrics within the scope."""
        return selector(metrics, self.conditions)

    @property
    def seconds(self) -> int:
        """How long the span is."""
        return max(round((self.end - self.start).total_seconds()), 1)


@dataclass(slots=True)
class Fetched:
    """What came of a fetch: the answer, the queries behind it, what limits it."""

    series: SeriesSet
    queries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of one query, and where on the grid they begin."""

    query: Query
    matrix: Matrix


class Fetching:
    """One question's worth of requests, side by side, until its time is up."""

    def __init__(self, api: PrometheusApi, scope: Scope, seconds: float) -> None:
        self.api = api
        self.scope = scope
        self.notes: list[str] = []
        self.failures: list[SourceFailedError] = []
        self._until = time.monotonic() + seconds

    def together(self, tasks: Sequence[Callable[[], T]]) -> list[T | None]:
        """What each task gave, None for those that failed."""
        if not tasks:
            return []
        with ThreadPoolExecutor(self.api.endpoint.limits.concurrent, thread_name_prefix="prometheus") as pool:
            return list(pool.map(self._tried, tasks))

    def instant(self, query: str) -> Vector:
        """An instant query at the scope's end; its warnings become notes."""
        found = self.api.instant(query, self.scope.end)
        self.notes += [f"warning of the server: {each}" for each in found.warnings]
        return found

    def matrices(self, queries: Sequence[Query], grid: Grid) -> list[_Block]:
        """The range queries' answers; one that is too large is asked for again in halves."""
        asked = [lambda query=query: self._blocks(query, grid) for query in queries]
        blocks = [block for found in self.together(asked) if found is not None for block in found]
        for block in blocks:
            self.notes += [f"warning of the server: {each}" for each in block.matrix.warnings]
        if any(block.matrix.histograms for block in blocks):
            self.notes.append("native histograms were left out: they have no single value")
        return blocks

    def _blocks(self, query: Query, grid: Grid) -> list[_Block]:
        try:
            return [_Block(query, self.api.range(query.expression, grid.part(query.start, query.count)))]
        except SourceFailedError as failure:
            if failure.counts or failure.retry or query.count < 2:
                raise
        half = query.count // 2
        first = Query(query.expression, query.start, half, query.name)
        second = Query(query.expression, query.start + half, query.count - half, query.name)
        return [*self._blocks(first, grid), *self._blocks(second, grid)]

    def _tried(self, task: Callable[[], T]) -> T | None:
        try:
            if time.monotonic() > self._until:
                raise SourceFailedError("no time left for all queries", retry=True, counts=False)
            return task()
        except SourceFailedError as failure:
            self.failures.append(failure)
            return None


def grid_of(scope: Scope, interval: float, series: int = 0) -> Grid:
    """The instants to ask for: as fine as the scrapes, never more than 1,200, fewer where series are many.

    Instants are multiples of the step, so that every query of an investigation hits the server's caches.
    """
    step = interval * max(-(-scope.seconds // (MOST_POINTS * interval)), 1)
    while series * scope.seconds / step > _MOST_SAMPLES_IN_ALL:
        step *= 2
    first = -(-scope.start.timestamp() // step) * step
    count = int((scope.end.timestamp() - first) // step) + 1
    return Grid(first, step, max(count, 1))


class Sweeper:
    """Fetches the series of one server."""

    def __init__(self, api: PrometheusApi, mapping: ServiceMapping | None, room: Room) -> None:
        self._api = api
        self._mapping = mapping
        self._room = room
        self._owners: dict[tuple[datetime, datetime], Owners] = {}

    def sweep(self, fetching: Fetching, services: Sequence[str]) -> Fetched:
        """Every series that can tell of an incident, or those of some services.

        Raises:
            SourceFailedError: nothing could be had.
        """
        names = self._names(fetching)
        interval, owners, counts, buckets = self._discovered(fetching, names)
        selected = select(counts, self._room)
        if selected.left_out:
            fetching.notes.append(
                f"left out: {len(selected.left_out)} metrics beyond {self._room.most_series:,} series, "
                f"such as {', '.join(selected.left_out[:3])}"
            )
        total = sum(selected.raw.values()) + len(selected.summed) * self._room.most_of_a_name
        grid = grid_of(fetching.scope, interval, total)
        span = max(4 * interval, 2 * grid.step)
        extra = fetching.scope.conditions
        queries = [
            *range_queries(selected.raw, grid, self._room, extra),
            *summed_queries(selected.summed, grid, span, extra),
            *quantile_queries(buckets, grid, span, extra),
        ]
        if selected.summed:
            fetching.notes.append(f"summed over labels: {', '.join(selected.summed[:5])}")
        return self._fetched(fetching, queries, grid, owners, services)

    def named(self, fetching: Fetching, metric: str) -> Fetched:
        """Every series of one name.

        Raises:
            SourceFailedError: nothing could be had.
        """
        extra = fetching.scope.conditions
        interval, found = fetching.together(
            [
                lambda: self._interval(fetching),
                lambda: fetching.instant(f"count({selector([metric], extra)})").rows,
            ]
        )
        owners = self.owners(fetching, INFO_METRICS)
        count = int(found[0][1]) if isinstance(found, tuple) and found else _GUESSED_COUNT
        seconds = interval if isinstance(interval, float) else _USUAL_INTERVAL
        grid = grid_of(fetching.scope, seconds, count)
        queries = range_queries({metric: max(count, 1)}, grid, self._room, extra)
        return self._fetched(fetching, queries, grid, owners, ())

    def evaluated(self, fetching: Fetching, expression: str, name: str) -> Fetched:
        """Any expression over the window, its series called by a name.

        Raises:
            SourceFailedError: nothing could be had.
        """
        grid = grid_of(fetching.scope, self._interval(fetching))
        owners = self.owners(fetching, INFO_METRICS)
        return self._fetched(fetching, [Query(expression, 0, grid.count, name)], grid, owners, ())

    def identities(self, fetching: Fetching, names: Iterable[str] = INFO_METRICS) -> Identities:
        """How series are named as of the scope."""
        return Identities(self.owners(fetching, names), self._mapping)

    def owners(self, fetching: Fetching, names: Iterable[str]) -> Owners:
        """Who owns the pods that were there in the window; those that are gone too."""
        scope = fetching.scope
        known = self._owners.get((scope.start, scope.end))
        told = [name for name in INFO_METRICS if name in set(names)]
        if known is not None or not told:
            return known or Owners()
        query = f"last_over_time({scope.of(told)}[{scope.seconds}s])"
        (found,) = fetching.together([lambda: fetching.instant(query)])
        if found is None:
            fetching.notes.append("owners of pods are not known: services are named by their pods")
            return Owners()
        owners = read_owners(labels for labels, _ in found.rows)
        self._owners = {(scope.start, scope.end): owners}
        return owners

    def _names(self, fetching: Fetching) -> list[str]:
        scope = fetching.scope
        return self._api.metric_names(scope.start, scope.end)

    def _discovered(
        self, fetching: Fetching, names: Sequence[str]
    ) -> tuple[float, Owners, dict[str, int], dict[str, list[str]]]:
        interval, owners, counts, buckets = fetching.together(
            [
                lambda: self._interval(fetching),
                lambda: self.owners(fetching, names),
                lambda: self._counts(fetching, [name for name in names if wanted(name)]),
                lambda: self._buckets(fetching, timed_histograms(names)),
            ]
        )
        return (
            interval if isinstance(interval, float) else _USUAL_INTERVAL,
            owners if isinstance(owners, Owners) else Owners(),
            counts if isinstance(counts, dict) else {},
            buckets if isinstance(buckets, dict) else {},
        )

    def _interval(self, fetching: Fetching) -> float:
        """How often most targets are scraped, in whole seconds."""
        conditions = fetching.scope.conditions
        rows = fetching.instant(f"quantile(0.5, count_over_time({selector(['up'], conditions)}[10m]))").rows
        often = rows[0][1] if rows else 0.0
        if often < 1:
            return _USUAL_INTERVAL
        usual = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300)
        return float(min(usual, key=lambda each: abs(each - 600 / often)))

    def _counts(self, fetching: Fetching, names: Sequence[str]) -> dict[str, int]:
        """The number of series of each name at the end; a name that is gone by then counts as usual."""
        once = Grid(0, 1, 1)
        free = Room(most_samples=10**9)
        asked = range_queries(dict.fromkeys(names, 1), once, free, fetching.scope.conditions)
        counts: dict[str, int] = {}
        for query in asked:
            try:
                rows = fetching.instant(f"count by (__name__) ({query.expression})").rows
            except SourceFailedError as failure:
                fetching.failures.append(failure)
                continue
            counts |= {labels.get("__name__", ""): int(value) for labels, value in rows}
        return {name: counts.get(name, _GUESSED_COUNT) for name in names}

    def _buckets(self, fetching: Fetching, names: Sequence[str]) -> dict[str, list[str]]:
        """Histograms that a quantile is asked of, and the labels that tell their series apart.

        The pod is one of them only where nothing else says whose series it is.
        """
        chosen: dict[str, list[str]] = {}
        free = Room(most_samples=10**9)
        queries = range_queries(dict.fromkeys(names, 1), Grid(0, 1, 1), free, fetching.scope.conditions)
        total = 0.0
        for query in queries:
            by = ("__name__", *_OWN_LABELS)
            rows = fetching.instant(f"count by ({','.join(by)}) ({query.expression})").rows
            for name in sorted({labels.get("__name__", "") for labels, _ in rows}):
                mine = [(labels, count) for labels, count in rows if labels.get("__name__") == name]
                total += sum(count for _, count in mine)
                if total > _MOST_BUCKETS:
                    fetching.notes.append(f"no quantile of {name}: too many buckets")
                    break
                chosen[name] = _telling(mine)
        return chosen

    def _fetched(
        self,
        fetching: Fetching,
        queries: Sequence[Query],
        grid: Grid,
        owners: Owners,
        services: Sequence[str],
    ) -> Fetched:
        blocks = fetching.matrices(queries, grid)
        if not blocks and fetching.failures:
            raise first_telling(fetching.failures)
        if fetching.failures:
            failed = first_telling(fetching.failures)
            fetching.notes.append(f"partly: {len(fetching.failures)} queries failed: {failed.reason}")
        labels, values = _assembled(blocks, grid)
        keys = Identities(owners, self._mapping).keys(labels)
        series = _ordered(keys, grid, values, services)
        fetching.notes += _lag(series, fetching.scope)
        span = f"# query_range: start={grid.first:.0f} end={grid.last:.0f} step={grid.step:g}"
        texts = [span, *dict.fromkeys(query.expression for query in queries)]
        return Fetched(series, texts, list(dict.fromkeys(fetching.notes)))


_OWN_LABELS = tuple(name for name in IDENTITY if "code" not in name and name not in ("status", "peer"))
_SAY_WHOSE = frozenset(_OWN_LABELS) - {"job", "namespace", "datname", "version", "reporter", "client"}


def _telling(rows: Sequence[tuple[Mapping[str, str], float]]) -> list[str]:
    present = {name for labels, _ in rows for name, value in labels.items() if value and name != "__name__"}
    nameless = any(not _SAY_WHOSE & set(labels) for labels, _ in rows)
    return sorted(present | ({"pod", "instance"} if nameless else set()))


def _assembled(blocks: Sequence[_Block], grid: Grid) -> tuple[list[Mapping[str, str]], Floats]:
    """All rows on the whole grid; the parts of one series that came in several answers are put together."""
    whole = [block for block in blocks if block.query.count == grid.count]
    labels: list[Mapping[str, str]] = [row for block in whole for row in _called(block)]
    parts = [block for block in blocks if block.query.count != grid.count]
    places: dict[tuple[tuple[str, str], ...], int] = {}
    for block in parts:
        for row in _called(block):
            key = tuple(sorted(row.items()))
            if key not in places:
                places[key] = len(labels)
                labels.append(row)
    values = np.full((len(labels), grid.count), np.nan)
    at = 0
    for block in whole:
        values[at : at + len(block.matrix.labels)] = block.matrix.values
        at += len(block.matrix.labels)
    for block in parts:
        rows = [places[tuple(sorted(row.items()))] for row in _called(block)]
        values[rows, block.query.start : block.query.start + block.query.count] = block.matrix.values
    return labels, values


def _called(block: _Block) -> Iterable[Mapping[str, str]]:
    """The rows' labels, with a name where the query's function took it."""
    if not block.query.name:
        return block.matrix.labels
    return [{**row, "__name__": block.query.name} for row in block.matrix.labels]


def _ordered(
    keys: Sequence[SeriesKey | None], grid: Grid, values: Floats, services: Sequence[str]
) -> SeriesSet:
    chosen = (
        _of_services(keys, services) if services else [n for n, key in enumerate(keys) if key is not None]
    )
    named = sorted(((keys[n], n) for n in chosen), key=_by_name)
    rows = [n for _, n in named]
    ordered = values[rows] if rows else np.empty((0, grid.count))
    ordered.setflags(write=False)
    return SeriesSet(
        keys=tuple(key for key, _ in named if key is not None), times=grid.times(), values=ordered
    )


def _by_name(pair: tuple[SeriesKey | None, int]) -> tuple[str, tuple[tuple[str, str], ...]]:
    key = pair[0]
    return ("", ()) if key is None else (key.metric, key.labels)


def _of_services(keys: Sequence[SeriesKey | None], services: Sequence[str]) -> list[int]:
    """The services' own series, their calls, and the nodes their pods run on."""
    asked = frozenset(services)
    ends = ("service", "source_workload", "destination_workload")
    own = {n for n, key in enumerate(keys) if key is not None and any(key.get(end) in asked for end in ends)}
    nodes = {key.get("node") for n in own if (key := keys[n]) is not None} - {None}
    shared = {
        n for n, key in enumerate(keys) if key and key.get("service") is None and key.get("node") in nodes
    }
    return sorted(own | shared)


def _lag(series: SeriesSet, scope: Scope) -> list[str]:
    """A note where the newest sample is older than two minutes: data may still be on its way."""
    known = np.isfinite(series.values).any(axis=0)
    if not known.any():
        return ["no sample in the window"]
    newest = float(series.times[np.flatnonzero(known)[-1]])
    behind = scope.end.timestamp() - newest
    return [f"the newest sample is {behind:.0f} s old"] if behind > max(120.0, 2.0 * _step(series)) else []


def _step(series: SeriesSet) -> float:
    return float(series.times[1] - series.times[0]) if len(series.times) > 1 else 0.0
