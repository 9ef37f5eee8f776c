"""The log of a serving process: a line an event, whatever was said, and no secret in it."""

from __future__ import annotations

import json
import logging

import pytest

from bot.logs import Lines

HOSTILE = "alert\n2026-01-01 error forged: all is lost \x1b[2J token=xoxb-1234567890-abcdefghij"


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("bot.worker", logging.WARNING, __file__, 1, "%s", (message,), info)


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_strangers_said_stays_one_line_and_loses_its_secrets(form: str) -> None:
    line = Lines("json" if form == "json" else "text").format(record(HOSTILE))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "xoxb-1234567890-abcdefghij" not in line
    assert "alert" in line


def test_an_exception_is_told_with_its_place_and_without_its_values() -> None:
    try:
        raise ValueError("postgres://u:hunter2@db/shop")
    except ValueError as error:
        told = json.loads(Lines("json").format(record("it failed", error)))
    assert (told["level"], told["logger"], told["message"]) == ("warning", "bot.worker", "it failed")
    assert told["error"].startswith("ValueError: ")
    assert "hunter2" not in told["error"]
    assert "bot/test_logs.py:" in told["where"]
