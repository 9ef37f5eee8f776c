"""Options of the suite. A file's tests stay with one worker: the Makefile says so (`--dist loadfile`)."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-cards", action="store_true", help="write the golden cards of Slack anew")
