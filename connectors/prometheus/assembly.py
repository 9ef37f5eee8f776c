"""Puts the answers of several queries together as one set of series on one time axis. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from connectors.answers import Floats, SeriesKey, SeriesSet
from connectors.prometheus.fetching import Block, Scope
from connectors.prometheus.matrix import Grid


def assembled(blocks: Sequence[Block], grid: Grid) -> tuple[list[Mapping[str, str]], Floats]:
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


def _called(block: Block) -> Iterable[Mapping[str, str]]:
    """The rows' labels, with a name where the query's function took it."""
    if not block.query.name:
        return block.matrix.labels
    return [{**row, "__name__": block.query.name} for row in block.matrix.labels]


def ordered(
    keys: Sequence[SeriesKey | None], grid: Grid, values: Floats, services: Sequence[str]
) -> SeriesSet:
    """The named rows by name, or those of some services; a row without a key is another's copy."""
    chosen = (
        _of_services(keys, services) if services else [n for n, key in enumerate(keys) if key is not None]
    )
    named = sorted(((keys[n], n) for n in chosen), key=_by_name)
    rows = [n for _, n in named]
    kept = values[rows] if rows else np.empty((0, grid.count))
    kept.setflags(write=False)
    return SeriesSet(keys=tuple(key for key, _ in named if key is not None), times=grid.times(), values=kept)


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


def lag(series: SeriesSet, scope: Scope) -> list[str]:
    """A note where the newest sample is older than two minutes: data may still be on its way."""
    known = np.isfinite(series.values).any(axis=0)
    if not known.any():
        return ["no sample in the window"]
    newest = float(series.times[np.flatnonzero(known)[-1]])
    behind = scope.end.timestamp() - newest
    return [f"the newest sample is {behind:.0f} s old"] if behind > max(120.0, 2.0 * _step(series)) else []


def _step(series: SeriesSet) -> float:
    return float(series.times[1] - series.times[0]) if len(series.times) > 1 else 0.0
