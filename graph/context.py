"""What a run of the machine is given: sources, record, judgement, clocks, budget, listener.

None of it is kept in a checkpoint: another process brings its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from connectors.contract import Reading, Source, Sources
from graph.decisions import Confirm, Decision, Label, Skip, label
from graph.model import Weighing
from graph.planning import Budget
from graph.record import Record
from playbooks.model import Incident

Stage = Literal["scope", "gather", "weigh", "ask", "propose", "confirm", "close"]
Weigh = Callable[[Incident, Sequence[Reading], Collection[str]], Weighing]


@dataclass(frozen=True, slots=True)
class Options:
    """How far an investigation may go.

    `seconds` and `queries` are its budget; a question that is tried again counts once.
    `question_seconds` is how long one question may take before its source counts as hanging.
    `confirm`: "ask" waits for a person, "yes" confirms the first proposal, "no" closes without a label.
    """

    seconds: float = 60.0
    queries: int = 200
    question_seconds: float = 20.0
    confirm: Literal["ask", "yes", "no"] = "ask"

    def decision(self) -> Decision | None:
        """What is decided without a person; None means to wait for one."""
        decided: dict[str, Decision] = {"yes": Confirm(), "no": Skip()}
        return decided.get(self.confirm)


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened, for a live display.

    A stage that begins has no question, and a source where it is asked beside others.
    `seconds` is how long a question took, 0 while it is being asked.
    """

    stage: Stage
    state: Literal["started", "answered", "unavailable"]
    source: Source | None = None
    question: str = ""
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a node needs besides the state.

    `clock` counts seconds and serves the budget alone; `now` is the wall clock of the record's seal.
    `started` is the clock's reading when this process took over, `spent_before` what others spent.
    `incident_at` is the investigation's now.
    """

    thread: str
    incident_at: datetime
    sources: Sources
    record: Record
    weigh: Weigh
    options: Options
    listen: Callable[[Progress], None]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    started: float = 0.0
    spent_before: float = 0.0

    def enter(self, stage: Stage, source: Source | None = None) -> None:
        """Tell the listener that a stage begins, or one source's part of it."""
        self.listen(Progress(stage, "started", source))

    def spent(self) -> float:
        """Seconds of work so far, waiting for people not counted."""
        return self.spent_before + self.clock() - self.started

    def left(self) -> float:
        """Seconds that the budget still holds."""
        return self.options.seconds - self.spent()

    def own_label(self, weighing: str) -> Label | None:
        """What the options decide on the weighing; None means that a person decides."""
        decision = self.options.decision()
        known = self.record.get_weighing(self.thread, weighing)
        return label(decision, weighing, known, seen=False) if decision else None

    def budget(self) -> Budget:
        """The budget as planning sees it."""
        return Budget(seconds_left=self.left(), queries=self.options.queries)
