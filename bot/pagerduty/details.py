"""What PagerDuty knows of an incident beyond its webhook: its alerts with their details, and what is related.

A webhook names a service of PagerDuty and little else; the alerts behind it carry what the monitoring said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, JsonValue

from bot.alerts import service_of
from bot.desk import Body
from bot.pagerduty.calls import Calls, Failed, How
from bot.safetext import one_line
from connectors.contract import Frozen, Instant, Source, Unavailable
from connectors.json_shapes import instant_of

MOST_ALERTS = 100
_MOST_TEXT = 1_000
_MOST_LABELS = 60
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class PagerAlert(Frozen):
    """One alert of an incident. `labels`: what its monitoring said, flat."""

    id: str
    summary: str
    status: str = ""
    severity: str = ""
    created_at: Instant | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class Related(Frozen):
    """An incident that PagerDuty holds for related, and why."""

    id: str
    title: str
    created_at: Instant | None = None
    why: str = ""


class IncidentDetails(Frozen):
    """An incident as PagerDuty tells it. `missing`: what could not be read beside it, and why."""

    id: str
    number: int | None = None
    title: str
    status: str = ""
    urgency: str = ""
    priority: str = ""
    service_id: str = ""
    service: str = ""
    link: str = ""
    created_at: Instant | None = None
    alerts: tuple[PagerAlert, ...] = ()
    more_alerts: bool = False
    related: tuple[Related, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def services(self) -> tuple[str, ...]:
        """The services that the alerts name, each once; never the pager's own."""
        named = (service_of(dict(alert.labels)) for alert in self.alerts)
        return tuple(dict.fromkeys(each for each in named if each))


class PagerDutyDetails:
    """Reads incidents with an API key that may read."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def details(self, incident: str) -> IncidentDetails | Unavailable:
        """What there is to know of an incident; what can be done without may be missing."""
        if not _ID.fullmatch(incident):
            return _unavailable(Failed(How.REFUSED, "PagerDuty: that is no incident's id"))
        answer = self._calls.get(f"/incidents/{incident}")
        if isinstance(answer, Failed):
            return _unavailable(answer)
        told = _object(answer.get("incident"))
        if not _text(told.get("id")):
            return _unavailable(Failed(How.UNCLEAR, "PagerDuty: an answer without the incident"))
        alerts = self._calls.get(f"/incidents/{incident}/alerts", {"limit": MOST_ALERTS})
        related = self._calls.get(f"/incidents/{incident}/related_incidents")
        missing = [f"{name}: {each.why}" for name, each in _read(alerts, related) if isinstance(each, Failed)]
        return _incident(told, _said(alerts), _said(related), tuple(missing))


def _read(alerts: Body | Failed, related: Body | Failed) -> tuple[tuple[str, Body | Failed], ...]:
    return ("alerts", alerts), ("related incidents", related)


def _said(answer: Body | Failed) -> Body:
    return {} if isinstance(answer, Failed) else answer


def _unavailable(failed: Failed) -> Unavailable:
    return Unavailable(Source.STATUS, failed.why, retry=failed.how in (How.BUSY, How.UNREACHED, How.UNCLEAR))


def _incident(told: Body, alerts: Body, related: Body, missing: tuple[str, ...]) -> IncidentDetails:
    service, number = _object(told.get("service")), told.get("incident_number")
    return IncidentDetails(
        id=_text(told.get("id")),
        number=number if isinstance(number, int) else None,
        title=_text(told.get("title")),
        status=_text(told.get("status")),
        urgency=_text(told.get("urgency")),
        priority=_text(_object(told.get("priority")).get("summary")),
        service_id=_text(service.get("id")),
        service=_text(service.get("summary")),
        link=_text(told.get("html_url")),
        created_at=instant_of(told.get("created_at")),
        alerts=tuple(_alert(each) for each in _objects(alerts.get("alerts"))[:MOST_ALERTS]),
        more_alerts=alerts.get("more") is True,
        related=tuple(_related(each) for each in _objects(related.get("related_incidents"))),
        missing=missing,
    )


def _alert(each: Body) -> PagerAlert:
    body = _object(each.get("body"))
    return PagerAlert(
        id=_text(each.get("id")),
        summary=_text(each.get("summary")),
        status=_text(each.get("status")),
        severity=_text(each.get("severity")),
        created_at=instant_of(each.get("created_at")),
        labels=_labels(_object(body.get("details"))),
    )


def _labels(details: Body) -> dict[str, str]:
    """The details one level flat: Alertmanager's integration, and others, nest labels in them."""
    flat: dict[str, str] = {}
    for name, value in details.items():
        inner: Mapping[str, JsonValue] = value if isinstance(value, dict) else {name: value}
        for key, said in inner.items():
            if (
                isinstance(said, str | int | float)
                and not isinstance(said, bool)
                and len(flat) < _MOST_LABELS
            ):
                flat.setdefault(one_line(key, 100), one_line(str(said), _MOST_TEXT))
    return flat


def _related(each: Body) -> Related:
    incident = _object(each.get("incident"))
    kinds = (_text(one.get("type")) for one in _objects(each.get("relationships")))
    return Related(
        id=_text(incident.get("id")),
        title=_text(incident.get("title") or incident.get("summary")),
        created_at=instant_of(incident.get("created_at")),
        why=", ".join(dict.fromkeys(kind for kind in kinds if kind)),
    )


def _object(value: JsonValue) -> Body:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[Body]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    return one_line(value, _MOST_TEXT) if isinstance(value, str) else ""
