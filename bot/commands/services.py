"""`firstcause services`: which services are known, and who says so."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.investigate import ConfigOption

ServicesJsonOption = Annotated[bool, typer.Option("--json", help="Print the map as one JSON document.")]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Ask no source: only what is written, and Backstage's files.")
]


def services(
    config: ConfigOption = None, json: ServicesJsonOption = False, offline: OfflineOption = False
) -> None:
    """Show the service map: each service, where it runs, what belongs to it, and where each field came from.

    What is written counts before Backstage's files, and those before what the sources show.
    """
    from bot import service_listing

    service_listing.show(config, as_json=json, offline=offline)
