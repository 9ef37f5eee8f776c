"""What is kept of a defect: a file with the traceback, for whoever mends it. Never shown, never sent."""

from __future__ import annotations

import platform
import traceback
from datetime import UTC, datetime
from pathlib import Path

import bot
from bot.settings import Settings


def keep(error: Exception) -> Path | None:
    """Write the details of an unexpected error to the state directory; None where that cannot be written."""
    at = datetime.now(UTC)
    path = Settings().state_directory / "defects" / f"{at:%Y%m%dT%H%M%S%f}.txt"
    details = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"firstcause {bot.__version__}, Python {platform.python_version()}, {at:%FT%TZ}\n\n{details}",
            encoding="utf-8",
        )
    except OSError:
        return None
    return path
