"""What people say in Slack, as the body of a `Delivery`: the contract between the app and who handles it.

SLACK_COMMAND, SLACK_MENTION and SLACK_SHORTCUT hold an `Asked`; SLACK_ACTION and SLACK_VIEW hold a `Chosen`.
Free text is redacted. Whatever may be refused at once (an unknown service, an unreadable duration, somebody
who may not confirm) was refused before: what gets here is to be carried out.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field

from bot.desk import Body, Delivery
from connectors.contract import Frozen, Instant

RESPONSE_SECONDS: Final = 30 * 60
"""How long Slack takes answers to something that was said, five of them at most."""

ACTIONS: Final = ("confirm", "partly", "rule_out", "something_else", "ask_again")
"""The `action_id` of every button on a card."""


class Back(Frozen):
    """The way back to the person who said something, for `slack.respond` and `slack.ephemeral`.

    `response` is the path of Slack's response URL, good until `until` and for five answers; the host is
    the configured one, so that nothing else can be reached through it. `ts` is the message it was said in
    or on; `thread_ts` the thread that belongs to, empty outside of threads.
    """

    user: str
    channel: str = ""
    thread_ts: str = ""
    ts: str = ""
    response: str = ""
    until: Instant | None = None

    def payload(self, text: str) -> Body:
        """The payload of a `slack.respond` that only this person sees; it may be given `blocks` as well."""
        known: Body = self.model_dump(mode="json", exclude={"ts"}, exclude_defaults=True)
        return known | {"text": text}


class Asked(Frozen):
    """Somebody wants something done.

    diagnose: `service` is known by that name; `since_seconds` is how long the trouble has lasted, where it
    was said; `text` is what was said about it (of a shortcut: the text of the message); `said_at` is when
    that message was posted. show, cancel, postmortem: `incident`, empty where the thread it was said in
    tells it (`back.channel`, `back.thread_ts`).
    """

    do: Literal["diagnose", "show", "cancel", "postmortem"]
    back: Back
    service: str = ""
    since_seconds: float | None = None
    text: str = ""
    incident: str = ""
    said_at: Instant | None = None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """What a delivery's body says."""
        return cls.model_validate(delivery.body)


class Choice(Frozen):
    """The value of a card's button, as JSON: at most 2,000 characters.

    `unread` names the kinds of sources that gave nothing: to confirm without them is asked once more.
    """

    incident: str = Field(min_length=1, max_length=32)
    weighing: str = Field(default="", max_length=128)
    proposal: str | None = Field(default=None, max_length=400)
    unread: tuple[Annotated[str, Field(max_length=40)], ...] = Field(default=(), max_length=20)

    def value(self) -> str:
        """The value to put on the button."""
        return self.model_dump_json(exclude_defaults=True)


class Chosen(Frozen):
    """Somebody's answer to a card, who was allowed to give it.

    `weighing` is the one that was shown. something_else: `cause`, `service` and `text` as typed, where
    `cause` may be a playbook's id. `allowed_by` is the user group that let them, empty where everybody may.
    `unread`: what was missing when they confirmed nevertheless.
    """

    decision: Literal["confirm", "partly", "rule_out", "something_else", "nothing_wrong", "ask_again"]
    incident: str
    weighing: str = ""
    proposal: str | None = None
    cause: str = ""
    service: str = ""
    text: str = ""
    unread: tuple[str, ...] = ()
    allowed_by: str = ""
    back: Back

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """What a delivery's body says."""
        return cls.model_validate(delivery.body)
