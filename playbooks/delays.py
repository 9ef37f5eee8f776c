"""How long after a guilty change its fault shows: P(delay | guilty change), by class of mechanism.

The log of the delay is taken to be Student-t (four degrees of freedom) around a declared median that labelled
cases move as a normal prior of a few cases' weight would (Gelman et al., Bayesian Data Analysis, 2.5).
The numbers stand in `delays.json`, which only `benchmarks/delays.py` writes. Must not know any change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from connectors.contract import Frozen

DELAYS = Path(__file__).with_name("delays.json")
DelayClass = Literal["immediate", "gradual", "countdown"]
"""Immediate: the edited line runs. Gradual: something fills or grows. Countdown: something expires."""
_FREEDOM = 4.0


class Hazard(Frozen):
    """One class. Delays and background in minutes; `spread` is the scale of the delay's logarithm.

    `background_minutes`: the span over which innocent changes of the class lie evenly. `declared_minutes` and
    `declared_cases`: the median before any case was seen, and how many cases it weighs. `observed`: the
    delays of labelled cases, by case.
    """

    declared_minutes: float
    declared_cases: float
    spread: float
    background_minutes: float
    observed: Mapping[str, float]

    @property
    def median_minutes(self) -> float:
        """The declared median, moved by what was observed."""
        logs = [math.log1p(max(0.0, d)) for d in self.observed.values()]
        total = self.declared_cases * math.log1p(self.declared_minutes) + sum(logs)
        return math.expm1(total / (self.declared_cases + len(logs)))

    def log_ratio(self, minutes: float) -> float:
        """Log of how much likelier this delay is for a guilty change than for an innocent one."""
        log = math.log1p(max(0.0, minutes))
        z = (log - math.log1p(self.median_minutes)) / self.spread
        constant = math.gamma((_FREEDOM + 1) / 2) / (math.sqrt(_FREEDOM * math.pi) * math.gamma(_FREEDOM / 2))
        density = constant * (1 + z * z / _FREEDOM) ** (-(_FREEDOM + 1) / 2) / self.spread
        return math.log(density * self.background_minutes) - log


class Delays(Frozen):
    """The file: its version, where the numbers are from, and the classes."""

    format: Literal[1]
    provenance: str
    classes: Mapping[DelayClass, Hazard]


@cache
def load_delays(path: Path = DELAYS) -> Delays:
    """Read the file; raises `ValidationError` when it is damaged."""
    return Delays.model_validate_json(path.read_bytes())
