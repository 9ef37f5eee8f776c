"""What all sources together know to have been deployed, for those that look up the code behind it.

A repository's history is read for what was rolled out, and the cluster, PagerDuty or a pipeline may know
that. Each window is asked for once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime

from connectors.answers import Change, Timeline
from connectors.contract import Reading, Window
from connectors.live import LiveConnector
from connectors.questions import ChangeTimeline


class Rollouts:
    """Asks other connectors for their timelines. Safe to use from several threads."""

    def __init__(self) -> None:
        self._connectors: tuple[LiveConnector, ...] = ()
        self._lock = threading.Lock()
        self._known: dict[tuple[Window, datetime], tuple[Change, ...]] = {}

    def connect(self, connectors: Iterable[LiveConnector]) -> None:
        """Name who may be asked: of those, who answers ChangeTimeline."""
        self._connectors = tuple(each for each in connectors if ChangeTimeline in each.questions)

    def during(self, window: Window, now: datetime) -> Sequence[Change]:
        """The changes of a window; one who does not answer adds none, and says so in its own answer."""
        with self._lock:
            if (window, now) not in self._known:
                question = ChangeTimeline(window=window)
                replies = [each.ask(question, now=now) for each in self._connectors]
                self._known[window, now] = tuple(
                    change
                    for reply in replies
                    if isinstance(reply, Reading) and isinstance(reply.answer, Timeline)
                    for change in reply.answer.changes
                )
            return self._known[window, now]
