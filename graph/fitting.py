"""Fits the ranking's weights to labelled cases: a conditional logit (McFadden 1974) close to declared ones.

Pure. `benchmarks/fit.py` writes the shipped weights with it; `firstcause bench` refits them without the cases
it scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from connectors.answers import Floats
from graph.ranking import Weights
from playbooks.suspects import FEATURES

DECLARED = {
    "self_time": 0.8, "self_share": 2.0, "gap": 1.5, "gap_share": 1.0, "wait_share": 1.0,
    "error_origin": 1.0, "structure": 0.3, "log_mix": 2.0, "log_errors": 1.0,
    "latency": 0.8, "latency_share": 3.0, "errors": 1.0, "errors_share": 3.0,
    "cpu": 0.8, "memory": 0.6, "disk": 0.4, "network": 0.2, "pressure": 0.8, "ramp": 0.6, "surge": 1.5,
    "alerted": 0.5,
}  # fmt: skip
"""Starting values: a share of all trouble weighs most, a changed mix of statements next, then loudness."""

RIDGE = 4.0
NONE, UNSEEN, EXPLAINED = 1.5, 1.0, 0.3


class Labelled(Protocol):
    """A labelled case."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def system(self) -> str:
        """Where it is from; every system counts alike."""
        ...

    @property
    def features(self) -> Floats:
        """One row a service."""
        ...

    @property
    def right(self) -> Floats:
        """1 for each service at fault, else 0."""
        ...


def fit(cases: Sequence[Labelled], steps: int = 300) -> Floats:
    """Adam on the ridge-penalised conditional likelihood; the discount for callees is held fixed."""
    start = np.array([DECLARED[name] for name in FEATURES])
    count = Counter(case.system for case in cases)
    share: dict[str, float] = {s: float(np.sqrt(len(cases) / len(count) / n)) for s, n in count.items()}
    weights: Floats = start.copy()
    mean: Floats = np.zeros(len(start))
    square: Floats = np.zeros(len(start))
    for step in range(1, steps + 1):
        slope: Floats = 2 * RIDGE * (weights - start)
        for case in cases:
            scores = case.features @ weights
            p = np.exp(scores - scores.max())
            p = p / p.sum()
            mass = float(p @ case.right)
            if mass > 0:
                slope = slope + share[case.system] * (case.features.T @ (p - p * case.right / mass))
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        moved = 0.05 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights - moved, 0.0)
    return weights


def held_out(cases: Sequence[Labelled], fold_of: Mapping[str, str]) -> dict[str, Floats]:
    """For every case the weights fitted without its fold."""
    folds = sorted(set(fold_of.values()))
    fitted = {fold: fit([c for c in cases if fold_of[c.name] != fold]) for fold in folds}
    return {c.name: fitted[fold_of[c.name]] for c in cases}


def weights_of(vector: Floats, version: str) -> Weights:
    """A vector of fitted weights as the ranking takes it."""
    return Weights(
        format=1,
        version=version,
        features=dict(zip(FEATURES, map(float, vector), strict=True)),
        none=NONE,
        unseen=UNSEEN,
        explained=EXPLAINED,
        temperature=1.0,
        provenance={},
    )
