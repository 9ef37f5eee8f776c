"""What the investigation says of the incident as a whole: cause, recovered, no fault, external, unknown.

Pure. Prefers saying that it does not know to being wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.model import Proposal, Verdict
from playbooks.facts import Scene
from playbooks.model import Incident, Symptom
from playbooks.quantities import clock
from playbooks.suspects import Suspects
from playbooks.verdicts import Reach, judge_recovered

_SURE = 0.5
_TOLD = 0.5
# Of the first three proposals one may be a second fault, if it moved as far as chance and a callee do not.
_NEXT = 3
# From the later half of a window on, the little before the trouble may be a cold start.
_REMEMBERED = 0.5
_INDEPENDENT = 6.0
_UNKNOWN = "What was asked tells no cause apart; the best guesses are listed with what speaks for them."


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict, one sentence, and the proposals as they are to be shown with "none of these"."""

    verdict: Verdict
    summary: str
    proposals: tuple[Proposal, ...]
    none: float


@dataclass(frozen=True, slots=True)
class Rest:
    """What speaks for none of the proposals.

    `none`: the confidence in that; `nothing_leads`: whether before calibration it led them all; `unsure`:
    whether the first proposal is too unsure to be an answer.
    """

    none: float
    nothing_leads: bool
    unsure: bool


def conclude(incident: Incident, suspects: Suspects, proposals: Sequence[Proposal], rest: Rest) -> Conclusion:
    """Decide on the verdict; `rest` is what speaks for none of the proposals.

    Under recovered and no_fault, `none` is the confidence that nothing is wrong (any more).
    """
    recovered = _recovered(incident, suspects)
    if recovered is not None:
        return _nothing(Verdict.RECOVERED, recovered, proposals, 0.9)
    if not proposals or rest.unsure or rest.nothing_leads:
        young = _short_memory(incident, suspects)
        quiet = _no_fault(incident, suspects) if young is None else None
        if quiet is not None:
            return _nothing(Verdict.NO_FAULT, quiet, proposals, 0.75)
        return Conclusion(Verdict.UNKNOWN, young or _UNKNOWN, tuple(proposals), rest.none)
    best = proposals[0]
    verdict = (
        Verdict.EXTERNAL if best.cause == "external_provider" and best.confidence >= _SURE else Verdict.CAUSE
    )
    summary = " ".join([_sentence(best), *_second(suspects, proposals)])
    return Conclusion(verdict, summary, tuple(proposals), rest.none)


def _second(suspects: Suspects, proposals: Sequence[Proposal]) -> list[str]:
    """A sentence on another service that moved on its own, where one did: there may be two faults."""
    first = proposals[0].service
    for other in proposals[1:_NEXT]:
        if first is None or other.service is None or _linked(suspects, first, other.service):
            continue
        loud = {
            kind: told[0].z
            for kind, told in suspects.moves.get(other.service, {}).items()
            if told and told[0].z >= _INDEPENDENT
        }
        if loud:
            kind = max(sorted(loud), key=lambda name: loud[name])
            return [
                f"Independently, {other.service} moved too ({kind}; neither calls the other): "
                "perhaps a second fault."
            ]
    return []


def _linked(suspects: Suspects, one: str, other: str) -> bool:
    """Whether a fault of one can reach the other through calls; unknown edges link everything."""
    graph = suspects.measured.graph
    known = {*graph.callees, *graph.callers}
    if one == other or not {one, other} <= known:
        return True
    return one in graph.reachable(other) or other in graph.reachable(one)


def _sentence(best: Proposal) -> str:
    """The place with its confidence; what happens there only as surely as its mechanism is told."""
    change = f", brought by change {best.change[:12]}" if best.change else ""
    if best.mechanism_confidence >= _TOLD or best.service is None:
        return f"{_how_sure(best.confidence)} {best.title}{change}."
    place = f"{_how_sure(best.confidence)} it sits in {best.service}{change}."
    return f"{place} How is less clear; perhaps: {best.title}."


_WORDS = ((0.95, "Almost certain:"), (0.80, "Very likely:"), (0.60, "Likely:"), (0.35, "Possible:"))


def _how_sure(confidence: float) -> str:
    """The same words as beside the number: what is read must not depend on where."""
    return next((word for least, word in _WORDS if round(confidence, 2) >= least), "A guess, not more:")


def _recovered(incident: Incident, suspects: Suspects) -> str | None:
    """The symptom showed, and has been back in its usual range for three samples and a minute at least."""
    view = suspects.measured.symptom
    if not view.visible or view.ended is None:
        return None
    times = suspects.measured.prepared.series.times
    reach = Reach(
        tuple(times[view.template.first :].tolist()), tuple(view.excess[view.template.first :].tolist())
    )
    said = judge_recovered(reach, Scene(now=incident.at, service=incident.service))
    return f"The symptom has gone since {clock(view.ended)}: {said.why}." if said.state == "yes" else None


def _short_memory(incident: Incident, suspects: Suspects) -> str | None:
    """Why nothing can be called usual: the alerted series begin only in the later half of the window."""
    series, rows = suspects.measured.prepared.series, list(suspects.measured.symptom.rows)
    seen = np.flatnonzero(np.isfinite(series.values[rows]).any(axis=0))
    if not len(seen):
        return None
    begin = float(series.times[seen[0]])
    start, end = incident.window.start.timestamp(), min(incident.window.end, incident.at).timestamp()
    if begin <= start + _REMEMBERED * (end - start):
        return None
    service = f" of {incident.service}" if incident.service else ""
    return f"The metrics{service} begin only at {clock(begin)}: what is usual there was hardly seen."


def _no_fault(incident: Incident, suspects: Suspects) -> str | None:
    """The alert names a signal, that signal is in its usual range, and no service stands out.

    Where the alert names no signal (people complain), its absence from the series refutes nothing.
    """
    view = suspects.measured.symptom
    if view.visible or not view.rows or incident.symptom is Symptom.UNKNOWN:
        return None
    named = f"What the alert names ({incident.symptom.value} of {incident.service}) is in its usual range"
    return f"{named}, and no service stands out beyond what chance and small changes would do."


def _nothing(verdict: Verdict, text: str, proposals: Sequence[Proposal], sure: float) -> Conclusion:
    """Keep the proposals as what it may have been; what is left of 1 is theirs."""
    total = sum(p.confidence for p in proposals)
    scale = (1.0 - sure) / total if total > 0 else 0.0
    kept = tuple(p.model_copy(update={"confidence": p.confidence * scale}) for p in proposals)
    return Conclusion(verdict, text, kept, sure if total > 0 else 1.0)
