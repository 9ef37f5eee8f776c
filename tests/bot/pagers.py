"""Deliveries as webhooks and people make them, short enough to read in a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from pydantic import JsonValue

from bot.desk import Delivery, DeliveryKind

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_NUMBERS = count(1)


def pagerduty(
    event: str, ref: str = "Q1", service: str = "checkout", after: float = 0.0, **data: JsonValue
) -> Delivery:
    """A V3 webhook's event of one PagerDuty incident."""
    at = NOW + timedelta(seconds=after)
    about: dict[str, JsonValue] = {
        "id": ref,
        "type": "incident",
        "title": f"{service} is slow",
        "status": event.rpartition(".")[2],
        "service": {"id": "P1", "summary": service, "type": "service_reference"},
        "created_at": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
        **data,
    }
    return Delivery(
        key=f"pagerduty:{next(_NUMBERS)}",
        kind=DeliveryKind.PAGERDUTY,
        received_at=at,
        body={"event": {"event_type": event, "occurred_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "data": about}},
    )


def alertmanager(
    *services: str, status: str = "firing", group: str = "{}:{a}", after: float = 0.0, **labels: str
) -> Delivery:
    """A version-4 notification with an alert of each service."""
    alerts: list[JsonValue] = [
        {
            "status": status,
            "labels": {"alertname": "Slow", "service": service, **labels},
            "annotations": {"summary": f"p99 of {service} is high"},
            "startsAt": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
            "endsAt": "0001-01-01T00:00:00Z",
        }
        for service in services
    ]
    return Delivery(
        key=f"alertmanager:{next(_NUMBERS)}",
        kind=DeliveryKind.ALERTMANAGER,
        received_at=NOW + timedelta(seconds=after),
        body={
            "version": "4",
            "status": status,
            "groupKey": group,
            "alerts": alerts,
            "commonLabels": {"alertname": "Slow", **labels},
        },
    )


def person(kind: DeliveryKind = DeliveryKind.SLACK_COMMAND, **body: JsonValue) -> Delivery:
    """Something that the user U1 says in the channel C1."""
    back: dict[str, JsonValue] = {"user": "U1", "channel": "C1"}
    whole: dict[str, JsonValue] = {"back": back, **body}
    return Delivery(key=f"slack:{next(_NUMBERS)}", kind=kind, received_at=NOW, body=whole)
