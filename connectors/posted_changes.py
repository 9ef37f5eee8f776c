"""Changes that were told to us (`POST /changes`), as a source beside the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from connectors.answers import Change
from connectors.codec import sha256
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.live import Check
from connectors.questions import ChangeTimeline
from connectors.timeline import one_timeline


class PostedChangesConnector:
    """Answers which changes were told. `read` gives those of a window from where they are kept."""

    def __init__(self, read: Callable[[Window], Sequence[Change]]) -> None:
        self._read = read

    @property
    def name(self) -> str:
        """The instance's name."""
        return "changes/told"

    @property
    def questions(self) -> frozenset[type[Question]]:
        """The timeline alone."""
        return frozenset({ChangeTimeline})

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """The changes told of the window."""
        if not isinstance(question, ChangeTimeline):
            return None
        window = Window(start=question.window.start, end=min(question.window.end, now))
        answer = one_timeline(map(_told, self._read(window)))
        return Reading(
            source=question.source,
            question=question,
            query=f"POST /changes: {len(answer.changes)} told, {window.start:%FT%TZ}..{window.end:%FT%TZ}",
            at=window.end,
            answer=answer,
            sha256=sha256(answer),
        )

    def check(self, *, now: datetime) -> Sequence[Check]:
        """How many changes were told in the last thirty days."""
        from datetime import timedelta

        told = self._read(Window(start=now - timedelta(days=30), end=now))
        newest = f", the newest at {max(each.at for each in told):%F %H:%M}Z" if told else ""
        return (Check("told", "ok", f"{len(told)} changes in thirty days{newest}"),)

    def close(self) -> None:
        """Nothing is held."""


def _told(change: Change) -> Change:
    """The change under an id that no other source gives: who tells one cannot take the place of another's."""
    return change if change.id.startswith("told:") else change.model_copy(update={"id": f"told:{change.id}"})
