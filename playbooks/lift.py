"""Attribute lift: which attribute values are over-represented among the slow or failed spans of an incident.

A value is held against the same operation's other spans of the incident and against the baseline; both must speak.
Pure; personal data is masked before it is shown. `docs/design/lift.md` says what is tested and how. Names no cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats, Ints, SpanSet
from connectors.contract import Reading
from playbooks.facts import cite, number, short
from playbooks.logmix import pattern
from playbooks.model import Entity, Finding
from playbooks.spans import operation

Bools = npt.NDArray[np.bool_]

_ERROR = 2
_BASELINE = 10
_FEWEST = 3
_FEW_VALUES = 8
_DEEPEST = 64
_HEAVIEST = 1e6
_SPREAD = 2.0 * 1.4826
_LEAST_SPREAD = float(np.log(1.2))
_RESOLUTION = 2e-4
# What chance alone may pass: values over all tests made, and the least a single table could ever show.
_Q = 0.01
_ATTAINABLE = float(np.log(1e-3))
_LEAST_RATIO, _LEAST_EXPLAINED = 1.5, 0.02
_LOUDEST, _COINCIDENCE = 20.0, 3.0
_KINDS = ("slow", "failed")
_STATEMENTS = frozenset({"db.query.text", "db.statement"})
_OPERATIONS = _STATEMENTS | {"http.route", "rpc.method"}

# Outcomes and bookkeeping: over-represented among failures by what they are.
_IGNORED = re.compile(
    r"(^|[._])(status|status_code|status_text|response|error|exception|otel|telemetry|thread|pid|message"
    r"|duration|elapsed|latency)([._]|$)|^(service\.name|span\.kind|sampler?\..*|sampling\..*)$",
    re.IGNORECASE,
)
_ENTITIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("flag", re.compile(r"feature[._]?flag|(^|[._])(flags?|experiment|variant)([._]|$)", re.IGNORECASE)),
    (
        "version",
        re.compile(
            r"^((service|app|deployment|release)[._])?version$|image[._]tags?$"
            r"|(^|[._])(commit|revision|git_?sha|replicaset)([._]|$)",
            re.IGNORECASE,
        ),
    ),
    ("pod", re.compile(r"(^|[._])pod([._]|$)|^service\.instance\.id$|^container\.", re.IGNORECASE)),
    ("node", re.compile(r"(^|[._])node([._]name)?$|^host\.", re.IGNORECASE)),
    ("zone", re.compile(r"(^|[._])(\w*zone|region|data_?center)$", re.IGNORECASE)),
    ("tenant", re.compile(r"(^|[._])(tenant|organi[sz]ation|org|account)([._]?(id|name))?$", re.IGNORECASE)),
)
_INFRASTRUCTURE = frozenset({"version", "pod", "node", "zone"})
_RESOURCE = re.compile(r"^(service|k8s|host|container|process|cloud|os|deployment|faas|vcs|git|device)\.")
_PERSON = re.compile(
    r"(^|[._])(user|enduser|username|e?mail|phone|session|cookie|token|password|secret|authorization|ip)([._]|$)"
    r"|(first|last|full|customer|person)[._]?name$|^client\.address$|client_?ip$|user_?id$",
    re.IGNORECASE,
)
_VEILS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"[\w.+-]{1,64}@[\w.-]{1,128}"), "<mail>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,}[0-9a-fA-F:]*"), "<ip>"),
    (re.compile(r"\b[0-9a-fA-F]{12,}\b"), "<hex>"),
    (re.compile(r"\+?\d(?:[ ()/-]{0,2}\d){5,}"), "<n>"),
)


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

    `operation` is empty where all of the service's operations are compared (by route or statement). `inside`: the
    incident in adjusted counts; `sampled`: the same in spans as sampled; `before`: the baseline, adjusted.
    `effective`: effective sample size of the incident, `p` the value before and `q` after Benjamini and Hochberg.
    `explained`: the part of the bad spans that would not be, had the value done as the others. `new`: every span of
    the incident has the value and none of the baseline, so only time speaks; ratios are then to the baseline.
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
    loudness: float
    risk_ratio: float
    explained: float
    new: bool
    why: str


@dataclass(frozen=True, slots=True)
class _Sample:
    """Spans of one grouping: group of each row, its mass in tests, and its part of its trace."""

    names: tuple[tuple[str, str], ...]
    group: Ints
    mass: Floats
    part: Floats


@dataclass(frozen=True, slots=True)
class _Told:
    """What every test needs of the spans: side, both kinds of bad, adjusted counts and the calls."""

    during: Bools
    bad: tuple[Bools, Bools]
    weight: Floats
    trace: Ints
    root: Ints
    levels: tuple[Ints, ...]
    same: Bools


@dataclass(frozen=True, slots=True)
class _Column:
    """One attribute: its values, and for each row the index of its value or -1."""

    name: str
    values: tuple[str, ...]
    codes: Ints
    sample: _Sample


@dataclass(frozen=True, slots=True)
class _Tests:
    """One row a test. `at`: column, group, code, kind. `k` of `n` with the value; `bad` of `all`; then baseline."""

    at: Ints
    k: Floats
    n: Floats
    bad: Floats
    all: Floats
    k_before: Floats
    n_before: Floats
    bad_before: Floats
    all_before: Floats
    log_p: Floats
    new: Bools


# --- the hypergeometric distribution ------------------------------------------------------------------
def _log_factorial(x: Floats) -> Floats:
    """log Γ(x + 1) for x ≥ 0, fractions included: Stirling's series from x + 8 on, taken back to x."""
    z = np.maximum(x, 0.0) + 1.0
    back = np.log(z * (z + 1) * (z + 2) * (z + 3)) + np.log((z + 4) * (z + 5) * (z + 6) * (z + 7))
    y = z + 8.0
    series = 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5)
    return np.asarray((y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + series - back)


def _log_choose(n: Floats, k: Floats) -> Floats:
    return _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)


