"""Does the desk's jobs: claims one under a lease, does it, and never leaves anybody without an answer.

A job may be done twice, by workers that do not know of each other: whatever is written is written under the
lease, and who lost it stops. Jobs of a kind have threads of their own, so that a click is not kept waiting
by an investigation.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot import drawing
from bot.answering import answer
from bot.desk import LIVE, AuditKind, IncidentState, JobKind, Lease, LostLeaseError, Transaction
from bot.handling import TooEarlyError, handle, respond
from bot.investigating import investigate
from bot.picturing import picture
from bot.slack.heard import Back
from bot.station import Station

log = logging.getLogger(__name__)

QUICK = (JobKind.HANDLE, JobKind.SHOW)
ANSWERS = (JobKind.DECIDE,)
LONG = (JobKind.INVESTIGATE,)
CHARTS = (JobKind.CHART,)

IDLE_SECONDS = 0.1
AWAY_SECONDS = 1.0
_TRIES = 5
_EARLY = timedelta(seconds=3)
_SOON = timedelta(seconds=5)


def work(station: Station, name: str, kinds: Sequence[JobKind], per_service: int) -> None:
    """Do jobs of these kinds until the process is to end; the one under way is brought to its end."""
    while not station.stopping.is_set():
        try:
            lease = station.desk.claim(
                f"{station.name}/{name}", station.now(), station.lease_seconds, per_service, kinds
            )
        except OSError as error:
            log.warning("no work can be taken while the store is away: %s", error)
            station.stopping.wait(AWAY_SECONDS)
            continue
        if lease is None:
            station.stopping.wait(IDLE_SECONDS)
        else:
            do(station, lease)


def do(station: Station, lease: Lease) -> None:
    """Do one job; whatever goes wrong, it is done again or given up on record."""
    station.leases[lease.job.id] = lease
    try:
        _JOBS[lease.job.kind](station, lease)
    except LostLeaseError as error:
        log.info("%s; nothing more is written here", error)
    except Exception as error:
        log.error("%s %s failed", lease.job.kind.value, lease.job.subject, exc_info=error)
        _put_off(station, lease, error)
    finally:
        station.leases.pop(lease.job.id, None)


def _put_off(station: Station, lease: Lease, error: Exception) -> None:
    """Have it done again later; a job that never goes well is given up, and the record says so.

    While the store is away not even this can be written: the lease runs out then, and somebody takes it.
    """
    now, why = station.now(), f"{type(error).__name__}: {error}"[:300]
    # An investigation gives itself up, and what the store made fail is not the job's fault.
    patient = isinstance(error.__cause__ or error, OSError) or lease.job.kind is JobKind.INVESTIGATE
    try:
        with station.desk.begin() as within:
            if patient or lease.job.attempts < _TRIES:
                within.jobs.again(lease, now + _SOON, why)
                return
            within.jobs.done(lease)
            job = {"job": lease.job.kind.value, "subject": lease.job.subject}
            within.audit.append(AuditKind.INCIDENT, "", {"event": "given up", **job, "why": why}, now)
            _excused(within, lease, now)
    except (OSError, LostLeaseError) as failed:
        log.warning("%s %s is left to its lease: %s", lease.job.kind.value, lease.job.subject, failed)


def _excused(within: Transaction, lease: Lease, now: datetime) -> None:
    """Tell the person behind a job that was given up; behind a pager's there is none."""
    if lease.job.kind not in (JobKind.HANDLE, JobKind.DECIDE):
        return
    delivery = within.inbox.read(lease.job.subject)
    if delivery is None or not delivery.kind.value.startswith("slack"):
        return
    way = delivery.body.get("back")
    if isinstance(way, dict):
        payload = Back.model_validate(way).payload(
            "That could not be done: an error inside. Please try again."
        )
        respond(within, f"excuse:{lease.job.subject}", "", payload, now)


def _handle(station: Station, lease: Lease) -> None:
    """One delivery, in one transaction with the end of its job."""
    scene, now = station.around.scene(), station.now()
    last = lease.job.attempts >= _TRIES
    try:
        with station.desk.begin() as within:
            within.jobs.held(lease)
            delivery = within.inbox.read(lease.job.subject)
            if delivery is not None:
                handle(within, delivery, scene, now, last)
            within.jobs.done(lease)
    except TooEarlyError:
        with station.desk.begin() as within:
            within.jobs.again(lease, now + _EARLY, "its incident is not known yet")


def _show(station: Station, lease: Lease) -> None:
    """One card; that of an incident under investigation is drawn by whoever investigates it."""
    with station.desk.begin() as within:
        within.jobs.held(lease)
        desked = within.incidents.get(lease.job.subject)
        if desked is None or desked.state is IncidentState.INVESTIGATING:
            within.jobs.done(lease)
            return
        desked = drawing.placed(within, desked)
    now = station.now()
    wait = station.drawn.wait(desked.id, now)
    if wait:
        with station.desk.begin() as within:
            within.jobs.again(lease, now + wait, "it was drawn a moment ago")
        return
    view = station.view(desked)
    late = drawing.noted(station.voice, view)  # of a pager that joined what was found out already
    with station.desk.begin() as within:
        within.jobs.held(lease)
        if within.incidents.get(desked.id) != desked:  # it changed while it was read: draw what it is now
            within.jobs.again(lease, now, "changed meanwhile")
            return
        drawing.draw(within, station.voice, view, now)
        if late is not None and desked.state in LIVE:
            within.outbox.put(late, now)
        within.jobs.done(lease)


_JOBS: dict[JobKind, Callable[[Station, Lease], None]] = {
    JobKind.HANDLE: _handle,
    JobKind.SHOW: _show,
    JobKind.DECIDE: answer,
    JobKind.INVESTIGATE: investigate,
    JobKind.CHART: picture,
}
