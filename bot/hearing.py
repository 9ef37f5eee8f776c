"""What a pager's delivery means: which incident it is about, and whether it begins, goes on or ends. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from bot import alerts
from bot.desk import Delivery, DeliveryKind
from bot.safetext import one_line

_MOST_REF = 512
REOPENED = "incident.reopened"
"""Somebody says in PagerDuty that an incident that was over is not."""
_BEGINS = frozenset({"incident.triggered", REOPENED, "incident.unacknowledged"})
_ENDS = frozenset({"incident.resolved"})
_GOES_ON = frozenset(
    {
        "incident.acknowledged",
        "incident.annotated",
        "incident.delegated",
        "incident.escalated",
        "incident.priority_updated",
        "incident.reassigned",
        "incident.responder.added",
        "incident.responder.replied",
        "incident.service_updated",
        "incident.status_update_published",
    }
)
PAGERDUTY_EVENTS = _BEGINS | _ENDS | _GOES_ON
"""The event types of PagerDuty's V3 webhooks that are kept; every other one is taken and not kept."""


class Meaning(StrEnum):
    """What has become of the incident, as the pager says."""

    BEGUN = "begun"
    GOES_ON = "goes_on"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Heard:
    """One delivery, read.

    `ref` names the incident at `system` ("pagerduty": the incident's id; "alertmanager": the group's key;
    "incident": the delivery's key). `event` is the sender's own word ("incident.escalated", "firing").
    `alert` is the payload that an investigation begins from. `services` are all that its alerts name, the
    telling one first; `count` its alerts, `truncated` those that were left out of the payload.
    """

    meaning: Meaning
    system: str
    ref: str
    event: str
    trigger: alerts.Trigger
    alert: str
    priority: str = ""
    link: str = ""
    services: tuple[str, ...] = ()
    count: int = 1
    truncated: int = 0
    refs: Mapping[str, str] = field(default_factory=dict)


def heard(delivery: Delivery) -> Heard | None:
    """What it means; None where it comes from no pager (Slack's are read elsewhere)."""
    reader = _READERS.get(delivery.kind)
    if reader is None:
        return None
    alert = json.dumps(delivery.body)
    return reader(delivery, alert, alerts.read(alert.encode(), delivery.received_at))


def _pagerduty(delivery: Delivery, alert: str, trigger: alerts.Trigger) -> Heard:
    event = _object(delivery.body.get("event"))
    data = _object(event.get("data"))
    kind = _text(event.get("event_type"))
    # Notes, responders and status updates name the incident that they are about beside themselves.
    about = _object(data.get("incident")) or data
    meaning = Meaning.BEGUN if kind in _BEGINS else Meaning.ENDED if kind in _ENDS else Meaning.GOES_ON
    ref = _text(about.get("id"))
    return Heard(
        meaning,
        DeliveryKind.PAGERDUTY.value,
        ref,
        kind,
        trigger,
        alert,
        priority=_text(_object(data.get("priority")).get("summary")),
        link=_text(about.get("html_url")),
        services=(trigger.service,) if trigger.service else (),
        refs={"pagerduty": ref} if ref else {},
    )


def _alertmanager(delivery: Delivery, alert: str, trigger: alerts.Trigger) -> Heard:
    body = delivery.body
    status, ref = _text(body.get("status")), _text(body.get("groupKey"))
    common = _object(body.get("commonLabels"))
    listed = [_object(each) for each in _list(body.get("alerts"))]
    named = [alerts.service_of(_object(each.get("labels"))) for each in listed]
    truncated = body.get("truncatedAlerts")
    return Heard(
        Meaning.ENDED if status == "resolved" else Meaning.BEGUN,
        DeliveryKind.ALERTMANAGER.value,
        ref,
        status,
        trigger,
        alert,
        priority=_text(common.get("priority") or common.get("severity")),
        link=_text(body.get("externalURL")),
        services=tuple(dict.fromkeys(each for each in (trigger.service, *named) if each)),
        count=max(len(listed), 1),
        truncated=truncated if isinstance(truncated, int) and truncated > 0 else 0,
        refs={"alertmanager": ref} if ref else {},
    )


def _incident(delivery: Delivery, alert: str, trigger: alerts.Trigger) -> Heard:
    told = _object(delivery.body.get("incident"))
    services = (trigger.service,) if trigger.service else ()
    return Heard(
        Meaning.BEGUN,
        DeliveryKind.INCIDENT.value,
        delivery.key,
        "told",
        trigger,
        alert,
        priority=_text(told.get("priority")),
        link=_text(told.get("link")),
        services=services,
    )


_READERS = {
    DeliveryKind.PAGERDUTY: _pagerduty,
    DeliveryKind.ALERTMANAGER: _alertmanager,
    DeliveryKind.INCIDENT: _incident,
}


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    return one_line(value, _MOST_REF) if isinstance(value, str) else ""
