"""Nothing that is posted mentions anybody unless this program wrote the mention. Pure.

The last thing every message passes before it is sent, whoever built it: what a stranger's text could smuggle
in is either made harmless or refused, by the form of the message and not by a promise of its builder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from connectors.contract import Frozen

Block = dict[str, JsonValue]

MOST_TEXT: Final = 3_900
"""Slack advises 4,000 characters for a message's own text."""

_NO_TEXT: Final = "firstcause"
"""What a notification says of blocks that came without a text."""
_CONTROL = re.compile(r"<([^<>\n]{0,3100})>|<")
_LINK = re.compile(r"https?://[^\s|<>]+(?:\|[^|<>]*)?", re.IGNORECASE)
_DATE = re.compile(r"!date\^\d{1,12}\^[^<>^|]{1,200}(?:\^https?://[^\s|<>^]+)?\|[^|<>]{1,200}")
_REFUSED: Final = {
    "broadcast": "a mention of a whole channel",
    "usergroup": "a mention of a group",
    "channel": "a mention of a channel",
    "markdown": "a block whose text Slack interprets by itself",
}
_ADDRESSES: Final = ("url", "image_url", "thumb_url", "title_url")


class MentionError(ValueError):
    """The message holds what may not be posted, in a form that no text can take by accident."""


class Guarded(Frozen):
    """What may be posted."""

    text: str
    blocks: tuple[Block, ...] = ()


def guarded(text: str, blocks: Sequence[Block] = (), mentions: Collection[str] = ()) -> Guarded:
    """The message with every mention and link taken out of its markup that was not meant.

    `mentions` are the ids of the users whom the builder mentions on purpose in markup; rich text mentions
    by its structure, which text cannot forge.

    Raises:
        MentionError: a structure mentions more than one person, or leads to something else than a page.
    """
    return Guarded(
        text=cut(clean(text, mentions), MOST_TEXT) or _NO_TEXT,
        blocks=tuple(_block(each, mentions) for each in blocks),
    )


def cut(text: str, most: int) -> str:
    """At most `most` characters, never ending in half an escape or half a link."""
    if len(text) <= most:
        return text
    short = text[: most - 1]
    for opening, closing in (("<", ">"), ("&", ";")):
        at = short.rfind(opening)
        if at > short.rfind(closing) and (opening == "<" or len(short) - at < 6):
            short = short[:at]
    return short.rstrip() + "…"


def clean(text: str, mentions: Collection[str] = ()) -> str:
    """Markup with nothing left between angle brackets but pages, dates and the mentions that are meant."""

    def kept(found: re.Match[str]) -> str:
        inside = found[1]
        if inside is None:
            return "&lt;"
        meant = inside.startswith("@") and inside[1:] in mentions
        if meant or _LINK.fullmatch(inside) or _DATE.fullmatch(inside):
            return found[0]
        return f"&lt;{inside}&gt;"

    return _CONTROL.sub(kept, text)


def _block(block: Mapping[str, JsonValue], mentions: Collection[str]) -> Block:
    made = {key: _value(value, mentions) for key, value in block.items()}
    kind = block.get("type")
    if isinstance(kind, str) and kind in _REFUSED:
        raise MentionError(f"{_REFUSED[kind]} is never posted")
    for name in _ADDRESSES:
        address = block.get(name)
        if isinstance(address, str) and not address.lower().startswith(("https://", "http://")):
            raise MentionError("a link leads to something else than a page")
    text = made.get("text")
    if kind == "mrkdwn" and isinstance(text, str):
        # Verbatim: Slack makes no links and mentions of its own out of words.
        return made | {"text": clean(text, mentions), "verbatim": True}
    return made


def _value(value: JsonValue, mentions: Collection[str]) -> JsonValue:
    if isinstance(value, dict):
        return _block(value, mentions)
    if isinstance(value, list):
        return [_value(each, mentions) for each in value]
    return value
