"""What one worker process does: investigate one case after another, without ever seeing an answer.

The first thing it does is to make the answers unreadable, for itself and everything it calls.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from bot import casework, incidents, result
from bot.bench import baselines
from bot.bench.answers import Measured, Method, PlacesRanked, Ranking, Run, of_result
from bot.errors import BotError
from bot.investigation import Options, Progress
from bot.safetext import one_line
from connectors.case import CaseSources, forbid_answers, open_case
from connectors.contract import Reading
from connectors.errors import ConnectorError
from graph.judgement import rank_places
from graph.planning import sweep
from graph.ranking import Weights
from graph.record import MemoryRecord
from playbooks.model import Incident
from playbooks.observations import Observations
from playbooks.suspects import examine

OPTIONS: Final = Options(confirm="no")
"""Those of `investigate --no-confirm`."""
_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Task:
    """One case to run: its folder, the name that breaks ties, whether baselines are wanted.

    `measure`: also say what weights are fitted on. `weights`: rank with these instead of investigating.
    """

    path: str
    name: str
    baselines: bool
    measure: bool = False
    weights: tuple[Weights, ...] = ()


def serve(connection: Connection) -> None:
    """Take tasks from the other end until it closes."""
    forbid_answers()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    import bot.checkpoints  # noqa: F401 - imported now, so that no case's seconds hold the import's

    while True:
        try:
            task: Task | None = connection.recv()
        except EOFError:
            return
        if task is None:
            return
        connection.send(run(task))


def run(task: Task) -> Run:
    """Run one case; whatever goes wrong is the run's error."""
    _forget_peak()
    started = time.perf_counter()
    try:
        sources = open_case(Path(task.path))
        incident = incidents.of_case(sources.manifest, sources.alert_bytes)
        if task.weights:
            return Run(ranked=_ranked(sources, incident, task.weights), seconds=time.perf_counter() - started)
        work = casework.Casework(incident, sources, MemoryRecord(), incident.id)
        answer = of_result(result.of_outcome(work.investigate(OPTIONS, _silent)))
    except (ConnectorError, BotError) as error:
        return Run(error=one_line(str(error), 300), seconds=time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 - the process edge: a case that fails is a result, and shown
        return Run(error=_defect(error), seconds=time.perf_counter() - started)
    seconds, peak = time.perf_counter() - started, _peak_bytes()
    view = baselines.view_of(sources, incident, task.name)
    return Run(
        answer=answer,
        baselines=_rankings(view) if task.baselines else {},
        aliases=view.aliases,
        seconds=seconds,
        peak_bytes=peak,
        measured=_measured(sources, incident) if task.measure else Measured(),
    )


def _readings(sources: CaseSources, incident: Incident) -> list[Reading]:
    """The first sweep, which holds all that places are ranked by."""
    answers = [sources.ask(each, now=incident.at) for each in sweep(incident, sources.available())]
    return [answer for answer in answers if isinstance(answer, Reading)]


def _measured(sources: CaseSources, incident: Incident) -> Measured:
    suspects = examine(incident, Observations(_readings(sources, incident)))
    rows = tuple(tuple(map(float, row)) for row in suspects.features)
    return Measured(services=tuple(suspects.services), features=rows)


def _ranked(sources: CaseSources, incident: Incident, weights: Sequence[Weights]) -> tuple[PlacesRanked, ...]:
    return tuple(
        PlacesRanked(
            places=tuple(
                (each.service, each.change.change_id if each.change else None) for each in ranked.places
            ),
            raw=tuple(each.probability for each in ranked.places),
            none=ranked.none,
            traits=ranked.traits,
        )
        for ranked in rank_places(incident, _readings(sources, incident), weights)
    )


def _rankings(view: baselines.View) -> dict[Method, Ranking]:
    return {method: _timed(rank, view) for method, rank in baselines.METHODS.items()}


def _timed(rank: Callable[[baselines.View], Ranking], view: baselines.View) -> Ranking:
    started = time.perf_counter()
    ranking = rank(view)
    return ranking.model_copy(update={"seconds": time.perf_counter() - started})


def _silent(_: Progress) -> None:
    """Listen to nothing."""


def _defect(error: Exception) -> str:
    """An unexpected error in one line, with where it came from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = "/".join(Path(frame.filename).parts[-2:])
    return one_line(f"{type(error).__name__}: {error} ({place}:{frame.lineno})", 300)


def _forget_peak() -> None:
    """Begin to measure peak memory anew, where the system can (Linux)."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_bytes() -> int:
    """Peak resident memory since the last case began; elsewhere than on Linux since the process began."""
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
