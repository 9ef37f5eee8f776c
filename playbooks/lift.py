"""Attribute lift: which attribute values are over-represented among slow or failed spans of an incident.

A value is held against the same operation's other spans of the incident and against the baseline; both must
speak. Pure; personal data is masked. `docs/design/lift.md` says what is tested and how. Names no cause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats, Ints, SpanSet
from connectors.contract import Reading
from playbooks.facts import cite, number, short
from playbooks.logmix import pattern
from playbooks.model import Entity, Finding
from playbooks.spans import operation
from playbooks.templates import INFRASTRUCTURE, entity_kind, shown, veiled

Bools = npt.NDArray[np.bool_]

_ERROR, _BASELINE, _FEWEST, _FEW_VALUES = 2, 10, 3, 8
_DEEPEST, _HEAVIEST, _RESOLUTION = 64, 1e6, 2e-4
# Usual is the median of log durations and two robust deviations above it, or a fifth of the time.
_DEVIATIONS, _LEAST_SPREAD = 2.0 * 1.4826, math.log(1.2)
# A table that could not pass even with all its bad spans on one side is not a test (Tarone 1990).
_ATTAINABLE = math.log(1e-3)
_Q, _LEAST_RATIO, _LEAST_EXPLAINED = 0.01, 1.5, 0.02
_LOUDEST, _COINCIDENCE = 20.0, 3.0
_KINDS = ("slow", "failed")
_STATEMENTS = frozenset({"db.query.text", "db.statement"})
_OPERATIONS = _STATEMENTS | {"http.route", "rpc.method"}
# Outcomes and bookkeeping: over-represented among failures by what they are.
_IGNORED = re.compile(
    r"(?i)(^|[._])(status|status_code|status_text|response|error|exception|otel|telemetry|thread|pid|message"
    r"|duration|elapsed|latency|sampler|sampling)([._]|$)|^(service\.name|span\.kind)$"
)
_RESOURCE = re.compile(r"^(service|k8s|host|container|process|cloud|os|deployment|faas|vcs|git|device)\.")


@dataclass(frozen=True, slots=True)
class Counts:
    """Slow or failed spans and all spans, with the value and without it."""

    bad_with: float
    all_with: float
    bad_without: float
    all_without: float


@dataclass(frozen=True, slots=True)
class Lift:
    """One attribute value that slow or failed spans of an operation carry more often than they should.

    `operation` is empty where all of the service's are compared, by route or statement. `inside`: the
    incident in adjusted counts; `sampled`: in spans as sampled; `before`: the baseline. `effective`:
    how many traces the tests counted, and `risk_ratio` and `explained` with them. `p` before and `q` after
    Benjamini and Hochberg. `explained`: the part of the bad that would not be, had the value done as others.
    `new`: all spans of the incident have the value, none of the baseline: only time speaks.
    """

    attribute: str
    value: str
    service: str
    operation: str
    kind: str
    inside: Counts
    sampled: Counts
    before: Counts
    effective: float
    p: float
    q: float
    risk_ratio: float
    explained: float
    new: bool

    @property
    def why(self) -> str:
        """One line with the numbers."""
        what, where = f"{self.attribute}={self.value}", f"{self.service} {self.operation}".strip()
        bad, all_, bad_rest, rest = (number(round(x)) for x in astuple(self.inside))
        bad_before, before, other_before, others = (number(round(x)) for x in astuple(self.before))
        if self.new:
            line = f"every span of {where} has {what} since the onset, none before: "
            return f"{line}{self.kind} in {bad} of {all_}, {other_before} of {others} before"
        drawn = number(self.sampled.all_with + self.sampled.all_without)
        line = (
            f"{where} {self.kind} in {bad} of {all_} spans with {what}, in {bad_rest} of {rest} without "
            f"({number(self.risk_ratio)}x, explains {self.explained:.0%}); before, {bad_before} of {before}"
        )
        return line if self.sampled == self.inside else f"{line}; adjusted from {drawn} sampled spans"


@dataclass(frozen=True, slots=True)
class _Told:
    """What every test needs of the spans; `up` is whom a row inherits from, itself at a root."""

    during: Bools
    bad: tuple[Bools, Bools]
    weight: Floats
    trace: Ints
    up: Ints
    same: Bools


@dataclass(frozen=True, slots=True)
class _Sample:
    """Spans in groups: service and operation by group, each row's group, and its mass in tests."""

    names: tuple[tuple[str, str], ...]
    group: Ints
    mass: Floats


@dataclass(frozen=True, slots=True)
class _Column:
    """One attribute: its values, for each row the index of its value or -1, and the groups to test in."""

    name: str
    values: tuple[str, ...]
    codes: Ints
    sample: _Sample


