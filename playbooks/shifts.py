"""How much a series moved during the incident, measured in units of how much it moves when nothing is wrong.

Vectorised over series. A shift is a weighted mean of robust residuals over the incident's samples, set
against the same weighted mean at every earlier position of the same series: its own fault-free history is
the null. Never compares two systems, never looks at names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats

# A shift is capped where "more" means nothing further; keeps one wild series from drowning the rest.
CAP = 60.0
_FEWEST_NULLS = 8
# One sample beyond this tells no more than one at it: a single wild sample must not widen the null.
_WILD = 20.0
_LASTS = 0.2
BLOCK = 512
"""Rows looked at at once: enough to be quick, few enough for a processor's cache, however many there are."""
_PARTS = 10
_CLIMBS = 10
_CRITICAL = 3.0
# From a handful of samples nobody can tell how they hang together: then they are taken for so many.
_FEW = 6.0
# Worth fewer independent samples than this, a series drifts: its level alone is a weak test.
_DRIFTING = 25.0


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


def medians(values: Floats) -> Floats:
    """Each row's median, the mean of its two middle samples where they are even; NaN is "no sample"."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    if not values.size:
        return np.full(len(values), np.nan)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    middle = [
        np.take_along_axis(ordered, at[:, None], axis=1)[:, 0]
        for at in (low, np.minimum(high, values.shape[1] - 1))
    ]
    return np.asarray((middle[0] + middle[1]) / 2.0)


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
    """As `_measured`, block by block: rows are independent, and work takes several times their memory."""
    parts = [_measured(values[at : at + BLOCK], template) for at in range(0, max(len(values), 1), BLOCK)]
    return Shifts(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("z", "usual", "now", "scale"))
    )


def _measured(values: Floats, template: Template) -> Shifts:
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
    still = np.flatnonzero(~(scale > 0))
    scale[still] = _floor(values[still])
    with np.errstate(invalid="ignore", divide="ignore"):
        residuals = np.clip((values - usual[:, None]) / scale[:, None], -_WILD, _WILD)
    means = _sliding(residuals, template.weights)
    nulls = means[:, : max(template.first - len(template.weights) + 1, 0)]
    independent = independent_samples(residuals[:, : template.first])
    z = _against(means[:, -1], nulls, _effective(template.weights), independent)
    z = _or_since(z, means, template, independent)
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


def _against(current: Floats, nulls: Floats, effective: float, independent: Floats) -> Floats:
    """The current mean in units of the null means' spread, never sharper than independence would allow.

    A spread known from few independent samples is known badly: its statistic is Student's, told here as the
    normal deviation that is as rare.
    """
    if nulls.shape[1] < _FEWEST_NULLS:
        return told_by(current * np.sqrt(effective) / 2.0, np.maximum(independent, _FEW))
    median, scale = spread(nulls)
    median = np.where(np.isfinite(median), median, 0.0)
    floor = 0.5 / np.sqrt(effective)
    scale = np.fmax(np.where(np.isfinite(scale), scale, 1.0), floor)
    side = np.where(current < median, -1.0, 1.0)
    swings = side[:, None] * (nulls - median[:, None])
    scale = np.fmax(scale, recurring(swings) / 2.0)
    return told_by((current - median) / scale, independent)


def told_by(deviation: Floats, independent: Floats) -> Floats:
    """What deviations mean whose unit was estimated from so few independent samples, one number a row.

    The usual level and its spread come from the same samples as the swing they are held against, and know of
    less than a full swing where samples hang together.
    """
    if deviation.ndim > 1:
        independent = independent[:, None]
    share = np.minimum(1.0 / independent, 0.5)
    known = deviation * np.sqrt((1.0 - share) / (1.0 + share))
    return as_normal(known, np.maximum(independent - 1.0, 1.0))


def as_normal(t: Floats, freedom: Floats) -> Floats:
    """Student's t in units in which three is as rare as three normal deviations; beyond, an effect size.

    Source: the inverse of Wallace's 1959 approximation, exact to a hundredth from two degrees of freedom on.
    """
    wide = _CRITICAL * (8.0 * freedom + 3.0) / (8.0 * freedom + 1.0)
    critical = np.sqrt(freedom * np.expm1(wide * wide / freedom))
    return np.asarray(t * _CRITICAL / critical)


def recurring(nulls: Floats) -> Floats:
    """How far the series swings again and again: the third largest of the maxima of tenths of its history.

    What came once or twice may have been an earlier incident; what comes a third time is its habit.
    """
    parts = np.array_split(np.where(np.isfinite(nulls), nulls, 0.0), _PARTS, axis=1)
    largest = np.array([part.max(axis=1) for part in parts if part.shape[1]])
    return np.asarray(np.sort(largest, axis=0)[-3]) if len(largest) >= 3 else np.zeros(len(nulls))


def independent_samples(residuals: Floats) -> Floats:
    """How many independent samples each row is worth: its length over its integrated autocorrelation time.

    The autocorrelations are summed up to the first that is not positive (Geyer 1992, initial positive
    sequence; for AR(1) the number is n (1 - rho) / (1 + rho)). Never under 1.5.
    """
    correlations = autocorrelations(residuals)
    positive = np.logical_and.accumulate(correlations > 0.0, axis=1)
    time = 2.0 * np.where(positive, correlations, 0.0).sum(axis=1) - 1.0
    known = np.isfinite(residuals).sum(axis=1)
    return np.asarray(np.maximum(known / np.maximum(time, 1.0), 1.5))


def autocorrelations(residuals: Floats) -> Floats:
    """Each row's autocorrelation at lags 0 .. half its length, unknown samples at the row's mean."""
    known = np.isfinite(residuals)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, residuals, 0.0).sum(axis=1) / count
    centred = np.where(known, residuals - mean[:, None], 0.0)
    lags = max(residuals.shape[1] // 2, 1)
    # Padded by no more than the lags that are looked at: what wraps around lies beyond them.
    size = 1 << (residuals.shape[1] + lags - 1).bit_length()
    spectrum = np.fft.rfft(centred, size, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    moments = np.fft.irfft(power, size, axis=1)[:, :lags]
    return np.asarray(moments / np.where(moments[:, :1] > 0, moments[:, :1], 1.0))


def _or_since(z: Floats, means: Floats, template: Template, independent: Floats) -> Floats:
    """For series that drift, the rise since just before the incident, where that is the rarer of the two.

    A level says little where levels wander; a jump still does. Only for what wanders: elsewhere the level is
    the sharper test, and two tests find more by chance than one.
    """
    length = len(template.weights)
    before = min(length, max(template.first // 4, 1))
    drifting = np.flatnonzero(independent < _DRIFTING)
    if template.first - length - before < 4 * _FEWEST_NULLS or not len(drifting):
        return z
    rows = means[drifting]
    gap = length
    rise = rows[:, gap:] - rows[:, :-gap]
    nulls = rise[:, : max(template.first - length - gap + 1, 0)]
    since = _against(rise[:, -1], nulls, _effective(template.weights), independent_samples(nulls))
    out = z.copy()
    held = z[drifting]
    out[drifting] = np.where(np.isfinite(since) & (np.abs(since) > np.abs(held)), since, held)
    return out


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


def climbs(values: Floats) -> Floats:
    """How steadily each level climbs over the second half of its samples, in standard deviations; else 0.

    Leaks and filling disks move slowly: no single window is far from the one before it. The climb from block
    to block is held against how much such climbs differ: a level that walks at random climbs nowhere.
    """
    half = values[:, values.shape[1] // 2 :]
    length = half.shape[1] // (2 * _CLIMBS) * 2
    if length == 0 or not len(values):
        return np.zeros(len(values))
    half = half[:, half.shape[1] - length * _CLIMBS :]
    blocks = _quantiles(half.reshape(len(half), _CLIMBS, length), (0.5,))[0]
    quarter = half.shape[1] // 4
    quarters = _quantiles(half[:, -4 * quarter :].reshape(len(half), 4, quarter), (0.5,))[0]
    rises = np.diff(blocks, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.median(rises, axis=1)
        wide = np.median(np.abs(rises - middle[:, None]), axis=1)
        # The standard error of a median, which knows its spread as well as a mean of two thirds as many.
        error = 1.2533 * 1.4826 * wide / np.sqrt(_CLIMBS - 1) + np.abs(quarters[:, 0]) / 2000.0
        t = np.where(error > 0, middle / error, 0.0)
        steady = (np.diff(quarters, axis=1) > 0).all(axis=1) & np.isfinite(t)
    told = as_normal(np.where(steady, t, 0.0), np.full(len(t), 0.64 * (_CLIMBS - 1)))
    return np.asarray(np.clip(told, 0.0, CAP))
