"""One investigation of the desk: begun or taken over, shown while it runs, and ended with something said.

Whatever happens ends on the card: a result, or plainly what went wrong and how to begin again. What a worker
writes is written under its lease, so that one that was taken over writes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import JsonValue

from bot import drawing
from bot.cardview import CardView, Underway
from bot.desk import AuditKind, Desked, IncidentState, JobKind, Lease, LostLeaseError
from bot.errors import BadInputError, BusyError
from bot.investigation import Investigator, Options, Outcome, Progress
from bot.live_incident import Request
from bot.station import Held, Station
from bot.store import Store
from graph.record import Record
from playbooks.model import Incident

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 4
"""How often an investigation is begun or taken over before it is given up."""

_BETWEEN_CARDS = 1.0
_BUSY = timedelta(seconds=2)
_AFTER_FAILURE = timedelta(seconds=5)


class HaltedError(Exception):
    """The investigation is not to go on here: `why` is "lost", "cancelled" or "ended"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Begun:
    """What is investigated, as what."""

    desked: Desked
    incident: Incident
    record: Record
    resumed: bool


def investigate(station: Station, lease: Lease) -> None:
    """Do one INVESTIGATE job.

    Raises:
        LostLeaseError: another worker took it over.
        OSError: the store cannot be used now.
    """
    try:
        begun = _begun(station, lease)
    except (LostLeaseError, OSError):
        raise
    except Exception as error:
        log.error("%s could not be begun", lease.job.subject, exc_info=error)
        _failed(station, lease, f"it ended unexpectedly ({type(error).__name__})")
        return
    if begun is None:
        return
    watch = Watch(station, begun)
    try:
        with Held(station, lease, watch.beat) as held:
            watch.held = held
            investigator = _investigator(station, begun, watch, lease)
            outcome = investigator.investigate(begun.incident, begun.desked.thread)
        _finish(station, lease, begun, outcome)
    except HaltedError as halt:
        _halted(station, lease, halt)
    except BusyError:
        _again(station, lease, _BUSY, "another process is still working on it", counts=False)
    except (LostLeaseError, OSError):
        raise
    except Exception as error:
        log.error("%s failed", begun.desked.id, exc_info=error)
        _failed(station, lease, f"it ended unexpectedly ({type(error).__name__})")


def _investigator(station: Station, begun: Begun, watch: Watch, lease: Lease) -> Investigator:
    # A worker that hung and comes back writes no answer beside those of whoever took over.
    record = begun.record.under(lease) if isinstance(begun.record, Store) else begun.record
    seconds = station.around.configuration.investigation.budget.total_seconds()
    return Investigator(
        station.around.sources,
        record,
        Options(seconds=seconds, confirm="ask"),
        watch.hear,
        now=station.now,
    )


# --- the beginning ------------------------------------------------------------------------------------------
def _begun(station: Station, lease: Lease) -> Begun | None:
    """The investigation to make; None where there is none any more, or none can be made."""
    with station.desk.begin() as within:
        within.jobs.held(lease)
        desked = within.incidents.get(lease.job.subject)
        if desked is None or not _due(desked):
            within.jobs.done(lease)
            return None
    if desked.state is IncidentState.INVESTIGATING and desked.begun >= MOST_ATTEMPTS:
        _failed(station, lease, f"it was begun {MOST_ATTEMPTS} times and never came to its end")
        return None
    record = station.records()
    resumed = desked.state is IncidentState.INVESTIGATING
    incident = record.incident(desked.thread) if resumed else None
    if incident is None:
        try:
            desked = station.enriched(desked)
            request = _request(desked, station)
            incident = station.around.site(request, record).begin(request).work.incident
        except BadInputError as error:
            _failed(station, lease, str(error))
            return None
    written = _written(station, lease, incident, desked.service)
    return Begun(written, incident, record, resumed) if written is not None else None


