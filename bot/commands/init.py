"""`firstcause init`: a commented configuration to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.errors import BadInputError

FileArgument = Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write it.", show_default=True)]


def init(file: FileArgument = Path("firstcause.yaml")) -> None:
    """Write a commented configuration to start from. A file that exists is never overwritten."""
    from bot import configuration_starter

    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(configuration_starter.TEXT)
    except FileExistsError as error:
        raise BadInputError(f"{file}: exists already, and is not overwritten") from error
    except OSError as error:
        raise BadInputError(f"{file}: cannot be written: {error.strerror}") from error
    typer.echo(f"{file} written: name your sources in it, then run `firstcause doctor`")
