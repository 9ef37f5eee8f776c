"""A provider's status page in Statuspage's format (api/v2), which many hosts of such pages serve alike.

Answers `ProviderStatus` with what the provider published and when. A page that says nothing is no proof
that nothing was wrong: pages are written by people, often half an hour late.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from connectors.answers import StatusEvent, StatusFeeds
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.governor import SourceFailedError
from connectors.http import Endpoint, HttpClient
from connectors.json_shapes import instant_of, mapping, objects, text
from connectors.live import Check
from connectors.questions import ProviderStatus
from connectors.redaction import redacted
from connectors.source_checks import clock_check, refused_check

_LONGEST = 500
_INCIDENTS = "api/v2/incidents.json"
_SUMMARY = "api/v2/summary.json"
_DONE = frozenset({"resolved", "completed", "postmortem"})


class StatusPageConnector:
    """One status page; `provider` is what to call it, else what it calls itself."""

    questions: ClassVar[frozenset[type[Question]]] = frozenset({ProviderStatus})

    def __init__(self, endpoint: Endpoint, *, provider: str | None = None) -> None:
        self.client = HttpClient(endpoint)
        self._provider = provider

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self.client.endpoint.name

    def close(self) -> None:
        """Give connections back."""
        self.client.close()

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """What was published in the window, nothing later than `now`."""
        if not isinstance(question, ProviderStatus):
            return None
        try:
            summary = self._page(_SUMMARY)
            incidents = self._page(_INCIDENTS)
        except SourceFailedError as failure:
            return Unavailable(Source.STATUS, failure.reason, retry=failure.retry)
        start, end = question.window.start, min(question.window.end, now.astimezone(UTC))
        listed = [
            *objects(incidents.get("incidents")),
            *objects(summary.get("incidents")),
            *objects(summary.get("scheduled_maintenances")),
        ]
        provider = self._provider or _called(summary)
        told = {event for incident in listed for event in _events(incident, provider)}
        answer = StatusFeeds(events=tuple(sorted((e for e in told if start <= e.at <= end), key=_order)))
        return Reading(
            source=Source.STATUS,
            question=question,
            query=f"GET {self.client.endpoint.url.rstrip('/')}/{_INCIDENTS}",
            at=end,
            answer=answer,
            sha256=sha256(answer),
            notes=tuple(_open_before(listed, start)),
        )

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Read the page."""
        began = time.monotonic()
        try:
            answer = self.client.get(_SUMMARY)
            page = answer.fields()
            if not isinstance(page.get("page"), dict):
                raise SourceFailedError("the answer is not JSON of a status page")
        except SourceFailedError as failure:
            return [refused_check(failure, self.client.endpoint, "a status page", time.monotonic() - began)]
        says = text(mapping(page.get("status")), "description")
        found = f"{self._provider or _called(page)}: {says or 'no status'}, {now:%FT%TZ}"
        return [
            Check("reachable", "ok", found, seconds=time.monotonic() - began),
            clock_check(answer.skew_seconds),
        ]

    def _page(self, path: str) -> dict[str, object]:
        page = self.client.get(path).fields()
        if not isinstance(page.get("page"), dict):
            raise SourceFailedError(f"{path} is no status page in Statuspage's format", counts=False)
        return page


def _called(page: Mapping[str, object]) -> str:
    return text(mapping(page.get("page")), "name")


def _events(incident: Mapping[str, object], provider: str) -> Iterator[StatusEvent]:
    """An event for each update and each component it speaks of."""
    for update in objects(incident.get("incident_updates")):
        at = instant_of(update.get("display_at")) or instant_of(update.get("created_at"))
        if at is None:
            continue
        detail = redacted(f"{text(incident, 'name')}: {text(update, 'body')}")[:_LONGEST]
        status = text(update, "status")
        changed = [
            (text(each, "name"), text(each, "new_status"))
            for each in objects(update.get("affected_components"))
        ]
        standing = [(text(each, "name"), status) for each in objects(incident.get("components"))]
        for component, state in changed or standing or [("", status)]:
            yield StatusEvent(
                at=at, provider=provider, component=component, status=state or status, detail=detail
            )


def _open_before(incidents: Sequence[Mapping[str, object]], start: datetime) -> Iterator[str]:
    """What began before the window and is not over: it is said once, however many lists hold it."""
    told: set[str] = set()
    for incident in incidents:
        began = instant_of(incident.get("started_at")) or instant_of(incident.get("created_at"))
        status, name = text(incident, "status"), redacted(text(incident, "name"))[:120]
        if began is not None and began < start and status not in _DONE | {"scheduled"} and name not in told:
            told.add(name)
            yield f"open since {began:%FT%TZ}: {name} ({status})"


def _order(event: StatusEvent) -> tuple[datetime, str, str, str, str]:
    return (event.at, event.provider, event.component, event.status, event.detail)
