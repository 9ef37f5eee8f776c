"""What somebody types or picks from a menu, carried out on the desk in one quick transaction, and answered.

Whatever is to be done is kept as a delivery before it is acknowledged; whatever can be told from the desk is
told at once. Nothing else is asked here: not Slack, and no source.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from bot.desk import Delivery, DeliveryKind, Desk, Message, Transaction
from bot.slack import answers, commands
from bot.slack.commands import Cancel, Diagnose, Known, Misread, Postmortem, Show, Status, Typed
from bot.slack.heard import Asked, Back
from bot.slack.mrkdwn import plain
from bot.slack.payloads import Said, ShortcutUsed, free

_RECENT = 60


class Asking:
    """Carries out what is asked. Called from threads; `url` tells the workspace's address, once known.

    Each method gives the text to show to who asked, empty for none, and raises OSError where the desk cannot
    be written.
    """

    def __init__(self, desk: Desk, known: Known, now: Callable[[], datetime], url: Callable[[], str]) -> None:
        self._desk = desk
        self._known = known
        self._now = now
        self._url = url

    def command(self, said: Said) -> str:
        """A slash command, which can stand in no thread."""
        return self._typed(said, DeliveryKind.SLACK_COMMAND, False)

    def mention(self, said: Said) -> str:
        """A message that mentions the app. What is answered is sent to its writer alone."""
        text = self._typed(said, DeliveryKind.SLACK_MENTION, bool(said.back.thread_ts))
        if text:
            with self._desk.begin() as within:
                tell(within, said, text, self._now())
        return text

    def shortcut(self, used: ShortcutUsed) -> str:
        """A message that somebody wants the cause of."""
        named = commands.mentioned(commands.seen(used.text), self._known)
        with self._desk.begin() as within:
            if not named:
                text = (
                    "No service that I know is named in this message. Type `/diagnose SERVICE since 30m`; "
                    "`firstcause services` lists the names."
                )
            else:
                asked = Asked(
                    do="diagnose",
                    back=used.back,
                    service=named[0],
                    text=free(used.text),
                    said_at=used.said_at,
                )
                kept = within.inbox.keep(self._delivery(used.key, DeliveryKind.SLACK_SHORTCUT, asked))
                text = _beside(named) if kept else ""
            if text:
                tell(within, used, text, self._now())
        return text

    def _typed(self, said: Said, kind: DeliveryKind, in_thread: bool) -> str:
        typed = commands.read(commands.seen(said.text), self._known, in_thread)
        at_once = self._at_once(typed)
        if at_once is not None:
            return at_once
        with self._desk.begin() as within:
            if isinstance(typed, Show) and typed.incident:
                return self._shown(within, typed.incident)
            if isinstance(typed, Status):
                return answers.status(within.incidents.recent(_RECENT), self._now(), self._url())
            asked, text = self._asked(within, typed, said.back)
            kept = asked is not None and within.inbox.keep(self._delivery(said.key, kind, asked))
            if asked is None:
                return text
            # Who mentioned the app sees the card appear under their message.
            return text if kept and kind is DeliveryKind.SLACK_COMMAND else ""

    def _at_once(self, typed: Typed) -> str | None:
        if isinstance(typed, Misread):
            return typed.why
        return answers.HELP if isinstance(typed, commands.Help) else None

    def _shown(self, within: Transaction, name: str) -> str:
        found = within.incidents.get(name)
        return _unknown(name) if found is None else answers.show(found, self._now(), self._url())

    def _asked(self, within: Transaction, typed: Typed, back: Back) -> tuple[Asked | None, str]:
        """What is to be kept, and what is said of it."""
        if isinstance(typed, Diagnose):
            since = None if typed.since is None else typed.since.total_seconds()
            asked = Asked(
                do="diagnose", back=back, service=typed.service, since_seconds=since, text=free(typed.text)
            )
            return asked, _understood(typed)
        do: Literal["show", "cancel", "postmortem"] = (
            "cancel"
            if isinstance(typed, Cancel)
            else "postmortem"
            if isinstance(typed, Postmortem)
            else "show"
        )
        assert isinstance(typed, Cancel | Postmortem | Show)
        if typed.incident and within.incidents.get(typed.incident) is None:
            return None, _unknown(typed.incident)
        return Asked(do=do, back=back, incident=typed.incident), ""

    def _delivery(self, key: str, kind: DeliveryKind, asked: Asked) -> Delivery:
        return Delivery(key=key, kind=kind, received_at=self._now(), body=asked.model_dump(mode="json"))


def tell(within: Transaction, said: Said, text: str, now: datetime) -> None:
    """Have one person told something, once."""
    within.outbox.put(
        Message(
            key=f"said:{said.key}",
            incident="",
            operation="slack.respond",
            payload=said.back.payload(text),
        ),
        now,
    )


def _understood(typed: Diagnose) -> str:
    lasted = "" if typed.since is None else f", for {_lasted(typed.since)}"
    return f"Understood: {plain(typed.service, 80)}{lasted}."


def _lasted(since: timedelta) -> str:
    minutes = since.total_seconds() / 60
    return f"{minutes:g} min" if minutes < 120 else f"{minutes / 60:g} h"


def _beside(named: list[str]) -> str:
    if len(named) == 1:
        return ""
    others = ", ".join(plain(each, 80) for each in named[1:])
    return f"Beginning with {plain(named[0], 80)}; the message also names {others}."


def _unknown(name: str) -> str:
    return f"There is no incident {plain(name, 40)}. `/diagnose status` lists the newest."
