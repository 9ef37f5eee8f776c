"""Blocks of a Slack message, built from literal text.

Text goes into rich text and plain text, which Slack shows as they are: a stranger's text cannot mention,
link or format there, so nothing has to be escaped. A command stands whole in its block or not at all: half a
command may do something else. Lengths are counted in UTF-16 units, the strictest of the ways to count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    PlainTextObject,
    RichTextBlock,
    RichTextElement,
    RichTextElementParts,
    RichTextPreformattedElement,
    RichTextSectionElement,
)

from bot.desk import Body
from bot.safetext import lines, one_line

MOST_BLOCKS: Final = 50
MOST_WEIGHT: Final = 12_000
"""Characters of all blocks of a message together: Slack refuses some 13,200 (msg_blocks_too_long)."""
MOST_TEXT: Final = 2_900
_HEADER: Final = 150
_LABEL: Final = 75
_USER = re.compile(r"[UW][A-Z0-9]{4,20}")


@dataclass(frozen=True, slots=True)
class Card:
    """A message: `text` is for notifications and screen readers, and says all that matters."""

    text: str
    blocks: tuple[Body, ...]

    def payload(self) -> Body:
        """Its part of the arguments of chat.postMessage and chat.update."""
        return {"text": self.text, "blocks": list(self.blocks)}


@dataclass(frozen=True, slots=True)
class Run:
    """Some characters in one style; `link`: where they lead."""

    text: str
    bold: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A command, to be copied."""

    text: str


Paragraph = tuple[Run, ...]
Part = Paragraph | Code


def width(text: str) -> int:
    """How long Slack may hold the text to be."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(text: str, most: int) -> str:
    """The text on one line, cut after a word where it is longer than `most`."""
    flat = one_line(text)
    if width(flat) <= most:
        return flat
    cut = flat[: most - 1]
    while width(cut) > most - 1:
        cut = cut[:-1]
    head = cut.rpartition(" ")[0]
    return (head if len(head) > len(cut) // 2 else cut).rstrip(" ,;:(") + "…"


def header(text: str) -> Body:
    """A headline."""
    return _body(HeaderBlock(text=_plain(text, _HEADER)).to_dict())


def context(*texts: str) -> Body:
    """Small print: up to ten texts beside each other."""
    return _body(ContextBlock(elements=[_plain(text, MOST_TEXT) for text in texts[:10]]).to_dict())


def rich(parts: Iterable[Part]) -> Body:
    """Paragraphs and commands, one below the other."""
    elements: list[RichTextElement] = []
    runs: list[RichTextElement] = []
    for part in parts:
        if isinstance(part, Code):
            _flush(runs, elements)
            shown = RichTextElementParts.Text(text=lines(part.text).strip("\n") or " ")
            elements.append(RichTextPreformattedElement(elements=[shown]))
        else:
            if runs:
                runs.append(RichTextElementParts.Text(text="\n"))
            runs += [_run(run) for run in part if run.text]
    _flush(runs or ([] if elements else [RichTextElementParts.Text(text="-")]), elements)
    return _body(RichTextBlock(elements=elements).to_dict())


def _flush(runs: list[RichTextElement], into: list[RichTextElement]) -> None:
    if runs:
        into.append(RichTextSectionElement(elements=list(runs)))
        runs.clear()


def _run(run: Run) -> RichTextElement:
    if run.link:
        return RichTextElementParts.Link(url=run.link, text=run.text)
    style = RichTextElementParts.TextStyle(bold=True) if run.bold else None
    return RichTextElementParts.Text(text=run.text, style=style)


def said(label: str, text: str, most: int) -> Paragraph:
    """A paragraph that begins with a word in bold."""
    return (Run(f"{label} ", bold=True), Run(fit(text, most)))


def who(by: str) -> str:
    """Who it was: a Slack user's id as it is shown to people, or a name."""
    return by if not _USER.fullmatch(by) else f"@{by}"


@dataclass(frozen=True, slots=True)
class Button:
    """A button; `spoken`: what a screen reader says."""

    action: str
    text: str
    value: Mapping[str, object]
    spoken: str = ""


def actions(buttons: Sequence[Button]) -> Body:
    """Buttons beside each other."""
    return _body(ActionsBlock(elements=[_button(button) for button in buttons]).to_dict())


def _button(button: Button) -> ButtonElement:
    return ButtonElement(
        text=_plain(button.text, _LABEL),
        action_id=button.action,
        value=json.dumps(button.value, separators=(",", ":"), sort_keys=True),
        accessibility_label=fit(button.spoken, _LABEL) if button.spoken else None,
    )


def _plain(text: str, most: int) -> PlainTextObject:
    return PlainTextObject(text=fit(text, most) or "-", emoji=False)


def weight(blocks: Sequence[Body]) -> int:
    """What Slack counts of a message's blocks."""
    written = json.dumps(list(blocks), ensure_ascii=False)
    return width(written) + 4 * sum(written.count(each) for each in "&<>")


def _body(block: dict[str, object]) -> Body:
    return json.loads(json.dumps(block))  # type: ignore[no-any-return]  # what the library built is JSON
