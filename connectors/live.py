"""Live systems as the sources of an investigation: routes each question to who can answer, joins answers.

Several instances of a kind may be configured (two Prometheus servers, a database each): all that can
answer are asked side by side, and what they say is joined. One that fails leaves a note in the joint
answer; when all fail, so does the question.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from connectors.contract import Question, Reading, Source, Unavailable
from connectors.joining import joined
from connectors.kept_answers import without_secrets
from connectors.normal import normal

log = logging.getLogger(__name__)

Reply = Reading | Unavailable | None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing `firstcause doctor` looked at.

    `about` says what was checked ("reachable", "fresh", "clock", "may list pods"), `found` what was seen,
    `fix` the exact grant, flag or setting that would mend it. `seconds` is what the check took.
    """

    about: str
    state: Literal["ok", "warning", "failed"]
    found: str
    fix: str = ""
    seconds: float = 0.0


class LiveConnector(Protocol):
    """One configured source. Called from several threads at once."""

    @property
    def name(self) -> str:
        """The instance's name in the configuration, such as "prometheus/main"."""
        ...

    @property
    def questions(self) -> frozenset[type[Question]]:
        """The kinds of question it can answer."""
        ...

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """Answer with nothing later than `now`; None where the question is about something else.

        (A database question names a database that another instance serves.)
        """
        ...

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Ask one real question and say what works, what does not, and what would mend it."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class LiveSources:
    """Every configured connector behind the one `Sources` the graph sees.

    `seconds` is how long one question waits for its instances: those that answer in time are joined, and
    one that hangs is named and left behind.
    """

    def __init__(self, connectors: Sequence[LiveConnector], seconds: float = 18.0) -> None:
        self.connectors = tuple(connectors)
        self._seconds = seconds

    def available(self) -> Sequence[Source]:
        """The kinds of source that are configured."""
        present = {kind.source for each in self.connectors for kind in each.questions}
        return [source for source in Source if source in present]

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        """What everyone who can answer says, joined, in the form in which a case would hold it."""
        able = [each for each in self.connectors if type(question) in each.questions]
        if not able:
            if question.source not in self.available():
                return Unavailable(question.source, "no source of this kind is configured")
            return Unavailable(question.source, f"no source that is configured answers {question.name}")
        answer = without_secrets(joined(question, self._answers(able, question, now)))
        return normal(answer) if isinstance(answer, Reading) else answer

    def close(self) -> None:
        """Give all connections back."""
        for each in self.connectors:
            each.close()

    def _answers(
        self, able: Sequence[LiveConnector], question: Question, now: datetime
    ) -> list[tuple[str, Reading | Unavailable]]:
        """What each says, by its name, in the order of the configuration."""
        replies: list[Future[Reply]] = [Future() for _ in able]
        for each, reply in zip(able, replies, strict=True):
            # A thread that hangs cannot be stopped: as a daemon it does not keep the process alive.
            threading.Thread(target=_answer, args=(each, question, now, reply), daemon=True).start()
        wait(replies, timeout=self._seconds)
        late = Unavailable(question.source, f"no answer within {self._seconds:g} s")
        told = [
            (each.name, reply.result() if reply.done() else late)
            for each, reply in zip(able, replies, strict=True)
        ]
        return [(name, reply) for name, reply in told if reply is not None]


def _answer(connector: LiveConnector, question: Question, now: datetime, reply: Future[Reply]) -> None:
    """Ask one instance; what it raises must not cost what the others say."""
    try:
        reply.set_result(connector.ask(question, now=now))
    except Exception as error:
        what = f"failed unexpectedly ({type(error).__name__})"
        log.info("%s: %s %s", connector.name, question.name, what, exc_info=error)
        reply.set_result(Unavailable(question.source, what))
