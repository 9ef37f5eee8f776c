"""The log of a serving process, on stderr: a line an event, as text or JSON, without secrets.

What is logged may quote strangers: control characters and line ends are taken out, and what looks like a
secret is replaced.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal

from bot.safetext import one_line
from connectors.redaction import redacted

_MOST = 4_000
_MOST_FRAMES = 12
_CHATTY = (
    "uvicorn",
    "httpx",
    "httpx2",
    "httpcore",
    "slack_sdk",
    "slack_bolt",
    "urllib3",
    "asyncio",
    "pagerduty",
)


class Lines(logging.Formatter):
    """An event as one line."""

    def __init__(self, form: Literal["text", "json"]) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """The line; an exception is its type, its words and where it was raised."""
        told = {
            "at": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _safe(record.getMessage()),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            told["error"] = _safe(f"{type(error).__name__}: {error}")
            told["where"] = _where(error)
        if self._form == "json":
            return json.dumps(told, ensure_ascii=True)
        known = f"{told['at']} {told['level']} {told['logger']}: {told['message']}"
        return f"{known} ({told['error']}; {told['where']})" if error is not None else known


def set_up(form: Literal["text", "json"]) -> None:
    """Have this process log to stderr, its libraries only what is amiss."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _safe(text: str) -> str:
    return redacted(one_line(text, _MOST))


def _where(error: BaseException) -> str:
    """The innermost frames, as file:line of this program and others; values are never shown."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    return " < ".join(f"{'/'.join(each.filename.split('/')[-2:])}:{each.lineno}" for each in reversed(frames))
