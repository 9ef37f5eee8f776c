"""Text from outside, made safe to show: no control, escape, bidirectional or invisible characters.

Alerts, logs and names are written by strangers. Nothing they hold may move a cursor, reorder a line
or forge a second one. Escaping for a medium (rich markup, HTML) is that medium's own step after this.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|[\x1b]\[[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x9b[0-?]*[ -/]*[@-~]?"  # CSI in eight bits
    r"|\x1b."
)
_SPACES = re.compile(r"[ \t\r\n\v\f\x85\u2028\u2029]+")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MOST_MARKS = 4


def one_line(text: str, most: int | None = None) -> str:
    """The text as one line of visible characters, cut with an ellipsis beyond `most` characters."""
    flat = _SPACES.sub(" ", _visible(_ESCAPES.sub("", text), keep="\n\r\t\v\f\x85\u2028\u2029")).strip()
    return flat if most is None or len(flat) <= most else flat[: max(most - 1, 0)].rstrip() + "…"


def lines(text: str) -> str:
    """The text with its line breaks kept and everything else that is not visible removed."""
    unified = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\t", "    ")
    return _visible(unified, keep="\n")


def _visible(text: str, keep: str) -> str:
    shown: list[str] = []
    stacked = 0
    for character in text:
        category = unicodedata.category(character)
        stacked = stacked + 1 if category in {"Mn", "Me"} else 0
        if character in keep or (category not in _UNSEEN and stacked <= _MOST_MARKS):
            shown.append(character)
    return "".join(shown)
