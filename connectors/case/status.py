"""What status pages said, from readings.jsonl."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from connectors.answers import StatusEvent, StatusFeeds
from connectors.case.jsonl import objects, text
from connectors.case.reader import Found, instant, span_text, unasked, until
from connectors.case.readings import NAME, Readings, Recording
from connectors.contract import Question, Source, Unavailable
from connectors.questions import ProviderStatus


class StatusReader:
    """Answers what providers said about themselves."""

    source: ClassVar[Source] = Source.STATUS
    questions: ClassVar[tuple[type[Question], ...]] = (ProviderStatus,)

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def present(self) -> bool:
        """Whether any status page was read."""
        return self._readings.holds(_is_status)

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """The pages' events in the window, as far as they had been published."""
        if not isinstance(question, ProviderStatus):
            return unasked(self.source, question)
        start, end = question.window.start, until(question.window, now)
        recordings = self._readings.of(_is_status, now)
        if not recordings:
            return Unavailable(self.source, f"{NAME} holds no provider status")
        events = {event: None for r in recordings for event in _events(r) if start <= event.at <= end}
        ordered = sorted(events, key=lambda event: (event.at, event.provider, event.component))
        query = f"{NAME}: provider status, {len(ordered)} events, {span_text(start, end)}"
        return Found(StatusFeeds(events=tuple(ordered)), query, end, self._readings.notes)


def _is_status(recording: Recording) -> bool:
    return recording.question == "provider status"


def _events(recording: Recording) -> Iterator[StatusEvent]:
    for page in objects(recording.answer):
        for event in objects(page.get("events")):
            try:
                at = instant(event.get("timestamp"))
            except ValueError:
                continue
            yield StatusEvent(
                at=at,
                provider=text(page, "source"),
                component=text(page, "component"),
                status=text(event, "status"),
                detail=text(event, "detail"),
            )
