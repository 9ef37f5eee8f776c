"""Series made comparable before anything is measured: counters to rates, sums and counts to means.

Pure; drops what cannot speak (histogram buckets, constants) and says nothing about causes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats, SeriesKey, SeriesSet
from playbooks.semantics import Meaning, Scope, Signal, meaning
from playbooks.shifts import BLOCK, is_cumulative, rates

# What is counted, not filled: a series of these that only rises is a counter whatever its name says.
_COUNTS = frozenset(
    {Signal.TRAFFIC, Signal.ERRORS, Signal.CACHE, Signal.RESTARTS, Signal.OTHER, Signal.NETWORK}
)
MOST_SAMPLES = 1_200
_SUFFIXES = ("_sum", "_count", "_bucket", "_total")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Series ready to be measured, each with its meaning; `origin` names the rows it was made from."""

    series: SeriesSet
    meanings: tuple[Meaning, ...]
    origin: tuple[tuple[int, ...], ...]

    by_signal: dict[tuple[str | None, Signal], tuple[int, ...]]

    def rows(self, service: str | None, signals: tuple[Signal, ...]) -> tuple[int, ...]:
        """Rows of one service (None: of none) that measure one of the signals."""
        found = [self.by_signal[service, signal] for signal in signals if (service, signal) in self.by_signal]
        return found[0] if len(found) == 1 else tuple(sorted(row for rows in found for row in rows))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Series on their way: all lists are as long as `values` has rows."""

    keys: list[SeriesKey]
    said: list[Meaning]
    values: Floats
    origin: list[tuple[int, ...]]

    def taken(self, rows: list[int]) -> _Rows:
        """These rows, in this order; the same object where that is all of them as they are."""
        if rows == list(range(len(self.keys))):
            return self
        return _Rows(
            [self.keys[row] for row in rows],
            [self.said[row] for row in rows],
            self.values[rows],
            [self.origin[row] for row in rows],
        )


def _base(key: SeriesKey) -> str:
    return next((key.metric[: -len(s)] for s in _SUFFIXES if key.metric.endswith(s)), key.metric)


def _passing(
    test: Callable[[Floats], npt.NDArray[np.bool_]], values: Floats, rows: Sequence[int]
) -> list[int]:
    """Those of the rows that pass a test, which looks at many at once and at each alone."""
    found: list[int] = []
    for at in range(0, len(rows), BLOCK):
        part = rows[at : at + BLOCK]
        found += [row for row, passes in zip(part, test(values[part]).tolist(), strict=True) if passes]
    return found


def _falls_often(values: Floats) -> npt.NDArray[np.bool_]:
    """A gauge that only bears a counter's name falls as often as it rises."""
    known = np.isfinite(values)
    if not known.all():
        last = np.maximum.accumulate(np.where(known, np.arange(values.shape[1]), 0), axis=1)
        values = np.take_along_axis(values, last, axis=1)
    with np.errstate(invalid="ignore"):
        rise = np.diff(values, axis=1)
    rise = np.where(np.isfinite(rise), rise, 0.0)
    moved = (rise != 0).sum(axis=1)
    return np.asarray((moved > 0) & ((rise < 0).sum(axis=1) > 0.2 * moved))


def _comparable(series: SeriesSet, order: list[int]) -> _Rows:
    """The series in this order, cumulative ones as rates and means."""
    order = [row for row in order if not series.keys[row].metric.endswith("_bucket")]
    keys = [series.keys[row] for row in order]
    same = order == list(range(len(series.keys)))
    values = series.values if same else series.values[order]
    rows = _Rows(keys, [meaning(key) for key in keys], values, [(row,) for row in order])
    counters = [n for n, said in enumerate(rows.said) if said.counter]
    suspected = [
        n
        for n, said in enumerate(rows.said)
        if not said.counter and (said.signal in _COUNTS or said.scope is Scope.DATABASE)
    ]
    gauges = frozenset(_passing(_falls_often, values, counters))
    counters = [n for n in counters if n not in gauges]
    rated = _passing(is_cumulative, values, suspected) + counters
    return _rated(series, rows, rated, _counts(series, keys, counters)) if rated else rows


def _counts(series: SeriesSet, keys: list[SeriesKey], counters: list[int]) -> dict[int, int]:
    """The row in the answer of the `_count` that stands beside a `_sum`."""
    totals = {
        (key.metric, key.labels): row for row, key in enumerate(series.keys) if key.metric.endswith("_count")
    }
    sums = ((n, keys[n]) for n in counters if keys[n].metric.endswith("_sum"))
    beside = ((n, totals.get((f"{_base(key)}_count", key.labels))) for n, key in sums)
    return {n: count for n, count in beside if count is not None}


