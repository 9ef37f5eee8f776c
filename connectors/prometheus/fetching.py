"""One question's worth of requests to a metrics server, side by side, until its time is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from connectors.answers import SeriesSet
from connectors.governor import SourceFailedError
from connectors.prometheus.client import PrometheusApi, Vector
from connectors.prometheus.matrix import Grid, Matrix
from connectors.prometheus.selection import Query, selector

T = TypeVar("T")
MOST_POINTS = 1_200
_MOST_SAMPLES_IN_ALL = 3_000_000
_READERS = 2
"""Answers that are read while as many requests as may be are on their way."""


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
class Block:
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
        self._turns = threading.BoundedSemaphore(api.endpoint.limits.concurrent)

    def together(self, tasks: Sequence[Callable[[], T]]) -> list[T | None]:
        """What each task gave, None for those that failed."""
        if not tasks:
            return []
        workers = self.api.endpoint.limits.concurrent + _READERS
        with ThreadPoolExecutor(workers, thread_name_prefix="prometheus") as pool:
            return list(pool.map(self._tried, tasks))

    def instant(self, query: str) -> Vector:
        """An instant query at the scope's end; its warnings become notes."""
        with self._turn():
            found = self.api.instant(query, self.scope.end)
        self.notes += [f"warning of the server: {each}" for each in found.warnings]
        return found

    def matrices(self, queries: Sequence[Query], grid: Grid) -> list[Block]:
        """The range queries' answers; one that is too large is asked for again in halves."""
        asked = [partial(self._blocks, query, grid) for query in queries]
        blocks = [block for found in self.together(asked) if found is not None for block in found]
        for block in blocks:
            self.notes += [f"warning of the server: {each}" for each in block.matrix.warnings]
        if any(block.matrix.histograms for block in blocks):
            self.notes.append("native histograms were left out: they have no single value")
        return blocks

    def _blocks(self, query: Query, grid: Grid) -> list[Block]:
        try:
            part = grid.part(query.start, query.count)
            with self._turn():
                body = self.api.range(query.expression, part)
            return [Block(query, self.api.read(body, part))]
        except SourceFailedError as failure:
            if failure.counts or failure.retry or query.count < 2:
                raise
        half = query.count // 2
        first = Query(query.expression, query.start, half, query.name)
        second = Query(query.expression, query.start + half, query.count - half, query.name)
        return [*self._blocks(first, grid), *self._blocks(second, grid)]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """So many requests at once; whoever reads an answer meanwhile keeps nobody from asking."""
        with self._turns:
            if time.monotonic() > self._until:
                raise SourceFailedError("no time left for all queries", retry=True, counts=False)
            yield

    def _tried(self, task: Callable[[], T]) -> T | None:
        try:
            return task()
        except SourceFailedError as failure:
            self.failures.append(failure)
            return None


def grid_of(scope: Scope, interval: float, series: int = 0) -> Grid:
    """The instants to ask for: as fine as the scrapes, never more than 1,200, fewer where series are many.

    Instants are multiples of the step: what sits before a server (Thanos, Mimir) moves others to such.
    """
    step = interval * max(-(-scope.seconds // ((MOST_POINTS - 1) * interval)), 1)
    while series * scope.seconds / step > _MOST_SAMPLES_IN_ALL:
        step *= 2
    # A window shorter than two steps still gets an instant inside of it, never one after its end.
    step = min(step, max(scope.seconds // 2, 1))
    first = -(-scope.start.timestamp() // step) * step
    count = int((scope.end.timestamp() - first) // step) + 1
    return Grid(first, step, max(count, 1))
