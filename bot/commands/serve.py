"""`firstcause serve`: listens for what pipelines, flag services and people tell of their changes."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.investigate import ConfigOption

ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="Where to listen; default: serve.listen of the configuration.",
        show_default=False,
    ),
]


def serve(config: ConfigOption = None, listen: ListenOption = None) -> None:
    """Listen for POST /changes and keep what is told, until stopped.

    Investigations that have a source of the kind `changes` see it. /healthz says whether it can be kept.
    """
    from bot import serving

    serving.run(config, listen)
