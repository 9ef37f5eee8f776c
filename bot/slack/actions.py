"""People's answers to a card: who may give them, what is asked once more before, and what is kept.

A click is kept as a delivery before it is acknowledged; who may not, or clicked on something old, is told so
and nothing else happens. Which of two answers counts is decided where deliveries are handled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import ValidationError

from bot.desk import AuditKind, Delivery, DeliveryKind, Desk
from bot.slack import answers, windows
from bot.slack.asking import tell
from bot.slack.confirmers import Confirmers
from bot.slack.heard import Choice, Chosen
from bot.slack.payloads import Clicked, FormError, Said, Submitted, free
from bot.slack.windows import SOMETHING_ELSE, UNREAD, Opened

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

log = logging.getLogger(__name__)

CALLBACKS: Final = (SOMETHING_ELSE, UNREAD)
Decision = Literal["confirm", "partly", "rule_out", "something_else", "nothing_wrong", "ask_again"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be kept."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody is told instead; `incident` they were refused at, for the record."""

    text: str
    incident: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Asks:
    """A window was opened: the answer is still to come."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A form that has to be filled in differently: what is wrong, by block."""

    errors: Mapping[str, str] = field(default_factory=dict)


Answered = Kept | Told | Asks | Wrong


class Actions:
    """Hears buttons and modals. `client` opens windows; `view` makes the one that asks what else it was."""

    def __init__(
        self,
        client: AsyncWebClient,
        confirmers: Confirmers,
        view: Callable[[], dict[str, Any]],
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._confirmers = confirmers
        self._view = view
        self._now = now

    async def clicked(self, clicked: Clicked) -> Answered:
        """A button of a card."""
        try:
            choice = Choice.model_validate_json(clicked.value)
        except ValidationError:
            return Told(answers.OLD_BUTTON)
        decision: Decision = clicked.action  # type: ignore[assignment]  # the reader knows these words alone
        opened = Opened(decision=decision, choice=choice, back=clicked.back)
        if decision == "ask_again":
            return self._kept(clicked, DeliveryKind.SLACK_ACTION, opened, "")
        may = await self._confirmers.may(clicked.back.user)
        if not may.allowed:
            return Told(may.why, choice.incident, decision)
        if decision == "something_else":
            return await self._open(clicked, opened.put_on(self._view(), SOMETHING_ELSE))
        if choice.unread and decision in ("confirm", "partly"):
            return await self._open(clicked, opened.put_on(windows.unread(choice, decision), UNREAD))
        return self._kept(clicked, DeliveryKind.SLACK_ACTION, opened, may.group)

    async def submitted(self, sent: Submitted) -> Answered:
        """A modal that was sent.

        Raises:
            FormError: it was not opened here.
        """
        try:
            opened = Opened.model_validate_json(sent.metadata)
        except ValidationError as error:
            raise FormError("a window that was not opened here") from error
        if sent.callback == SOMETHING_ELSE and not any(sent.fields.get(each) for each in windows.FIELDS):
            return Wrong({windows.TEXT_BLOCK: "Say what it was: choose a cause, or write a sentence."})
        may = await self._confirmers.may(sent.back.user)
        back = opened.back.model_copy(update={"user": sent.back.user})
        if not may.allowed:
            return Told(may.why, opened.choice.incident, opened.decision)
        mine = opened.model_copy(update={"back": back})
        return self._kept(sent, DeliveryKind.SLACK_VIEW, mine, may.group, sent.fields)

    async def _open(self, clicked: Clicked, view: dict[str, Any]) -> Answered:
        from aiohttp import ClientError
        from slack_sdk.errors import SlackClientError

        try:
            await self._client.views_open(trigger_id=clicked.trigger, view=view)
        except (SlackClientError, ClientError, OSError, ValueError, TimeoutError) as error:
            log.error("a window could not be opened: %s", error)
            return Told(answers.NOT_OPENED)
        return Asks()

    def _kept(
        self,
        said: Said,
        kind: DeliveryKind,
        opened: Opened,
        group: str,
        fields: Mapping[str, str] | None = None,
    ) -> Kept:
        choice, written = opened.choice, fields or {}
        chosen = Chosen(
            decision=opened.decision,
            incident=choice.incident,
            weighing=choice.weighing,
            proposal=choice.proposal or None,
            cause=free(written.get("cause", ""), 200),
            service=free(written.get("service", "") or written.get("known", ""), 200),
            text=free(written.get("text", "")),
            unread=choice.unread,
            allowed_by=group,
            back=opened.back,
        )
        body = chosen.model_dump(mode="json")
        return Kept(Delivery(key=said.key, kind=kind, received_at=self._now(), body=body))


def carried(desk: Desk, said: Said, answered: Answered, now: datetime) -> None:
    """Write down what became of an answer, in one transaction.

    Raises:
        OSError: the desk cannot be written.
    """
    if isinstance(answered, Asks | Wrong):
        return
    with desk.begin() as within:
        if isinstance(answered, Kept):
            within.inbox.keep(answered.delivery)
            return
        if answered.incident:
            refused = {"decision": answered.decision, "by": said.back.user, "refused": answered.text}
            within.audit.append(AuditKind.CLICK, answered.incident, {"delivery": said.key, **refused}, now)
        tell(within, said, answered.text, now)
