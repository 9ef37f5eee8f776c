"""What a trigger says, whoever sent it: Alertmanager, PagerDuty, a Slack slash command or POST /incidents.

Reads payloads as they are received and never fails on a shape it does not know: then it says nothing,
and the incident is made of what else is known. Only bytes that are no JSON at all are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from pydantic import JsonValue

from bot.errors import BadInputError
from bot.safetext import lines, one_line
from bot.symptoms import recognise
from connectors.redaction import SECRET_NAME, redacted
from playbooks.model import Symptom

_MOST_TEXT = 2_000
_DEEPEST = 40
_MOST_LABELS = 200
_HIDING = re.compile(r"[^\n\r\t\x20-\x7e]")
_SERVICE_LABELS = (
    "service",
    "service_name",
    "app",
    "app_kubernetes_io_name",
    "deployment",
    "container",
    "job",
)
_METRIC_LABELS = ("metric", "metric_name", "__name__")
_TEXT_ANNOTATIONS = ("summary", "description", "message")
_SLACK_LABELS = ("channel_name", "user_name")
_SINCE = re.compile(r"\bsince (\d{1,4}) ?(m|min|minutes?|h|hours?|d|days?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trigger:
    """What one payload said. Every field may be empty: senders leave out what they like."""

    form: str
    title: str = ""
    text: str = ""
    service: str | None = None
    metric: str | None = None
    symptom: Symptom = Symptom.UNKNOWN
    started_at: datetime | None = None
    resolved_at: datetime | None = None
    labels: tuple[tuple[str, str], ...] = ()


def read(payload: bytes, now: datetime, service: str | None = None) -> Trigger:
    """Read a payload as received; times later than `now` are taken as `now`.

    Args:
        payload: the body, byte for byte.
        now: the investigation's now.
        service: the service known to be meant, which chooses among several alerts of one body.

    Raises:
        BadInputError: the payload is not JSON.
    """
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadInputError(
            f"the alert is not JSON as PagerDuty, Alertmanager or Slack sends it: {one_line(str(error), 100)}"
        ) from error
    for form in (_alertmanager, _pagerduty, _slack, _told):
        trigger = form(_object(body), now, service)
        if trigger is not None:
            return trigger
    return Trigger(form="unknown")


# --- Alertmanager, webhook version 4 -----------------------------------------------------------------
def without_secrets(payload: bytes | None) -> bytes | None:
    """The payload as it may be kept and shown: byte for byte the same where it holds no secret.

    What is no JSON stays as it is, for `read` refuses it.
    """
    if payload is None:
        return None
    try:
        body: JsonValue = json.loads(payload)
        clean = _clean(body)
    except (ValueError, RecursionError):
        return payload
    return payload if clean == body else json.dumps(clean, ensure_ascii=False).encode("utf-8", "replace")


def keepable(value: JsonValue) -> JsonValue:
    """A JSON value as it may be kept: without secrets, what is nested too deep, and what no store can write.

    Half characters and NULs, which PostgreSQL refuses, are replaced.
    """
    return _clean(value, "", _DEEPEST)


def _clean(value: JsonValue, name: str = "", deeper: int = 900) -> JsonValue:
    if isinstance(value, str):
        return value and ("[secret]" if _means_secret(name) else _redacted(_writable(value)))
    if isinstance(value, dict | list) and deeper <= 0:
        return "[nested too deep]"
    if isinstance(value, dict):
        return {_name(key): _clean(each, key, deeper - 1) for key, each in value.items()}
    return [_clean(each, name, deeper - 1) for each in value] if isinstance(value, list) else value


@lru_cache(maxsize=512)
def _means_secret(name: str) -> bool:
    return SECRET_NAME.search(one_line(name)) is not None


def _redacted(text: str) -> str:
    """Without secrets, also those that show once colours and invisible characters are taken out."""
    if _HIDING.search(text) is None:
        return redacted(text)
    seen = lines(text)
    clean = redacted(seen)
    return clean if clean != seen else redacted(text)


@lru_cache(maxsize=512)
def _name(key: str) -> str:
    """A key as it may be kept; the same few stand in every payload."""
    return _redacted(_writable(key))


def _writable(text: str) -> str:
    return (
        text
        if text.isascii() and "\0" not in text
        else text.encode("utf-8", "replace").decode().replace("\0", "")
    )


def _alertmanager(body: Mapping[str, object], now: datetime, service: str | None) -> Trigger | None:
    alerts = [_object(alert) for alert in _list(body.get("alerts"))]
    if not any(alerts):
        return None
    alert = min(alerts, key=_telling(now, service))
    labels = _texts(body.get("commonLabels")) | _texts(alert.get("labels"))
    notes = _texts(body.get("commonAnnotations")) | _texts(alert.get("annotations"))
    name, metric = labels.get("alertname", ""), _first(labels, _METRIC_LABELS)
    said = [notes[key] for key in _TEXT_ANNOTATIONS if notes.get(key)]
    resolved = alert.get("status") == "resolved"
    return Trigger(
        form="alertmanager",
        title=said[0] if said else name,
        text=one_line(" · ".join(dict.fromkeys(said)), _MOST_TEXT),
        service=_first(labels, _SERVICE_LABELS),
        metric=metric,
        symptom=recognise(metric, name, *said),
        started_at=_instant(alert.get("startsAt"), now),
        resolved_at=(_instant(alert.get("endsAt"), now) or now) if resolved else None,
        labels=tuple(sorted(labels.items())),
    )


Order = tuple[bool, bool, datetime]


def _telling(now: datetime, service: str | None) -> Callable[[Mapping[str, object]], Order]:
    """Puts the alert that tells most first: of the service meant, still firing, oldest."""

    def order(alert: Mapping[str, object]) -> Order:
        other = service is not None and _first(_texts(alert.get("labels")), _SERVICE_LABELS) != service
        return other, alert.get("status") == "resolved", _instant(alert.get("startsAt"), now) or now

    return order


# --- PagerDuty, webhook version 3 ---------------------------------------------------------------------
def _pagerduty(body: Mapping[str, object], now: datetime, _: str | None) -> Trigger | None:
    event = _object(body.get("event"))
    data = _object(event.get("data"))
    if not data:
        return None
    title, service = _text(data.get("title")), _object(data.get("service"))
    details = _object(_object(data.get("body")).get("details"))
    labels = {
        "urgency": _text(data.get("urgency")),
        "priority": _text(_object(data.get("priority")).get("summary")),
        "link": _text(data.get("html_url")),
        "pagerduty_service": _text(service.get("id")),
    } | _texts(details)
    resolved = data.get("status") == "resolved" or event.get("event_type") == "incident.resolved"
    ended = _instant(data.get("resolved_at"), now) or _instant(event.get("occurred_at"), now) or now
    metric = _first(labels, _METRIC_LABELS)
    return Trigger(
        form="pagerduty",
        title=title,
        text=one_line(_text(data.get("description")) or title, _MOST_TEXT),
        service=_first(labels, _SERVICE_LABELS) or _text(service.get("summary")) or None,
        metric=metric,
        symptom=recognise(metric, title, _text(data.get("description"))),
        started_at=_instant(data.get("created_at"), now) or _instant(event.get("occurred_at"), now),
        resolved_at=ended if resolved else None,
        labels=tuple(sorted((name, value) for name, value in labels.items() if value)),
    )


# --- Slack, slash command -------------------------------------------------------------------------------
def _slack(body: Mapping[str, object], now: datetime, _: str | None) -> Trigger | None:
    if not isinstance(body.get("command"), str):
        return None
    words = _text(body.get("text"))
    since = _SINCE.search(words)
    service, _sep, free = _SINCE.sub(" ", words).strip().partition(" ")
    free = one_line(free, _MOST_TEXT)
    return Trigger(
        form="slack",
        title=free or words,
        text=free,
        service=service or None,
        symptom=recognise(free),
        started_at=now - _ago(since) if since else None,
        labels=tuple((key, _text(body[key])) for key in _SLACK_LABELS if _text(body.get(key))),
    )


# --- POST /incidents ------------------------------------------------------------------------------------
def _told(body: Mapping[str, object], now: datetime, _: str | None) -> Trigger | None:
    told = _object(body.get("incident"))
    title, text, labels = _text(told.get("title")), _text(told.get("text")), _texts(told.get("labels"))
    if not title:
        return None
    metric = _first(labels, _METRIC_LABELS)
    return Trigger(
        form="incident",
        title=title,
        text=text or title,
        service=_text(told.get("service")) or _first(labels, _SERVICE_LABELS),
        metric=metric,
        symptom=recognise(metric, title, text),
        started_at=_instant(told.get("started_at"), now),
        labels=tuple(sorted(labels.items())),
    )


def _ago(since: re.Match[str]) -> timedelta:
    unit = {"m": "minutes", "h": "hours", "d": "days"}[since[2][0].lower()]
    return timedelta(**{unit: int(since[1])})


def service_of(labels: Mapping[str, JsonValue]) -> str | None:
    """The service that an alert's labels name, under whichever of the usual names."""
    return _first(_texts(labels), _SERVICE_LABELS)


# --- shapes ------------------------------------------------------------------------------------------------
def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return one_line(value, _MOST_TEXT) if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    return dict(_pairs(_object(value)))


def _pairs(mapping: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in islice(mapping.items(), _MOST_LABELS):
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            yield one_line(key, 200), one_line(str(value), _MOST_TEXT)


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((labels[name] for name in names if labels.get(name)), None)


def _instant(value: object, now: datetime) -> datetime | None:
    """The instant a text names, never later than now; None for none, and for Go's zero time."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        instant = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return min(instant, now) if instant.year > 1 else None
