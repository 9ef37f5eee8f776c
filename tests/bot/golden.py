"""The card of a recorded incident as text, block by block, to be kept under `cards/` and read in a diff."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bot import incidents
from bot.cardview import CardView
from bot.desk import Body, Desked, IncidentState
from bot.result import Result
from bot.slack.blocks import Card
from connectors.case import open_case

CARDS = Path(__file__).parent / "cards"
_SECONDS = re.compile(r"\d+\.\d s, ")


def view(case: Path, document: Mapping[str, object]) -> CardView:
    """The incident as it is shown when its investigation has come to its proposals."""
    recorded = open_case(case)
    incident = incidents.of_case(recorded.manifest, recorded.alert_bytes)
    desked = Desked(
        id="INC-1",
        state=IncidentState.AWAITING_CONFIRMATION,
        service=incident.service or "",
        title=incident.title,
        started_at=incident.window.start,
        opened_at=incident.at,
        last_alert_at=incident.at,
    )
    result = Result.model_validate(document)
    return CardView(incident=desked, result=result, weighing="w" + "0" * 64, url="https://firstcause.example")


def written(message: Card) -> str:
    """A message as text: the notification, then its blocks, one below the other."""
    shown = "\n\n".join("\n".join(_lines(block)) for block in message.blocks)
    return _SECONDS.sub("S s, ", f"notification: {message.text}\n\n{shown}\n")


def _lines(block: Body) -> Iterable[str]:
    kind, elements = str(block["type"]), block.get("elements")
    if kind == "header":
        yield f"[header] {_text(block)}"
    for each in elements if isinstance(elements, list) else ():
        assert isinstance(each, dict)
        if kind == "actions":
            yield f"[button {each['action_id']}] {_text(each)}"
        elif kind == "context":
            yield f"[small] {each['text']}"
        else:
            mark = "    " if each["type"] == "rich_text_preformatted" else ""
            runs = each["elements"]
            assert isinstance(runs, list)
            told = "".join(str(run["text"]) for run in runs if isinstance(run, dict))
            yield "\n".join(mark + line for line in told.split("\n"))


def _text(holder: Body) -> str:
    text = holder["text"]
    assert isinstance(text, dict)
    return str(text["text"])
