"""A site's own confirmed and ruled-out incidents, and its fault-free hours, refine the shipped calibration.

Bayesian shrinkage: the shipped model counts as much as `PRIOR_LABELS` labels of the site. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from graph.calibration import EDGE, LEAST_LABELS, Calibration, first_confidence, is_thin, numbers, sigmoid
from graph.traits import Traits

PRIOR_LABELS: Final = 30.0
"""How many of a site's labels the shipped model weighs as much as: about as many cases as a system gave."""

_LEAST_OF_EACH = 2
_WIDEST = 0.2
# The information of one label about the offset: at a confidence of 0.8 when doubt grows, and the most that
# any label can have when trust does. So no run of rights says more than their number added to the prior's.
_INFORMATION, _MOST_INFORMATION = 0.16, 0.25
# However many hours were quiet, together they say no more than so many labels.
_FAULT_FREE_LABELS = 5.0
_OFFSETS = np.arange(-400, 401) / 100.0
_SURE = 0.6
# Log-odds beyond which a claim is read as being of these: where the curve is flat no wrong could teach.
_TEACHES = 3.0
# Ten rights on thin evidence, and no wrong, before it may be believed at 0.8.
_THIN_PRIOR = 100.0
_CHANCES = np.arange(1, 2000) / 2000.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judged incident: the first proposal's raw confidence, the ranking's traits, whether it was right."""

    raw: float
    traits: Traits
    right: bool


def refine(model: Calibration, outcomes: Sequence[Outcome], fault_free: Sequence[float] = ()) -> Calibration:
    """The model as the site's own experience moves it.

    The offset moves to its posterior mode, and the ceiling of thin evidence rises where thin evidence proved
    right; no "right" lowers a confidence, no "wrong" raises one. Order does not matter.

    Args:
        model: the shipped calibration; not one that was refined, or labels would count twice.
        outcomes: every judged incident of the site.
        fault_free: the raw first confidences at instants when nothing was wrong.
    """
    offset = model.offset + _moved(model, outcomes, fault_free)
    found = model.model_copy(
        update={
            "version": f"{model.version}+{len(outcomes)}-labels",
            "offset": offset,
            "thin_ceiling": _thin_ceiling(model, outcomes),
            "labels": len(outcomes),
        }
    )
    doubt = _doubt(found, outcomes)
    return found.model_copy(update={"calibrated": not doubt, "doubt": doubt})


def _moved(model: Calibration, outcomes: Sequence[Outcome], fault_free: Sequence[float]) -> float:
    """The posterior mode of the offset's move, on a grid, under the shipped ceilings.

    Each label's likelihood is monotone in the offset, so that the mode is monotone in the labels.
    """
    pull = np.where(_OFFSETS > 0.0, _MOST_INFORMATION, _INFORMATION)
    gain = -0.5 * PRIOR_LABELS * pull * _OFFSETS**2
    said: list[tuple[float, float, bool, float]] = sorted(
        (_score(model, each), _cap(model, each.traits), each.right, 1.0) for each in outcomes
    )
    each_hour = min(_FAULT_FREE_LABELS / max(len(fault_free), 1), 1.0)
    said += [(_raw_score(model, top), model.ceiling, False, each_hour) for top in sorted(fault_free)]
    for score, cap, right, weight in said:
        p = cap / (1.0 + np.exp(-(score + _OFFSETS)))
        gain = gain + weight * np.log(p if right else 1.0 - p)
    return float(_OFFSETS[int(np.argmax(np.round(gain, 9)))])


def _score(model: Calibration, outcome: Outcome) -> float:
    said = numbers(outcome.traits)
    return _raw_score(model, outcome.raw) + sum(
        w * said.get(n, 0.0) for n, w in sorted(model.weights.items())
    )


def _raw_score(model: Calibration, raw: float) -> float:
    p = min(max(raw, EDGE), 1.0 - EDGE)
    score = model.offset + model.rise * math.log(p) - model.fall * math.log1p(-p)
    return min(max(score, -_TEACHES), _TEACHES)


def _cap(model: Calibration, traits: Traits) -> float:
    return model.thin_ceiling if is_thin(traits) else model.ceiling


def _thin_ceiling(model: Calibration, outcomes: Sequence[Outcome]) -> float:
    """How far thin evidence may be believed: as shipped, or as far as it proved right here.

    A beta posterior's mean, the shipped ceiling its prior. It never falls: wrong labels move the offset.
    """
    sure = [o for o in outcomes if is_thin(o.traits) and sigmoid(_score(model, o)) >= _SURE]
    right = sum(each.right for each in sure)
    proved = (_THIN_PRIOR * model.thin_ceiling + right) / (_THIN_PRIOR + len(sure))
    return min(max(proved, model.thin_ceiling), model.ceiling)


def _doubt(model: Calibration, outcomes: Sequence[Outcome]) -> str:
    """What keeps the site's own labels from bearing the word "calibrated"; empty where they do.

    At least thirty; rights and wrongs among them, or an accuracy known to within 0.2 all the same; and what
    was said with the refined model may not be further from what came true than chance explains.
    """
    n, right = len(outcomes), sum(each.right for each in outcomes)
    if n < LEAST_LABELS:
        return f"{n} of {LEAST_LABELS} confirmed incidents"
    both = min(right, n - right) >= _LEAST_OF_EACH
    if not both and interval_width(right, n) > _WIDEST:
        return f"{n} confirmed incidents are too much alike to tell how often it is right"
    said = sorted(first_confidence(each.raw, each.traits, model) for each in outcomes)
    spread = math.sqrt(sum(p * (1.0 - p) for p in said))
    if abs(right - sum(said)) > 2.0 * spread:
        return f"right in {right} of {n} confirmed incidents where {sum(said):.0f} were expected"
    return ""


def interval_width(right: int, n: int) -> float:
    """The width of the central 90 % of the accuracy's posterior under Jeffreys' prior."""
    log_density = (right - 0.5) * np.log(_CHANCES) + (n - right - 0.5) * np.log1p(-_CHANCES)
    density = np.exp(log_density - log_density.max())
    below = np.cumsum(density) / density.sum()
    low, high = np.searchsorted(below, [0.05, 0.95])
    return float(_CHANCES[high] - _CHANCES[low])
