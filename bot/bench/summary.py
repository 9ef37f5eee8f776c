"""Sums scores up: every figure of a set of cases, and of all sets together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np

from bot.bench import calibration, intervals
from bot.bench.answers import Method
from bot.bench.intervals import Figure
from bot.bench.scoring import BaselineScore, Score
from connectors.answers import Floats
from connectors.contract import Frozen

POOLED: Final = "all"
_UNSURE: Final = -1.0

Name = Literal[
    "ac1", "ac3", "avg5", "ac1_by_proposal", "ac3_by_proposal", "avg5_by_proposal",
    "cause", "entity", "change", "decoy_blamed", "decoy_first", "verdict",
    "set_said", "set_holds", "set_places",
    "brier", "ece", "ece_expected", "ece_equal_width", "ce_debiased", "confidently_wrong",
    "accuracy_at_50", "accuracy_at_80",
]  # fmt: skip


class Bin(Frozen):
    """One row of the reliability table: claims with a confidence in [low, high); Wilson's 95 % interval."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None


class Point(Frozen):
    """One point of the risk-coverage curve: answering only where at least so sure, how often is it wrong."""

    coverage: float
    risk: float
    confidence: float | None


class Noise(Frozen):
    """The ECE that perfect calibration would show on these claims.

    `high` is exceeded one time in twenty; `share_as_large` says how often it would be as large as measured.
    """

    mean: float
    high: float
    share_as_large: float


class BaselineSummary(Frozen):
    """One baseline on a set. `silent` counts the cases on which it could not rank, by reason."""

    figures: dict[Name, Figure]
    silent: dict[str, int]
    median_seconds: float | None


class Timing(Frozen):
    """What the cases cost. The only part of a summary that differs between two runs."""

    median_seconds: float
    p95_seconds: float
    peak_bytes: int


class Summary(Frozen):
    """Everything about one set of cases."""

    set: str
    cases: int
    errors: list[str]
    partial: list[str]
    figures: dict[Name, Figure]
    ece_if_calibrated: Noise | None
    reliability: list[Bin]
    risk_coverage: list[Point]
    confidently_wrong: list[str]
    decoys_blamed: list[str]
    verdicts: dict[str, dict[str, int]]
    calibrated: int
    baselines: dict[Method, BaselineSummary]
    timing: Timing


def summarise(scores: Sequence[Score], seed: int) -> list[Summary]:
    """One summary a set, and the pooled one last where there are several. Scores of a set lie together."""
    names = list(dict.fromkeys(score.set for score in scores))
    parts = [_summary(name, [score for score in scores if score.set == name], seed) for name in names]
    return [*parts, _summary(POOLED, scores, seed)] if len(names) > 1 else parts


def _summary(name: str, scores: Sequence[Score], seed: int) -> Summary:
    claims = _Claims(scores, seed)
    return Summary(
        set=name,
        cases=len(scores),
        errors=[score.name for score in scores if score.error],
        partial=[score.name for score in scores if score.partial],
        figures={**_shares(scores, seed), **claims.figures()},
        ece_if_calibrated=claims.noise(),
        reliability=claims.reliability(),
        risk_coverage=claims.curve(),
        confidently_wrong=[score.name for score in scores if score.confidently_wrong],
        decoys_blamed=[score.name for score in scores if score.decoy_blamed],
        verdicts=_verdicts(scores),
        calibrated=sum(score.answer is not None and score.answer.calibrated for score in scores),
        baselines=_baselines(scores, seed),
        timing=_timing(scores),
    )


def hit(rank: int | None, among: int) -> float:
    """AC@k of one case: whether the right service is among the first k."""
    return float(rank is not None and rank <= among)


def avg5(rank: int | None) -> float:
    """Avg@5 of one case: the mean of AC@1 to AC@5."""
    return sum(hit(rank, k) for k in range(1, 6)) / 5


_OF_RANK: Final[dict[Name, Callable[[int | None], float]]] = {
    "ac1": lambda rank: hit(rank, 1),
    "ac3": lambda rank: hit(rank, 3),
    "avg5": avg5,
}


