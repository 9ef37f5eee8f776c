"""The service map as people and scripts read it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import configuration, live, service_map
from bot.live_incident import Request
from bot.safetext import one_line
from bot.service_map import FIELDS, ServiceMap
from bot.settings import Settings


def show(config: Path | None, *, as_json: bool, offline: bool) -> None:
    """Print the map of a configuration.

    Raises:
        BadInputError: the configuration or a Backstage file cannot be used.
    """
    settings = Settings()
    known = _known(config, settings, offline)
    if as_json:
        sys.stdout.write(json.dumps(document(known), indent=2) + "\n")
        return
    out = Console(no_color=settings.no_color or None, highlight=False, markup=False, emoji=False)
    out.print(_table(known))
    for why in known.silent:
        out.print(Text(f"Not asked with success: {one_line(why, 300)}"))
    if not known.services:
        out.print(
            Text("No service is known: write them under `services`, or configure a source that shows them.")
        )


def _known(config: Path | None, settings: Settings, offline: bool) -> ServiceMap:
    read = configuration.load(configuration.find(config, settings))
    if offline:
        return service_map.resolved(live.written(read))
    sources = live.connected(read, read.store or settings.store_path)
    try:
        return live.services(read, sources, Request(at=datetime.now(UTC)), everything=True)
    finally:
        sources.close()


def document(known: ServiceMap) -> dict[str, object]:
    """The map as JSON: each field with its values and its origin."""
    return {
        "format": 1,
        "services": {
            name: {
                field: {"values": list(fact.values), "origin": fact.origin}
                for field, fact in service.facts.items()
            }
            | {"known_from": list(service.origins)}
            for name, service in known.services.items()
        },
        "silent": list(known.silent),
    }


def _table(known: ServiceMap) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for title in ("Service", "Field", "Value", "From"):
        table.add_column(title, overflow="fold")
    for name, service in known.services.items():
        shown = one_line(name, 80)
        for field in FIELDS:
            fact = service.facts.get(field)
            if fact is not None:
                value = ", ".join(one_line(each, 120) for each in fact.values)
                table.add_row(Text(shown), field, Text(value), Text(one_line(fact.origin, 80)))
                shown = ""
        if shown:
            table.add_row(Text(shown), "", "", Text(", ".join(service.origins)))
    return table
