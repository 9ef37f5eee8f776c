"""The windows that buttons open, and what they were opened for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from bot.slack.guard import cut
from bot.slack.heard import Back, Choice
from bot.slack.mrkdwn import plain
from connectors.contract import Frozen

SOMETHING_ELSE: Final = "something_else"
UNREAD: Final = "confirm_unread"
FIELDS: Final = ("cause", "known", "service", "text")
"""The `action_id` of every field of the window that asks what else it was."""
TEXT_BLOCK: Final = "text"
"""The block of its free text, where what is missing is told."""
_SHOWN: Final = 8
_MOST_OPTIONS: Final = 100
_LONGEST_VALUE: Final = 150


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


def something_else(causes: Mapping[str, Sequence[str]], services: Sequence[str]) -> dict[str, Any]:
    """Asks what it was and where: causes by their ids in groups, services, or anything in words."""
    groups = [(each, sorted(causes[each])[:_MOST_OPTIONS]) for each in sorted(causes) if causes[each]]
    grouped = [{"label": _words(named(each)), "options": _options(ids)} for each, ids in groups]
    known = [each for each in services if 0 < len(each) <= _LONGEST_VALUE][:_MOST_OPTIONS]
    blocks = []
    if grouped:
        chosen = {"option_groups": grouped[:_MOST_OPTIONS]}
        blocks.append(_choice("cause", "Cause", "one that is known", chosen))
    if known:
        options = [{"text": _words(cut(each, 75)), "value": each} for each in known]
        blocks.append(_choice("known", "Service", "the service it was in", {"options": options}))
    label = "A service that is not listed" if known else "Service"
    return {
        "title": {"type": "plain_text", "text": "Something else"},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Back"},
        "blocks": [
            *blocks,
            _line("service", label, "what it is called", False),
            _line(TEXT_BLOCK, "What was it?", "one or two sentences for the post-mortem", True),
        ],
    }


def _options(ids: Sequence[str]) -> list[dict[str, Any]]:
    return [{"text": _words(named(each)), "value": each} for each in ids]


def _words(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def _choice(name: str, label: str, hint: str, offered: dict[str, Any]) -> dict[str, Any]:
    select = {"type": "static_select", "action_id": name, "placeholder": _words(hint)}
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": _words(label),
        "element": select | offered,
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
