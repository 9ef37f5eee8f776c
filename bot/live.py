"""Composes a live investigation: the configured sources, the service map, the incident, its record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bot
from bot import backstage, live_incident, service_discovery, service_map
from bot.casework import Casework, Place, recorded_at
from bot.configuration import Configuration
from bot.live_changes import RepositoryFields
from bot.live_fields import Ground
from bot.live_incident import Begun, Request
from bot.live_kinds import databases, made
from bot.service_map import ServiceMap, Told
from connectors.live import LiveSources
from graph.record import Record

if TYPE_CHECKING:
    from bot.store import Where as StorePlace


@dataclass(frozen=True)
class Live:
    """A live investigation that is ready to be made."""

    work: Casework
    begun: Begun
    sources: LiveSources
    budget_seconds: float


def connected(configuration: Configuration, store: StorePlace) -> LiveSources:
    """Every source of the configuration, ready to be asked; nothing is asked yet.

    Raises:
        BadInputError: the fields of a source do not go together, or a Backstage file cannot be read.
    """
    ground = ground_of(configuration, store)
    connectors = [made(fields, ground) for fields in configuration.sources]
    ground.colleagues.connect(
        connector
        for fields, connector in zip(configuration.sources, connectors, strict=True)
        if not isinstance(fields, RepositoryFields)
    )
    return LiveSources(connectors)


def ground_of(configuration: Configuration, store: StorePlace) -> Ground:
    """What connectors are made with, besides their own fields."""
    return Ground(written=service_map.resolved(written(configuration)), store=store)


def services(
    configuration: Configuration, sources: LiveSources, request: Request, *, everything: bool = False
) -> ServiceMap:
    """The service map.

    But for `everything`, the cluster is asked only where nothing cheaper knows the service that is meant, and
    a database only where nobody wrote whose it is.
    """
    told = written(configuration)
    claimed = set() if everything else {name for each in told for name in each.values.get("databases", ())}
    names = [name for name in databases(configuration.sources) if name not in claimed]
    seconds = configuration.investigation.discovery.total_seconds()
    found = service_discovery.discover(sources, names, request.at, seconds, cluster=everything)
    known = service_map.resolved((*told, *found.told), found.silent)
    if not everything and live_incident.known(request, known) is None:
        found = service_discovery.discover(sources, names, request.at, seconds)
        known = service_map.resolved((*told, *found.told), found.silent)
    return known


def written(configuration: Configuration) -> list[Told]:
    """What the configuration and its Backstage files tell of the services.

    Raises:
        BadInputError: a Backstage file cannot be read.
    """
    own = [
        Told(
            name,
            f"written: {configuration.path.name}",
            {key: _texts(value) for key, value in fields.model_dump().items()},
        )
        for name, fields in configuration.services.items()
    ]
    return own + backstage.tellings(configuration.backstage)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple | list):
        return tuple(str(each) for each in value)
    return (str(value),) if value else ()


def opened(configuration: Configuration, request: Request, place: Place, warn: Callable[[str], None]) -> Live:
    """Connect, find out which service is meant, and begin its incident.

    Raises:
        BadInputError: nobody knows the service, or the store the user chose cannot be written.
    """
    return prepared(configuration, request, place, warn).begin(request)


@dataclass(frozen=True)
class Site:
    """Everything an investigation is made of but the incident: several may be begun, one after another."""

    configuration: Configuration
    sources: LiveSources
    known: ServiceMap
    record: Record

    def begin(self, request: Request) -> Live:
        """The investigation of what is asked for.

        Raises:
            BadInputError: the alert is not JSON, or names no service.
        """
        usual, names = self.configuration.investigation.since, databases(self.configuration.sources)
        begun = live_incident.begun(request, self.known, usual, names)
        thread = f"{begun.incident.id}@{_fingerprint(self.configuration, begun)}"
        work = Casework(begun.incident, self.sources, self.record, thread)
        return Live(work, begun, self.sources, self.configuration.investigation.budget.total_seconds())


def prepared(
    configuration: Configuration, request: Request, place: Place, warn: Callable[[str], None]
) -> Site:
    """Connect, and find out which service is meant.

    Raises:
        BadInputError: nobody knows the service, or the store the user chose cannot be written.
    """
    sources = connected(configuration, place.path)
    known = services(configuration, sources, request)
    live_incident.refuse_unknown(request, known)
    return Site(configuration, sources, known, recorded_at(place, warn))


def _fingerprint(configuration: Configuration, begun: Begun) -> str:
    """A short hash of the program's version, of where is asked, and of the trigger."""
    asked = " ".join(source.title for source in configuration.sources)
    parts = (bot.__version__.encode(), asked.encode(), begun.trigger)
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]