def _due(desked: Desked) -> bool:
    """Whether there is something to investigate: the beginning, what a worker left, or one more look."""
    if desked.state in (IncidentState.CLOSED, IncidentState.CANCELLED):
        return False
    return desked.state is not IncidentState.AWAITING_CONFIRMATION or desked.again


def _request(desked: Desked, station: Station) -> Request:
    since = None if desked.since_seconds is None else timedelta(seconds=desked.since_seconds)
    now = station.now().replace(microsecond=0)
    if since is not None and desked.rounds:
        since += max(now - desked.opened_at, timedelta())
    return Request(
        at=now,
        service=_service(desked, station) or None,
        since=since,
        alert=desked.alert.encode() if desked.alert is not None else None,
        about=desked.text if desked.alert is None else "",
        baseline=station.around.configuration.investigation.baseline,
    )


def _service(desked: Desked, station: Station) -> str:
    """The service that is meant; where nobody knows it, what the alerts behind a pager's incident name."""
    ref = desked.refs.get("pagerduty", "")
    if not ref or station.pager is None or station.around.find(desked.service) is not None:
        return desked.service
    from bot.pagerduty.details import IncidentDetails

    told = station.pager.details(ref)
    if not isinstance(told, IncidentDetails):
        log.info("%s: %s", desked.id, told.reason)
        return desked.service
    known = (station.around.find(name) for name in told.services)
    found = next((each.name for each in known if each is not None), None)
    return found or desked.service or next(iter(told.services), "")


def _written(station: Station, lease: Lease, incident: Incident, service: str) -> Desked | None:
    """Write down that it is being investigated, unless somebody cancelled it this moment."""
    now = station.now()
    with station.desk.begin() as within:
        within.jobs.held(lease)
        desked = within.incidents.get(lease.job.subject)
        if desked is None or not _due(desked):
            within.jobs.done(lease)
            return None
        resumed = desked.state is IncidentState.INVESTIGATING
        update: dict[str, object] = {"begun": desked.begun + 1, "service": service or incident.service or ""}
        if not resumed:
            rounds = desked.rounds + 1
            update |= {"rounds": rounds, "thread": f"{desked.id}.{rounds}", "begun": 1}
            update |= {"state": IncidentState.INVESTIGATING, "again": False, "failed": ""}
        desked = desked.model_copy(update=update)
        within.incidents.put(desked)
        event = "taken over" if resumed else "investigating"
        body = {"event": event, "thread": desked.thread, "worker": lease.worker}
        within.audit.append(AuditKind.INCIDENT, desked.id, body, now)
        drawing.draw(within, station.voice, CardView(incident=desked, resumed=resumed, url=station.url), now)
    return desked


# --- while it runs ------------------------------------------------------------------------------------------
@dataclass
class Watch:
    """Hears how the investigation goes, draws it at most once a second, and halts it between questions."""

    station: Station
    begun: Begun
    held: Held | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _underway: Underway = field(default_factory=Underway)
    _began: float = field(default_factory=time.monotonic)
    _drawn: tuple[Underway, Desked] | None = None
    _drawn_at: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def hear(self, event: Progress) -> None:
        """Take one event.

        Raises:
            HaltedError: it is not to go on here.
        """
        with self._guard:
            self._underway = self._underway.heard(event, time.monotonic() - self._began)
        if self.held is not None and self.held.lost.is_set():
            raise HaltedError("lost")
        if self.cancelled.is_set():
            raise HaltedError("cancelled")
        if self.station.ended.is_set():
            raise HaltedError("ended")

    def beat(self) -> None:
        """See whether it is still wanted, and have the card show how far it is."""
        passed = time.monotonic()
        if passed - self._drawn_at < _BETWEEN_CARDS or self.held is None:
            return
        self._drawn_at = passed
        with self._guard:
            underway = self._underway
        now = self.station.now()
        with self.station.desk.begin() as within:
            within.jobs.held(self.held.lease)
            desked = within.incidents.get(self.begun.desked.id)
            if desked is None or desked.state is not IncidentState.INVESTIGATING:
                self.cancelled.set()
                return
            desked = drawing.placed(within, desked)
            if (underway, desked) == self._drawn:
                return
            view = CardView(
                incident=desked,
                underway=underway,
                seconds=passed - self._began,
                resumed=self.begun.resumed,
                url=self.station.url,
            )
            drawing.draw(within, self.station.voice, view, now)
            self._drawn = (underway, desked)


