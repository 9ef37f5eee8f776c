"""The machine with its checkpoints. The one module of this package that imports langgraph: import it late.

Checkpoints lie in the store's own file, so that after a power cut both are at the same point: SQLite
loses only the end of what was committed, and a checkpoint is written after the answers it refers to.
"""

from __future__ import annotations

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # before langgraph is imported: it reads this once

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from langsmith import tracing_context
from pydantic import BaseModel

from bot.store import Store, connect
from graph.context import Context
from graph.decisions import Label
from graph.machine import Machine, machine
from graph.record import Record
from graph.state import State

_IN_MEMORY: WeakKeyDictionary[Record, InMemorySaver] = WeakKeyDictionary()

STEPS = 1000
"""Far beyond any investigation: its budget ends it first."""


@dataclass(frozen=True, slots=True)
class Run:
    """One thread of the machine, at its latest checkpoint."""

    machine: Machine
    saver: BaseCheckpointSaver[str]
    thread: str

    @property
    def config(self) -> RunnableConfig:
        """How langgraph is told which thread this is."""
        return {"configurable": {"thread_id": self.thread}, "recursion_limit": STEPS}

    def state(self) -> State | None:
        """The state as it stands, None before the beginning."""
        values = self.machine.get_state(self.config).values
        return cast(State, values) if values else None

    def waits(self) -> bool:
        """Whether a person is asked to confirm."""
        return bool(self.machine.get_state(self.config).interrupts)

    def advance(self, step: State | Label | None, context: Context) -> None:
        """Run on from a beginning, from a label, or (None) from where the last process got to."""
        given: State | Command[None] | None
        given = Command(resume=step.model_dump_json()) if isinstance(step, BaseModel) else step
        with tracing_context(enabled=False):  # or a variable of the environment would send evidence away
            self.machine.invoke(given, self.config, context=context, durability="sync")

    def prune(self) -> None:
        """Drop the thread's checkpoints: the record is all that a closed investigation needs."""
        self.saver.delete_thread(self.thread)


@contextmanager
def opened(record: Record, thread: str) -> Iterator[Run]:
    """The thread's run, with checkpoints that are as durable as the record."""
    if not isinstance(record, Store):
        memory = _IN_MEMORY.setdefault(record, InMemorySaver())
        yield Run(machine(memory), memory, thread)
        return
    with _saver(record) as saver:
        yield Run(machine(saver), saver, thread)


@contextmanager
def _saver(record: Store) -> Iterator[BaseCheckpointSaver[str]]:
    """Checkpoints where the record is: in its file, or on its server."""
    if record.path is not None:
        with closing(connect(record.path)) as connection:
            yield SqliteSaver(connection)
        return
    from bot.server_checkpoints import saver_on_server

    with saver_on_server(record.database) as saver:
        yield saver
