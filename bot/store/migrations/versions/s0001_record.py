"""The record alone, in a SQLite file: what stores of version 1 hold. There is nothing to do."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: such stores are there already, and new ones are made as they are to be."""
