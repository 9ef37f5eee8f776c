"""From the ranking's raw confidences to ones that mean what they say. Pure but for reading its model file.

The model is fitted on held-out rankings by `benchmarks/calibrate.py`, the only writer of `calibration.json`.
Calibration moves how much is believed, never in which order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from graph.traits import Traits

CALIBRATION: Final = Path(__file__).with_name("calibration.json")
EDGE: Final = 0.01
"""Raw confidences are read no closer to 0 and 1 than this: beyond it the ranking has no say."""

PLAIN: Final = 6.0
"""Robust deviations from which on a symptom is plain: fault-free hours reach five now and then."""

LEAST_LABELS: Final = 30
"""A site's own judged incidents from which on it may be called calibrated: 0.8 is then known to 0.07."""

SHARPEST: Final = 2.0
"""The ratio of two confidences is at most squared: a close second stays a close second."""


class Conformal(BaseModel):
    """What the conformal set rests on.

    `level`: the coverage promised to a system no worse than the worst of those it was made from.
    `threshold`: which share of all places' confidence may lie before a place for it to be still in the set;
    None: too few cases for any promise. `cases`: how many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    threshold: float | None
    cases: int


class Calibration(BaseModel):
    """The fitted map of the first confidence, and where it comes from.

    With p the raw confidence of the first proposal, its calibrated one is
    ceiling x sigmoid(offset + rise ln p - fall ln(1 - p) + weights x traits): Platt scaling where rise and
    fall are alike (temperature scaling where the offset is 0 too), beta calibration (Kull et al. 2017) else.
    `ceiling` holds where the evidence is broad, `thin_ceiling` where it is thin (`is_thin`).
    `abstain_below`: a first confidence under it is no answer.
    `calibrated`: whether enough of a site's own outcomes stand behind it; never true as shipped.
    `labels`: how many of them; `doubt`: what is missing to be called calibrated, empty where it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    method: str
    offset: float
    rise: float = Field(gt=0.0)
    fall: float = Field(gt=0.0)
    weights: dict[str, float]
    ceiling: float = Field(gt=0.0, le=1.0)
    thin_ceiling: float = Field(gt=0.0, le=1.0)
    abstain_below: float
    conformal: Conformal
    calibrated: bool = False
    labels: int = 0
    doubt: str = f"0 of {LEAST_LABELS} confirmed incidents"
    provenance: dict[str, str]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Confidences in the order they came in, adding up to 1 with `none`; `calibrated` as in the model."""

    confidences: tuple[float, ...]
    none: float
    calibrated: bool


@lru_cache(maxsize=4)
def load_calibration(path: Path = CALIBRATION) -> Calibration:
    """Read the model file."""
    return Calibration.model_validate_json(path.read_bytes())


def is_thin(traits: Traits) -> bool:
    """Whether little stands behind the ranking.

    The symptom does not show in the alerted service's own series, or no further than it does now and then
    when nothing is wrong.
    """
    return not traits.visible or traits.excess < PLAIN


def numbers(traits: Traits) -> dict[str, float]:
    """The traits as bounded numbers around 0, by the names that `Calibration.weights` may use."""
    return {
        "balance": _within(traits.agreeing - traits.opposing, 2.0),
        "sources": _within(traits.sources - 1.0, 2.0),
        "ahead": _within(traits.ahead / 2.0 - 1.0, 2.0),
        "share": _within(traits.share - 0.5, 0.5),
    }


def first_confidence(raw: float, traits: Traits, model: Calibration) -> float:
    """The calibrated confidence of the first proposal; grows strictly with the raw one between the edges."""
    p = min(max(raw, EDGE), 1.0 - EDGE)
    said = numbers(traits)
    score = model.offset + model.rise * math.log(p) - model.fall * math.log1p(-p)
    score += sum(weight * said.get(name, 0.0) for name, weight in sorted(model.weights.items()))
    return (model.thin_ceiling if is_thin(traits) else model.ceiling) * sigmoid(score)


def calibrate(raw: Sequence[float], none: float, traits: Traits, model: Calibration) -> Calibrated:
    """Calibrate a whole ranking.

    The first proposal's confidence is mapped, and the others follow. Equals stay equals: where a rival is
    close, the first cannot be believed as far as its own confidence would allow.

    Args:
        raw: every proposal's confidence, all of them, not only those that will be listed.
        none: the raw confidence in none of them.
        traits: how the ranking came about, as of its first proposal.
        model: the shipped calibration, or a site's own.
    """
    first, total = max(raw, default=0.0), sum(raw) + none
    if first <= 0.0:
        return Calibrated((0.0,) * len(raw), 1.0, model.calibrated)
    shares = [each / total for each in raw]
    first /= total
    wanted = first_confidence(first, traits, model)
    scale = (1.0 - wanted) / (1.0 - first) if first < 1.0 else 0.0
    if wanted > first:
        kept = _sharper(shares, wanted, 1.0 - none / total * scale)
    else:
        # Doubt goes to the others by their shares; the geometric cap keeps them behind the first, in order.
        kept = [min(wanted * math.sqrt(share / first), share * scale) for share in shares]
        kept = [wanted if share == first else each for share, each in zip(shares, kept, strict=True)]
    return Calibrated(tuple(kept), max(1.0 - sum(kept), 0.0), model.calibrated)


def _sharper(shares: Sequence[float], wanted: float, mass: float) -> list[float]:
    """Spread the mass by a power of the shares, the one that gives the first what is wanted or `SHARPEST`."""
    relative = [share / max(shares) for share in shares]
    low, high = 1.0, SHARPEST
    for _ in range(40):
        middle = 0.5 * (low + high)
        if mass / sum(each**middle for each in relative) < wanted:
            low = middle
        else:
            high = middle
    power = [each**high for each in relative]
    return [mass * each / sum(power) for each in power]


def conformal_set(calibrated: Calibrated, model: Calibration) -> int:
    """How many of the first proposals hold the cause at the level promised; 0: no statement possible.

    A place is in the set while the share of confidence before it does not pass the threshold (adaptive
    prediction sets, Romano et al. 2020, without randomisation; Angelopoulos & Bates 2021). Shares are of what
    all places have together: that nothing was found is not a place. A set of all excludes nothing: 0.
    """
    threshold, total = model.conformal.threshold, sum(calibrated.confidences)
    if threshold is None or total <= 0.0:
        return 0
    before = 0.0
    for size, confidence in enumerate(sorted(calibrated.confidences, reverse=True)):
        if before > threshold:
            return size
        before += confidence / total
    return 0


def abstains(calibrated: Calibrated, model: Calibration) -> bool:
    """Whether the honest verdict is "unknown": the first proposal is too unsure to be an answer."""
    return max(calibrated.confidences, default=0.0) < model.abstain_below


def threshold_of(before: Sequence[float], level: float) -> float | None:
    """The split-conformal threshold of scores, with the finite-sample correction; None where it is infinite.

    The ceil((n + 1) level)-th smallest of n scores (Angelopoulos & Bates 2021); an infinite score says that
    the cause was not among the proposals.
    """
    wanted = math.ceil((len(before) + 1) * level - 1e-9)
    if wanted > len(before):
        return None
    score = sorted(before)[wanted - 1]
    return score if math.isfinite(score) else None


def sigmoid(score: float) -> float:
    """The logistic function, for any finite score."""
    if score >= 0.0:
        return 1.0 / (1.0 + math.exp(-min(score, 700.0)))
    return math.exp(max(score, -700.0)) / (1.0 + math.exp(max(score, -700.0)))


def _within(value: float, bound: float) -> float:
    return min(max(value, -bound), bound) if math.isfinite(value) else 0.0
