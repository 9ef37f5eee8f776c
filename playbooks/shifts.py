"""How much a series moved during the incident, measured in units of how much it moves when nothing is wrong.

Vectorised over series. A shift is a weighted mean of robust residuals over the incident's samples, set
against the same weighted mean at every earlier position of the same series: its own fault-free history is
the null. Never compares two systems, never looks at names.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats

# A shift is capped where "more" means nothing further; keeps one wild series from drowning the rest.
CAP = 60.0
_FEWEST_NULLS = 8
# One sample beyond this tells no more than one at it: a single wild sample must not widen the null.
_WILD = 20.0
_LASTS = 0.2


@dataclass(frozen=True, slots=True)
class Template:
    """Which of the last samples are the incident, and how much each counts.

    `weights`: (k,) non-negative, sum 1, for the last k samples in time order; `first`: index of the first.
    """

    weights: Floats
    first: int


@dataclass(frozen=True, slots=True)
class Shifts:
    """Per series: standardised shift, the usual level, the level in the incident, and how the null was made.

    `z`: (n,) signed, in robust standard deviations of the null, NaN where it cannot be told.
    `usual`, `now`: (n,) in the series' unit. `scale`: (n,) robust spread of one sample.
    """

    z: Floats
    usual: Floats
    now: Floats
    scale: Floats


def _quantiles(values: Floats, q: tuple[float, ...]) -> Floats:
    """Quantiles along the last axis that ignore NaN and need no warning for empty rows."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(values).sum(axis=-1)
    out = np.full((len(q), *values.shape[:-1]), np.nan)
    has = count > 0
    for row, share in enumerate(q):
        at = np.clip((share * (count - 1)).round().astype(np.int64), 0, values.shape[-1] - 1)
        out[row][has] = np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0][has]
    return out


def spread(values: Floats) -> tuple[Floats, Floats]:
    """Robust centre and scale of each row, NaN ignored.

    The scale is the largest of MAD, inner 80 % and 1/500 of the level, so that series that rarely
    move still have one. Scale-equivariant: units do not matter.
    """
    q01, q10, median, q90, q99 = _quantiles(values, (0.01, 0.10, 0.50, 0.90, 0.99))
    mad = 1.4826 * _quantiles(np.abs(values - median[..., None]), (0.5,))[0]
    scale = np.fmax(np.fmax(mad, (q90 - q10) / 2.563), (q99 - q01) / 9.3)
    return median, np.fmax(scale, np.abs(median) / 500.0)


def uniform(samples: int, length: int) -> Template:
    """The last `length` of `samples` samples, all alike."""
    return Template(np.full(length, 1.0 / length), samples - length)


def _sliding(residuals: Floats, weights: Floats) -> Floats:
    """Weighted mean of residuals ending at every position; NaN where under a third of the weight is known."""
    known = np.isfinite(residuals)
    total = _correlated(np.where(known, residuals, 0.0), weights)
    gaps = ~known.all(axis=1)
    if gaps.any():
        mass = _correlated(known[gaps].astype(np.float64), weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            total[gaps] = np.where(mass > 1 / 3, total[gaps] / mass, np.nan)
    return total


def _correlated(values: Floats, weights: Floats) -> Floats:
    """Each row's inner product with the weights at every position, by the fast Fourier transform."""
    samples, k = values.shape[1], len(weights)
    size = 1 << (samples + k - 1).bit_length()
    spectrum = np.fft.rfft(values, size, axis=1) * np.fft.rfft(weights[::-1], size)
    return np.ascontiguousarray(np.fft.irfft(spectrum, size, axis=1)[:, k - 1 : samples])


def measure(values: Floats, template: Template) -> Shifts:
    """Standardise each series' shift under the template against its own earlier positions.

    Args:
        values: (n, t) samples, NaN is "no sample".
        template: which samples are the incident.

    Returns:
        One standardised shift a series. With too little history the plain robust residual is shrunk instead.
        Source: matched filtering (Turin 1960) on robust residuals; standardising by a system's own
        fault-free windows is the finding of docs/design/judgement.md.
    """
    rows = len(values)
    history = values[:, : template.first]
    if template.first < 2 or rows == 0:
        blank = np.full(rows, np.nan)
        return Shifts(blank, blank.copy(), blank.copy(), blank.copy())
    usual, scale = spread(history)
    scale = np.where(scale > 0, scale, _floor(values))
    with np.errstate(invalid="ignore", divide="ignore"):
        residuals = np.clip((values - usual[:, None]) / scale[:, None], -_WILD, _WILD)
    means = _sliding(residuals, template.weights)
    current = means[:, -1]
    nulls = means[:, : max(template.first - len(template.weights) + 1, 0)]
    z = _against(current, nulls, _effective(template.weights))
    z = z * _lasting(residuals[:, template.first :])
    now = _level(values[:, template.first :], template.weights)
    return Shifts(np.clip(z, -CAP, CAP), usual, now, scale)


def _lasting(residuals: Floats) -> Floats:
    """How much of the incident the shift lasts, 0 to 1: one spike in a minute of quiet is none of it."""
    with np.errstate(invalid="ignore"):
        beyond = (np.abs(residuals) >= 1.0).mean(axis=1)
    return np.asarray(np.minimum(beyond / _LASTS, 1.0))


def _level(values: Floats, weights: Floats) -> Floats:
    """Weighted mean of the samples that are known."""
    known = np.isfinite(values)
    mass = known @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(mass > 0, np.where(known, values, 0.0) @ weights / mass, np.nan))


