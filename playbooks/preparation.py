"""Series made comparable before anything is measured: counters to rates, sums and counts to means.

Pure; drops what cannot speak (histogram buckets, constants) and says nothing about causes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet
from playbooks.semantics import Meaning, Scope, Signal, meaning
from playbooks.shifts import is_cumulative, rates

# What is counted, not filled: a series of these that only rises is a counter whatever its name says.
_COUNTS = frozenset(
    {Signal.TRAFFIC, Signal.ERRORS, Signal.CACHE, Signal.RESTARTS, Signal.OTHER, Signal.NETWORK}
)
MOST_SAMPLES = 1_200
_SUFFIXES = ("_sum", "_count", "_bucket", "_total")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Series ready to be measured, each with its meaning; `origin` names the rows it was made from."""

    series: SeriesSet
    meanings: tuple[Meaning, ...]
    origin: tuple[tuple[int, ...], ...]

    by_service: dict[str | None, tuple[int, ...]]

    def rows(self, service: str | None, signals: tuple[Signal, ...]) -> tuple[int, ...]:
        """Rows of one service (None: of none) that measure one of the signals."""
        return tuple(row for row in self.by_service.get(service, ()) if self.meanings[row].signal in signals)


def _base(key: SeriesKey) -> str:
    return next((key.metric[: -len(s)] for s in _SUFFIXES if key.metric.endswith(s)), key.metric)


def _falls_often(values: Floats) -> bool:
    """A gauge that only bears a counter's name falls as often as it rises."""
    rise = np.diff(values[np.isfinite(values)])
    moved = int((rise != 0).sum())
    return moved > 0 and int((rise < 0).sum()) > 0.2 * moved


def _mean_of(
    series: SeriesSet, row: int, totals: dict[tuple[str, tuple[tuple[str, str], ...]], int]
) -> Floats | None:
    """Mean value per observation where the series is a `_sum` with its `_count` beside it."""
    key = series.keys[row]
    count = totals.get((f"{_base(key)}_count", key.labels))
    if count is None:
        return None
    total, number = rates(series.values[row], series.times), rates(series.values[count], series.times)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(number > 0, total / number, np.nan))


def _convert(
    series: SeriesSet, row: int, totals: dict[tuple[str, tuple[tuple[str, str], ...]], int]
) -> tuple[SeriesKey, Floats] | None:
    key, values = series.keys[row], series.values[row]
    if key.metric.endswith("_bucket"):
        return None
    said = meaning(key)
    if (
        not said.counter
        and (said.signal in _COUNTS or said.scope is Scope.DATABASE)
        and bool(is_cumulative(values))
    ):
        return SeriesKey(f"{key.metric}:rate", key.labels), rates(values, series.times)
    if not said.counter or _falls_often(values):
        return key, values
    if key.metric.endswith("_sum") and (mean := _mean_of(series, row, totals)) is not None:
        return SeriesKey(f"{_base(key)}:avg", key.labels), mean
    return SeriesKey(f"{key.metric}:rate", key.labels), rates(values, series.times)


@dataclass(slots=True)
class _Row:
    key: SeriesKey
    values: Floats
    origin: tuple[int, ...]


_INSTANCE = frozenset(
    {"pod", "instance", "version", "node", "container_id", "id", "image", "uid", "replicaset"}
)


def _general(key: SeriesKey) -> SeriesKey:
    """The series less the labels that a replaced pod changes."""
    return SeriesKey(key.metric, tuple(pair for pair in key.labels if pair[0] not in _INSTANCE))


def _came_or_went(values: Floats) -> bool:
    """Whether a series covers only a part of the time: its pod was started or replaced on the way."""
    known = np.isfinite(values)
    quarter = max(len(values) // 4, 1)
    return bool(not known[:quarter].any() or not known[-max(quarter // 4, 1) :].any())


def _merged(rows: list[_Row]) -> list[_Row]:
    """One series for pods that replaced each other: a rollout is not a service without history."""
    groups: dict[SeriesKey, list[_Row]] = {}
    for row in rows:
        groups.setdefault(_general(row.key), []).append(row)
    out = []
    for key, members in groups.items():
        if len(members) == 1 or not any(_came_or_went(row.values) for row in members):
            out += members
            continue
        stack = np.array([row.values for row in members])
        known = np.isfinite(stack)
        total = np.where(known, stack, 0.0).sum(axis=0)
        added = meaning(key).signal in {Signal.TRAFFIC, Signal.ERRORS} and key.metric.endswith(":rate")
        count = np.ones(len(total)) if added else np.maximum(known.sum(axis=0), 1)
        values = np.where(known.any(axis=0), total / count, np.nan)
        out.append(_Row(key, values, tuple(i for row in members for i in row.origin)))
    return out


def _coarse(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Means over equal blocks of samples, the last block complete, where there are more than enough samples.

    Seconds-fine series of hours say no more than their means, and cost more.
    """
    block = -(-len(times) // MOST_SAMPLES)
    if block <= 1:
        return times, values
    first = len(times) % block
    stacked = values[:, first:].reshape(len(values), -1, block)
    known = np.isfinite(stacked)
    total = np.where(known, stacked, 0.0).sum(axis=2)
    count = known.sum(axis=2)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return times[first:].reshape(-1, block)[:, -1], means


def prepare(series: SeriesSet) -> Prepared:
    """Turn cumulative series into rates and means; leave gauges as they are; drop what never varies.

    Source: Prometheus documentation, "Metric types" and "rate()".
    """
    totals = {(key.metric, key.labels): row for row, key in enumerate(series.keys)}
    rows = []
    # By name, so that the order of an answer never shows in the result.
    for row in sorted(range(len(series.keys)), key=lambda r: str(series.keys[r])):
        converted = _convert(series, row, totals)
        if converted is not None:
            rows.append(_Row(converted[0], converted[1], (row,)))
    kept = [row for row in _merged(rows) if _varies(row.values)]
    values = np.array([row.values for row in kept]) if kept else np.empty((0, len(series.times)))
    times, values = _coarse(series.times, values)
    meanings = tuple(meaning(row.key) for row in kept)
    by_service: dict[str | None, list[int]] = {}
    for index, said in enumerate(meanings):
        by_service.setdefault(said.service, []).append(index)
    return Prepared(
        SeriesSet(tuple(row.key for row in kept), times, values),
        meanings,
        tuple(row.origin for row in kept),
        {service: tuple(found) for service, found in by_service.items()},
    )


def _varies(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) >= 3 and bool((known != known[0]).any())
