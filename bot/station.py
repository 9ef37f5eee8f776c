"""What the threads of one serving process share, and how a job is held while it is done."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bot.cardview import CardView, Said
from bot.desk import Desk, Desked, IncidentState, Lease, LostLeaseError
from bot.drawing import Voice
from bot.investigation import Investigator, Outcome
from bot.surroundings import Surroundings
from bot.web.measures import Measures
from graph.record import Record

if TYPE_CHECKING:
    from bot.pagerduty.details import PagerDutyDetails

log = logging.getLogger(__name__)

_KEPT = 128
_BEAT_SECONDS = 0.5


class Outcomes:
    """How investigations stand, as they were last seen here: a card is drawn again without reading it all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, int], Outcome] = OrderedDict()

    def put(self, incident: Desked, outcome: Outcome) -> None:
        """Remember one."""
        with self._lock:
            self._known[_standing(incident)] = outcome
            self._known.move_to_end(_standing(incident))
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def get(self, incident: Desked) -> Outcome | None:
        """What is remembered, unless somebody went on with it meanwhile."""
        with self._lock:
            return self._known.get(_standing(incident))


class Drawn:
    """When each card was drawn again, so that a storm of alerts is not a storm of edits."""

    EVERY = timedelta(seconds=3)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: OrderedDict[str, datetime] = OrderedDict()

    def wait(self, incident: str, now: datetime) -> timedelta | None:
        """How long to wait before it is drawn again; None: it may be drawn now, and counts as drawn."""
        with self._lock:
            last = self._at.get(incident)
            if last is not None and timedelta() <= now - last < self.EVERY:
                return last + self.EVERY - now
            self._at[incident] = now
            self._at.move_to_end(incident)
            while len(self._at) > _KEPT:
                self._at.popitem(last=False)
            return None


def _standing(incident: Desked) -> tuple[str, str, int]:
    return incident.thread, incident.state.value, len(incident.answers)


@dataclass(frozen=True)
class Station:
    """One serving process.

    `name` tells its workers from those of other processes. `records` opens the record: an investigation has
    its own, which keeps what was read in memory. `enriched`: an incident with what its pager knows of it
    besides, asked before it is investigated. `lease_seconds`: how long a job stays with a worker that
    gives no sign of life. `stopping`: nothing new is begun; `ended`: what runs gives its job back.
    `pager` tells what a webhook leaves out. `leases` are those of the jobs under way, by job.
    """

    name: str
    desk: Desk
    records: Callable[[], Record]
    around: Surroundings
    voice: Voice
    measures: Measures
    now: Callable[[], datetime]
    pager: PagerDutyDetails | None = None
    lease_seconds: float = 20.0
    enriched: Callable[[Desked], Desked] = lambda incident: incident
    stopping: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    outcomes: Outcomes = field(default_factory=Outcomes)
    drawn: Drawn = field(default_factory=Drawn)
    leases: dict[int, Lease] = field(default_factory=dict)

    @property
    def url(self) -> str | None:
        """How people reach this process."""
        return self.voice.fields.url

    def give_back(self) -> None:
        """Let others have the jobs whose workers hang: what these still write is refused."""
        for lease in list(self.leases.values()):
            try:
                with self.desk.begin() as within:
                    within.jobs.again(lease, self.now(), "the process ended")
            except (OSError, LostLeaseError) as error:
                log.info("%s is left to its lease: %s", lease.job.subject, error)

    def investigator(self) -> Investigator:
        """Who knows how investigations stand; it asks nobody anything."""
        return Investigator(self.around.sources, self.records(), now=self.now)

    def outcome(self, incident: Desked) -> Outcome | None:
        """How an incident's investigation stands, None before its first proposal."""
        known = self.outcomes.get(incident)
        if known is None and incident.thread:
            known = self.investigator().standing(incident.thread)
            if known is not None:
                self.outcomes.put(incident, known)
        return known

    def view(self, incident: Desked) -> CardView:
        """What the card of an incident shows that is not being investigated."""
        answers = tuple(Said.model_validate(each) for each in incident.answers)
        waits = incident.state is IncidentState.OPEN
        outcome = None if waits or incident.failed else self.outcome(incident)
        if outcome is None:
            return CardView(incident=incident, error=incident.failed, answers=answers, url=self.url)
        return CardView.found(incident, outcome, answers, self.url)


class Held:
    """Holds a lease while the job is done: renews it in the background, and says when it was lost.

    `beat` is called about once a second beside the work.
    """

    def __init__(self, station: Station, lease: Lease, beat: Callable[[], None] | None = None) -> None:
        self._station = station
        self.lease = lease
        self._beat = beat
        self._done = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease-{lease.job.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        seconds = self._station.lease_seconds
        renewed = time.monotonic()
        while not self._done.wait(min(_BEAT_SECONDS, seconds / 4)):
            try:
                if time.monotonic() - renewed >= seconds / 3:
                    self.lease = self._station.desk.renew(self.lease, self._station.now(), seconds)
                    renewed = time.monotonic()
                if self._beat is not None:
                    self._beat()
            except LostLeaseError:
                self.lost.set()
                return
            except Exception as error:
                # The store is away: what the job writes will fail or find its lease gone; nothing is doubled.
                log.warning(
                    "the lease of %s was not renewed: %s", self.lease.job.subject, error, exc_info=error
                )
