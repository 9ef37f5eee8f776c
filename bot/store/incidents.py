"""The incidents of the desk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, text

from bot.desk import LIVE, Desked
from bot.store.engine import insert_new
from bot.store.tables import incident_refs, incidents

_FOLDING = 0x66697275
"""The advisory lock of those who decide whether an alert opens an incident, on PostgreSQL."""


class StoredIncidents:
    """The incidents, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, incident: Desked) -> Desked:
        """Open an incident; an empty id is given the next number, an empty thread the id."""
        insert = incidents.insert().values(_columns(incident) | {"id": incident.id or None})
        number = self._connection.execute(insert).inserted_primary_key
        assert number is not None
        name = incident.id or f"INC-{number[0]}"
        opened = incident.model_copy(update={"id": name, "thread": incident.thread or name})
        self._write(number[0], opened)
        return opened

    def get(self, incident: str) -> Desked | None:
        """An incident by its id, in any case of letters."""
        return self._one(select(incidents.c.body).where(called(incident)))

    def by_ref(self, system: str, ref: str) -> Desked | None:
        """The newest incident that is called so elsewhere."""
        query = (
            select(incidents.c.body)
            .join(incident_refs, incident_refs.c.n == incidents.c.n)
            .where(incident_refs.c.system == system, incident_refs.c.ref == ref)
            .order_by(incidents.c.n.desc())
            .limit(1)
        )
        return self._one(query)

    def live(self, since: datetime) -> Sequence[Desked]:
        """Incidents in a live state whose last alert is not older, the newest first."""
        states = [state.value for state in LIVE]
        recent = incidents.c.last_alert_at >= since
        if self._connection.dialect.name != "sqlite":  # which lets one transaction write at a time anyway
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _FOLDING})
        return self._all(select(incidents.c.body).where(incidents.c.state.in_(states), recent))

    def recent(self, limit: int) -> Sequence[Desked]:
        """The newest incidents of any state."""
        return self._all(select(incidents.c.body).limit(limit))

    def put(self, incident: Desked) -> None:
        """Write it as it stands now.

        Raises:
            KeyError: it was never opened.
        """
        found = select(incidents.c.n).where(incidents.c.id == incident.id).with_for_update()
        number = self._connection.execute(found).scalar_one_or_none()
        if number is None:
            raise KeyError(f"no incident is called {incident.id!r}")
        self._write(number, incident)

    def _write(self, number: int, incident: Desked) -> None:
        update = incidents.update().where(incidents.c.n == number)
        self._connection.execute(update.values(_columns(incident) | {"id": incident.id}))
        for system, ref in incident.refs.items():
            insert_new(self._connection, incident_refs, {"system": system, "ref": ref, "n": number})

    def _one(self, query: Select[str]) -> Desked | None:
        body = self._connection.execute(query.with_for_update(of=incidents)).scalar_one_or_none()
        return None if body is None else Desked.model_validate_json(body)

    def _all(self, query: Select[str]) -> Sequence[Desked]:
        rows = self._connection.execute(query.order_by(incidents.c.n.desc())).scalars()
        return [Desked.model_validate_json(body) for body in rows]


def called(incident: str) -> ColumnElement[bool]:
    """Whether this is the incident that somebody means who typed that."""
    return incidents.c.id.in_({incident, incident.upper()})


def _columns(incident: Desked) -> dict[str, Any]:
    return {
        "state": incident.state.value,
        "thread": incident.thread,
        "opened_at": incident.opened_at,
        "last_alert_at": incident.last_alert_at,
        "body": incident.model_dump_json(),
    }
