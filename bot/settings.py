"""What the environment says. The only module that reads it; everyone else receives typed values."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import BadInputError


class Settings(BaseSettings):
    """The settings of one process, from the environment."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    state_home: Path | None = Field(default=None, validation_alias="XDG_STATE_HOME")
    store: Path | None = Field(default=None, validation_alias="FIRSTCAUSE_STORE")
    no_color_text: str = Field(default="", validation_alias="NO_COLOR")
    terminal: str = Field(default="", validation_alias="TERM")
    config: Path | None = Field(default=None, validation_alias="FIRSTCAUSE_CONFIG")
    budget_text: str = Field(default="", validation_alias="FIRSTCAUSE_BUDGET_SECONDS")

    @property
    def no_color(self) -> bool:
        """Whether colours are unwelcome (https://no-color.org: set and not empty), or cannot be shown."""
        return self.no_color_text != "" or self.terminal == "dumb"

    @property
    def state_directory(self) -> Path:
        """Where this program keeps its state, by the XDG base directory specification."""
        home = self.state_home
        # The specification: a relative path is invalid and to be ignored.
        base = home if home is not None and home.is_absolute() else Path.home() / ".local" / "state"
        return base / "firstcause"

    @property
    def store_path(self) -> Path:
        """The SQLite file that holds records and checkpoints."""
        return self.store if self.store is not None else self.state_directory / "firstcause.db"

    @property
    def budget_seconds(self) -> float | None:
        """How long to investigate, where the environment says it.

        Raises:
            BadInputError: it says something that is no such number.
        """
        if not self.budget_text:
            return None
        try:
            seconds = float(self.budget_text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= 86_400:
            raise BadInputError("FIRSTCAUSE_BUDGET_SECONDS must be a number of seconds, at most 86400")
        return seconds


def variable(name: str) -> str | None:
    """An environment variable that the configuration names as the place of a secret."""
    return os.environ.get(name)
