"""Figures about confidence, for many resamples at once. Pure.

Everything here is a function of confidences, outcomes and weights: `weights` is (resamples, claims) and says
how often each claim counts; a row of ones is the sample itself. Claims of equal confidence are pooled, so
that no figure depends on the order in which cases come.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from connectors.answers import Floats

BINS: Final = 10


def brier(confidence: Floats, right: Floats, weights: Floats) -> Floats:
    """The mean squared distance between confidence and outcome (Brier 1950)."""
    return np.asarray(weights @ np.square(confidence - right) / weights.sum(axis=1))


def ece_equal_width(confidence: Floats, right: Floats, weights: Floats, bins: int = BINS) -> Floats:
    """The expected calibration error over bins of equal width (Guo et al. 2017)."""
    inside = np.eye(bins)[bin_of(confidence, bins)]
    gaps = weights @ (inside * (confidence - right)[:, None])
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))


def bin_of(confidence: Floats, bins: int = BINS) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The bin each confidence falls in; an edge belongs to the bin above, 1 to the last."""
    return np.minimum(np.floor(np.round(confidence * bins, 9)).astype(np.int64), bins - 1)


def ece_equal_mass(confidence: Floats, right: Floats, weights: Floats, bins: int = BINS) -> Floats:
    """The expected calibration error over bins that hold equally many claims (Nixon et al. 2019).

    A bin's border may run through a group of claims with one confidence: each side then gets its share.
    """
    _, group = np.unique(confidence, return_inverse=True)
    inside = np.eye(int(group.max()) + 1)[group]
    mass = weights @ inside
    gap = weights @ (inside * (confidence - right)[:, None])
    total = weights.sum(axis=1)
    found = np.zeros(len(weights))
    for row in range(len(weights)):
        borders = np.linspace(0.0, total[row], bins + 1)
        upto = _accumulated(mass[row], gap[row], borders)
        found[row] = np.abs(np.diff(upto)).sum() / total[row]
    return found


def ce_debiased(confidence: Floats, right: Floats, weights: Floats, bins: int = BINS) -> Floats:
    """The root mean squared calibration error over bins of equal mass, less what chance adds.

    The estimator of Bröcker (2012) as in Kumar et al., "Verified Uncertainty Calibration" (2019): of each
    bin's squared gap the variance of its mean outcome is taken away. 0 where nothing is left; a bin of one
    claim cannot tell a gap from chance and adds nothing. Borders as in `ece_equal_mass`.
    """
    _, group = np.unique(confidence, return_inverse=True)
    inside = np.eye(int(group.max()) + 1)[group]
    mass, hits = weights @ inside, weights @ (inside * right[:, None])
    said = weights @ (inside * confidence[:, None])
    total = weights.sum(axis=1)
    found = np.zeros(len(weights))
    for row in range(len(weights)):
        borders = np.linspace(0.0, total[row], bins + 1)
        n = total[row] / bins
        mean, true = (np.diff(_accumulated(mass[row], each[row], borders)) / n for each in (said, hits))
        chance = true * (1.0 - true) / max(n - 1.0, 1e-9)
        squared = np.square(mean - true) - chance if n > 1.0 else np.zeros(bins)
        found[row] = np.sqrt(max(float(squared.mean()), 0.0))
    return found


def accuracy_at(coverage: float, confidence: Floats, right: Floats, weights: Floats) -> Floats:
    """How often the surest share of claims is right; a claim cut by the border counts in part."""
    _, group = np.unique(-confidence, return_inverse=True)
    inside = np.eye(int(group.max()) + 1)[group]
    mass = weights @ inside
    hits = weights @ (inside * right[:, None])
    kept = coverage * weights.sum(axis=1)
    found = np.zeros(len(weights))
    for row in range(len(weights)):
        found[row] = _accumulated(mass[row], hits[row], kept[row : row + 1])[0] / kept[row]
    return found


def _accumulated(mass: Floats, amount: Floats, upto: Floats) -> Floats:
    """The running total of the amounts, where so much mass has passed."""
    passed, total = (np.concatenate([[0.0], np.cumsum(each)]) for each in (mass, amount))
    return np.asarray(np.interp(upto, passed, total))


def expected_ece(confidence: Floats, draws: int, seed: int) -> Floats:
    """The ECE (equal mass) that perfectly calibrated claims of these confidences would show, `draws` times.

    With few claims it is far from zero: a measured ECE means something only beside it (Bröcker, Smith 2007).
    """
    rng = np.random.default_rng([seed, len(confidence)])
    ones = np.ones((1, len(confidence)))
    right = (rng.random((draws, len(confidence))) < confidence).astype(np.float64)
    return np.array([ece_equal_mass(confidence, row, ones)[0] for row in right])