def _log_pmf(k: Floats, drawn: Floats, marked: Floats, total: Floats) -> Floats:
    return np.asarray(
        _log_choose(marked, k) + _log_choose(total - marked, drawn - k) - _log_choose(total, drawn)
    )


def log_tail(k: Floats, drawn: Floats, marked: Floats, total: Floats) -> Floats:
    """Logarithm of Fisher's one-sided mid-p: so many marked or more among those drawn; 0 below the expected.

    Counts may be fractions (effective sample sizes): the sum then steps by one from where it stands.
    """
    out = np.zeros(len(k))
    rows = np.flatnonzero(k * total > drawn * marked)
    k, drawn, marked, total = k[rows], drawn[rows], marked[rows], total[rows]
    first = _log_pmf(k, drawn, marked, total)
    term, tail, live = np.ones(len(rows)), np.full(len(rows), 0.5), np.arange(len(rows))
    step = 0.0
    while len(live):
        at = k[live] + step
        ratio = (marked[live] - at) * (drawn[live] - at)
        ratio = ratio / ((at + 1) * np.maximum(total[live] - marked[live] - drawn[live] + at + 1, 1e-9))
        term[live] *= np.clip(ratio, 0.0, 1.0)
        tail[live] += term[live]
        live, step = live[term[live] > 1e-9 * tail[live]], step + 1.0
    out[rows] = np.minimum(first + np.log(tail), 0.0)
    return out


def adjusted(log_p: Floats) -> Floats:
    """Benjamini and Hochberg's q (1995) for each p, both as logarithms."""
    order = np.argsort(-log_p, kind="stable")
    ranks = np.arange(len(log_p), 0, -1)
    out = np.empty(len(log_p))
    out[order] = np.minimum.accumulate(log_p[order] + np.log(len(log_p) / ranks))
    return np.minimum(out, 0.0)


def _deviations(log_p: float) -> float:
    """About so many standard deviations, from the normal tail's first terms."""
    twice = max(-2.0 * log_p, 1.0)
    return float(np.sqrt(max(twice - np.log(2 * np.pi * twice), 0.0)))


