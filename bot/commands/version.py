"""`firstcause version`."""

from __future__ import annotations

import typer

import bot


def version() -> None:
    """Print the version."""
    typer.echo(f"firstcause {bot.__version__}")
