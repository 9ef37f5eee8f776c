"""P(the fault sits in this service): a conditional logit over the suspects' features, with "none of these".

The weights come from `weights.json`, fitted from labelled cases by `benchmarks/fit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from connectors.answers import Floats
from playbooks.suspects import FEATURES, Suspects

WEIGHTS = Path(__file__).with_name("weights.json")


class Weights(BaseModel):
    """The fitted weights and where they come from.

    `features`: log-odds a unit of each feature. `none`: the log-odds of "none of these" against a service
    without any sign. `explained`: the part of a caller's score that a suspect callee takes away.
    `unseen`: added to `none` where the alerted service's own series do not show the symptom.
    `temperature`: divides the log-odds, so that confidences are not sharper than outcomes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    features: dict[str, float]
    none: float
    unseen: float
    explained: float
    temperature: float
    provenance: dict[str, str]

    @property
    def digest(self) -> str:
        """What tells these weights from others: raw confidences compare only under the same ones."""
        numbers = self.model_dump_json(exclude={"version", "provenance"})
        return sha256(numbers.encode()).hexdigest()[:12]


@lru_cache(maxsize=2)
def load_weights(path: Path = WEIGHTS) -> Weights:
    """Read the weights file; a feature it does not know weighs nothing."""
    return Weights.model_validate_json(path.read_bytes())


@dataclass(frozen=True, slots=True)
class ServiceOdds:
    """Probability per service, and that it is none of them; adding up to 1. `scores`: log-odds, unscaled."""

    probability: Mapping[str, float]
    none: float
    scores: Mapping[str, float]


def explained(suspects: Suspects, scores: Floats) -> Floats:
    """How much of each service's score its most suspect callee may have caused: never more than its own."""
    index = {name: row for row, name in enumerate(suspects.services)}
    out = np.zeros(len(scores))
    for caller, callees in suspects.measured.graph.callees.items():
        own = index.get(caller)
        rows = [index[callee] for callee in callees if callee in index]
        if own is not None and rows:
            out[own] = min(float(scores[own]), float(scores[rows].max()))
    return out


def rank_services(suspects: Suspects, weights: Weights | None = None) -> ServiceOdds:
    """Weigh the suspects against each other and against "none of these".

    Source: conditional logit, McFadden 1974.
    """
    known = weights or load_weights()
    vector = np.array([known.features.get(name, 0.0) for name in FEATURES])
    scores = suspects.features @ vector if len(suspects.services) else np.zeros(0)
    scores = scores - known.explained * explained(suspects, scores)
    none = known.none + (0.0 if suspects.measured.symptom.visible else known.unseen)
    logits = np.append(scores, none) / known.temperature
    shares = np.exp(logits - logits.max())
    shares = shares / shares.sum()
    return ServiceOdds(
        {name: float(p) for name, p in zip(suspects.services, shares, strict=False)},
        float(shares[-1]),
        {name: float(s) for name, s in zip(suspects.services, scores, strict=True)},
    )
