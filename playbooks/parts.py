"""How each version and each pod of a service fares since the onset, by traces and by metrics.

Counts and levels only: whether a canary is guilty is judged in `change_canary`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet, SpanSet
from playbooks.lift import Bools, read
from playbooks.look import Level, Share
from playbooks.semantics import Signal, meaning

_LABELS: Mapping[str, tuple[str, ...]] = {
    "version": (
        "service.version",
        "app.version",
        "version",
        "deployment.version",
        "vcs.ref.head.revision",
        "git.commit.sha",
    ),
    "pod": ("k8s.pod.name", "pod", "pod.name", "service.instance.id", "host.name"),
}
_SERVED = (2, 5)
_MOST_VALUES = 60
_FEWEST_SAMPLES = 4


def shares(spans: SpanSet, split: float) -> tuple[Share, ...]:
    """Failed and slow requests by version and by pod, of every service with more than one of them.

    Requests are traces, weighed as sampled and brought to their effective number (Kish).
    """
    if not spans.trace:
        return ()
    told, _, _ = read(spans, split)
    rows = np.flatnonzero(np.isin(spans.kind, _SERVED))
    found: list[Share] = []
    for label, names in _LABELS.items():
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in rows.tolist():
            value = next((v for n in names if (v := spans.attributes[row].get(n))), None)
            if value:
                groups[spans.service[row], value].append(row)
        several = _several(groups)
        for (service, value), mine in sorted(groups.items()):
            if service in several:
                at = np.array(mine)
                counts = _Counts(told.trace[at], told.weight[at], told.during[at])
                for measure, bad in zip(("slow", "failed"), told.bad, strict=True):
                    found.append(Share(service, label, value, measure, *counts.of(bad[at])))
    return tuple(found)


def _several(groups: Iterable[tuple[str, str]]) -> frozenset[str]:
    values: dict[str, set[str]] = defaultdict(set)
    for service, value in groups:
        values[service].add(value)
    return frozenset(s for s, held in values.items() if 1 < len(held) <= _MOST_VALUES)


class _Counts:
    """Traces of one part of a service, before the onset and since."""

    def __init__(self, trace: np.ndarray, weight: Floats, during: Bools) -> None:
        self._trace, self._weight, self._during = trace, weight, during

    def of(self, bad: Bools) -> tuple[float, float, float, float]:
        """Bad and all since the onset; bad and all before it."""
        return (*self._side(bad, self._during), *self._side(bad, ~self._during))

    def _side(self, bad: Bools, side: Bools) -> tuple[float, float]:
        if not side.any():
            return 0.0, 0.0
        names, first = np.unique(self._trace[side], return_index=True)
        weight = self._weight[side][first]
        fell = np.isin(names, self._trace[side & bad])
        scale = float(weight.sum() / (weight**2).sum())
        return float(weight[fell].sum()) * scale, float(weight.sum()) * scale


def levels(series: SeriesSet, split: float) -> tuple[Level, ...]:
    """Latency and errors a request by version and by pod, for want of traces."""
    held: dict[tuple[str, str, str], dict[Signal, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, key in enumerate(series.keys):
        said = meaning(key)
        for label, value in _named(key):
            if said.service and not key.metric.endswith(("_total", "_count", "_sum", "_bucket")):
                held[said.service, label, value][said.signal].append(row)
    several = {label: _several((s, v) for s, given, v in held if given == label) for label in _LABELS}
    since = series.times >= split
    found: list[Level] = []
    for (service, label, value), rows in sorted(held.items()):
        if service in several[label]:
            for measure, values in _measures(series, rows):
                found.extend(_level(Share(service, label, value, measure), values, since))
    return tuple(found)


def _named(key: SeriesKey) -> Iterable[tuple[str, str]]:
    for label in _LABELS:
        value = key.get(label)
        if value:
            yield label, value


def _measures(series: SeriesSet, rows: Mapping[Signal, list[int]]) -> Iterable[tuple[str, Floats]]:
    if rows.get(Signal.LATENCY):
        yield "latency", np.asarray(series.values[rows[Signal.LATENCY]].max(axis=0))
    if rows.get(Signal.ERRORS) and rows.get(Signal.TRAFFIC):
        asked = series.values[rows[Signal.TRAFFIC]].sum(axis=0)
        failed = series.values[rows[Signal.ERRORS]].sum(axis=0)
        yield "errors", np.asarray(np.divide(failed, asked, out=np.full_like(asked, np.nan), where=asked > 0))


def _level(named: Share, values: Floats, since: Bools) -> Iterable[Level]:
    now, before = values[since & np.isfinite(values)], values[~since & np.isfinite(values)]
    if len(now) < _FEWEST_SAMPLES:
        return
    middle = float(np.median(now))
    spread = 1.4826 * float(np.median(np.abs(now - middle)))
    usual = float(np.median(before)) if len(before) >= _FEWEST_SAMPLES else None
    yield Level(named.service, named.label, named.value, named.measure, middle, spread, usual)
