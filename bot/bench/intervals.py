"""Figures with their uncertainty: percentile bootstrap over cases, seeded. Pure.

Cases are drawn within their sets, as the sets are chosen and the cases in them are not. Where all cases agree
a bootstrap sees no uncertainty at all; a share of none or of all then gets the exact binomial bound instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from connectors.answers import Floats
from connectors.contract import Frozen

RESAMPLES: Final = 2000
_TAILS: Final = (0.025, 0.975)

Statistic = Callable[[Floats], Floats]
"""From weights (resamples, cases) to one value a resample."""


class Figure(Frozen):
    """One figure over n cases, with its 95 % interval; all None where there is nothing to measure on."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    interval: Literal["bootstrap", "exact", "simulation", "none"] = "none"


NOTHING: Final = Figure()


@lru_cache(maxsize=256)
def weights(sizes: tuple[int, ...], seed: int) -> Floats:
    """How often each case is drawn in each resample, sets side by side."""
    rng = np.random.default_rng([seed, *sizes])
    drawn = [rng.multinomial(size, np.full(size, 1 / size), size=RESAMPLES) for size in sizes if size]
    table = np.concatenate(drawn, axis=1).astype(np.float64)
    table.setflags(write=False)
    return table


def of_mean(values: Sequence[float], sets: Sequence[str], seed: int, *, counts: bool = False) -> Figure:
    """The mean of one number a case; cases of a set lie together. `counts`: the numbers are no shares."""
    if not values:
        return NOTHING
    numbers = np.asarray(values, dtype=np.float64)
    share = None if counts else 1.0
    return of_statistic(lambda drawn: np.asarray(drawn @ numbers / drawn.sum(axis=1)), sets, seed, share)


def of_statistic(statistic: Statistic, sets: Sequence[str], seed: int, share: float | None = 1.0) -> Figure:
    """Any figure of weighted cases, whose sets are given; `share` of them is what it looks at.

    None: the figure is no share of cases, so that no binomial bound is its own where all cases agree.
    """
    n = len(sets)
    value = float(statistic(np.ones((1, n)))[0])
    low, high = np.quantile(statistic(weights(_sizes(sets), seed)), _TAILS)
    if value in {0.0, 1.0} and low == high and share is not None:
        return _unanimous(value, n, share)
    return Figure(value=_told(value), low=_told(low), high=_told(high), n=n, interval="bootstrap")


def _unanimous(value: float, n: int, share: float) -> Figure:
    """The exact (Clopper-Pearson) interval of a share of 0 or 1."""
    bound = _TAILS[0] ** (1 / max(n * share, 1))
    low, high = (0.0, 1 - bound) if value == 0.0 else (bound, 1.0)
    return Figure(value=value, low=_told(low), high=_told(high), n=n, interval="exact")


def wilson(hits: int, n: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval of a share: good for the few claims of one bin."""
    if not n:
        return None, None
    share, z2 = hits / n, 1.959964**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n) / (1 + z2 / n)
    return _told(max(centre - half, 0.0)), _told(min(centre + half, 1.0))


def _sizes(sets: Sequence[str]) -> tuple[int, ...]:
    counts: dict[str, int] = {}
    for name in sets:
        counts[name] = counts.get(name, 0) + 1
    return tuple(counts.values())


def _told(number: float) -> float:
    return round(float(number), 4)
