"""What is written back to PagerDuty: the proposals as plain text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bot import wording
from bot.cardview import CardView
from bot.result import ProposalResult, Result
from bot.safetext import lines, one_line
from graph.model import Verdict

MOST_CHARACTERS: Final = 25_000
"""What PagerDuty takes as the content of a note."""
_MOST_PROPOSALS: Final = 3
_MOST_COMMAND: Final = 1_500
_WITH_STEPS = (Verdict.CAUSE, Verdict.EXTERNAL, Verdict.UNKNOWN)


def note(view: CardView) -> str:
    """The note of an incident: verdict, the first proposals, how to check, what to do first, where to look.

    Empty where nothing was found out yet.
    """
    result = view.result
    if result is None:
        return ""
    parts = [_head(view, result), *_proposals(result), *_foot(view, result)]
    return "\n\n".join(part for part in parts if part)[: MOST_CHARACTERS - 100]


def _head(view: CardView, result: Result) -> str:
    head = f"firstcause {view.incident.id}: {wording.VERDICTS[result.verdict]}"
    return f"{one_line(head, 300)}\n{one_line(result.summary, 1_000)}"


def _proposals(result: Result) -> Iterator[str]:
    shown = result.proposals[:_MOST_PROPOSALS]
    for n, proposal in enumerate(shown):
        yield _proposal(proposal, result, with_steps=n == 0 and result.verdict in _WITH_STEPS)
    share = result.none_of_these
    if shown:
        yield f"{wording.none_of_these(result.verdict)}: {wording.percent(share)}. {wording.trust(result)}"


def _proposal(proposal: ProposalResult, result: Result, *, with_steps: bool) -> str:
    said = [
        f"{proposal.rank}. {wording.percent(proposal.confidence)} {one_line(proposal.title, 300)}",
        f"   {wording.about(proposal, result)}",
        f"   Why: {wording.why(proposal)}",
    ]
    against = wording.against(proposal, result)
    if against:
        said.append(f"   Against: {one_line(against, 500)}")
    return "\n".join([*said, *(_steps(proposal) if with_steps else ())])


def _steps(proposal: ProposalResult) -> Iterator[str]:
    step = proposal.next_step
    if proposal.check_yourself:
        yield f"   Check it yourself: {_command(proposal.check_yourself)}"
    yield f"   Next step ({wording.manner(proposal)}): {one_line(step.text, 500)}"
    if step.command:
        yield f"   {_command(step.command)}"
    if step.undo:
        yield f"   Undo: {_command(step.undo)}"


def _command(text: str) -> str:
    shown = lines(text).strip()
    shown = shown if len(shown) <= _MOST_COMMAND else shown[: _MOST_COMMAND - 1] + "…"
    return shown.replace("\n", "\n     ")


def _foot(view: CardView, result: Result) -> Iterator[str]:
    missing = "; ".join(f"{', '.join(names)}: {why}" for why, names in wording.unavailable(result).items())
    if missing:
        yield f"Not read: {one_line(missing, 500)}"
    if result.partial:
        yield f"Cut short: {one_line(result.partial, 300)}"
    if view.url:
        yield f"Everything: {view.url}"
    yield "A proposal, not a confirmation: a person decides. Nothing was changed."