# --- words ---------------------------------------------------------------------------------------------
@lru_cache(maxsize=1024)
def entity_kind(attribute: str) -> str:
    """What an attribute names: version, pod, node, zone, tenant, flag, else attribute."""
    return next((kind for kind, names in _ENTITIES if names.search(attribute)), "attribute")


def _veiled(text: str) -> str:
    for veil, mark in _VEILS:
        text = veil.sub(mark, text)
    return text


def shown(attribute: str, value: str) -> str:
    """The value as it may be shown: infrastructure as it is, statements as patterns, persons never."""
    cut = value[:400]
    if entity_kind(attribute) in _INFRASTRUCTURE:
        return short(_VEILS[1][0].sub(_VEILS[1][1], cut), 80)
    if _PERSON.search(attribute):
        return "<masked>"
    return short(pattern(cut) if attribute.startswith(("db.", "url.", "http.url")) else _veiled(cut), 80)


def _operation(spans: SpanSet, row: int) -> str:
    """The operation, its statements without literals so that they group."""
    name = operation(spans, row)
    return pattern(name) if spans.attributes[row].keys() & _STATEMENTS else _veiled(name)


# --- reading the spans -----------------------------------------------------------------------------------
def _numbered(keys: Iterable[object]) -> Ints:
    index: dict[object, int] = {}
    return np.array([index.setdefault(key, len(index)) for key in keys], dtype=np.int64)


def _levels(parent: Ints) -> tuple[Ints, ...]:
    """Rows by depth below their trace's root, so that each finds its caller done."""
    known, levels = parent < 0, list[Ints]()
    for _ in range(_DEEPEST):
        reached = ~known & known[parent]
        if not reached.any():
            break
        levels.append(np.flatnonzero(reached).astype(np.int64))
        known = known | reached
    return tuple(levels)


def _roots(spans: SpanSet, trace: Ints) -> Ints:
    """Each row's trace's root: the first span without a parent, else the first of the sample."""
    rank = np.where(spans.parent >= 0, 2, np.where(spans.has_parent, 1, 0))
    order = np.lexsort((np.arange(len(trace)), rank, trace))
    _, first = np.unique(trace[order], return_index=True)
    return np.asarray(order[first][trace], dtype=np.int64)


def _sample(names: Iterable[tuple[str, str, int]], told: tuple[Bools, Floats, Ints]) -> _Sample:
    """Group rows; the masses of a group's side sum to its effective number of traces (Kish 1965).

    Spans of one trace and operation share its fate: together they count once.
    """
    during, weight, trace = told
    listed = list(names)
    group = _numbered(listed)
    side = group * 2 + during
    _, pair, size = np.unique(side * (trace.max() + 1) + trace, return_inverse=True, return_counts=True)
    part = 1.0 / size[pair]
    whole = np.bincount(pair, weight * part)
    of_side = np.empty(len(whole), dtype=np.int64)
    of_side[pair] = side
    sums, squares = np.bincount(of_side, whole), np.bincount(of_side, whole**2)
    scale = np.divide(sums, squares, out=np.zeros_like(sums), where=squares > 0)
    return _Sample(
        tuple((service, name) for service, name, _ in dict.fromkeys(listed)),
        group,
        np.asarray(weight * part * scale[side]),
        part,
    )


def _limit(seconds: Floats, weight: Floats) -> float:
    """The upper end of the usual range of log durations: median and two robust deviations."""

    def middle(values: Floats) -> float:
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(weight[order])
        return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])

    centre = middle(seconds)
    return centre + max(_SPREAD * middle(np.abs(seconds - centre)), _LEAST_SPREAD)


