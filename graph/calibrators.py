"""Candidate calibrators and how one is chosen. Pure: rows of held-out rankings in, models and figures out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from connectors.answers import Floats
from graph.calibration import (
    EDGE,
    Calibrated,
    Calibration,
    Conformal,
    calibrate,
    is_thin,
    numbers,
    threshold_of,
)
from graph.traits import Traits

CEILING, THIN_CEILING = 0.97, 0.78
"""Declared, not fitted: nobody is surer than 0.97, and nobody reaches 0.8 on thin evidence."""

HEALTHY = 0.15
"""All fault-free instants together weigh as much as this share of the incidents: alerts of nothing."""

RIDGE = 0.5
LEVEL = 0.9
A_SYSTEM = 20
"""Cases from which on a system's own conformal threshold is more than an accident of one or two."""
CONFIDENT = 0.8
_TRAITS = ("balance", "sources", "ahead", "share")


@dataclass(frozen=True, slots=True)
class Row:
    """One held-out ranking: raw confidences, and the truth's place (None: not proposed, or no fault)."""

    name: str
    system: str
    healthy: bool
    raw: tuple[float, ...]
    none: float
    truth: int | None
    traits: Traits

    @property
    def right(self) -> bool:
        """Whether the first proposal is right."""
        return self.truth == 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A form of calibrator: how many numbers are fitted, over which columns, and whether it has ceilings."""

    name: str
    parameters: int
    columns: tuple[str, ...]
    guarded: bool

    @property
    def ceilings(self) -> tuple[float, float]:
        """The ceilings where the evidence is broad and where it is thin."""
        return (CEILING, THIN_CEILING) if self.guarded else (1.0, 1.0)


_FORMS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("raw", 0, ()),
    ("temperature", 1, ("logit",)),
    ("Platt", 2, ("one", "logit")),
    ("beta", 3, ("one", "rise", "fall")),
    ("Platt + traits", 6, ("one", "logit", *_TRAITS)),
)
CANDIDATES = tuple(
    Candidate(name + (", ceilings" if guarded else ""), parameters, columns, guarded)
    for guarded in (False, True)
    for name, parameters, columns in _FORMS
)


def row_weights(rows: Sequence[Row]) -> Floats:
    """Every system's incidents count alike; all fault-free instants together are a declared share."""
    count = Counter(row.system for row in rows if not row.healthy)
    incidents = sum(count.values())
    healthy = max(sum(row.healthy for row in rows), 1)
    each = HEALTHY * incidents / healthy
    return np.array([each if r.healthy else incidents / len(count) / count[r.system] for r in rows])


def _columns(row: Row, names: Sequence[str]) -> list[float]:
    p = min(max(row.raw[0], EDGE), 1.0 - EDGE)
    known = {"one": 1.0, "rise": math.log(p), "fall": -math.log1p(-p)}
    known["logit"] = known["rise"] + known["fall"]
    known |= numbers(row.traits)
    return [known[name] for name in names]


_START = {"logit": 1.0, "rise": 1.0, "fall": 1.0}


def fit(candidate: Candidate, rows: Sequence[Row]) -> Calibration:
    """Ridge-penalised likelihood, pulled towards "as the ranking says"; slopes stay positive."""
    names = candidate.columns
    start = np.array([_START.get(name, 0.0) for name in names])
    slopes = np.array([name in _START for name in names])
    found = _minimise(candidate, rows, start, slopes) if names else start
    said = dict(zip(names, found.tolist(), strict=True))
    slope = said.get("logit", 1.0)
    thick, thin = candidate.ceilings
    return Calibration(
        format=1,
        version="candidate",
        method=candidate.name,
        offset=said.get("one", 0.0),
        rise=said.get("rise", slope),
        fall=said.get("fall", slope),
        weights={name: said[name] for name in _TRAITS if name in said},
        ceiling=thick,
        thin_ceiling=thin,
        abstain_below=0.0,
        conformal=Conformal(level=LEVEL, threshold=None, cases=0),
        provenance={},
    )


def _minimise(candidate: Candidate, rows: Sequence[Row], start: Floats, slopes: Floats) -> Floats:
    """Adam; few numbers, few rows."""
    table = np.array([_columns(row, candidate.columns) for row in rows])
    right = np.array([float(row.right) for row in rows])
    thick, thin = candidate.ceilings
    cap = np.array([thin if is_thin(row.traits) else thick for row in rows])
    weights = row_weights(rows)
    found: Floats = start.copy()
    mean, square = np.zeros(len(start)), np.zeros(len(start))
    for step in range(1, 501):
        sure = 1.0 / (1.0 + np.exp(-table @ found))
        p = np.clip(cap * sure, 1e-6, 1 - 1e-6)
        slope = table.T @ (weights * (p - right) / (p * (1 - p)) * cap * sure * (1 - sure))
        slope = slope + RIDGE * (found - start)
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        found = found - 0.02 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-9)
        found = np.where(slopes, np.maximum(found, 0.1), found)
    return found


