"""The card of an incident as Slack's blocks. Pure. The plain beginning of it: one line of text."""

from __future__ import annotations

from bot.cardview import CardView
from bot.desk import Body
from bot.slack.mrkdwn import plain
from connectors.contract import Frozen


class Card(Frozen):
    """What is posted: `text` for notifications and where blocks cannot be shown, and the blocks."""

    text: str
    blocks: tuple[Body, ...] = ()


def card(view: CardView) -> Card:
    """The card that shows this."""
    found = view.result.summary if view.result is not None else view.error
    about = f"{view.incident.id} {view.incident.service}: {view.phase.value}"
    return Card(text=plain(f"{about}. {found}", 2_000))
