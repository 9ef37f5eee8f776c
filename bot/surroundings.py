"""What investigations of one process stand in: the configured sources, and the services and calls they show.

Connected once. Which services there are and who calls whom is looked at in the background now and then, and
at once where somebody names a service that nobody knows; what a source does not say in time stays as it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot import live, live_incident
from bot.configuration import Configuration
from bot.handling import Scene
from bot.live_incident import Request
from bot.service_map import Service, ServiceMap
from bot.storms import Rules
from connectors.answers import CallGraphEdges
from connectors.contract import Reading, Source
from connectors.live import LiveSources
from connectors.questions import CallEdges
from graph.record import Record
from playbooks.callgraph import CallGraph, call_graph

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
"""How often services and calls are looked at again."""

SOONEST = timedelta(seconds=30)
"""How soon at most, however many strangers are named."""


@dataclass
class Surroundings:
    """The sources of one process. Safe to use from several threads."""

    configuration: Configuration
    sources: LiveSources
    rules: Rules
    now: Callable[[], datetime]
    _known: ServiceMap = field(default_factory=lambda: ServiceMap({}))
    _calls: CallGraph = field(default_factory=lambda: call_graph([]))
    _looked: datetime | None = None
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def find(self, name: str) -> Service | None:
        """The service of this name, alias or spelling, as far as is known now."""
        return self._known.find(name)

    def nearest(self, name: str) -> list[str]:
        """The known names closest to one that is not known."""
        return self._known.nearest(name)

    def names(self) -> list[str]:
        """Every service, by its own name."""
        return self._known.names()

    def scene(self) -> Scene:
        """What deliveries are judged by."""
        return Scene(self._known, self._calls, self.rules)

    def site(self, request: Request, record: Record) -> live.Site:
        """What an investigation is made of; services are looked for once more where this one is unknown."""
        if live_incident.known(request, self._known) is None:
            self.look(SOONEST)
        return live.Site(self.configuration, self.sources, self._known, record)

    def look(self, unless_within: timedelta = EVERY) -> None:
        """See which services there are and who calls whom, unless that was seen a moment ago."""
        with self._looking:
            now = self.now()
            if self._looked is not None and abs(now - self._looked) < unless_within:
                return
            self._known = self._seen(now)
            self._calls = self._called(now)
            self._looked = now

    def close(self) -> None:
        """Give the connections back."""
        self.sources.close()

    def _seen(self, now: datetime) -> ServiceMap:
        try:
            found = live.services(self.configuration, self.sources, Request(at=now), everything=True)
        except Exception as error:
            log.warning(
                "which services there are could not be seen (%s)", type(error).__name__, exc_info=error
            )
            return self._known
        return found if found.services or not self._known.services else self._known

    def _called(self, now: datetime) -> CallGraph:
        """Who calls whom; what was known stays where nobody says it in time."""
        if Source.TOPOLOGY not in self.sources.available():
            return self._calls
        told: list[CallGraphEdges] = []

        def ask() -> None:
            try:
                answer = self.sources.ask(CallEdges(), now=now)
            except Exception as error:
                log.warning("who calls whom could not be asked (%s)", type(error).__name__, exc_info=error)
                return
            if isinstance(answer, Reading) and isinstance(answer.answer, CallGraphEdges):
                told.append(answer.answer)

        thread = threading.Thread(target=ask, name="calls", daemon=True)
        thread.start()
        thread.join(self.configuration.investigation.discovery.total_seconds())
        return call_graph(told[0].edges) if told else self._calls