Calibrator = Callable[[Row], Calibrated]


def by(model: Calibration) -> Calibrator:
    """Calibrating with one model."""
    return lambda row: calibrate(row.raw, row.none, row.traits, model)


def isotonic(rows: Sequence[Row]) -> Calibrator:
    """Isotonic regression (pool adjacent violators), for reference only: a step a handful of cases."""
    order = sorted(rows, key=lambda row: (row.raw[0], not row.right))
    weight = dict(zip(map(id, rows), row_weights(rows), strict=True))
    levels = pooled([float(r.right) for r in order], [float(weight[id(r)]) for r in order])
    edges = np.array([row.raw[0] for row in order])

    def said(row: Row) -> Calibrated:
        at = max(int(np.searchsorted(edges, row.raw[0], side="right")) - 1, 0)
        return Calibrated((levels[at],), 1.0 - levels[at], False)

    return said


def pooled(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The weighted non-decreasing sequence nearest to the values; of a tie the larger come first."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (v2, w2, n2), (v1, w1, n1) = blocks.pop(), blocks.pop()
            blocks.append(((v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2))
    return [value for value, _, count in blocks for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with what a calibrator that never saw it said."""

    row: Row
    said: Calibrated

    @property
    def sure(self) -> float:
        """The first confidence."""
        return max(self.said.confidences, default=0.0)

    @property
    def confidently_wrong(self) -> bool:
        """Whether it is wrong at 0.8 or more."""
        return self.sure >= CONFIDENT and not self.row.right

    @property
    def loss(self) -> float:
        """The log loss."""
        p = min(max(self.sure, 1e-4), 1 - 1e-4)
        return -math.log(p if self.row.right else 1 - p)

    @property
    def before(self) -> float:
        """The share of all places' confidence that lies before the truth: the conformal score."""
        at, said = self.row.truth, self.said.confidences
        return math.inf if at is None else float(sum(said[:at])) / max(sum(said), 1e-12)


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, and why each of the others was not."""

    chosen: Candidate
    reasons: Mapping[str, str]


def choose(
    across: Mapping[str, Sequence[Scored]], within: Mapping[str, Sequence[Scored]], most_wrong: float
) -> Choice:
    """The simplest candidate within one standard error of the best, of those rarely confidently wrong.

    Compared by leave-one-system-out log loss; the standard error is the best one's (Breiman et al. 1984).
    """
    named = {c.name: c for c in CANDIDATES}
    wrong = {
        n: max(float(np.mean([s.confidently_wrong for s in fold[n]])) for fold in (across, within))
        for n in named
    }
    losses = {name: np.array([s.loss for s in across[name]]) for name in named}
    allowed = [name for name in named if wrong[name] <= most_wrong] or list(named)
    best = min(allowed, key=lambda name: float(losses[name].mean()))
    bar = float(losses[best].mean() + losses[best].std(ddof=1) / math.sqrt(len(losses[best])))
    near = [name for name in allowed if float(losses[name].mean()) <= bar]
    chosen = min(near, key=lambda n: (named[n].parameters, float(losses[n].mean())))
    reasons = {}
    for name in named:
        if name not in allowed:
            reasons[name] = f"confidently wrong {wrong[name]:.1%}"
        elif name not in near:
            reasons[name] = "worse by more than one standard error"
        else:
            reasons[name] = "chosen" if name == chosen else "not better by one standard error, less simple"
    return Choice(named[chosen], reasons)


def conformal(scored: Sequence[Scored]) -> Conformal:
    """The threshold from incidents that neither the weights nor the calibrator saw: the worst system's.

    Systems are not exchangeable: pooled, the many cases of an easy one set a threshold that a hard one does
    not keep. With fewer than nine systems no set is distribution-free for a new one (Lee et al. 2023), so
    the promise is to a system no worse than the worst known one; it is measured by leaving each out.
    """
    before: dict[str, list[float]] = {"": []}
    for each in scored:
        if not each.row.healthy:
            before[""].append(each.before)
            before.setdefault(each.row.system, []).append(each.before)
    large = [threshold_of(rows, LEVEL) for name, rows in before.items() if not name or len(rows) >= A_SYSTEM]
    worst = max((math.inf if each is None else each for each in large), default=math.inf)
    return Conformal(level=LEVEL, threshold=worst if math.isfinite(worst) else None, cases=len(before[""]))


def abstain_below(scored: Sequence[Scored]) -> float:
    """The lowest confidence from which on the first proposal is more often right than wrong.

    By isotonic regression of the outcome on the held-out confidence, fault-free instants included.
    """
    order = sorted(scored, key=lambda each: (each.sure, not each.row.right))
    rights = [float(each.row.right) for each in order]
    levels = pooled(rights, row_weights([each.row for each in order]).tolist())
    above = [each.sure for each, level in zip(order, levels, strict=True) if level > 0.5]
    return math.floor(100 * min(above, default=1.0)) / 100
