"""One investigation at a terminal: open its subject, show what goes on, print the result, hear the answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rich.console import Console
from rich.text import Text

from bot import casework, dialogue, result, terminal, wording
from bot.errors import BadInputError
from bot.investigation import Confirm, Decision, Options, Outcome, RuleOut
from bot.progress import listener
from bot.settings import Settings
from connectors.case import forbid_answers
from graph.model import Proposal

_LABELLED = {
    "confirm": "Confirmed. Kept as a label.",
    "partly": "Noted as a part of it. Kept as a label.",
    "rule_out": "Ruled out; nothing else is left to propose. Kept as a label.",
    "nothing_wrong": "Noted that nothing was wrong. Kept as a label.",
    "something_else": "Noted that it was something else. Kept as a label.",
}


class Subject(Protocol):
    """What is investigated: a recorded case, or live systems."""

    def open(self, chosen: Path | None, settings: Settings, note: Callable[[str], None]) -> casework.Casework:
        """Get ready; `chosen` is the store the user named, `note` says something on stderr."""
        ...

    def budget_seconds(self) -> float:
        """How long to investigate, where neither an option nor the environment says it."""
        ...

    def taken_up(self) -> str:
        """The command that takes up what was left open."""
        ...

    def done(self, work: casework.Casework, outcome: Outcome, note: Callable[[str], None]) -> None:
        """The investigation came to its end, or to where it waits for a person."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


@dataclass(frozen=True)
class RecordedCase:
    """A recorded case as the subject."""

    path: Path

    def open(self, chosen: Path | None, settings: Settings, note: Callable[[str], None]) -> casework.Casework:
        """Read the case."""
        place = casework.Place(chosen or settings.store_path, chosen is not None)
        return casework.opened(self.path, place, note)

    def budget_seconds(self) -> float:
        """The default."""
        return Options().seconds

    def taken_up(self) -> str:
        """The same command: the case's now is its own."""
        return "the same command"

    def done(self, work: casework.Casework, outcome: Outcome, note: Callable[[str], None]) -> None:
        """Nothing: a case is recorded already."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    subject: Subject
    as_json: bool
    confirm: Literal["ask", "yes", "no"]
    report: Path | None
    budget_seconds: float | None
    store: Path | None


def run(wishes: Wishes) -> None:
    """Investigate as wished; the result goes to stdout, everything else to stderr."""
    forbid_answers()
    _check_report(wishes.report)
    try:
        _Session(wishes, Settings()).run()
    finally:
        wishes.subject.close()


def _check_report(path: Path | None) -> None:
    """Say that the report cannot be written before an investigation is spent on it."""
    if path is None:
        return
    if path.is_dir():
        raise BadInputError(f"--report {path}: is a directory; name a file")
    if not path.parent.is_dir():
        raise BadInputError(f"--report {path}: no such directory: {path.parent}")


class _Session:
    """What one run needs at hand: consoles, casework, options."""

    def __init__(self, wishes: Wishes, settings: Settings) -> None:
        self._wishes = wishes
        self._out = _console(settings, to_stderr=False)
        self._err = _console(settings, to_stderr=True)
        self._work = wishes.subject.open(wishes.store or settings.store, settings, self._note)
        seconds = wishes.budget_seconds or settings.budget_seconds or wishes.subject.budget_seconds()
        self._options = Options(seconds=seconds, confirm=self._confirm())

    def run(self) -> None:
        """Investigate, show, and go on as long as the person at the terminal rules out."""
        with listener(self._err) as listen:
            outcome = self._work.investigate(self._options, listen)
        try:
            self._show(outcome)
        finally:  # who reads stdout may stop early (`| head`): what was to be saved is saved all the same
            self._wishes.subject.done(self._work, outcome, self._note)
        if self._options.confirm == "yes" and _waits(outcome) and outcome.weighing.proposals:
            self._answered(outcome.thread, Confirm())  # left open by an earlier run
        while self._options.confirm == "ask" and _waits(outcome):
            decision = dialogue.ask(self._err, sys.stdin.readline, _shown(outcome))
            if decision is None:
                self._note(f"left open: {self._wishes.subject.taken_up()} takes it up again")
                return
            outcome = self._answered(outcome.thread, decision)

    def _answered(self, thread: str, decision: Decision) -> Outcome:
        with listener(self._err) as listen:
            outcome = self._work.answer(thread, decision, self._options, listen)
        if isinstance(decision, RuleOut):
            self._note(f"Ruled out: {_titles(outcome, decision.proposal)}")
        if _waits(outcome):
            self._out.print()
            self._show(outcome)
        elif outcome.confirmation is not None:
            self._note(_LABELLED.get(outcome.confirmation.decision, "Closed."))
        return outcome

    def _confirm(self) -> Literal["ask", "yes", "no"]:
        if self._wishes.confirm != "ask" or self._wishes.as_json:
            return "no" if self._wishes.confirm == "ask" else self._wishes.confirm
        if sys.stdin is not None and sys.stdin.isatty() and self._err.is_terminal:
            return "ask"
        self._note("nobody to ask here, so nothing is confirmed (--no-confirm says so without this note)")
        return "no"

    def _show(self, outcome: Outcome) -> None:
        document = result.of_outcome(outcome)
        try:
            if self._wishes.as_json:
                self._out.file.write(document.to_json() + "\n")
            else:
                terminal.show(self._out, outcome.incident, document, outcome.weighing.pictures)
            self._out.file.flush()
        finally:
            if self._wishes.report is not None:
                self._write_report(self._wishes.report, outcome, document)

    def _write_report(self, path: Path, outcome: Outcome, document: result.Result) -> None:
        from bot import report

        try:
            path.write_text(
                report.page(outcome.incident, document, outcome.weighing.pictures), encoding="utf-8"
            )
        except OSError as error:
            raise BadInputError(f"--report {path}: cannot be written: {error.strerror}") from error
        self._note(f"report written to {path}")

    def _note(self, text: str) -> None:
        self._err.print(Text(f"firstcause: {text}", style="dim"), soft_wrap=True)


def _waits(outcome: Outcome) -> bool:
    return outcome.status == "awaiting_confirmation"


def _titles(outcome: Outcome, proposal: str) -> str:
    return ", ".join(wording.brief(each.title) for each in outcome.rejected if each.id == proposal)


def _shown(outcome: Outcome) -> list[Proposal]:
    """The proposals that were shown, the only ones a number can mean."""
    ranks = {proposal.rank for proposal in terminal.ranked(result.of_outcome(outcome))}
    return [proposal for proposal in outcome.weighing.proposals if proposal.rank in ranks]


def _console(settings: Settings, *, to_stderr: bool) -> Console:
    return Console(
        stderr=to_stderr, no_color=settings.no_color or None, highlight=False, markup=False, emoji=False
    )
