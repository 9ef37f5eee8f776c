"""One proposal on a card: how sure, why, what speaks against it, the check, the next step; then buttons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bot import wording
from bot.cardview import CardView, unread
from bot.desk import Body
from bot.result import ProposalResult, Result
from bot.slack.blocks import Button, Code, Part, Run, actions, fit, rich, said, width

_BAR: Final = 10
_IN_THREAD: Final = "in the thread (too long to show here)"
_LONGEST_TITLE: Final = 150


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is shown: proposals, characters of a sentence, characters of a command."""

    proposals: int
    said: int
    command: int


def proposed(proposal: ProposalResult, view: CardView, result: Result, detail: Detail) -> Iterable[Body]:
    """The blocks of a proposal that a person is to decide on: everything to weigh, then the buttons."""
    yield described(proposal, result, detail)
    yield actions(_buttons(proposal, view, result))


def described(proposal: ProposalResult, result: Result, detail: Detail) -> Body:
    """What is to be known of a proposal before it is decided on."""
    against = wording.against(proposal, result) or cited_against(proposal, result) or "nothing was found"
    parts: list[Part] = [
        (Run(f"{proposal.rank}. {fit(wording.brief(proposal.title), _LONGEST_TITLE)}", bold=True),),
        (Run(sure(proposal.confidence)), Run(f" · {fit(wording.about(proposal, result), detail.said)}")),
        said("Why:", wording.why(proposal) or "the evidence in the thread", detail.said),
        said("Against:", against, detail.said),
    ]
    above = _first(proposal, result)
    if proposal.check_yourself and above and above.check_yourself == proposal.check_yourself:
        parts.append(said("Check first:", "as for 1", detail.said))
    elif proposal.check_yourself:
        parts += _command("Check first:", "this changes nothing", proposal.check_yourself, detail)
    if above and above.next_step == proposal.next_step:
        parts.append(said("Then:", "as for 1", detail.said))
    else:
        parts += next_step(proposal, detail)
    return rich(parts)


def next_step(proposal: ProposalResult, detail: Detail) -> list[Part]:
    """The next step, how it weighs on production, its command, what it takes and how to watch it."""
    step = proposal.next_step
    told = f"{fit(step.text, detail.said)} ({wording.manner(proposal)})"
    parts = _command("Then:", told, step.command or "", detail)
    if cost := "; ".join(each.rstrip(" .;") for each in (step.estimate, step.locks) if each.strip()):
        parts.append(said("Expect:", cost, detail.said))
    if step.watch:
        parts += _command("Watch it:", "from another session, this changes nothing", step.watch, detail)
    return parts


def sure(confidence: float) -> str:
    """A confidence as a bar, a number and words."""
    full = round(confidence * _BAR)
    return f"{'█' * full}{'░' * (_BAR - full)} {wording.percent(confidence)}, {wording.degree(confidence)}"


def _first(proposal: ProposalResult, result: Result) -> ProposalResult | None:
    return result.proposals[0] if proposal.rank != 1 else None


def cited_against(proposal: ProposalResult, result: Result) -> str:
    """What the readings say that are cited against it."""
    cited = (result.evidence[key].value for key in proposal.against if key in result.evidence)
    return "; ".join(wording.brief(value) for value in cited)


def _command(label: str, text: str, command: str, detail: Detail) -> list[Part]:
    most = detail.said + 80
    if not command:
        return [said(label, text, most)]
    if width(command) > detail.command:
        return [said(label, f"{text}; the command is {_IN_THREAD}", most + 60)]
    return [said(label, text, most), Code(command)]


def _buttons(proposal: ProposalResult, view: CardView, result: Result) -> list[Button]:
    missing = unread(result)
    value = {
        "incident": view.incident.id,
        "weighing": view.weighing,
        "proposal": proposal.id,
        "unread": list(missing),
    }
    title = wording.brief(proposal.title)
    return [
        Button("confirm", "Confirm", value, f"Confirm {proposal.rank}: {title}"),
        Button("partly", "Partly", value, f"Partly {proposal.rank}: {title}"),
        Button("rule_out", "Rule out", value, f"Rule out {proposal.rank}: {title}"),
    ]
