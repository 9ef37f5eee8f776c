"""Sends what the outbox holds: each message by its sender, and what came of it written down.

A sender that fails unexpectedly costs one message a delay, never the loop. While the store is away nothing
is sent, because nobody could write down that it was.
"""

from __future__ import annotations

import logging

from bot.desk import JobKind, Later, Never, Outgoing, Sender, Sent
from bot.drawing import card_key
from bot.station import Station

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.2
AWAY_SECONDS = 1.0


def publish(station: Station, sender: Sender) -> None:
    """Send until the process ends; a message whose sending has begun is sent to its end."""
    while not station.ended.is_set():
        try:
            busy = publish_one(station, sender)
        except OSError as error:
            log.warning("nothing can be sent while the store is away: %s", error)
            station.ended.wait(AWAY_SECONDS)
            continue
        if not busy:
            station.ended.wait(IDLE_SECONDS)


def publish_one(station: Station, sender: Sender) -> bool:
    """Send the next message that is due; False where there is none.

    Raises:
        OSError: the store cannot be used now.
    """
    # Longer than any call of a sender lasts: nobody else sends the same meanwhile.
    seconds = 2 * station.lease_seconds
    outgoing = station.desk.outgoing(sender.operations(), station.now(), seconds)
    if outgoing is None:
        return False
    outcome = _sent(sender, outgoing)
    _counted(station, outgoing, outcome)
    station.desk.settle(outgoing, outcome, station.now())
    if isinstance(outcome, Sent):
        _followed(station, outgoing)
    return True


def _sent(sender: Sender, outgoing: Outgoing) -> Sent | Later | Never:
    try:
        return sender.send(outgoing)
    except Exception as error:
        log.error("%s failed in its sender", outgoing.message.key, exc_info=error)
        return Later(f"failed unexpectedly ({type(error).__name__})")


def _followed(station: Station, outgoing: Outgoing) -> None:
    """A card that was just posted has a place now, by which its thread is known: have it written down."""
    message = outgoing.message
    if message.key == card_key(message.incident):
        with station.desk.begin() as within:
            within.jobs.put(JobKind.SHOW, message.incident, station.now())


def _counted(station: Station, outgoing: Outgoing, outcome: Sent | Later | Never) -> None:
    operation = outgoing.message.operation
    station.measures.sent.labels(operation, type(outcome).__name__.lower()).inc()
    if not isinstance(outcome, Sent):
        log.warning("%s (%s): %s", outgoing.message.key, operation, outcome.why)
