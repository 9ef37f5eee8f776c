"""What repeats by the clock: the part of each series that the same phase of earlier periods foretells.

Pure. Only what foretells better than the plain level counts; one period proves nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from connectors.answers import Floats
from playbooks.shifts import BLOCK

PERIODS = (600.0, 900.0, 1800.0, 3600.0, 86400.0, 604800.0)
"""The clock's periods, in seconds: what people and schedulers go by."""

_FEWEST_PHASES = 6
_FEWEST_PERIODS = 1.9
_EARLIER = 3
# Below this correlation with one period ago, there is nothing to foretell.
_ALIKE = 0.4
_MORE = 0.2
# The part of the swing that may be left over where a season counts.
_LEFT = 0.7


def seasons(values: Floats, times: Floats, history: int) -> Floats | None:
    """The seasonal part of every sample, in each series' unit around its usual level.

    A sample's expectation is the median of the same phase of up to three earlier periods, smoothed over a
    twenty-fourth of the period (the seasonal naive method, Hyndman & Athanasopoulos 2021, made robust).
    The first period, which has none before it, is foretold by the second.

    Args:
        values: (n, t) samples, NaN is "no sample".
        times: (t,) seconds since the epoch, evenly spaced.
        history: so many first samples tell whether a season is there; what comes after may be an incident.

    Returns:
        (n, t), 0 where no season was found; None where no series has one.
    """
    found = None
    if history < 2 * _FEWEST_PHASES:
        return None
    for at in range(0, len(values), BLOCK):
        part = _seasons(values[at : at + BLOCK], times, history)
        if part is not None:
            found = np.zeros(values.shape) if found is None else found
            found[at : at + BLOCK] = part
    return found


def _seasons(values: Floats, times: Floats, history: int) -> Floats | None:
    """The seasons of some rows; rows are independent, and work takes several times their memory."""
    samples = len(times)
    step = float(np.median(np.diff(times)))
    known = np.isfinite(values)
    count = np.maximum(known[:, :history].sum(axis=1), 1)
    level = np.where(known, values, 0.0)[:, :history].sum(axis=1) / count
    swing = np.where(known, values - level[:, None], 0.0)
    scale = np.sqrt(np.einsum("ij,ij->i", swing[:, :history], swing[:, :history]) / count)
    swing = np.clip(swing / np.where(scale > 0, scale, 1.0)[:, None], -20.0, 20.0)
    best, left = np.zeros((len(values), samples)), np.full(len(values), _LEFT)
    for seconds in PERIODS:
        period = round(seconds / step)
        if period < _FEWEST_PHASES or history < _FEWEST_PERIODS * period:
            continue
        rows = np.flatnonzero(_repeats(swing[:, :history], period))
        if not len(rows):
            continue
        foretold = _foretold(swing[rows], period, history)
        remains = _remains(swing[rows, :history], foretold[:, :history], period)
        better = remains < left[rows]
        best[rows[better]], left[rows[better]] = foretold[better], remains[better]
    if not (left < _LEFT).any():
        return None
    return np.asarray(best * np.where(left < _LEFT, scale, 0.0)[:, None])


def _repeats(swing: Floats, period: int) -> npt.NDArray[np.bool_]:
    """Rows that are like themselves one period ago, and more so than half a period ago, as drifts are not."""
    alike = _alike(swing, period)
    return np.asarray((alike > _ALIKE) & (alike > _alike(swing, period // 2) + _MORE))


def _alike(swing: Floats, lag: int) -> Floats:
    """Correlation of each row with itself so many samples ago; a row of variance 1 about 0."""
    return np.asarray(np.einsum("ij,ij->i", swing[:, lag:], swing[:, :-lag]) / (swing.shape[1] - lag))


def _foretold(swing: Floats, period: int, history: int) -> Floats:
    """Each sample as the same phase of earlier periods has it, whatever of them lies in the history."""
    smooth = _smoothed(swing, max(period // 24, 1))
    samples = swing.shape[1]
    earlier = np.full((_EARLIER, *swing.shape), np.nan)
    for back in range(_EARLIER):
        lag = (back + 1) * period
        if lag < samples:
            earlier[back, :, lag:] = smooth[:, : samples - lag]
    reach = min(period, history - period)
    earlier[0, :, :reach] = smooth[:, period : period + reach]
    known = np.isfinite(earlier).sum(axis=0)
    ordered = np.sort(earlier, axis=0)
    middle = np.where(known >= 3, ordered[1], (ordered[0] + np.where(known >= 2, ordered[1], ordered[0])) / 2)
    return np.asarray(np.where(known > 0, middle, 0.0))


def _smoothed(rows: Floats, width: int) -> Floats:
    """Centred moving means."""
    if width <= 1:
        return rows
    padded = np.pad(rows, ((0, 0), (width // 2 + 1, width - width // 2 - 1)), mode="edge")
    sums = np.cumsum(padded, axis=1)
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width)


def _remains(swing: Floats, foretold: Floats, period: int) -> Floats:
    """What is left of the swing where earlier periods foretell it, as a share of the swing about its mean."""
    swing, foretold = swing[:, period:], foretold[:, period:]
    whole = ((swing - swing.mean(axis=1)[:, None]) ** 2).sum(axis=1)
    off = ((swing - foretold) ** 2).sum(axis=1)
    return np.asarray(np.sqrt(off / np.where(whole > 0, whole, 1.0)))
