"""How tests are shared out between workers: a file's tests stay together, and so do those of one server."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
TOGETHER = ("connectors/postgres", "connectors/mysql", "connectors/prometheus")
"""Directories whose tests share servers that are started once a session."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-cards", action="store_true", help="write the golden cards of Slack anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(ROOT).as_posix()
        group = next((name for name in TOGETHER if place.startswith(name)), place)
        item.add_marker(pytest.mark.xdist_group(group))