@dataclass(frozen=True, slots=True)
class _Tests:
    """Across: tests. `at`: column, group, value, kind. `mass`: bad with, all with, bad, all; then before."""

    at: Ints
    mass: Floats
    log_p: Floats
    new: Bools


# --- chance --------------------------------------------------------------------------------------------
def _log_choose(n: Floats, k: Floats) -> Floats:
    """Binomial coefficients, fractions included."""
    parts = (np.maximum(part, 0.0).tolist() for part in (n, k, n - k))
    whole, taken, left = (np.array([math.lgamma(x + 1) for x in part]) for part in parts)
    return np.asarray(whole - taken - left)


def _log_pmf(k: Floats, drawn: Floats, marked: Floats, total: Floats) -> Floats:
    return _log_choose(marked, k) + _log_choose(total - marked, drawn - k) - _log_choose(total, drawn)


def log_tail(k: Floats, drawn: Floats, marked: Floats, total: Floats) -> Floats:
    """Logarithm of Fisher's one-sided mid-p: so many marked or more among those drawn; 0 below the expected.

    Counts may be fractions (effective sample sizes): the sum then steps by one from where it stands.
    """
    out = np.zeros(len(k))
    rows = np.flatnonzero(k * total > drawn * marked * (1 + 1e-9))
    k, drawn, marked, total = k[rows], drawn[rows], marked[rows], total[rows]
    first = _log_pmf(k, drawn, marked, total)
    term, tail, live = np.ones(len(rows)), np.full(len(rows), 0.5), np.arange(len(rows))
    while len(live):
        ratio = (marked[live] - k[live]) * (drawn[live] - k[live]) / (k[live] + 1)
        ratio /= np.maximum(total[live] - marked[live] - drawn[live] + k[live] + 1, 1e-9)
        term[live] *= np.clip(ratio, 0.0, 1.0)
        tail[live] += term[live]
        k[live] += 1
        live = live[term[live] > 1e-9 * tail[live]]
    out[rows] = np.minimum(first + np.log(tail), 0.0)
    return out


def log_q(log_p: Floats) -> Floats:
    """Benjamini and Hochberg's q (1995) for each p, all as logarithms."""
    order = np.argsort(-log_p, kind="stable")
    out = np.empty(len(log_p))
    factor = np.log(len(log_p) / np.arange(len(log_p), 0, -1))
    out[order] = np.minimum.accumulate(log_p[order] + factor)
    return np.minimum(out, 0.0)


# --- the spans -----------------------------------------------------------------------------------------
def _operation(spans: SpanSet, row: int) -> str:
    """The operation, its statement without literals so that statements group."""
    name = operation(spans, row)
    return pattern(name) if spans.attributes[row].keys() & _STATEMENTS else veiled(name)


def _numbered(keys: Iterable[object]) -> Ints:
    index: dict[object, int] = {}
    return np.array([index.setdefault(key, len(index)) for key in keys], dtype=np.int64)


def _callers(spans: SpanSet, trace: Ints) -> Ints:
    """Each row's caller; an orphan's is its trace's root, a root's itself."""
    rank = np.where(spans.parent >= 0, 2, spans.has_parent.astype(np.int64))
    order = np.lexsort((np.arange(len(trace)), rank, trace))
    _, first = np.unique(trace[order], return_index=True)
    return np.where(spans.parent >= 0, spans.parent, order[first][trace])


def read(spans: SpanSet, split: float) -> tuple[_Told, _Sample, _Sample]:
    """Sides, trouble and masses; once by operation and once by service."""
    trace, during = _numbered(spans.trace), spans.start >= split
    weight = np.where(np.isfinite(spans.weight) & (spans.weight > 0), spans.weight, 1.0).clip(1e-6, _HEAVIEST)
    seconds = np.log(np.maximum(np.nan_to_num(spans.end - spans.start), 0.0) + _RESOLUTION)
    kinds = spans.kind.tolist()
    names = [_operation(spans, row) for row in range(len(kinds))]
    fine = _sample(zip(spans.service, names, kinds, strict=True), during, weight, trace)
    whole = [(service, "", kind) for service, kind in zip(spans.service, kinds, strict=True)]
    wide = _sample(whole, during, weight, trace)
    usual = np.flatnonzero(~during)
    limit, rough = (_limits(sample.group, usual, seconds, weight) for sample in (fine, wide))
    slow = seconds > np.where(np.isfinite(limit), limit, rough)
    up, service = _callers(spans, trace), _numbered(spans.service)
    told = _Told(during, (slow, spans.status == _ERROR), weight, trace, up, service == service[up])
    return told, fine, wide


