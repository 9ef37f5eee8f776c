"""`firstcause schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

ConfigOption = Annotated[
    bool, typer.Option("--config", help="The schema of the configuration, firstcause.yaml, instead.")
]


def schema(config: ConfigOption = False) -> None:
    """Print the JSON Schema of the result that --json prints, or of the configuration."""
    if config:
        from bot import configuration

        document = configuration.schema()
    else:
        from bot import result

        document = result.schema()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
