"""The threads of one serving process: who looks around, who works, who sends; begun and ended together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from bot.desk import JobKind, Sender
from bot.publishing import publish
from bot.serve_fields import ServeFields
from bot.station import Station
from bot.surroundings import EVERY
from bot.worker import ANSWERS, CHARTS, LONG, QUICK, work

log = logging.getLogger(__name__)

_TIDY_SECONDS = 3600.0
_LEAP_SECONDS = 600.0
_LAST_WORDS_SECONDS = 3.0
"""How long the process waits, at its end, for what is being sent and for jobs to be given back."""


class Crew:
    """The threads. A thread that ends before it is told to is a defect, which `wrong` tells."""

    def __init__(self, station: Station, senders: Sequence[tuple[Sender, int]], fields: ServeFields) -> None:
        self._station = station
        storms, keep = fields.storms, fields.retention.evidence
        self._seen = threading.Event()
        self._sending = [
            _thread(f"send-{n}-{k}", partial(publish, station, sender))
            for n, (sender, count) in enumerate(senders)
            for k in range(count)
        ]
        kinds: list[tuple[str, tuple[JobKind, ...]]]
        kinds = [("quick", QUICK), ("answers", ANSWERS), ("charts", CHARTS)]
        kinds += [(f"investigate-{n}", LONG) for n in range(storms.concurrent)]
        self._working = [
            _thread(name, partial(self._work, name, kinds, storms.per_service)) for name, kinds in kinds
        ]
        self._looking = _thread("look", self._look)
        self._tidying = _thread("tidy", partial(self._tidy, keep))

    def start(self) -> None:
        """Begin. Work waits until the services were seen once, or could not be."""
        for thread in (self._looking, self._tidying, *self._working, *self._sending):
            thread.start()

    def wrong(self) -> str:
        """What is wrong with the crew, empty where nothing is."""
        if self._station.stopping.is_set():
            return "the process is ending"
        dead = [each.name for each in (*self._working, *self._sending) if not each.is_alive()]
        if dead:
            return f"no longer there: {', '.join(dead)}"
        return "" if self._seen.is_set() else "the services have not been looked at yet"

    def stop(self, seconds: float) -> None:
        """Take nothing new, finish what is under way within so many seconds, give the rest back."""
        self._station.stopping.set()
        deadline = time.monotonic() + seconds
        _joined(self._working, deadline)
        for each in self._station.leases.values():
            log.info("given back unfinished: %s %s", each.job.kind.value, each.job.subject)
        self._station.ended.set()
        _joined((*self._working, *self._sending), time.monotonic() + _LAST_WORDS_SECONDS)
        self._station.give_back()

    def _work(self, name: str, kinds: Sequence[JobKind], per_service: int) -> None:
        while not self._seen.wait(0.2):
            if self._station.stopping.is_set():
                return
        work(self._station, name, kinds, per_service)

    def _look(self) -> None:
        while not self._station.stopping.is_set():
            self._station.around.look()
            self._seen.set()
            self._station.stopping.wait(EVERY.total_seconds() / 10)

    def _tidy(self, keep: timedelta) -> None:
        """Erase what was kept for long enough; while the clock leaps nobody knows what that is."""
        station = self._station
        while True:
            wall, steady = station.now(), time.monotonic()
            if station.stopping.wait(_TIDY_SECONDS):
                return
            passed = station.now() - wall
            if abs(passed.total_seconds() - (time.monotonic() - steady)) > _LEAP_SECONDS:
                log.warning("the clock leapt: nothing is erased for now")
                continue
            try:
                gone = station.desk.erase(station.now() - keep, "retention", station.now())
            except OSError as error:
                log.warning("nothing could be erased: %s", error)
            except Exception as error:  # an edge: what cannot be read today must not end retention for ever
                log.error("nothing could be erased", exc_info=error)
            else:
                log.info("erased by retention: %d", gone)


def _thread(name: str, run: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=run, name=name, daemon=True)


def _joined(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