def _sample(names: Iterable[tuple[str, str, int]], during: Bools, weight: Floats, trace: Ints) -> _Sample:
    """Group rows. The masses of a group's side sum to its effective number of traces (Kish 1965).

    Spans of one trace and operation share its fate: together they count once.
    """
    listed = list(names)
    group = _numbered(listed)
    side = group * 2 + during
    _, pair, size = np.unique(side * (trace.max() + 1) + trace, return_inverse=True, return_counts=True)
    share = weight / size[pair]
    whole = np.bincount(pair, share)
    of_side = np.empty(len(whole), dtype=np.int64)
    of_side[pair] = side
    scale = np.bincount(of_side, whole) / np.maximum(np.bincount(of_side, whole**2), 1e-300)
    return _Sample(tuple(name[:2] for name in dict.fromkeys(listed)), group, share * scale[side])


def _middle(values: Floats, weight: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])


def _limits(group: Ints, rows: Ints, seconds: Floats, weight: Floats) -> Floats:
    """For each row the end of its group's usual range, by the baseline's `rows`; infinite if they are few."""
    out = np.full(int(group.max()) + 1, np.inf)
    order = rows[np.argsort(group[rows], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(part) >= _BASELINE:
            centre = _middle(seconds[part], weight[part])
            spread = _DEVIATIONS * _middle(np.abs(seconds[part] - centre), weight[part])
            out[group[part[0]]] = centre + max(spread, _LEAST_SPREAD)
    return np.asarray(out[group])


def _columns(spans: SpanSet, told: _Told, fine: _Sample, wide: _Sample) -> Iterable[_Column]:
    """Every attribute with few enough values, inherited by callees; what names operations, by service too."""
    cells: dict[str, tuple[list[int], list[str]]] = {}
    for row, attributes in enumerate(spans.attributes):
        for name, value in attributes.items():
            rows, values = cells.get(name) or cells.setdefault(name, ([], []))
            rows.append(row)
            values.append(value)
    for name in sorted(cells):
        rows, values = cells[name]
        index = {value: i for i, value in enumerate(dict.fromkeys(values))}
        if _IGNORED.search(name) or len(index) > max(_FEW_VALUES, len(np.unique(told.trace[rows])) / 2):
            continue
        codes = np.full(len(told.trace), -1, dtype=np.int64)
        codes[rows] = [index[value] for value in values]
        if name in _OPERATIONS:
            yield _Column(name, tuple(index), codes, wide)
        within = entity_kind(name) in INFRASTRUCTURE or _RESOURCE.search(name) is not None
        yield _Column(name, tuple(index), _inherited(codes, told, within), fine)


def _inherited(codes: Ints, told: _Told, within: bool) -> Ints:
    """What a span does not say it has from its nearest caller that does, or only from its own service."""
    for _ in range(_DEEPEST):
        found = (codes < 0) & (codes[told.up] >= 0) & (told.same | (not within))
        if not found.any():
            break
        codes = np.where(found, codes[told.up], codes)
    return codes


# --- tests ---------------------------------------------------------------------------------------------
def _counted(i: int, column: _Column, told: _Told, kind: int) -> tuple[Ints, Floats]:
    """All values of a column in all groups, as rows of `_Tests.at` and `_Tests.mass`."""
    rows, sample, values = np.flatnonzero(column.codes >= 0), column.sample, len(column.values)
    keys, cell = np.unique(sample.group[rows] * values + column.codes[rows], return_inverse=True)
    group, groups = keys // values, len(sample.names)
    mass = []
    for side in (told.during, ~told.during):
        parts = [sample.mass * side * told.bad[kind], sample.mass * side]
        mass += [np.bincount(cell, part[rows]) for part in parts]
        mass += [np.bincount(sample.group, part, groups)[group] for part in parts]
    at = np.stack([np.full(len(keys), i), group, keys % values, np.full(len(keys), kind)])
    return at, np.stack(mass)


def _tested(columns: list[_Column], told: _Told) -> _Tests:
    """Test every value that could show something; one that the baseline does not bear out cannot pass."""
    parts = [_counted(i, column, told, kind) for i, column in enumerate(columns) for kind in (0, 1)]
    at = np.concatenate([np.empty((4, 0), dtype=np.int64), *(a for a, _ in parts)], axis=1)
    mass = np.concatenate([np.empty((8, 0)), *(m for _, m in parts)], axis=1)
    at, mass = at[:, mass[2] >= _FEWEST], mass[:, mass[2] >= _FEWEST]
    k, n, bad, every, k_before, n_before, bad_before, before = mass
    known, rest = before >= _BASELINE, every - n
    new = (rest < _FEWEST) & (n_before <= 0) & known
    able = (n >= _FEWEST) & (rest >= _FEWEST)
    able[able] = _log_pmf(np.minimum(bad, n), n, bad, every)[able] < _ATTAINABLE
    against = np.where(known, log_tail(k, every, k + k_before, every + before), -np.inf)
    inside = log_tail(k, n, bad, every)
    log_p = np.where(against < math.log(_Q), inside, np.maximum(inside, against))
    log_p = np.where(new, log_tail(bad, every, bad + bad_before, every + before), log_p)
    keep = np.flatnonzero(new | able)
    return _Tests(at[:, keep], mass[:, keep], log_p[keep], new[keep])


def _effects(mass: Floats, new: Bools) -> tuple[Floats, Floats]:
    """Risk ratio, half a count added, and the part of the bad that the others' rate would have spared."""
    k, n, bad, every, _, _, bad_before, before = mass
    others, all_others = np.where(new, bad_before, bad - k), np.where(new, before, every - n)
    ratio = (k + 0.5) / (n + 1) * (all_others + 1) / (others + 0.5)
    spared = (k - n * others / np.maximum(all_others, 1e-9)) / np.maximum(bad, 1e-9)
    return ratio, np.clip(spared, 0.0, 1.0)


def _counts(column: _Column, at: Ints, told: _Told, weight: Floats, during: Bools) -> Counts:
    mine = np.where((column.sample.group == at[1]) & during, weight, 0.0)
    has, bad = column.codes == at[2], told.bad[at[3]]
    sums = (float(mine[rows].sum()) for rows in (has & bad, has, ~has & bad, ~has))
    return Counts(*sums)


def _lift(column: _Column, told: _Told, at: Ints, numbers: Floats) -> Lift:
    """Put a test's numbers (effective traces, log p, log q, ratio, explained, new) into words."""
    ones, (service, name) = np.ones(len(told.weight)), column.sample.names[at[1]]
    return Lift(
        attribute=short(veiled(column.name), 60),
        value=shown(column.name, column.values[at[2]]),
        service=service,
        operation=short(name, 160),
        kind=_KINDS[at[3]],
        inside=_counts(column, at, told, told.weight, told.during),
        sampled=_counts(column, at, told, ones, told.during),
        before=_counts(column, at, told, told.weight, ~told.during),
        effective=float(numbers[0]),
        p=math.exp(numbers[1]),
        q=math.exp(numbers[2]),
        risk_ratio=float(numbers[3]),
        explained=float(numbers[4]),
        new=bool(numbers[5]),
    )


def lifts(spans: SpanSet, split: float, most: int = 20) -> tuple[Lift, ...]:
    """Values that the slow or failed spans from `split` (seconds since the epoch) on carry too often.

    Surest first, each value at its surest place before any comes again; what is merely `new` comes last.
    """
    if not spans.trace:
        return ()
    told, fine, wide = read(spans, split)
    columns = list(_columns(spans, told, fine, wide))
    tests = _tested(columns, told)
    q = log_q(tests.log_p)
    ratio, explained = _effects(tests.mass, tests.new)
    loud = (q < math.log(_Q)) & (ratio >= _LEAST_RATIO) & (explained >= _LEAST_EXPLAINED)
    order = np.lexsort((*tests.at[::-1], -explained.round(6), tests.log_p.round(6), tests.new))
    chosen = [row for row in order.tolist() if loud[row]]
    values = {row: (columns[tests.at[0, row]].name, int(tests.at[2, row])) for row in chosen}
    first = {value: row for row, value in reversed(values.items())}
    chosen.sort(key=lambda row: (bool(tests.new[row]), first[values[row]] != row))
    numbers = np.stack([tests.mass[3], tests.log_p, q, ratio, explained, tests.new])
    kept = ((tests.at[:, row], numbers[:, row]) for row in chosen[:most])
    return tuple(_lift(columns[at[0]], told, at, values_) for at, values_ in kept)


def findings(told: Iterable[Lift], service: str, reading: Reading | None) -> tuple[Finding, ...]:
    """What lifts say of one service; a value that merely came with the incident speaks low."""
    return tuple(_finding(lift, reading) for lift in told if lift.service == service)


def _finding(lift: Lift, reading: Reading | None) -> Finding:
    kind, about = entity_kind(lift.attribute), f"{lift.service} {lift.operation} by {lift.attribute}"
    cited = [cite(reading, lift.why)] if reading is not None else []
    queried = (e.model_copy(update={"query": f"{e.query}; {lift.kind} spans of {about}"}) for e in cited)
    loudest = _COINCIDENCE if lift.new else _LOUDEST
    named = f"{lift.attribute}={lift.value}" if kind in {"attribute", "flag"} else lift.value
    return Finding(
        judge="spans.lift",
        state="yes",
        strength=min(-NormalDist().inv_cdf(max(lift.p, 1e-300)), loudest),
        why=lift.why,
        service=lift.service,
        entity=Entity(kind=kind, name=named),
        evidence=tuple(queried),
    )
