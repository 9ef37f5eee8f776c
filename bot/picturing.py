"""The chart of what was found, drawn after the card is out and put into its thread: a CHART job each.

A chart never keeps a card waiting; where none can be drawn, the card says so.
"""

from __future__ import annotations

import base64
import logging

from bot import drawing
from bot.charts import stacked, told
from bot.desk import Desked, JobKind, Lease, Message
from bot.investigation import Outcome
from bot.rendering import RenderingError, png
from bot.station import Held, Station
from graph.record import weighing_bytes, weighing_id

log = logging.getLogger(__name__)

NO_CHART = "There is no chart: it could not be drawn."


def picture(station: Station, lease: Lease) -> None:
    """Do one CHART job.

    Raises:
        LostLeaseError: another worker took it over.
        OSError: the store cannot be used now.
    """
    with station.desk.begin() as within:
        within.jobs.held(lease)
        desked = within.incidents.get(lease.job.subject)
    outcome = None if desked is None or not station.voice.place(desked) else station.outcome(desked)
    if desked is None or outcome is None or not _is_due(station, desked, outcome):
        with station.desk.begin() as within:
            within.jobs.done(lease)
        return
    with Held(station, lease):
        message = _drawn(desked, outcome)
    now = station.now()
    with station.desk.begin() as within:
        within.jobs.held(lease)
        if message is not None:
            within.outbox.put(message, now)
        known = within.incidents.get(desked.id) or desked
        noted = _noted(known, message is None)
        if noted != known:
            within.incidents.put(noted)
            within.jobs.put(JobKind.SHOW, noted.id, now)
        within.jobs.done(lease)


def _key(desked: Desked, outcome: Outcome) -> str:
    return f"chart:{desked.id}:{weighing_id(weighing_bytes(outcome.weighing))}"


def _is_due(station: Station, desked: Desked, outcome: Outcome) -> bool:
    """Whether there is something to draw that was not posted before."""
    with station.desk.begin() as within:
        posted = within.outbox.result(_key(desked, outcome))
    return bool(outcome.weighing.pictures) and posted is None


def _drawn(desked: Desked, outcome: Outcome) -> Message | None:
    from bot.captions import readable

    pictures, key = readable(outcome.weighing.pictures), _key(desked, outcome)
    heading = f"{desked.id} {desked.service}"
    try:
        content = png(stacked(heading, pictures))
    except RenderingError as error:
        log.error("the chart of %s could not be drawn: %s", desked.id, error)
        return None
    return Message(
        key=key,
        incident=desked.id,
        operation="slack.upload",
        payload={
            "filename": f"{desked.id}-{key.rpartition(':')[2][:16]}.png",
            "content": base64.b64encode(content).decode("ascii"),
            "title": f"{heading}: symptom and suspects",
            "alt": told(pictures),
            "in_thread": True,
        },
        after=drawing.card_key(desked.id),
    )


def _noted(desked: Desked, missing: bool) -> Desked:
    """The incident whose card says that there is no chart, or no longer does."""
    lines = [line for line in desked.note.splitlines() if line != NO_CHART]
    note = "\n".join([*lines, NO_CHART] if missing else lines)
    return desked if note == desked.note else desked.model_copy(update={"note": note})
