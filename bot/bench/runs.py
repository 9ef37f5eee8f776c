"""Runs cases side by side in worker processes; a case that kills or hangs its process is an error."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

from bot.bench.answers import Run
from bot.bench.cases import Case
from bot.bench.worker import Task, serve
from graph.ranking import Weights

LONGEST_SECONDS: Final = 600.0
"""An investigation has a budget of 60 s; a process silent ten times as long is hanging."""

Serve = Callable[[Connection], None]


@dataclass
class _Worker:
    """One process, and the case it works on."""

    process: SpawnProcess
    connection: Connection
    case: int | None = None
    since: float = 0.0

    def give(self, case: int, task: Task) -> None:
        self.case, self.since = case, time.monotonic()
        self.connection.send(task)

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


@dataclass
class _Crew:
    """The processes that are there, and what is left to do."""

    tasks: Sequence[Task]
    serve: Serve
    longest: float
    workers: list[_Worker] = field(default_factory=list)
    begun: int = 0

    def hire(self) -> None:
        """Start a process on the next case, if there is one."""
        if self.begun < len(self.tasks):
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=self.serve, args=(theirs,), daemon=True
            )
            process.start()
            theirs.close()
            worker = _Worker(process, ours)
            self.workers.append(worker)
            self.next(worker)

    def next(self, worker: _Worker) -> None:
        """Give the worker the next case, or let it go."""
        if self.begun >= len(self.tasks):
            self.dismiss(worker)
            return
        self.begun += 1
        worker.give(self.begun - 1, self.tasks[self.begun - 1])

    def dismiss(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        worker.end()

    def heard(self) -> Iterator[tuple[int, Run]]:
        """Wait for what comes next: answers, ends of processes, or the end of patience."""
        ready = wait([worker.connection for worker in self.workers], timeout=1.0)
        for worker in list(self.workers):
            case = worker.case
            if case is None:
                continue
            if worker.connection in ready:
                yield case, self._taken(worker)
            elif time.monotonic() - worker.since > self.longest:
                self._replace(worker)
                yield case, Run(error=f"no answer within {self.longest:g} s", seconds=self.longest)

    def _taken(self, worker: _Worker) -> Run:
        try:
            run: Run = worker.connection.recv()
        except (EOFError, OSError):
            seconds = time.monotonic() - worker.since
            self._replace(worker)
            return Run(error=f"its process ended ({_ending(worker.process)})", seconds=seconds)
        self.next(worker)
        return run

    def _replace(self, worker: _Worker) -> None:
        self.dismiss(worker)
        self.hire()


@dataclass(frozen=True)
class Manner:
    """How cases are run: processes side by side, with or without baselines, and for how long at most."""

    workers: int
    baselines: bool = True
    measure: bool = False
    longest_seconds: float = LONGEST_SECONDS
    serve: Serve = serve


def run_all(
    cases: Sequence[Case],
    manner: Manner,
    done: Callable[[Case, Run], None],
    weights: Sequence[tuple[Weights, ...]] = (),
) -> list[Run]:
    """Run every case; the answers are in the order of the cases, whatever the order in which they came.

    With `weights`, a case is only ranked, once with each of its own.
    """
    own = weights or [()] * len(cases)
    tasks = [
        Task(str(case.path), case.name, manner.baselines, manner.measure, each)
        for case, each in zip(cases, own, strict=True)
    ]
    runs: dict[int, Run] = {}
    with _crew(_Crew(tasks, manner.serve, manner.longest_seconds), manner.workers) as crew:
        while len(runs) < len(tasks):
            for index, run in crew.heard():
                runs[index] = run
                done(cases[index], run)
    return [runs[index] for index in range(len(tasks))]


@contextmanager
def _crew(crew: _Crew, workers: int) -> Iterator[_Crew]:
    try:
        for _ in range(workers):
            crew.hire()
        yield crew
    finally:
        for worker in list(crew.workers):
            crew.dismiss(worker)


def _ending(process: SpawnProcess) -> str:
    code = process.exitcode
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
