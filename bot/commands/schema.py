"""`firstcause schema`."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of the result that --json prints."""
    from bot import result

    typer.echo(json.dumps(result.schema(), indent=2, ensure_ascii=False))