# --- the end ------------------------------------------------------------------------------------------------
def _finish(station: Station, lease: Lease, begun: Begun, outcome: Outcome) -> None:
    """Write down what was found, and have it shown."""
    now = station.now()
    found = CardView.found(begun.desked, outcome, url=station.url)
    messages = drawing.beside(station.voice, found)
    with station.desk.begin() as within:
        within.jobs.held(lease)
        desked = within.incidents.get(begun.desked.id)
        assert desked is not None
        if desked.state is IncidentState.INVESTIGATING:
            desked = desked.model_copy(update={"state": IncidentState.AWAITING_CONFIRMATION})
            within.incidents.put(desked)
            desked = drawing.placed(within, desked)
            drawing.draw(within, station.voice, found.model_copy(update={"incident": desked}), now)
            for message in messages:
                within.outbox.put(message, now)
            within.jobs.put(JobKind.CHART, desked.id, now)
            body = {
                "event": "proposed",
                "thread": outcome.thread,
                "weighing": found.weighing,
                "verdict": outcome.weighing.verdict.value,
            }
            within.audit.append(AuditKind.INCIDENT, desked.id, body, now)
            station.outcomes.put(desked, outcome)
        within.jobs.done(lease)
    station.measures.investigations.labels(outcome.weighing.verdict.value).inc()
    station.measures.investigation.observe(outcome.elapsed_s)


def _halted(station: Station, lease: Lease, halt: HaltedError) -> None:
    if halt.why == "lost":
        raise LostLeaseError(f"{lease.worker} lost {lease.job.subject}")
    if halt.why == "ended":
        _again(station, lease, timedelta(), "the process ended", counts=False)
        return
    with station.desk.begin() as within:
        within.jobs.done(lease)


def _again(station: Station, lease: Lease, after: timedelta, why: str, *, counts: bool) -> None:
    with station.desk.begin() as within:
        within.jobs.again(lease, station.now() + after, why)
        desked = within.incidents.get(lease.job.subject)
        if desked is not None and not counts:
            within.incidents.put(desked.model_copy(update={"begun": max(desked.begun - 1, 0)}))


def _failed(station: Station, lease: Lease, why: str) -> None:
    """Try again, where that may help, else say on the card that it failed and how to begin again."""
    now = station.now()
    again = lease.job.attempts < MOST_ATTEMPTS and why.startswith("it ended unexpectedly")
    with station.desk.begin() as within:
        within.jobs.held(lease)
        desked = within.incidents.get(lease.job.subject)
        if desked is None or desked.state in (IncidentState.CLOSED, IncidentState.CANCELLED):
            within.jobs.done(lease)
            return
        if not again:
            how = f"`/diagnose {desked.service or 'SERVICE'}`"
            update = {"state": IncidentState.OPEN, "failed": f"{why}; {how} begins again", "again": False}
            desked = desked.model_copy(update=update)
            within.incidents.put(desked)
        body: dict[str, JsonValue] = {"event": "failed", "why": why, "again": again}
        within.audit.append(AuditKind.INCIDENT, desked.id, body, now)
        view = CardView(incident=desked, error=desked.failed or why, again=again, url=station.url)
        drawing.draw(within, station.voice, view, now)
        if again:
            within.jobs.again(lease, now + _AFTER_FAILURE, why)
        else:
            within.jobs.done(lease)
            station.measures.investigations.labels("failed").inc()