def _shares(scores: Sequence[Score], seed: int) -> dict[Name, Figure]:
    """Every figure that is a mean over cases."""

    def mean(of: Callable[[Score], float | None]) -> Figure:
        told = [(value, score.set) for score in scores if (value := of(score)) is not None]
        return intervals.of_mean([float(value) for value, _ in told], [name for _, name in told], seed)

    return {
        "ac1": mean(lambda s: hit(s.rank, 1) if s.ranked else None),
        "ac3": mean(lambda s: hit(s.rank, 3) if s.ranked else None),
        "avg5": mean(lambda s: avg5(s.rank) if s.ranked else None),
        "ac1_by_proposal": mean(lambda s: hit(s.rank_by_proposal, 1) if s.ranked else None),
        "ac3_by_proposal": mean(lambda s: hit(s.rank_by_proposal, 3) if s.ranked else None),
        "avg5_by_proposal": mean(lambda s: avg5(s.rank_by_proposal) if s.ranked else None),
        "cause": mean(lambda s: s.cause_right),
        "entity": mean(lambda s: s.entity_right),
        "change": mean(lambda s: s.change_right),
        "decoy_blamed": mean(lambda s: s.decoy_blamed),
        "decoy_first": mean(lambda s: s.decoy_first),
        "verdict": mean(lambda s: s.verdict_right),
        "confidently_wrong": mean(lambda s: s.confidently_wrong if s.surely else None),
        "set_said": mean(lambda s: s.set_holds is not None if s.ranked else None),
        "set_holds": mean(lambda s: s.set_holds),
        "set_places": _places(scores, seed),
    }


def _places(scores: Sequence[Score], seed: int) -> Figure:
    """How many proposals the sets take."""
    told = [(float(s.answer.likely), s.set) for s in scores if s.answer and s.set_holds is not None]
    return intervals.of_mean([n for n, _ in told], [name for _, name in told], seed, counts=True)


