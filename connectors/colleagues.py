"""What a connector may learn from the others: what was rolled out, and which traces metrics point to.

A repository's history is read for what was rolled out, which the cluster, PagerDuty or a pipeline knows; a
trace store is searched first for the traces that exemplars name. Each window is asked for once. A colleague
that does not answer adds nothing here, and says so in its own answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime

from connectors.answers import Answer, Change, Timeline
from connectors.contract import Question, Reading, Window
from connectors.exemplars import Exemplars, ExemplarTraces
from connectors.live import LiveConnector
from connectors.questions import ChangeTimeline


class Colleagues:
    """The other connectors of one configuration. Safe to use from several threads."""

    def __init__(self) -> None:
        self._connectors: tuple[LiveConnector, ...] = ()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, datetime], tuple[Answer, ...]] = {}

    def connect(self, connectors: Iterable[LiveConnector]) -> None:
        """Name who may be asked."""
        self._connectors = tuple(connectors)

    def rollouts(self, window: Window, now: datetime) -> Sequence[Change]:
        """The changes of a window."""
        answers = self._answers(ChangeTimeline(window=window), now)
        return [change for each in answers if isinstance(each, Timeline) for change in each.changes]

    def exemplars(self, window: Window) -> Sequence[str]:
        """The ids of traces that the metrics of a window point to, each once."""
        answers = self._answers(ExemplarTraces(window=window), window.end)
        found = (each.exemplars for each in answers if isinstance(each, Exemplars))
        return list(dict.fromkeys(exemplar.trace for exemplars in found for exemplar in exemplars))

    def _answers(self, question: Question, now: datetime) -> tuple[Answer, ...]:
        key = (question.key(), now)
        with self._lock:
            if key not in self._known:
                able = [each for each in self._connectors if type(question) in each.questions]
                replies = [each.ask(question, now=now) for each in able]
                self._known[key] = tuple(each.answer for each in replies if isinstance(each, Reading))
            return self._known[key]
