"""Which series moved to their bad side, by service and kind of evidence, and what moved everywhere alike.

Pure. What everybody shares tells nobody apart: a service's move counts as far as it goes beyond that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats, SeriesKey
from playbooks.callgraph import CallGraph
from playbooks.loudness import loudness
from playbooks.preparation import Prepared
from playbooks.semantics import Meaning, Scope, Signal, meaning
from playbooks.shifts import Shifts

# A client's latency and errors tell of whom it calls, a database's of its own; neither is the service's part.
_ELSEWHERE = frozenset({Scope.CLIENT, Scope.DATABASE})
_PRESSURE = (Signal.THROTTLING, Signal.POOL, Signal.QUEUE, Signal.RESTARTS)
KINDS: tuple[tuple[str, tuple[Signal, ...]], ...] = (
    ("latency", (Signal.LATENCY,)),
    ("errors", (Signal.ERRORS, Signal.SUCCESS)),
    ("cpu", (Signal.CPU,)),
    ("memory", (Signal.MEMORY,)),
    ("disk", (Signal.DISK,)),
    ("network", (Signal.NETWORK,)),
    ("pressure", _PRESSURE),
)
"""The kinds of evidence that series give, each with its signals."""

_SHARED = ("latency", "cpu", "memory", "network", "pressure")
_FEWEST_SERVICES = 3
_FEWEST_ENDS = 2
# What goes beyond everybody's rise by less than this part of it is still everybody's.
_BEYOND = 1.25
_MOVED = 1.5
_MOST = 3.0


@dataclass(frozen=True, slots=True)
class Move:
    """One series that moved: its row in the prepared series, z towards its bad side, and the levels."""

    row: int
    z: float
    usual: float
    now: float

    @property
    def times(self) -> float:
        """The size of the move as the logarithm of the factor between the levels, at most 3."""
        low, high = sorted((abs(self.usual), abs(self.now)))
        return float(min(np.log(high / low), _MOST)) if low > 0 else _MOST


Moves = Mapping[str, Mapping[str, tuple[Move, ...]]]
"""By service and kind of evidence, loudest first."""

_FULL_RATIO = {"latency": 1.5, "errors": 1.5}
_OTHER_RATIO = 1.25
_FULL_PARTS = 0.005


def _matters(ratio: Floats, success: npt.NDArray[np.bool_], usual: Floats, now: Floats) -> Floats:
    """How much of each shift would matter to anybody, 0 to 1: a steady series makes a trifle significant.

    A latency counts in full from one and a half times the usual on, a resource from a quarter more (`ratio`),
    a rate of success from half a percent less.
    """
    whole = np.where(np.where(now > usual, now, usual) > 1.5, 100.0, 1.0)
    one, other = np.abs(usual), np.abs(now)
    low, high = np.where(other < one, other, one), np.where(other < one, one, other)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = np.minimum(np.abs(now - usual) / whole / _FULL_PARTS, 1.0)
        times = np.where(low <= 0, 1.0, np.minimum(np.log(high / low) / np.log(ratio), 1.0))
    return np.asarray(np.where(success, parts, times) ** 2)


@lru_cache(maxsize=8192)
def _is_success(metric: str) -> bool:
    """Whether a metric counts what went well."""
    return meaning(SeriesKey(metric, ())).signal is Signal.SUCCESS


_BY_SIGNAL = {signal: name for name, signals in KINDS for signal in signals}


def _kind(said: Meaning) -> str | None:
    """The kind of evidence that a series is of its service; None where it is none."""
    name = _BY_SIGNAL.get(said.signal)
    if said.service is None or said.scope is Scope.NODE:
        return None
    return None if said.scope in _ELSEWHERE and name in {"latency", "errors"} else name


def moves(prepared: Prepared, shifts: Shifts, graph: CallGraph) -> Moves:
    """Per service and kind of evidence what moved to its bad side, less what all have in common."""
    told = np.isfinite(shifts.z).tolist()
    kinds = ((row, _kind(said)) for row, said in enumerate(prepared.meanings) if told[row])
    named = [(row, name) for row, name in kinds if name is not None]
    rows = [row for row, _ in named]
    success = [name == "errors" and _is_success(prepared.series.keys[row].metric) for row, name in named]
    ratio = np.array([_FULL_RATIO.get(name, _OTHER_RATIO) for _, name in named])
    bad = np.array([prepared.meanings[row].bad for row in rows])
    z, usual, now = shifts.z[rows], shifts.usual[rows], shifts.now[rows]
    z = np.where(bad != 0, z * bad, np.abs(z))
    z = z * _matters(ratio, np.array(success, dtype=np.bool_), usual, now)
    found: dict[str, dict[str, list[Move]]] = defaultdict(lambda: defaultdict(list))
    columns = (z.tolist(), usual.tolist(), now.tolist())
    for (row, name), *move in zip(named, *columns, strict=True):
        found[prepared.meanings[row].service or ""][name].append(Move(row, *move))
    sorted_moves = {
        service: {name: tuple(sorted(m, key=lambda x: (-x.z, x.row))) for name, m in kinds.items()}
        for service, kinds in found.items()
    }
    return _beyond(sorted_moves, graph)


def _beyond(found: Moves, graph: CallGraph) -> Moves:
    """The moves less what everybody moved by: everything twice as slow at once accuses no one."""
    common = {kind: _common(found, kind, graph) for kind in _SHARED}
    return {
        service: {
            kind: tuple(replace(m, z=m.z * _own(m, common[kind])) for m in told) if common.get(kind) else told
            for kind, told in kinds.items()
        }
        for service, kinds in found.items()
    }


def _own(move: Move, common: float) -> float:
    """The part of a move, 0 to 1, that goes beyond the common one."""
    return float(np.clip(1.0 - _BEYOND * common / move.times, 0.0, 1.0)) if move.times > 0 else 1.0


def _common(found: Moves, kind: str, graph: CallGraph) -> float:
    """By how much all but a quarter of the services moved at least, as a logarithm; 0 for too few.

    A slow callee slows its callers: for latency also those must have moved that call nobody.
    """
    rose = {
        service: max((m.times for m in kinds[kind] if m.z > _MOVED), default=0.0)
        for service, kinds in found.items()
        if kind in kinds
    }
    if len(rose) < _FEWEST_SERVICES:
        return 0.0
    ends = [size for service, size in rose.items() if not set(graph.callees.get(service, ())) & set(rose)]
    if kind == "latency" and len(ends) < _FEWEST_ENDS:
        return 0.0
    whole = _lower_quartile(list(rose.values()))
    return min(whole, _lower_quartile(ends)) if kind == "latency" else whole


def _lower_quartile(sizes: list[float]) -> float:
    return float(np.quantile(sizes, 0.25, method="lower")) if sizes else 0.0


def surges(prepared: Prepared, shifts: Shifts, graph: CallGraph) -> dict[str, float]:
    """Per entry the loudness of a rise in traffic that all services share: load from outside.

    An entry is a service that nobody calls. At least three services must have their requests counted.
    """
    zs: dict[str, float] = {}
    rows = [
        row
        for row, said in enumerate(prepared.meanings)
        if said.signal is Signal.TRAFFIC and said.scope is Scope.SERVICE and np.isfinite(shifts.z[row])
    ]
    ratio, plain = np.full(len(rows), _OTHER_RATIO), np.zeros(len(rows), dtype=np.bool_)
    told = shifts.z[rows] * _matters(ratio, plain, shifts.usual[rows], shifts.now[rows])
    for row, z in zip(rows, told.tolist(), strict=True):
        service = prepared.meanings[row].service
        if service is not None:
            zs[service] = max(z, zs.get(service, -np.inf))
    if len(zs) < _FEWEST_SERVICES:
        return {}
    everywhere = _lower_quartile(list(zs.values()))
    entries = [service for service in zs if service in graph.callees and not graph.callers.get(service)]
    return {service: loudness(min(everywhere, zs[service])) for service in entries}
