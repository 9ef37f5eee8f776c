"""What Slack sends, read into values. Pure; what has not the form that Slack documents is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import Field, JsonValue

from bot.safetext import lines
from bot.slack.heard import RESPONSE_SECONDS, Back
from bot.slack.sending import reference
from connectors.contract import Frozen
from connectors.redaction import redacted

Json = Mapping[str, Any]

MOST_TEXT: Final = 3_000
_ACTION = re.compile(r"(confirm|partly|rule_out|something_else|nothing_wrong|ask_again)(?:[:.-]\w{1,64})?")


class FormError(ValueError):
    """What was sent has not the form that Slack documents."""


class Said(Frozen):
    """What somebody said, of whatever kind: `key` names it for ever; `back` is the way to them."""

    key: str
    back: Back
    text: str = ""
    trigger: str = ""


class ShortcutUsed(Said):
    """A message shortcut: `text` is the message's, `said_at` when it was posted."""

    said_at: datetime | None = None


class Clicked(Said):
    """A button of a card."""

    action: str
    value: str


class Submitted(Said):
    """A modal that was sent: its fields by their `action_id`, and what it was opened with."""

    callback: str
    metadata: str
    fields: dict[str, str] = Field(default_factory=dict)


class Reader:
    """Reads payloads. `api` tells which response URLs are Slack's."""

    def __init__(self, api: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._now = now

    def command(self, body: Json) -> Said:
        """A slash command."""
        back = self._back(body, text_of(body, "user_id"), text_of(body, "channel_id"))
        trigger = text_of(body, "trigger_id")
        return Said(key=_key(trigger), back=back, text=_text(body, "text"), trigger=trigger)

    def mention(self, body: Json) -> Said | None:
        """A message that mentions the app; None where another app wrote it."""
        event = _object(body, "event")
        if event.get("bot_id") or not event.get("user") or event.get("subtype"):
            return None
        back = Back(
            user=text_of(event, "user"),
            channel=text_of(event, "channel"),
            ts=text_of(event, "ts"),
            thread_ts=_text(event, "thread_ts"),
        )
        said = _text(event, "text")
        for each in body.get("authorizations") or ():
            said = said.replace(f"<@{each.get('user_id', '')}>", " ", 1)
        return Said(key=_key(text_of(body, "event_id")), back=back, text=said)

    def shortcut(self, body: Json) -> ShortcutUsed:
        """A message shortcut."""
        message, trigger = _object(body, "message"), text_of(body, "trigger_id")
        back = self._back(body, text_of(_object(body, "user"), "id"), text_of(_object(body, "channel"), "id"))
        ts = text_of(message, "ts")
        placed = back.model_copy(update={"ts": ts, "thread_ts": _text(message, "thread_ts")})
        text = "\n".join(dict.fromkeys(_texts(message)))[:MOST_TEXT]
        at = _instant(ts)
        return ShortcutUsed(key=_key(trigger), back=placed, text=text, trigger=trigger, said_at=at)

    def click(self, body: Json) -> Clicked:
        """A button."""
        actions = body.get("actions")
        if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], dict):
            raise FormError("one action is expected")
        found = _ACTION.fullmatch(text_of(actions[0], "action_id"))
        if found is None:
            raise FormError("no button of a card")
        trigger, container = text_of(body, "trigger_id"), body.get("container") or {}
        back = self._back(body, text_of(_object(body, "user"), "id"), text_of(_object(body, "channel"), "id"))
        placed = back.model_copy(
            update={"ts": _text(container, "message_ts"), "thread_ts": _text(container, "thread_ts")}
        )
        value = _text(actions[0], "value")
        return Clicked(key=_key(trigger), back=placed, trigger=trigger, action=found[1], value=value)

    def view(self, body: Json) -> Submitted:
        """A modal that was sent. It counts once, however often it is sent."""
        view = _object(body, "view")
        state = view.get("state") or {}
        fields: dict[str, str] = {}
        for block in (state.get("values") or {}).values():
            fields |= {name: _value(each) for name, each in block.items()}
        return Submitted(
            key=f"slack:view:{text_of(view, 'id')}",
            back=Back(user=text_of(_object(body, "user"), "id")),
            trigger=_text(body, "trigger_id"),
            callback=text_of(view, "callback_id"),
            metadata=_text(view, "private_metadata"),
            fields=fields,
        )

    def _back(self, body: Json, user: str, channel: str) -> Back:
        response = reference(_text(body, "response_url"), self._api)
        until = self._now() + timedelta(seconds=RESPONSE_SECONDS) if response else None
        return Back(user=user, channel=channel, response=response, until=until)


def workspaces(body: Json) -> set[str]:
    """Every workspace that a payload names: where it happened, and whose the person is."""
    event, user, team = body.get("event"), body.get("user"), body.get("team")
    named = [body.get("team_id"), *_ids(team, "id"), *_ids(user, "team_id")]
    named += _ids(event, "team", "user_team", "source_team")
    return {each for each in named if isinstance(each, str) and each}


def free(text: str, most: int = MOST_TEXT) -> str:
    """What somebody wrote, without secrets, controls and what is too much."""
    return redacted(lines(text).strip()[:most])


def text_of(body: Json, name: str, most: int = 512) -> str:
    """A text that must be there.

    Raises:
        FormError: it is not.
    """
    found = body.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise FormError(f"{name} is missing")
    return found


def _key(name: str) -> str:
    return f"slack:{name}"


def _text(body: Json, name: str) -> str:
    found = body.get(name)
    return found if isinstance(found, str) else ""


def _object(body: Json, name: str) -> Json:
    found = body.get(name)
    if not isinstance(found, dict):
        raise FormError(f"{name} is missing")
    return found


def _ids(found: JsonValue, *names: str) -> list[object]:
    return [found.get(name) for name in names] if isinstance(found, dict) else []


def _value(state: Json) -> str:
    option = state.get("selected_option")
    chosen = option.get("value") if isinstance(option, dict) else state.get("value")
    return chosen[:MOST_TEXT] if isinstance(chosen, str) else ""


def _instant(ts: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (ValueError, OverflowError, OSError):
        return None


_NAMES: Final = ("title", "pretext", "text", "fallback", "value", "name")


def _texts(message: Json) -> Sequence[str]:
    """What a message says: its own text, its attachments, its blocks; alerts put theirs anywhere."""
    found: list[str] = []
    waiting: list[object] = [message.get("blocks"), message.get("attachments")]
    own = message.get("text")
    found += [own] if isinstance(own, str) and own else []
    while waiting and len(found) < 200:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each[::-1]
        elif isinstance(each, dict):
            found += [value for name in _NAMES if isinstance(value := each.get(name), str) and value.strip()]
            waiting += [value for value in each.values() if isinstance(value, dict | list)]
    return found
