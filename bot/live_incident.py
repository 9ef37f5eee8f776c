"""From what somebody asks for to the incident that is investigated live. Pure: `now` is an argument.

A request is made into the very things a recorded case starts from, a manifest and a trigger, and the
incident is read from those: so that what is saved of an investigation replays to the same ranking.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from bot import alerts, incidents
from bot.errors import BadInputError
from bot.service_map import Service, ServiceMap
from connectors.case import Manifest
from connectors.case.manifest import ServiceEntry
from connectors.contract import Window
from playbooks.model import Incident

SHORTEST_BASELINE = timedelta(hours=1)
LONGEST = timedelta(days=2)
"""An alert that has been firing for longer is looked at from so long ago on: usual is what was before."""

BEFORE_ALERT = timedelta(minutes=10)
"""Rules wait before they fire, and trouble grows before a rule sees it: it began earlier than its alert."""


@dataclass(frozen=True)
class Request:
    """What somebody wants to know. `at` is the investigation's now.

    `baseline` is how long before the trouble is looked at as well; None: twice as long as the trouble
    has lasted, and an hour at least, because what is usual must be seen to be known.
    """

    at: datetime
    service: str | None = None
    since: timedelta | None = None
    alert: bytes | None = None
    about: str = ""
    baseline: timedelta | None = None


@dataclass(frozen=True)
class Begun:
    """An incident, and the manifest and the trigger it was read from."""

    incident: Incident
    manifest: Manifest
    trigger: bytes


def named(request: Request) -> str | None:
    """The service the request speaks of, in its own words."""
    if request.service or request.alert is None:
        return request.service
    return alerts.read(request.alert, request.at).service


def known(request: Request, services: ServiceMap) -> Service | None:
    """The service of the map that is meant: by its name, an alias, or a label of the alert."""
    name = named(request)
    found = services.find(name) if name else None
    if found is not None or request.service or request.alert is None:
        return found
    labels = alerts.read(request.alert, request.at).labels
    return next((service for _, value in labels if (service := services.find(value))), None)


def begun(request: Request, services: ServiceMap, usual: timedelta, databases: Sequence[str] = ()) -> Begun:
    """The incident of a request; `usual` is how long trouble lasts where nothing says it.

    `databases` are those that can be asked. The only one that no service is known to use is taken for that of
    the service in trouble, where nobody knows of one; a caveat says so.

    Raises:
        BadInputError: the alert is not JSON, or no service is named anywhere.
    """
    service = known(request, services)
    name = service.name if service is not None else named(request)
    if not name:
        raise BadInputError("the alert names no service: add --service NAME")
    typed = request.since or (None if request.alert is not None else usual)
    trigger = request.alert if request.alert is not None else _typed(name, typed or usual, request.about)
    told = alerts.read(trigger, request.at, name)
    start = _start(request, told.started_at, typed or usual)
    entries = {each.name: each.entry() for each in services.services.values()}
    entry = entries.get(name, ServiceEntry())
    idle = sorted(set(databases) - {each.database for each in entries.values()})
    if entry.database is None and len(idle) == 1:
        entries[name] = entry.model_copy(update={"database": idle[0]})
    manifest = Manifest(
        id=f"live/{name}/{request.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        title=request.about or told.title or name,
        at=request.at,
        window=Window(start=start, end=request.at),
        service=name,
        services=entries,
        source_name="recorded by firstcause",
        source_notes=_caveats(name, service, services) + _about_databases(name, entry, idle),
    )
    return Begun(incidents.of_case(manifest, trigger), manifest, trigger)


def _typed(service: str, since: timedelta, about: str) -> bytes:
    """What a person asked at a terminal, in the form a slash command has: a trigger like any other."""
    text = f"{service} since {_minutes(since)} {about}".strip()
    return json.dumps({"command": "/firstcause", "text": text}, ensure_ascii=False).encode()


def _minutes(since: timedelta) -> str:
    minutes = max(ceil(since.total_seconds() / 60), 1)
    return f"{minutes}m" if minutes < 10_000 else f"{ceil(minutes / 60)}h"


def _start(request: Request, started: datetime | None, since: timedelta) -> datetime:
    """When to begin looking: a baseline before the trouble, whichever of its tellings is the earliest."""
    if request.alert is not None and started is not None:
        since = max(request.at - started + BEFORE_ALERT, request.since or timedelta())
    lasted = min(since, LONGEST)
    baseline = request.baseline or max(2 * lasted, SHORTEST_BASELINE)
    return request.at - lasted - baseline


def _caveats(name: str, service: Service | None, services: ServiceMap) -> tuple[str, ...]:
    if service is not None:
        return ()
    silent = f" ({'; '.join(services.silent)})" if services.silent else ""
    return (
        f"no source knows a service called {name}{silent}: what follows may be about others; if it is "
        "another name of a service, write it among its `aliases`",
    )


def _about_databases(name: str, entry: ServiceEntry, idle: Sequence[str]) -> tuple[str, ...]:
    """What must be known about databases of which nobody says whose they are."""
    listed = ", ".join(idle)
    if entry.database is not None or not idle:
        return ()
    if len(idle) == 1:
        return (f"no service is known to use the database {listed}: it is taken for that of {name}",)
    return (f"no service is known to use the databases {listed}: they are not asked (`services`)",)


def refuse_unknown(request: Request, services: ServiceMap) -> None:
    """Refuse a typed service that everybody who could know says there is none of.

    An alert is never refused, nor is anything while a source that might know the service is silent.

    Raises:
        BadInputError: nobody knows the service; names the nearest ones.
    """
    if not request.service or known(request, services) is not None:
        return
    if services.silent or not services.services:
        return
    near = services.nearest(request.service)
    some = ", ".join(near or list(services.services)[:8])
    raise BadInputError(
        f"no service is called {request.service}; {'nearest' if near else 'known'}: {some}"
        " (`firstcause services` shows all)"
    )
