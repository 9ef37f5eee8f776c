"""What a site's own labels teach: from what people said of incidents to the outcomes calibration needs.

Pure. An incident counts once, whoever investigated it how often; what nobody saw counts never.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graph.calibration import Calibration
from graph.decisions import Label
from graph.model import Basis, Verdict
from graph.refinement import Outcome, refine


@dataclass(frozen=True, slots=True)
class Said:
    """Everything people said in one investigation, in that order, and which incident it was of."""

    incident: str
    labels: tuple[Label, ...]


def own_calibration(shipped: Calibration, said: Iterable[Said], weights: str, apart_from: str) -> Calibration:
    """The shipped calibration as the site's own labels refine it.

    Args:
        shipped: the calibration that comes with the program.
        said: what people said, the earliest investigation first; of one incident the latest word counts.
        weights: the digest of the ranking's weights; outcomes under other weights are of another ranking.
        apart_from: the incident that is being investigated: its own label must not move its confidence.
    """
    latest: dict[str, tuple[Basis, bool | None]] = {}
    for each in said:
        judged = _judged(each.labels)
        if judged is not None and judged[0].weights == weights and each.incident != apart_from:
            latest[each.incident] = judged
    outcomes = [Outcome(b.raw, b.traits, right) for b, right in latest.values() if right is not None]
    quiet = [basis.raw for basis, right in latest.values() if right is None]
    return refine(shipped, outcomes, quiet)


def _judged(labels: Sequence[Label]) -> tuple[Basis, bool | None] | None:
    """An investigation's first ranking and whether its first proposal was right (None: no fault, no claim).

    Right is its service, as it is for the cases the shipped model was fitted on. A proposal that is only a
    part of it, or an investigation that was left open, says neither.
    """
    seen = [label for label in labels if label.seen and label.decision != "skip"]
    if not seen or (basis := seen[0].basis) is None:
        return None
    last = seen[-1]
    match last.decision:
        case "confirm":
            return basis, last.service == basis.service
        case "something_else":
            return basis, False
        case "quiet_hour":
            return basis, None
        case "nothing_wrong":
            # Where the program had said so itself, its first proposal was no claim: a fault-free hour.
            quiet = last.verdict in (Verdict.NO_FAULT, Verdict.RECOVERED)
            return basis, None if quiet else False
        case "rule_out" if any(each.service == basis.service for each in seen):
            return basis, False
        case _:
            return None