def _floor(values: Floats) -> Floats:
    """A scale for series that never moved before: a hundredth of the largest value seen."""
    largest = _quantiles(np.abs(values), (1.0,))[0]
    return np.asarray(np.where(largest > 0, largest / 100.0, 1.0))


def _effective(weights: Floats) -> float:
    """Effective number of samples of a weighted mean (Kish)."""
    return float(1.0 / np.sum(weights**2))


def _against(current: Floats, nulls: Floats, effective: float) -> Floats:
    """The current mean in units of the null means' spread, never sharper than independence would allow."""
    if nulls.shape[1] < _FEWEST_NULLS:
        return np.asarray(current * np.sqrt(effective) / 2.0)
    median, scale = spread(nulls)
    median = np.where(np.isfinite(median), median, 0.0)
    floor = 0.5 / np.sqrt(effective)
    return np.asarray((current - median) / np.fmax(np.where(np.isfinite(scale), scale, 1.0), floor))


def rates(values: Floats, times: Floats) -> Floats:
    """Per-second increase of cumulative counters; a fall is a reset, after which counting starts at zero.

    Source: Prometheus' `rate()` treats resets alike. The first sample has no rate: NaN.
    """
    step = np.diff(times)
    rise = np.diff(values, axis=-1)
    rise = np.where(rise < 0, values[..., 1:], rise)
    out = np.full(values.shape, np.nan)
    out[..., 1:] = rise / step
    return out


def is_cumulative(values: Floats) -> npt.NDArray[np.bool_]:
    """Rows that only rise, apart from resets to near zero: counters whatever their name says."""
    rise = np.diff(values, axis=-1)
    falls = rise < 0
    to_zero = values[..., 1:] <= 0.1 * values[..., :-1]
    known = np.isfinite(rise)
    return np.asarray(
        (known.sum(-1) > 0) & ((falls & ~to_zero).sum(-1) == 0) & ((rise > 0).sum(-1) > 0.2 * known.sum(-1))
    )


def climb(values: Floats) -> float:
    """How far a level climbs steadily over the second half of its samples, in robust deviations; else 0.

    Leaks and filling disks move slowly: no single window is far from the one before it.
    """
    values = values[len(values) // 2 :]
    values = values[np.isfinite(values)]
    if len(values) < 8:
        return 0.0
    quarters = [float(np.median(part)) for part in np.array_split(values, 4)]
    noise = 1.4826 * float(np.median(np.abs(np.diff(values)))) + abs(quarters[0]) / 200.0
    rising = all(later > earlier for earlier, later in pairwise(quarters))
    return (quarters[-1] - quarters[0]) / noise if rising and noise > 0 else 0.0
