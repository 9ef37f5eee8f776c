"""What is said of an incident to the outside, as messages of the outbox: its card, its chart, its note.

A card is posted once and then edited; only its newest state is worth sending, so that a chat that was away
for an hour catches up with one edit. Nothing is sent from here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from bot.cardview import CardView
from bot.desk import Body, Desked, Message, Transaction
from bot.handling import slack_refs
from bot.serve_fields import ServeFields
from bot.slack.mrkdwn import plain

log = logging.getLogger(__name__)

_KEPT = 256


@dataclass(frozen=True)
class Voice:
    """Where this process speaks."""

    fields: ServeFields

    def place(self, incident: Desked) -> Body:
        """Where the card goes: where somebody asked, else the service's channel, else everybody's."""
        slack = self.fields.slack
        if slack is None:
            return {}
        usual = slack.channels.get(incident.service, slack.channel)
        asked = incident.place.get("channel", "")
        where = {
            "channel": asked or usual,
            "thread_ts": incident.place.get("thread_ts", "") if asked else "",
            "otherwise": usual if asked and usual != asked else "",
        }
        return {name: value for name, value in where.items() if value}

    def noting(self, incident: Desked) -> bool:
        """Whether the pager is told, too."""
        pagerduty = self.fields.pagerduty
        return bool(pagerduty and pagerduty.notes and pagerduty.token and incident.refs.get("pagerduty"))


def card_key(incident: str) -> str:
    """The key of the message that is an incident's card."""
    return f"card:{incident}"


def draw(within: Transaction, voice: Voice, view: CardView, now: datetime) -> None:
    """Have the card show this."""
    where = voice.place(view.incident)
    if not where:
        return
    drawn = shown(view)
    key, incident = card_key(view.incident.id), view.incident.id
    if within.outbox.result(key) is None:
        first = Message(key=key, incident=incident, operation="slack.post", payload={**drawn, **where})
        if within.outbox.put(first, now):
            return
    state = Message(
        key=f"{key}:state", incident=incident, operation="slack.update", payload=drawn, after=key, latest=True
    )
    within.outbox.put(state, now)


def shown(view: CardView) -> Body:
    """The card; where it cannot be drawn, its bare words: a defect there must not cost the answer."""
    from bot.slack.card import card

    try:
        drawn = card(view)
    except Exception as error:
        log.error("the card of %s could not be drawn", view.incident.id, exc_info=error)
        found = view.result.summary if view.result is not None else view.error
        return {
            "text": plain(f"{view.incident.id} {view.incident.service}: {view.phase.value}. {found}", 2_000)
        }
    return drawn.payload()


def placed(within: Transaction, incident: Desked) -> Desked:
    """The incident with where its card is, once that is known; its thread then tells which one is meant."""
    sent = within.outbox.result(card_key(incident.id))
    if sent is None or "ts" in incident.place:
        return incident
    place = {name: str(sent[name]) for name in ("channel", "ts", "thread_ts") if sent.get(name)}
    changed = incident.model_copy(update={"place": place, "refs": {**incident.refs, **slack_refs(place)}})
    within.incidents.put(changed)
    return changed


def beside(voice: Voice, view: CardView) -> list[Message]:
    """What goes beside the card of a result: chart and evidence in its thread, the pager's note.

    Drawing takes a moment: call it outside of a transaction.
    """
    incident, messages = view.incident, list[Message]()
    if voice.place(incident) and view.result is not None:
        from bot.slack.thread import thread

        messages += [
            Message(
                key=f"thread:{incident.id}:{view.weighing}:{n}",
                incident=incident.id,
                operation="slack.post",
                payload={**each.payload(), "in_thread": True},
                after=card_key(incident.id),
            )
            for n, each in enumerate(thread(view), start=1)
        ]
    note = noted(voice, view)
    return [*messages, note] if note is not None else messages


def noted(voice: Voice, view: CardView) -> Message | None:
    """The note for the pager, where it is told: once a weighing, however often it is put."""
    incident = view.incident
    if not voice.noting(incident) or view.result is None:
        return None
    from bot.pagerduty.note import note

    return Message(
        key=f"note:{incident.id}:{view.weighing}",
        incident=incident.id,
        operation="pagerduty.note",
        payload={"incident": incident.refs["pagerduty"], "content": note(view)},
    )
