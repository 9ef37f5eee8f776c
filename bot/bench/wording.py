"""How figures are named and written, the same in every output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.bench.intervals import Figure
from bot.bench.summary import Name, Summary

NOTHING: Final = "-"
_FEW: Final = 50
_RANKING: Final[tuple[Name, ...]] = ("ac1", "ac3", "avg5")


@dataclass(frozen=True, slots=True)
class Column:
    """One figure: its key, a head for tables, and what it says in a line."""

    name: Name
    short: str
    says: str


WHO: Final = (
    Column("ac1", "AC@1", "a right service is named first"),
    Column("ac3", "AC@3", "a right service is among the first three"),
    Column("avg5", "Avg@5", "the mean of AC@1 to AC@5"),
    Column("ac1_by_proposal", "first proposal", "the first proposal's service is right"),
    Column("cause", "cause", "the first proposal names the right mechanism"),
    Column("entity", "entity", "the first proposal names the right thing"),
    Column("change", "change", "the first proposal blames the right change, or none where none is guilty"),
    Column("decoy_blamed", "decoy blamed", "an innocent change is blamed with a confidence of 0.5 or more"),
    Column("decoy_first", "decoy first", "the first proposal blames an innocent change"),
    Column("verdict", "verdict", "the verdict is right"),
)
SURE: Final = (
    Column("brier", "Brier", "mean squared distance of confidence and outcome; 0 is best"),
    Column("ece", "ECE", "expected calibration error over ten bins of equal mass (the headline)"),
    Column(
        "ece_expected",
        "by chance",
        "the ECE that perfectly calibrated claims of these confidences would show",
    ),
    Column("ece_equal_width", "ECE width", "the same over ten bins of equal width"),
    Column(
        "ce_debiased",
        "CE debiased",
        "root mean squared calibration error less what chance adds (0: none seen)",
    ),
    Column("confidently_wrong", "sure, wrong", "wrong with a confidence of 0.8 or more"),
    Column("accuracy_at_50", "right at 50 %", "right among the surer half"),
    Column("accuracy_at_80", "right at 80 %", "right among the surest 80 %"),
)
SETS: Final = (
    Column("set_said", "set said", "a set that leaves something out is said to hold the cause"),
    Column("set_holds", "set holds", "such a set holds it; 90 % are promised"),
    Column("set_places", "places", "how many proposals such a set takes, on average"),
)


def value(figure: Figure) -> str:
    """The figure alone."""
    return NOTHING if figure.value is None else _short(figure.value)


def figure(figure: Figure, cases: int) -> str:
    """The figure with its interval, and n where it is not the number of cases."""
    if figure.value is None or figure.low is None or figure.high is None:
        return NOTHING
    n = "" if figure.n == cases else f"\nn={figure.n}"
    return f"{_short(figure.value)}\n{figure.low:.2f}-{figure.high:.2f}{n}"


def in_a_line(figure: Figure) -> str:
    """The figure, its interval and n in one line."""
    if figure.value is None or figure.low is None or figure.high is None:
        return NOTHING
    return f"{_short(figure.value)} [{_short(figure.low)}, {_short(figure.high)}] n={figure.n}"


def labelled(columns: Iterable[Column], sets: Sequence[Summary]) -> list[Column]:
    """The columns for which any case has a label."""
    return [column for column in columns if any(each.figures[column.name].n for each in sets)]


def ranking(figures: Mapping[Name, Figure], cases: int, joint: str) -> str:
    """AC@1 and AC@3 in one cell, and n where it is not the number of cases."""
    first, third = figures["ac1"], figures["ac3"]
    if first.value is None:
        return NOTHING
    return f"{value(first)}{joint}{value(third)}" + ("" if first.n == cases else f"\nn={first.n}")


def ranking_in_lines(figures: Mapping[Name, Figure]) -> list[str]:
    """AC@1, AC@3 and Avg@5, each with its interval and n."""
    told = [in_a_line(figures[name]) for name in _RANKING]
    return told if any(each != NOTHING for each in told) else [NOTHING]


def yes_no(right: bool | None) -> str:
    """A truth value, or that there is none."""
    return NOTHING if right is None else "yes" if right else "no"


def calibration(summary: Summary) -> Iterable[str]:
    """What the headline ECE means on so many claims, in sentences."""
    ece, noise = summary.figures["ece"], summary.ece_if_calibrated
    if noise is None or ece.value is None:
        return ["No claim was scored, so nothing can be said about confidence."]
    verdict = "is larger than chance explains" if ece.value > noise.high else "is within what chance explains"
    few = f" {ece.n} claims are too few for more than a hint." if ece.n < _FEW else ""
    return [
        f"ECE {_short(ece.value)} on {ece.n} claims {verdict}: perfectly calibrated confidences would show "
        f"{_short(noise.mean)} on average, and more than {_short(noise.high)} one time in twenty.{few}",
        f"{summary.calibrated} of {summary.cases} results call themselves calibrated.",
    ]


def attention(summary: Summary) -> list[tuple[str, list[str]]]:
    """Cases a person should look at, by why; only where there are any."""
    kinds = [
        ("Confidently wrong", summary.confidently_wrong),
        ("Decoys blamed", summary.decoys_blamed),
        ("Failed, and counted as wrong", summary.errors),
        ("Cut short by the budget, so not reproducible", summary.partial),
    ]
    return [(words, names) for words, names in kinds if names]


def _short(number: float) -> str:
    return f"{number:.3f}"