class _Claims:
    """The figures about confidence: over what was claimed, and for coverage also over what was not."""

    def __init__(self, scores: Sequence[Score], seed: int) -> None:
        self._seed = seed
        claimed = [(s.claim, s.set) for s in scores if s.claim is not None]
        self._sets = [name for _, name in claimed]
        self._confidence = np.array([claim.confidence for claim, _ in claimed], dtype=np.float64)
        self._right = np.array([claim.right for claim, _ in claimed], dtype=np.float64)
        asked = [s for s in scores if s.surely]
        self._all_sets = [s.set for s in asked]
        self._all_confidence = np.array(
            [s.claim.confidence if s.claim else _UNSURE for s in asked], dtype=np.float64
        )
        self._all_right = np.array([s.claim is not None and s.claim.right for s in asked], dtype=np.float64)

    def figures(self) -> dict[Name, Figure]:
        """Brier, ECE both ways, accuracy at coverage."""
        return {
            "brier": self._of(calibration.brier),
            "ece": self._of(calibration.ece_equal_mass),
            "ece_expected": self._expected(),
            "ece_equal_width": self._of(calibration.ece_equal_width),
            "ce_debiased": self._of(calibration.ce_debiased, share=None),
            "accuracy_at_50": self._at(0.5),
            "accuracy_at_80": self._at(0.8),
        }

    def _of(self, measure: Callable[[Floats, Floats, Floats], Floats], share: float | None = 1.0) -> Figure:
        if not len(self._right):
            return intervals.NOTHING
        return intervals.of_statistic(
            lambda drawn: measure(self._confidence, self._right, drawn), self._sets, self._seed, share
        )

    def _at(self, coverage: float) -> Figure:
        if not len(self._all_right):
            return intervals.NOTHING
        return intervals.of_statistic(
            lambda drawn: calibration.accuracy_at(coverage, self._all_confidence, self._all_right, drawn),
            self._all_sets, self._seed, coverage,
        )  # fmt: skip

    @cached_property
    def _simulated(self) -> Floats:
        return calibration.expected_ece(self._confidence, intervals.RESAMPLES, self._seed)

    def _expected(self) -> Figure:
        """The ECE of perfect calibration, with the range that 95 % of simulations lie in."""
        if not len(self._right):
            return intervals.NOTHING
        drawn = self._simulated
        low, high = (round(float(each), 4) for each in np.quantile(drawn, (0.025, 0.975)))
        mean = round(float(drawn.mean()), 4)
        return Figure(value=mean, low=low, high=high, n=len(self._right), interval="simulation")

    def noise(self) -> Noise | None:
        """What the ECE would be without any miscalibration."""
        if not len(self._right):
            return None
        drawn = self._simulated
        measured = calibration.ece_equal_mass(self._confidence, self._right, np.ones((1, len(self._right))))[
            0
        ]
        return Noise(
            mean=round(float(drawn.mean()), 4),
            high=round(float(np.quantile(drawn, 0.95)), 4),
            share_as_large=round(float((drawn >= measured - 1e-12).mean()), 4),
        )

    def reliability(self) -> list[Bin]:
        """Claims by confidence, in ten bins of equal width."""
        which = calibration.bin_of(self._confidence)
        return [self._bin(i, which == i) for i in range(calibration.BINS)]

    def _bin(self, i: int, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Bin:
        n = int(inside.sum())
        low, high = intervals.wilson(int(self._right[inside].sum()), n)
        return Bin(
            low=i / calibration.BINS,
            high=(i + 1) / calibration.BINS,
            n=n,
            confidence=round(float(self._confidence[inside].mean()), 4) if n else None,
            accuracy=round(float(self._right[inside].mean()), 4) if n else None,
            accuracy_low=low,
            accuracy_high=high,
        )

    def curve(self) -> list[Point]:
        """Risk against coverage, one point for every confidence that occurs."""
        n = len(self._all_right)
        points = []
        for level in sorted(set(self._all_confidence.tolist()), reverse=True):
            kept = self._all_confidence >= level
            points.append(
                Point(
                    coverage=round(float(kept.sum()) / n, 4),
                    risk=round(1.0 - float(self._all_right[kept].mean()), 4),
                    confidence=level if level != _UNSURE else None,
                )
            )
        return points


def _verdicts(scores: Iterable[Score]) -> dict[str, dict[str, int]]:
    """By the true verdict, how often each verdict was given."""
    counts: dict[str, Counter[str]] = {}
    for score in scores:
        said = score.answer.verdict.value if score.answer else "error"
        counts.setdefault(score.truth.verdict.value, Counter())[said] += 1
    return {truth: dict(sorted(said.items())) for truth, said in sorted(counts.items())}


def _baselines(scores: Sequence[Score], seed: int) -> dict[Method, BaselineSummary]:
    found: dict[Method, BaselineSummary] = {}
    for method in get_args(Method):
        told = [(score, score.baselines[method]) for score in scores if method in score.baselines]
        if told:
            found[method] = _baseline(told, seed)
    return found


def _baseline(told: Sequence[tuple[Score, BaselineScore]], seed: int) -> BaselineSummary:
    ranked = [(s, base) for s, base in told if s.ranked and not base.why_not]
    sets = [s.set for s, _ in ranked]
    figures: dict[Name, Figure] = {
        name: intervals.of_mean([of(base.rank) for _, base in ranked], sets, seed)
        for name, of in _OF_RANK.items()
    }
    changes = [(s.set, base.change_right) for s, base in told if base.change_right is not None]
    figures["change"] = intervals.of_mean(
        [float(right) for _, right in changes], [name for name, _ in changes], seed
    )
    seconds = [base.seconds for _, base in ranked]
    return BaselineSummary(
        figures=figures,
        silent=dict(sorted(Counter(base.why_not for _, base in told if base.why_not).items())),
        median_seconds=round(float(np.median(seconds)), 4) if seconds else None,
    )


def _timing(scores: Sequence[Score]) -> Timing:
    seconds = [score.seconds for score in scores]
    return Timing(
        median_seconds=round(float(np.median(seconds)), 3),
        p95_seconds=round(float(np.quantile(seconds, 0.95)), 3),
        peak_bytes=max(score.peak_bytes for score in scores),
    )
