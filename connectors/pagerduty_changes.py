"""PagerDuty's change events as a timeline, over its REST API, with GET requests only.

https://developer.pagerduty.com/api-reference: List Change Events. A read-only API key is enough.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from connectors.answers import Change
from connectors.change_forms import kind_of, service_of
from connectors.codec import sha256
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.governor import SourceFailedError
from connectors.http import HttpClient
from connectors.json_shapes import instant_of, items, mapping, text
from connectors.live import Check
from connectors.questions import ChangeTimeline
from connectors.redaction import redacted
from connectors.source_checks import reach
from connectors.timeline import one_timeline

PER_PAGE = 100
MOST_PAGES = 5
_HEADERS = {"Accept": "application/vnd.pagerduty+json;version=2"}


class PagerDutyChanges:
    """Answers what change events PagerDuty received.

    `services` maps a PagerDuty service's id or name to ours; a service that is not in it keeps its own
    name.
    """

    def __init__(self, name: str, client: HttpClient, services: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._client = client
        self._services = services or {}

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self._name

    @property
    def questions(self) -> frozenset[type[Question]]:
        """The timeline alone."""
        return frozenset({ChangeTimeline})

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """The change events of the window."""
        if not isinstance(question, ChangeTimeline):
            return None
        window = Window(start=question.window.start, end=min(question.window.end, now))
        try:
            found = [change for each in self._pages(window) if (change := self._change(each)) is not None]
        except SourceFailedError as failure:
            return Unavailable(question.source, f"PagerDuty: {failure.reason}", failure.retry)
        answer = one_timeline(change for change in found if window.holds(change.at))
        return Reading(
            source=question.source,
            question=question,
            query=f"GET /change_events?since={window.start:%FT%TZ}&until={window.end:%FT%TZ}",
            at=window.end,
            answer=answer,
            sha256=sha256(answer),
            notes=(f"the newest {len(found)} change events",) if len(found) >= PER_PAGE * MOST_PAGES else (),
        )

    def check(self, *, now: datetime) -> Sequence[Check]:  # noqa: ARG002 - change events may be rare
        """Ask for one change event."""
        began = time.monotonic()
        try:
            self._client.get("change_events", {"limit": 1}, headers=_HEADERS)
        except SourceFailedError as failure:
            refused = "(401)" in failure.reason or "(403)" in failure.reason
            fix = "a read-only REST API key as a secret" if refused else reach(self._client.endpoint.url)
            return (Check("readable", "failed", failure.reason, fix, time.monotonic() - began),)
        return (Check("readable", "ok", "change events can be listed", "", time.monotonic() - began),)

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _pages(self, window: Window) -> Iterator[Mapping[str, object]]:
        for page in range(MOST_PAGES):
            params: dict[str, str | int | float] = {
                "since": f"{window.start:%FT%TZ}",
                "until": f"{window.end:%FT%TZ}",
                "limit": PER_PAGE,
                "offset": page * PER_PAGE,
            }
            body = mapping(self._client.get("change_events", params, headers=_HEADERS).json())
            yield from (mapping(each) for each in items(body.get("change_events")))
            if body.get("more") is not True:
                return

    def _change(self, each: Mapping[str, object]) -> Change | None:
        at = instant_of(each.get("timestamp"))
        if at is None or not text(each, "id"):
            return None
        details = mapping(each.get("custom_details"))
        named = [mapping(one) for one in items(each.get("services"))]
        pager = next((one for one in named), {})
        ours = self._services.get(text(pager, "id")) or self._services.get(text(pager, "summary"))
        links = [mapping(one) for one in items(each.get("links"))]
        summary = redacted(text(each, "summary"))[:500]
        return Change(
            id=f"pagerduty:{text(each, 'id')}",
            at=at,
            kind=kind_of(text(details, "kind") or text(details, "type"), summary),
            service=ours or redacted(service_of(details) or text(pager, "summary"))[:253] or None,
            summary=summary,
            version=redacted(text(details, "version"))[:128] or None,
            commit=(text(details, "commit") or text(details, "sha") or text(details, "revision"))[:64]
            or None,
            link=next((redacted(href)[:2_000] for one in links if (href := text(one, "href"))), None),
        )