def _rated(series: SeriesSet, rows: _Rows, rated: list[int], counts: dict[int, int]) -> _Rows:
    """The rows with these as rates; as the mean value of an observation where its count is beside."""
    values = np.array(rows.values)
    for at in range(0, len(rated), BLOCK):
        part = rated[at : at + BLOCK]
        values[part] = rates(values[part], series.times)
    for n, count in counts.items():
        number = rates(series.values[count], series.times)
        with np.errstate(invalid="ignore", divide="ignore"):
            values[n] = np.where(number > 0, values[n] / number, np.nan)
    keys, said = list(rows.keys), list(rows.said)
    for n in rated:
        metric = f"{_base(keys[n])}:avg" if n in counts else f"{keys[n].metric}:rate"
        keys[n] = SeriesKey(metric, keys[n].labels)
        said[n] = meaning(keys[n])
    return _Rows(keys, said, values, rows.origin)


_INSTANCE = frozenset(
    {"pod", "instance", "version", "node", "container_id", "id", "image", "uid", "replicaset"}
)


def _general(labels: Labels) -> Labels:
    """The labels less those that a replaced pod changes."""
    return tuple(pair for pair in labels if pair[0] not in _INSTANCE)


def _came_or_went(values: Floats) -> npt.NDArray[np.bool_]:
    """Whether a series covers only a part of the time: its pod was started or replaced on the way."""
    known = np.isfinite(values)
    quarter = max(values.shape[1] // 4, 1)
    late = max(quarter // 4, 1)
    return np.asarray(~known[:, :quarter].any(axis=1) | ~known[:, -late:].any(axis=1))


def _merged(rows: _Rows) -> _Rows:
    """One series for pods that replaced each other: a rollout is not a service without history."""
    general: dict[Labels, Labels] = {}
    groups: dict[tuple[str, Labels], list[int]] = {}
    for row, key in enumerate(rows.keys):
        labels = general.get(key.labels)
        if labels is None:
            labels = general[key.labels] = _general(key.labels)
        groups.setdefault((key.metric, labels), []).append(row)
    partly = frozenset(_passing(_came_or_went, rows.values, range(len(rows.keys))))
    chosen: list[int] = []
    joined: dict[int, list[int]] = {}
    for members in groups.values():
        if len(members) == 1 or partly.isdisjoint(members):
            chosen += members
        else:
            joined[len(chosen)] = members
            chosen.append(members[0])
    return _joined(rows, rows.taken(chosen), joined) if joined else rows.taken(chosen)


def _joined(rows: _Rows, chosen: _Rows, joined: dict[int, list[int]]) -> _Rows:
    """The chosen rows with these in the place of what they join."""
    out = _Rows(list(chosen.keys), list(chosen.said), np.array(chosen.values), list(chosen.origin))
    for place, members in joined.items():
        key = SeriesKey(rows.keys[members[0]].metric, _general(rows.keys[members[0]].labels))
        stack = rows.values[members]
        known = np.isfinite(stack)
        total = np.where(known, stack, 0.0).sum(axis=0)
        said = meaning(key)
        added = said.signal in {Signal.TRAFFIC, Signal.ERRORS} and key.metric.endswith(":rate")
        count = np.ones(len(total)) if added else np.maximum(known.sum(axis=0), 1)
        out.keys[place], out.said[place] = key, said
        out.values[place] = np.where(known.any(axis=0), total / count, np.nan)
        out.origin[place] = tuple(i for row in members for i in rows.origin[row])
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
    named = [str(key) for key in series.keys]
    # By name, so that the order of an answer never shows in the result.
    rows = _merged(_comparable(series, sorted(range(len(named)), key=named.__getitem__)))
    rows = rows.taken(_passing(_varies, rows.values, range(len(rows.keys))))
    times, values = _coarse(series.times, rows.values)
    by_signal: dict[tuple[str | None, Signal], list[int]] = {}
    for index, said in enumerate(rows.said):
        by_signal.setdefault((said.service, said.signal), []).append(index)
    return Prepared(
        SeriesSet(tuple(rows.keys), times, values),
        tuple(rows.said),
        tuple(rows.origin),
        {named: tuple(found) for named, found in by_signal.items()},
    )


def _varies(values: Floats) -> npt.NDArray[np.bool_]:
    """Whether there are three samples that are not all alike."""
    known = np.isfinite(values)
    first = np.take_along_axis(values, known.argmax(axis=1)[:, None], axis=1)
    return np.asarray((known.sum(axis=1) >= 3) & (known & (values != first)).any(axis=1))
