"""One benchmark at a terminal: find the cases, show how far it is, print and write what came out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot.bench import cases, heldout, runs
from bot.bench.answers import Run
from bot.bench.cases import Case
from bot.bench.document import Document, document, with_held_out
from bot.bench.scoring import score
from bot.errors import BadInputError
from bot.safetext import one_line
from bot.settings import Settings
from graph.ranking import Weights

_PLAIN_WIDTH = 140
_TOLD_EVERY = 10


@dataclass(frozen=True)
class Wishes:
    """What the user asked for. `workers` 0 is one process for every processor."""

    paths: tuple[Path, ...]
    as_json: bool
    out: Path | None
    workers: int
    seed: int
    baselines: bool
    only: str | None
    protocol: heldout.Protocol = "shipped"


def run(wishes: Wishes) -> None:
    """Measure as wished; figures go to stdout, everything else to stderr."""
    _check_out(wishes.out)
    found = cases.find(wishes.paths, wishes.only)
    if wishes.protocol != "shipped":
        heldout.folds(found.cases, wishes.protocol)
    err = _console(to_stderr=True)
    if found.unlabelled:
        _note(err, f"{found.unlabelled} cases have no truth.yaml and are left out")
    outcome = _measured(wishes, found, err)
    _show(outcome, wishes)
    if wishes.out is not None:
        _write(outcome, wishes.out)
        _note(err, f"bench.json, bench.md and bench.html written to {wishes.out}")


def _measured(wishes: Wishes, found: cases.Found, err: Console) -> Document:
    workers = min(wishes.workers or os.cpu_count() or 1, len(found.cases))
    started = time.perf_counter()
    manner = runs.Manner(workers, wishes.baselines, measure=wishes.protocol != "shipped")
    with _listener(err, len(found.cases)) as listen:
        answers = runs.run_all(found.cases, manner, listen.done)
    scores = [score(case, answer) for case, answer in zip(found.cases, answers, strict=True)]
    told = document(scores, wishes.seed, workers, time.perf_counter() - started, found.unlabelled)
    if wishes.protocol == "shipped":
        return told

    def rank(weights: Sequence[tuple[Weights, ...]]) -> list[Run]:
        with _listener(err, len(found.cases)) as listen:
            return runs.run_all(found.cases, runs.Manner(workers, baselines=False), listen.done, weights)

    _note(err, f"fitting without the cases that are scored: {heldout.TOLD[wishes.protocol]}")
    again = heldout.answers(found.cases, answers, wishes.protocol, rank)
    beside = [score(heldout.scored(case), answer) for case, answer in zip(found.cases, again, strict=True)]
    whole = with_held_out(told, beside, wishes.protocol)
    return whole.model_copy(update={"wall_seconds": round(time.perf_counter() - started, 3)})


def _show(outcome: Document, wishes: Wishes) -> None:
    out = _console(to_stderr=False)
    if wishes.as_json:
        out.file.write(outcome.to_json() + "\n")
    else:
        from bot.bench import tables

        tables.show(out, outcome)
    out.file.flush()


def _check_out(out: Path | None) -> None:
    """Say that nothing can be written before cases are run for it."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be made: {error.strerror}") from error
    if not os.access(out, os.W_OK):
        raise BadInputError(f"--out {out}: cannot be written to")


def _write(outcome: Document, out: Path) -> None:
    from bot.bench import report

    try:
        for name, text in report.files(outcome).items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written: {error.strerror}") from error


class _Listener(Protocol):
    """Hears of every case that is done."""

    def __enter__(self) -> _Listener: ...

    def __exit__(self, *ending: object) -> None: ...

    def done(self, case: Case, answer: Run) -> None:
        """Hear of one case."""
        ...


def _listener(console: Console, total: int) -> _Listener:
    return _Bar(console, total) if console.is_terminal else _Lines(console, total)


class _Bar:
    """A bar, and above it a line for every case that failed."""

    def __init__(self, console: Console, total: int) -> None:
        self._progress = Progress(
            TextColumn("investigating"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._progress.stop()

    def done(self, case: Case, answer: Run) -> None:
        """Move the bar on."""
        self._progress.update(self._task, advance=1, description=one_line(case.name, 60))
        if answer.error:
            self._progress.console.print(_failure(case, answer), soft_wrap=True)


class _Lines:
    """A line every tenth of the way, and one for every case that failed."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *ending: object) -> None:
        return None

    def done(self, case: Case, answer: Run) -> None:
        """Count the case."""
        if answer.error:
            self._console.print(_failure(case, answer), soft_wrap=True)
        self._done += 1
        step = max(self._total // _TOLD_EVERY, 1)
        if self._done % step == 0 or self._done == self._total:
            self._console.print(Text(f"investigated {self._done} of {self._total}"), soft_wrap=True)


def _failure(case: Case, answer: Run) -> Text:
    return Text(f"firstcause: {one_line(case.name)} failed: {answer.error}")


def _note(console: Console, text: str) -> None:
    console.print(Text(f"firstcause: {one_line(text)}", style="dim"), soft_wrap=True)


def _console(*, to_stderr: bool) -> Console:
    console = Console(
        stderr=to_stderr, no_color=Settings().no_color or None, highlight=False, markup=False, emoji=False
    )
    if not console.is_terminal:
        console.width = max(console.width, _PLAIN_WIDTH)
    return console
