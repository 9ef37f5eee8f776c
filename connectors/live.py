"""Live systems as the sources of an investigation: routes each question to who can answer, joins answers.

Several instances of a kind may be configured (two Prometheus servers, a database each): all that can
answer are asked side by side, and what they say is joined. One that fails leaves a note in the joint
answer; when all fail, so does the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from connectors.contract import Question, Reading, Source, Unavailable
from connectors.joining import joined


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
    """Every configured connector behind the one `Sources` the graph sees."""

    def __init__(self, connectors: Sequence[LiveConnector]) -> None:
        self.connectors = tuple(connectors)

    def available(self) -> Sequence[Source]:
        """The kinds of source that are configured."""
        present = {kind.source for each in self.connectors for kind in each.questions}
        return [source for source in Source if source in present]

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        """What everyone who can answer says, joined."""
        able = [each for each in self.connectors if type(question) in each.questions]
        if not able:
            return Unavailable(question.source, "no source of this kind is configured")
        return joined(question, self._answers(able, question, now))

    def close(self) -> None:
        """Give all connections back."""
        for each in self.connectors:
            each.close()

    def _answers(
        self, able: Sequence[LiveConnector], question: Question, now: datetime
    ) -> list[tuple[str, Reading | Unavailable]]:
        """What each says, by its name, in the order of the configuration."""
        if len(able) == 1:
            replies = [able[0].ask(question, now=now)]
        else:
            with ThreadPoolExecutor(len(able), thread_name_prefix="ask") as pool:
                replies = list(pool.map(lambda each: each.ask(question, now=now), able))
        return [(each.name, reply) for each, reply in zip(able, replies, strict=True) if reply is not None]
