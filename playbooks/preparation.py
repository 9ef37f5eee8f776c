"""Series made comparable before anything is measured: counters to rates, sums and counts to means.

Pure; drops what cannot speak (histogram buckets, constants) and says nothing about causes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet
from playbooks.semantics import Meaning, Signal, meaning
from playbooks.shifts import rates

_SUFFIXES = ("_sum", "_count", "_bucket", "_total")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Series ready to be measured, each with its meaning; `origin` is the row it was made from."""

    series: SeriesSet
    meanings: tuple[Meaning, ...]
    origin: tuple[int, ...]

    def rows(self, service: str | None, signals: tuple[Signal, ...]) -> tuple[int, ...]:
        """Rows of one service (None: of none) that measure one of the signals."""
        return tuple(
            row
            for row, said in enumerate(self.meanings)
            if said.service == service and said.signal in signals
        )


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
    if not meaning(key).counter or _falls_often(values):
        return key, values
    if key.metric.endswith("_sum") and (mean := _mean_of(series, row, totals)) is not None:
        return SeriesKey(f"{_base(key)}:avg", key.labels), mean
    return SeriesKey(f"{key.metric}:rate", key.labels), rates(values, series.times)


def prepare(series: SeriesSet) -> Prepared:
    """Turn cumulative series into rates and means; leave gauges as they are; drop what never varies.

    Source: Prometheus documentation, "Metric types" and "rate()".
    """
    totals = {(key.metric, key.labels): row for row, key in enumerate(series.keys)}
    keys: list[SeriesKey] = []
    kept: list[Floats] = []
    origin: list[int] = []
    for row in range(len(series.keys)):
        converted = _convert(series, row, totals)
        if converted is None or not _varies(converted[1]):
            continue
        keys.append(converted[0])
        kept.append(converted[1])
        origin.append(row)
    values = np.array(kept) if kept else np.empty((0, len(series.times)))
    ready = SeriesSet(tuple(keys), series.times, values)
    return Prepared(ready, tuple(meaning(key) for key in keys), tuple(origin))


def _varies(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) >= 3 and bool((known != known[0]).any())
