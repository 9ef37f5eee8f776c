"""The words in which results are told, the same in the terminal, the report and a chat."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bot.result import ProposalResult, Result
from bot.safetext import one_line
from graph.model import Verdict

VERDICTS: Final[dict[Verdict, str]] = {
    Verdict.CAUSE: "cause found",
    Verdict.RECOVERED: "recovered",
    Verdict.NO_FAULT: "nothing is wrong",
    Verdict.EXTERNAL: "outside of our systems",
    Verdict.UNKNOWN: "cause unknown",
}
_DEGREES: Final = (
    (0.95, "almost certain"),
    (0.80, "very likely"),
    (0.60, "likely"),
    (0.35, "possible"),
    (0.10, "unlikely"),
    (0.0, "very unlikely"),
)
NOT_CALIBRATED: Final = "not yet calibrated"
NOT_CALIBRATED_WHY: Final = (
    "Confidences are not yet calibrated: they order the causes, but have not been fitted to outcomes."
)


def degree(confidence: float) -> str:
    """The confidence in words."""
    return next(words for least, words in _DEGREES if confidence >= least)


def percent(confidence: float) -> str:
    """The confidence as people say it: whole per cents, and never 0 % or 100 % unless it is."""
    if 0 < confidence < 0.01:
        return "<1 %"
    if 0.99 < confidence < 1:
        return ">99 %"
    return f"{confidence * 100:.0f} %"


def none_of_these(verdict: Verdict) -> str:
    """What the share that belongs to no cause means under this verdict."""
    if verdict in (Verdict.RECOVERED, Verdict.NO_FAULT):
        return "Nothing is wrong any longer" if verdict is Verdict.RECOVERED else "Nothing is wrong"
    return "None of these"


def where(proposal: ProposalResult) -> str:
    """The service and the thing at fault, the thing named once."""
    parts = [proposal.service or ""]
    if proposal.entity and proposal.entity.name != proposal.service:
        parts.append(f"{proposal.entity.kind} {proposal.entity.name}")
    return one_line(" · ".join(part for part in parts if part)) or "-"


def manner(proposal: ProposalResult) -> str:
    """How the next step weighs on production."""
    step = proposal.next_step
    blocking = "blocks while it runs" if step.blocking else "does not block"
    return f"{blocking}, {'reversible' if step.reversible else 'not reversible'}"


def change(identity: str) -> str:
    """A change's id, cut as commits are when it is a hash."""
    if len(identity) == 40 and all(c in "0123456789abcdef" for c in identity):
        return identity[:10]
    return one_line(identity, 60)


def instant(at: datetime) -> str:
    """An instant to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def effort(result: Result) -> str:
    """What the investigation took."""
    questions = f"{result.queries} question{'' if result.queries == 1 else 's'}"
    if result.llm.calls == 0:
        return f"{result.elapsed_s:.1f} s, {questions}, no language model"
    return f"{result.elapsed_s:.1f} s, {questions}, {result.llm.calls} model calls, {result.llm.usd:.2f} USD"


def unavailable(result: Result) -> dict[str, str]:
    """The sources that gave no answer, and why."""
    return {
        source: state.removeprefix("unavailable:").strip() or "no reason given"
        for source, state in result.coverage.items()
        if state != "ok"
    }
