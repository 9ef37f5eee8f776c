"""Investigates with fake sources in a process of its own, and dies where it is told to.

`python -m tests.bot.killed STORE LOG MOMENT [DECISION]`: every question asked is a line of LOG; at MOMENT
("weigh": entering that stage; "gather:5": after the fifth answer of that stage; "never") it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

from bot.investigation import Investigator, Options, Progress
from bot.store import Store
from connectors.contract import Question, Reading, Unavailable
from graph.decisions import parse
from tests.graph.fakes import INCIDENT, FakeSources, toy_weigh


class LoggedSources(FakeSources):
    """Fake sources that write down what they are asked, so that it survives the process."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        with self._log.open("a") as file:
            file.write(question.key() + "\n")
        return super().ask(question, now=now)


class Killer:
    """Listens for a moment and ends the process there, as `kill -9` does."""

    def __init__(self, moment: str) -> None:
        stage, _, after = moment.partition(":")
        self._stage, self._after = stage, int(after or 0)
        self._seen: Counter[str] = Counter()

    def __call__(self, event: Progress) -> None:
        self._seen[event.state] += event.stage == self._stage
        if event.stage == self._stage and self._seen["answered"] >= self._after:
            os.kill(os.getpid(), signal.SIGKILL)


def main(store: str, log: str, moment: str, decision: str = "") -> None:
    with Store(Path(store)) as record:
        options = Options(confirm="ask" if decision else "yes")
        runs = Investigator(LoggedSources(Path(log)), record, options, Killer(moment), toy_weigh)
        if decision:
            runs.answer(INCIDENT.id, parse(decision))
        else:
            runs.investigate(INCIDENT)


if __name__ == "__main__":
    main(*sys.argv[1:])
