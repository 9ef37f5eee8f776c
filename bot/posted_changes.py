"""Keeps the changes that were told, in the store's file: each once, under its id, whoever tells it again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import BadInputError
from bot.store import connect
from connectors.answers import Change
from connectors.contract import Window

_SCHEMA = """
CREATE TABLE IF NOT EXISTS changes (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    told_at TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS changes_at ON changes (at);
"""


class PostedChanges:
    """The changes told so far. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            BadInputError: it cannot be used.
        """
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(path)
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise BadInputError(f"the store {path} cannot be used: {error}") from error

    def keep(self, change: Change, told_at: datetime) -> bool:
        """Keep a change; False where its id is known already: the first telling stands.

        Raises:
            OSError: it could not be written, and nothing was kept.
        """
        row = (change.id, _written(change.at), _written(told_at), change.model_dump_json())
        try:
            with self._lock, self._connection:
                done = self._connection.execute("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?)", row)
                return done.rowcount == 1
        except sqlite3.Error as error:
            raise OSError(f"the change could not be kept: {error}") from error

    def during(self, window: Window) -> Sequence[Change]:
        """The changes of a window, by time."""
        query = "SELECT body FROM changes WHERE at BETWEEN ? AND ? ORDER BY at, id"
        with self._lock:
            rows = self._connection.execute(query, (_written(window.start), _written(window.end))).fetchall()
        return [Change.model_validate_json(body) for (body,) in rows]

    def usable(self) -> bool:
        """Whether a change could be kept now."""
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.rollback()
        except sqlite3.Error:
            return False
        return True

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._connection.close()


def _written(at: datetime) -> str:
    """A time as text that sorts like the time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
