"""Puts questions to the sources: once each, in time, within the budget, and never with an exception.

What came back goes into the record at once, so that a node that runs again after a kill asks only what
is still open. A source runs in a thread of its own, because a thread cannot be stopped: one that hangs
is left behind and does not keep the process alive.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Literal

from connectors.contract import Question, Reading, Source, Unavailable
from connectors.questions import DatabaseQuestion
from graph.context import Context, Progress
from graph.errors import SourceFailedError
from graph.planning import question_id, question_of
from graph.record import Answered
from graph.state import Task, Update

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a node is run whose source raises; the last attempt takes the exception for no answer."""

PAUSES = (0.2, 0.5)
"""Seconds before each new try of a question whose source says that trying again may help."""


class _TimedOut(Unavailable):
    """The source did not answer in time, and is not asked anything else in this task."""


def ask_all(context: Context, task: Task, attempt: int) -> Update:
    """Ask the task's questions in order; what the record knows already is not asked again.

    Raises:
        SourceFailedError: a source raised, and the node may be run again.
    """
    context.enter(task["stage"], Source(task["source"]))
    asker = _Asker(context, task["stage"], last=attempt >= ATTEMPTS)
    update = Update(readings=[], unavailable=[])
    hangs = False
    for question in map(question_of, task["questions"]):
        answer = asker.outcome(question, hangs)
        if answer is None:
            update["not_asked"] = [task["source"]]
            break
        hangs = hangs or isinstance(answer, _TimedOut)
        context.record.put_answer(context.thread, question, answer)
        update["readings" if isinstance(answer, Reading) else "unavailable"].append(question_id(question))
    if "not_asked" in update or (hangs and context.left() <= 0):
        update["partial"] = f"the budget of {context.options.seconds:g} s is spent"
    update["spent_seconds"] = context.spent()
    return update


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks single questions for one stage. `last`: the node will not be run again."""

    context: Context
    stage: Literal["gather", "ask"]
    last: bool

    def outcome(self, question: Question, hangs: bool) -> Answered | None:
        """The answer, from the record where there is one; None when the time is spent."""
        known = self.context.record.answer(self.context.thread, question)
        if known is not None:
            return known
        if hangs:
            return Unavailable(question.source, "not asked: the source timed out before")
        return self._told(question) if self.context.left() > 0 else None

    def _told(self, question: Question) -> Answered:
        """Ask, and tell the listener before and after."""
        text = _text(question)
        began = self.context.clock()
        self.context.listen(Progress(self.stage, "started", question.source, text))
        answer = self._patiently(question)
        took = self.context.clock() - began
        reason = answer.reason if isinstance(answer, Unavailable) else ""
        state: Literal["answered", "unavailable"] = "unavailable" if reason else "answered"
        self.context.listen(Progress(self.stage, state, question.source, text, took, reason))
        return answer

    def _patiently(self, question: Question) -> Answered:
        """Ask again after a pause while the source says that it may help and there is time."""
        answer = self._in_time(question)
        for pause in PAUSES:
            if isinstance(answer, Reading) or not answer.retry or self.context.left() <= pause:
                break
            self.context.sleep(pause)
            answer = self._in_time(question)
        return answer

    def _in_time(self, question: Question) -> Answered:
        """One try, in a thread that is given up when it takes too long."""
        reply: Future[Answered] = Future()
        threading.Thread(target=self._reply, args=(question, reply), daemon=True).start()
        limit = max(min(self.context.options.question_seconds, self.context.left()), 0.0)
        if not wait([reply], timeout=limit).done:
            return _TimedOut(question.source, f"timed out after {limit:.3g} s")
        failure = reply.exception()
        return reply.result() if failure is None else self._failed(question, failure)

    def _reply(self, question: Question, reply: Future[Answered]) -> None:
        try:
            reply.set_result(self.context.sources.ask(question, now=self.context.incident_at))
        except BaseException as error:  # noqa: BLE001  a thread's edge: `_failed` judges what was raised
            reply.set_exception(error)

    def _failed(self, question: Question, failure: BaseException) -> Unavailable:
        """What an exception comes to: another run of the node, or no answer."""
        what = f"failed unexpectedly ({type(failure).__name__})"
        log.info("%s: %s %s", question.source, question.name, what, exc_info=failure)
        if not self.last:
            raise SourceFailedError(f"{question.source}: {question.name} {what}") from failure
        return Unavailable(question.source, what)


def _text(question: Question) -> str:
    """The question as a live display shows it."""
    return (
        f"{question.name} of {question.database}" if isinstance(question, DatabaseQuestion) else question.name
    )
