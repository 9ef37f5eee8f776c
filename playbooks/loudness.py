"""How loudly deviations speak: one, the largest of many, and what several series agree on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_ALONE = 0.7


def loudness(z: float) -> float:
    """A standardised shift as a saturating loudness: 0 within the usual range, grows with its logarithm."""
    return float(np.log1p(max(z - 1.5, 0.0))) if np.isfinite(z) else 0.0


def among(z: float, series: int) -> float:
    """The deviation as rare in one series as `z` is as the largest of so many.

    Source: Bonferroni's bound in the normal's far tail, where log p is about -z^2 / 2: the largest of 500
    series is held to more than the largest of two.
    """
    return float(np.sqrt(max(z * z - 2.0 * np.log(series), 0.0))) if z > 0 and series > 1 else z


def agreed(deviations: Iterable[float]) -> float:
    """The loudness two series agree on where there are two: a single sparse series is not trusted alone.

    One thing measured twice is one witness: equal deviations are one series under two names.
    """
    told = sorted({round(z, 6) for z in deviations}, reverse=True)
    if not told:
        return 0.0
    first = among(told[0], len(told))
    second = among(told[1], len(told)) if len(told) > 1 else first * _ALONE
    return 0.5 * (loudness(first) + loudness(second))
