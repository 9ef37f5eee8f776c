"""Fetches series: discovers what there is, asks for it in few wide queries, names it as a case would.

Every failure of a part leaves a note; only when nothing could be had does the question fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from connectors.governor import SourceFailedError
from connectors.prometheus.assembly import assembled, lag, ordered
from connectors.prometheus.cadence import Cadence, cadence_query, evened, read_cadence
from connectors.prometheus.client import PrometheusApi, first_telling
from connectors.prometheus.fetching import Fetched, Fetching, grid_of
from connectors.prometheus.identity import Identities, ServiceMapping
from connectors.prometheus.matrix import Grid
from connectors.prometheus.owners import INFO_METRICS, Owners, read_owners
from connectors.prometheus.selection import (
    IDENTITY,
    Query,
    Room,
    node_queries,
    quantile_queries,
    range_queries,
    select,
    summed_queries,
    timed_histograms,
    wanted,
)

_GUESSED_COUNT = 200
_MOST_BUCKETS = 30_000


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Histograms, and the labels that tell the series of each apart."""

    labels: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known before any series is asked for."""

    cadence: Cadence = field(default_factory=Cadence)
    owners: Owners = field(default_factory=Owners)
    counts: Mapping[str, int] = field(default_factory=dict)
    buckets: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _discovery(found: Iterable[object]) -> _Found:
    """Whatever of it could be had: what failed keeps its usual value."""
    known: dict[str, object] = {}
    for each in found:
        if isinstance(each, Cadence):
            known["cadence"] = each
        elif isinstance(each, Owners):
            known["owners"] = each
        elif isinstance(each, _Buckets):
            known["buckets"] = each.labels
        elif isinstance(each, dict):
            known["counts"] = each
    return _Found(**known)  # type: ignore[arg-type] # each by its own kind


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
        found = self._discovered(fetching, names)
        selected = select(found.counts, self._room)
        if selected.left_out:
            fetching.notes.append(
                f"left out: {len(selected.left_out)} metrics beyond {self._room.most_series:,} series, "
                f"such as {', '.join(selected.left_out[:3])}"
            )
        total = sum(selected.raw.values()) + len(selected.summed) * self._room.most_of_a_name
        grid = grid_of(fetching.scope, found.cadence.usual, total)
        if grid.step > found.cadence.usual:
            fetching.notes.append(f"a sample every {grid.step:g} s, where most targets have more")
        span = max(4 * max(found.cadence.by_job.values(), default=found.cadence.usual), 2 * grid.step)
        extra = fetching.scope.conditions
        queries = [
            *range_queries(selected.raw, grid, self._room, extra),
            *summed_queries(self._summed(fetching, selected.summed), grid, span, extra),
            *node_queries(names, grid, span, extra),
            *quantile_queries(found.buckets, grid, span, extra),
        ]
        if selected.summed:
            fetching.notes.append(f"summed over labels: {', '.join(selected.summed[:5])}")
        return self._fetched(fetching, queries, grid, found, services)

    def named(self, fetching: Fetching, metric: str) -> Fetched:
        """Every series of one name.

        Raises:
            SourceFailedError: nothing could be had.
        """
        extra = fetching.scope.conditions
        names = ["up", metric, *INFO_METRICS]
        tasks = [
            lambda: self._cadence(fetching, names),
            lambda: self.owners(fetching, names),
            lambda: self._counts(fetching, [metric]),
        ]
        found = _discovery(fetching.together(tasks))
        count = found.counts.get(metric, _GUESSED_COUNT)
        grid = grid_of(fetching.scope, found.cadence.usual, count)
        queries = range_queries({metric: max(count, 1)}, grid, self._room, extra)
        return self._fetched(fetching, queries, grid, found, ())

    def evaluated(self, fetching: Fetching, expression: str, name: str) -> Fetched:
        """Any expression over the window, its series called by a name.

        Raises:
            SourceFailedError: nothing could be had.
        """
        found = _Found(owners=self.owners(fetching, INFO_METRICS))
        grid = grid_of(fetching.scope, self._cadence(fetching, ["up"]).usual)
        return self._fetched(fetching, [Query(expression, 0, grid.count, name)], grid, found, ())

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

    def _discovered(self, fetching: Fetching, names: Sequence[str]) -> _Found:
        tasks: list[Callable[[], object]] = [
            lambda: self._cadence(fetching, names),
            lambda: self.owners(fetching, names),
            lambda: self._counts(fetching, [name for name in names if wanted(name)]),
            lambda: _Buckets(self._buckets(fetching, timed_histograms(names))),
        ]
        return _discovery(fetching.together(tasks))

    def _cadence(self, fetching: Fetching, names: Sequence[str]) -> Cadence:
        """How often targets are scraped; without `up` (remote write), as often as some metrics come."""
        told = ["up"] if "up" in names else [name for name in names if wanted(name)][:5]
        if not told:
            return Cadence()
        query = cadence_query([fetching.scope.of([name]) for name in told])
        found = read_cadence(fetching.instant(query).rows)
        return found if "up" in names else Cadence(found.usual)

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
        """Histograms that a quantile is asked of, and the labels that tell their series apart."""
        chosen: dict[str, list[str]] = {}
        total = 0.0
        for name, rows in self._grouped(fetching, names, _OWN_LABELS).items():
            total += sum(count for _, count in rows)
            if total > _MOST_BUCKETS:
                fetching.notes.append(f"no quantile of {name} and others: too many buckets")
                break
            chosen[name] = _telling(rows)
        return chosen

    def _summed(self, fetching: Fetching, names: Sequence[str]) -> dict[str, list[str]]:
        """Names that are asked for in sums, and the labels that those keep."""
        grouped = self._grouped(fetching, names, IDENTITY)
        return {name: _telling(grouped[name]) for name in names if name in grouped}

    def _grouped(
        self, fetching: Fetching, names: Sequence[str], by: Sequence[str]
    ) -> dict[str, list[tuple[Mapping[str, str], float]]]:
        """How many series of each name share which labels, by name."""
        free = Room(most_samples=10**9)
        queries = range_queries(dict.fromkeys(names, 1), Grid(0, 1, 1), free, fetching.scope.conditions)
        asked = [
            partial(fetching.instant, f"count by (__name__,{','.join(by)}) ({query.expression})")
            for query in queries
        ]
        grouped: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for found in fetching.together(asked):
            for labels, count in found.rows if found is not None else ():
                grouped.setdefault(labels.get("__name__", ""), []).append((labels, count))
        return dict(sorted(grouped.items()))

    def _fetched(
        self,
        fetching: Fetching,
        queries: Sequence[Query],
        grid: Grid,
        found: _Found,
        services: Sequence[str],
    ) -> Fetched:
        blocks = fetching.matrices(queries, grid)
        if not blocks and fetching.failures:
            raise first_telling(fetching.failures)
        if fetching.failures:
            failed = first_telling(fetching.failures)
            fetching.notes.append(f"partly: {len(fetching.failures)} queries failed: {failed.reason}")
        labels, values = assembled(blocks, grid)
        evened(labels, values, found.cadence, grid.step)
        keys = Identities(found.owners, self._mapping).keys(labels)
        series = ordered(keys, grid, values, services)
        fetching.notes += lag(series, fetching.scope)
        span = f"# query_range: start={grid.first:.0f} end={grid.last:.0f} step={grid.step:g}"
        texts = [span, *dict.fromkeys(query.expression for query in queries)]
        return Fetched(series, texts, list(dict.fromkeys(fetching.notes)))


_OWN_LABELS = tuple(name for name in IDENTITY if "code" not in name and name not in ("status", "peer"))
_SAY_WHOSE = frozenset(_OWN_LABELS) - {"job", "namespace", "datname", "version", "reporter", "client"}


def _telling(rows: Sequence[tuple[Mapping[str, str], float]]) -> list[str]:
    """The labels that series have; the pod and instance too where nothing else says whose they are."""
    present = {name for labels, _ in rows for name, value in labels.items() if value and name != "__name__"}
    nameless = any(not _SAY_WHOSE & set(labels) for labels, _ in rows)
    return sorted(present | ({"pod", "instance"} if nameless else set()))
