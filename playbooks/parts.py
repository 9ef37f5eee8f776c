"""How each version and each pod of a service fares since the onset, by traces and by metrics.

Counts and levels only: whether a canary is guilty is judged in `change_canary`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from connectors.answers import Floats, SeriesSet, SpanSet
from playbooks.lift import Bools, read
from playbooks.look import Level, Share
from playbooks.semantics import Signal, meaning
from playbooks.shifts import BLOCK, medians

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
_CUMULATIVE = ("_total", "_count", "_sum", "_bucket")


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


Part = tuple[str, str, str]
"""A service, the kind of its part (version, pod) and which of them."""


def levels(series: SeriesSet, split: float) -> tuple[Level, ...]:
    """Latency and errors a request by version and by pod, for want of traces."""
    held: dict[Part, dict[Signal, list[int]]] = {}
    for row, key in enumerate(series.keys):
        said = meaning(key)
        if said.service and not key.metric.endswith(_CUMULATIVE):
            for label in _LABELS:
                value = key.get(label)
                if value:
                    signals = held.setdefault((said.service, label, value), {})
                    signals.setdefault(said.signal, []).append(row)
    several = {label: _several((s, v) for s, given, v in held if given == label) for label in _LABELS}
    parts = {part: held[part] for part in sorted(held) if part[0] in several[part[1]]}
    return tuple(_told(series.times >= split, *_measures(series, parts)))


def _measures(
    series: SeriesSet, parts: Mapping[Part, Mapping[Signal, list[int]]]
) -> tuple[list[Share], list[Floats]]:
    """What of each part can be compared, and its samples."""
    names: list[Share] = []
    found: list[Floats] = []
    for part, rows in parts.items():
        if rows.get(Signal.LATENCY):
            names.append(Share(*part, "latency"))
            found.append(series.values[rows[Signal.LATENCY]].max(axis=0))
        if rows.get(Signal.ERRORS) and rows.get(Signal.TRAFFIC):
            asked = series.values[rows[Signal.TRAFFIC]].sum(axis=0)
            failed = series.values[rows[Signal.ERRORS]].sum(axis=0)
            names.append(Share(*part, "errors"))
            found.append(np.divide(failed, asked, out=np.full_like(asked, np.nan), where=asked > 0))
    return names, found


def _told(since: Bools, names: Sequence[Share], found: Sequence[Floats]) -> Iterable[Level]:
    """The levels of all parts; of those with too few samples none."""
    for at in range(0, len(names), BLOCK):
        values = np.array(found[at : at + BLOCK])
        now, before = values[:, since], values[:, ~since]
        middle = medians(now)
        spread = 1.4826 * medians(np.abs(now - middle[:, None]))
        known = np.isfinite(before).sum(axis=1) >= _FEWEST_SAMPLES
        usual = medians(before)
        enough = np.isfinite(now).sum(axis=1) >= _FEWEST_SAMPLES
        for n in np.flatnonzero(enough).tolist():
            named = names[at + n]
            yield Level(
                named.service,
                named.label,
                named.value,
                named.measure,
                float(middle[n]),
                float(spread[n]),
                float(usual[n]) if known[n] else None,
            )