def _limits(group: Ints, rows: Ints, seconds: Floats, weight: Floats) -> Floats:
    """Each row's group's limit from the baseline's `rows`; infinite where the baseline is too small."""
    out = np.full(int(group.max()) + 1, np.inf)
    order = rows[np.argsort(group[rows], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(part) >= _BASELINE:
            out[group[part[0]]] = _limit(seconds[part], weight[part])
    return np.asarray(out[group])


def _columns(spans: SpanSet, told: _Told, fine: _Sample, wide: _Sample) -> list[_Column]:
    """Every attribute with few enough values, inherited by callees; what makes operations once more by service."""
    cells: dict[str, tuple[list[int], list[str]]] = {}
    for row, attributes in enumerate(spans.attributes):
        for name, value in attributes.items():
            rows, values = cells.get(name) or cells.setdefault(name, ([], []))
            rows.append(row)
            values.append(value)
    out = []
    for name in sorted(cells):
        rows, values = cells[name]
        index = {value: i for i, value in enumerate(dict.fromkeys(values))}
        if _IGNORED.search(name) or len(index) > max(_FEW_VALUES, len(np.unique(told.trace[rows])) / 2):
            continue
        codes = np.full(len(told.trace), -1, dtype=np.int64)
        codes[rows] = [index[value] for value in values]
        if name in _OPERATIONS:
            out.append(_Column(name, tuple(index), codes, wide))
        resource = entity_kind(name) in _INFRASTRUCTURE or _RESOURCE.search(name) is not None
        out.append(_Column(name, tuple(index), _inherited(spans, told, codes, resource), fine))
    return out


def _inherited(spans: SpanSet, told: _Told, own: Ints, resource: bool) -> Ints:
    """What a span does not say it has from its caller; resources only within the service, roots speak for orphans."""
    codes = own.copy()
    if not resource:
        top = np.flatnonzero(spans.parent < 0)
        codes[top] = np.where(codes[top] < 0, codes[told.root[top]], codes[top])
    for rows in told.levels:
        take = (codes[rows] < 0) & (told.same[rows] | (not resource))
        codes[rows] = np.where(take, codes[spans.parent[rows]], codes[rows])
    return codes


# --- tests -----------------------------------------------------------------------------------------------
def _tables(columns: list[_Column], told: _Told) -> _Tests:
    parts = [
        table
        for i, column in enumerate(columns)
        for kind in range(len(_KINDS))
        for table in _counted(i, column, told, kind)
    ]
    at = np.concatenate([a for a, _ in parts]) if parts else np.empty((0, 4), dtype=np.int64)
    c = np.concatenate([c for _, c in parts], axis=1) if parts else np.empty((8, 0))
    k, n, bad, every, k_before, n_before, bad_before, all_before = c
    known = all_before >= _BASELINE
    new = (every - n < _FEWEST) & (n_before <= 0) & known
    best = np.minimum(bad, n)
    able = (n >= _FEWEST) & (every - n >= _FEWEST) & (_log_pmf(best, n, bad, every) < _ATTAINABLE)
    inside = log_tail(k, n, bad, every)
    against = np.where(known, log_tail(k, every, k + k_before, every + all_before), -np.inf)
    since = log_tail(bad, every, bad + bad_before, every + all_before)
    log_p = np.where(new, since, np.maximum(inside, against))
    keep = np.flatnonzero((new | able) & (bad >= _FEWEST))
    return _Tests(at[keep], *c[:, keep], log_p[keep], new[keep])


def _counted(i: int, column: _Column, told: _Told, kind: int) -> Iterable[tuple[Ints, Floats]]:
    """All values of a column in all groups: masses with the value and of the group, incident then baseline."""
    rows = np.flatnonzero(column.codes >= 0)
    if not len(rows):
        return
    sample, wide = column.sample, len(column.values)
    keys, cell = np.unique(sample.group[rows] * wide + column.codes[rows], return_inverse=True)
    group, groups = keys // wide, len(sample.names)
    counts = []
    for side in (told.during, ~told.during):
        mass = sample.mass * side
        for mine in (mass * told.bad[kind], mass):
            counts.append((np.bincount(cell, mine[rows]), np.bincount(sample.group, mine, groups)[group]))
    (k, bad), (n, every), (k_b, bad_b), (n_b, all_b) = counts
    at = np.stack([np.full(len(keys), i), group, keys % wide, np.full(len(keys), kind)], axis=1)
    yield at, np.stack([k, n, bad, every, k_b, n_b, bad_b, all_b])
