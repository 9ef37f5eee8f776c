"""Keeps the changes that were told: each once, under its id, whoever tells it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from bot.errors import BadInputError
from bot.store.engine import Database, Where, insert_new
from bot.store.opening import database_of
from bot.store.tables import changes
from connectors.answers import Change
from connectors.contract import Window


class PostedChanges:
    """The changes told so far. Safe to use from several threads."""

    def __init__(self, where: Where | Database) -> None:
        """Open the store, or make it.

        Raises:
            BadInputError: it cannot be used.
        """
        if isinstance(where, Path):
            try:
                where.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadInputError(f"the store {where} cannot be used: {error}") from error
        self._database = database_of(where)

    def keep(self, change: Change, told_at: datetime) -> bool:
        """Keep a change; False where its id is known already: the first telling stands.

        Raises:
            OSError: it could not be written, and nothing was kept.
        """
        row = {"id": change.id, "at": change.at, "told_at": told_at, "body": change.model_dump_json()}
        with self._database.writing(durable=True) as connection:
            return insert_new(connection, changes, row)

    def during(self, window: Window) -> Sequence[Change]:
        """The changes of a window, by time."""
        query = select(changes.c.body).where(changes.c.at.between(window.start, window.end))
        with self._database.reading() as connection:
            bodies = connection.execute(query.order_by(changes.c.at, changes.c.id)).scalars().all()
        return [Change.model_validate_json(body) for body in bodies]

    def usable(self) -> bool:
        """Whether a change could be kept now."""
        return self._database.usable()

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()
