"""The way of one incident, on one page: every node and every edge, in reading order.

What a node does is in `graph.nodes`; what is asked and when it is enough, in `graph.planning`; how a
question is asked in time and without exceptions, in `graph.asking`.
"""

from __future__ import annotations

from itertools import groupby
from typing import Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy, Send

from graph import nodes
from graph.asking import ATTEMPTS
from graph.context import Context
from graph.errors import SourceFailedError
from graph.planning import question_of
from graph.state import State, Task

Machine = CompiledStateGraph[State, Context, State, State]

PATIENT = RetryPolicy(
    initial_interval=0.1, max_interval=0.5, max_attempts=ATTEMPTS, jitter=False, retry_on=SourceFailedError
)
"""For nodes that ask: a source that raises is asked again, and its last exception is no answer."""


def machine(checkpointer: BaseCheckpointSaver[str] | None = None) -> Machine:
    """Build the machine; with a checkpointer it survives its process."""
    way = StateGraph(State, context_schema=Context)

    way.add_node("scope", nodes.scope)
    way.add_node("gather", nodes.gather, retry_policy=PATIENT, input_schema=Task)
    way.add_node("weigh", nodes.weigh)
    way.add_node("ask", nodes.ask, retry_policy=PATIENT, input_schema=Task)
    way.add_node("propose", nodes.propose)
    way.add_node("confirm", nodes.confirm)
    way.add_node("close", nodes.close)

    way.add_edge(START, "scope")
    way.add_conditional_edges("scope", side_by_side, ["gather", "weigh"])
    way.add_edge("gather", "weigh")
    way.add_conditional_edges("weigh", while_worth_its_time, ["ask", "propose"])
    way.add_edge("ask", "weigh")
    way.add_edge("propose", "confirm")
    way.add_conditional_edges("confirm", unless_ruled_out, ["weigh", "close"])
    way.add_edge("close", END)

    return way.compile(checkpointer=checkpointer)


def side_by_side(state: State) -> list[Send] | Literal["weigh"]:
    """One task for each kind of source; with nothing to ask there is still a proposal."""
    return _sends("gather", state["plan"]) or "weigh"


def while_worth_its_time(state: State) -> list[Send] | Literal["propose"]:
    """Ask what the weighing wants to know, until nothing is left that is worth its time."""
    return _sends("ask", state["plan"]) or "propose"


def unless_ruled_out(state: State) -> Literal["weigh", "close"]:
    """A proposal that was ruled out leaves the ranking; every other decision ends the investigation."""
    return "weigh" if state["decision"] == "rule_out" else "close"


def _sends(stage: Literal["gather", "ask"], plan: list[str]) -> list[Send]:
    by_source = groupby(sorted(plan, key=_source), key=_source)
    return [Send(stage, Task(stage=stage, source=source, questions=list(keys))) for source, keys in by_source]


def _source(key: str) -> str:
    return question_of(key).source.value


def diagram() -> str:
    """The machine as Mermaid text; the README's copy is held to it by a test."""
    return machine().get_graph().draw_mermaid()
