"""The windows that buttons open, and what they were opened for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from bot.slack.guard import cut
from bot.slack.heard import Back, Choice
from bot.slack.mrkdwn import plain
from connectors.contract import Frozen

SOMETHING_ELSE: Final = "something_else"
UNREAD: Final = "confirm_unread"
FIELDS: Final = ("cause", "service", "text")
"""The `action_id` of every field of the window that asks what else it was."""
TEXT_BLOCK: Final = "text"
"""The block of its free text, where what is missing is told."""
_SHOWN: Final = 8
_MOST_OPTIONS: Final = 100


class Opened(Frozen):
    """What a window was opened for; it travels with the window."""

    decision: Literal["confirm", "partly", "rule_out", "something_else", "nothing_wrong", "ask_again"]
    choice: Choice
    back: Back

    def put_on(self, view: dict[str, Any], callback: str) -> dict[str, Any]:
        """The view, as it is opened."""
        packed = self.model_dump_json(exclude_defaults=True)
        return view | {"type": "modal", "callback_id": callback, "private_metadata": packed}


def unread(choice: Choice, decision: str) -> dict[str, Any]:
    """Asks whether to confirm although some sources gave nothing."""
    missing = ", ".join(plain(each, 40) for each in choice.unread[:_SHOWN])
    more = f" and {len(choice.unread) - _SHOWN} more" if len(choice.unread) > _SHOWN else ""
    verb = "Confirm" if decision == "confirm" else "Confirm partly"
    text = (
        f"{verb} without *{missing}*{more}? They were configured and gave nothing, so this cause was never "
        "held against what they would have shown. What you answer is kept as a label."
    )
    return {
        "title": {"type": "plain_text", "text": "Confirm without them?"},
        "submit": {"type": "plain_text", "text": "Confirm anyway"},
        "close": {"type": "plain_text", "text": "Not yet"},
        "blocks": [
            {
                "type": "section",
                "block_id": "unread",
                "text": {"type": "mrkdwn", "text": text, "verbatim": True},
            }
        ],
    }


def something_else(causes: Sequence[str]) -> dict[str, Any]:
    """Asks what it was: one of the known causes, by their ids, or anything in words."""
    return {
        "title": {"type": "plain_text", "text": "Something else"},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Back"},
        "blocks": [
            _choice("cause", "Cause", "one that is known", sorted(causes)[:_MOST_OPTIONS]),
            _line("service", "Service", "the service it was in", False),
            _line(TEXT_BLOCK, "What was it?", "one or two sentences for the post-mortem", True),
        ],
    }


def _choice(name: str, label: str, hint: str, options: Sequence[str]) -> dict[str, Any]:
    element = {
        "type": "static_select",
        "action_id": name,
        "placeholder": {"type": "plain_text", "text": hint},
        "options": [{"text": {"type": "plain_text", "text": named(each)}, "value": each} for each in options],
    }
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": {"type": "plain_text", "text": label},
        "element": element,
    }


def named(cause: str) -> str:
    """A cause's id as words."""
    return cut(cause.replace("_", " ").replace("-", " ").capitalize(), 75)


def _line(name: str, label: str, hint: str, several: bool) -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": {"type": "plain_text", "text": label},
        "element": {
            "type": "plain_text_input",
            "action_id": name,
            "multiline": several,
            "max_length": 1500 if several else 150,
            "placeholder": {"type": "plain_text", "text": hint},
        },
    }
