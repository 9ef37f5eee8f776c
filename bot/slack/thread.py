"""What stands in a card's thread: for each proposal on it, the evidence and its commands whole. Pure."""

from __future__ import annotations

from bot import wording
from bot.cardview import CardView
from bot.result import ProposalResult, Result
from bot.slack.blocks import MOST_TEXT, Card, Code, Part, fit, rich, said, width
from bot.slack.mrkdwn import plain

_MOST_MESSAGES = 3
_MOST_CITED = 8


def thread(view: CardView) -> tuple[Card, ...]:
    """One message for each of the first proposals; none before there is a result."""
    if view.result is None:
        return ()
    return tuple(_message(each, view.result) for each in view.result.proposals[:_MOST_MESSAGES])


def _message(proposal: ProposalResult, result: Result) -> Card:
    title = f"{proposal.rank}. {wording.brief(proposal.title)}"
    parts: list[Part] = [said("Evidence for", title, 300)]
    for label, keys in (("For:", proposal.evidence), ("Against:", proposal.against)):
        cited = [result.evidence[key] for key in keys if key in result.evidence][:_MOST_CITED]
        parts += [
            said(label, f"{wording.brief(fit(fact.value, 160))} ({fact.source}: {fit(fact.query, 120)})", 300)
            for fact in cited
        ]
    blocks = [rich(parts)]
    step = proposal.next_step
    for label, command in (
        ("Check:", proposal.check_yourself),
        ("Then:", step.command),
        ("Undo:", step.undo),
    ):
        if command and width(command) <= MOST_TEXT:
            blocks.append(rich([said(label, "to copy", 20), Code(command)]))
    return Card(text=plain(f"Evidence for {title}", 300), blocks=tuple(blocks))
