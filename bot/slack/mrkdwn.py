"""Text from outside, made fit for Slack's own markup, where nothing else than markup is taken.

Cards and threads use rich text and plain text, which Slack shows as they are; what is left is the fallback
text of notifications and short answers. There a stranger's text could mention a channel, link, or forge
formatting: the three characters that begin markup are escaped, and formatting characters get a word joiner.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bot.safetext import lines, one_line

_JOINER: Final = "\u2060"
_FORMATS = re.compile(r"[*_~`]")
_LINKS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*)(://|:(?=\S+@))|\b(www)\.")
_MENTIONS = re.compile(r"@(?=\w)")
_FENCE: Final = "```"


def plain(text: str, most: int) -> str:
    """The text as one line that shows itself and does nothing; at most `most` characters, escapes counted."""
    return _within(one_line(text), most, _disarmed)


def code(text: str, most: int) -> str:
    """A code block of the text, fences counted; what would end the block early cannot."""
    inside = lines(text).replace(_FENCE, f"`{_JOINER}`{_JOINER}`").strip("`\n")
    return f"{_FENCE}\n{_within(inside, most - 8, escaped)}\n{_FENCE}"


def escaped(text: str) -> str:
    """The text with the characters escaped that begin mentions, links and escapes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _disarmed(text: str) -> str:
    shown = _FORMATS.sub(lambda found: _JOINER + found[0], escaped(text))
    shown = _LINKS.sub(lambda found: f"{found[1] or found[3]}{_JOINER}{found[2] or '.'}", shown)
    return _MENTIONS.sub("@" + _JOINER, shown)


def _within(text: str, most: int, made: Callable[[str], str]) -> str:
    """What is made of as much of the text as fits: an escape is never cut in two."""
    shown = made(text)
    kept = min(len(text), most)
    while len(shown) > most and kept > 0:
        kept = max(kept - max(len(shown) - most, 1) // 2 - 1, 0)
        shown = made(text[:kept].rstrip()) + "…"
    return shown if len(shown) <= most else ""
