"""Every error of the edge, and the exit code it ends the process with."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of the command, documented in docs/cli.md."""

    DONE = 0
    BAD_INPUT = 2
    BUSY = 4
    INTERNAL = 70
    UNWRITABLE = 74
    INTERRUPTED = 130


class BotError(Exception):
    """The command cannot go on; the message says why, in one line."""

    exit: ClassVar[Exit] = Exit.INTERNAL


class BadInputError(BotError):
    """What the user gave cannot be used; the message names it and says what is wrong, in one line."""

    exit = Exit.BAD_INPUT


class BusyError(BotError):
    """Another process is working on this incident."""

    exit = Exit.BUSY
