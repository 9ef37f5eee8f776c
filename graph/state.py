"""What a checkpoint holds: ids, counters and the incident. Readings and weighings are in the record.

Every value survives LangGraph's strict msgpack, and writing two updates in either order gives one state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypedDict

from playbooks.model import Incident


def merged(known: Sequence[str], new: Sequence[str]) -> list[str]:
    """Both, each once, sorted: sources answer side by side, in any order."""
    return sorted({*known, *new})


def first_reason(known: str, new: str) -> str:
    """The reason that was there first."""
    return known or new


def longest(known: float, new: float) -> float:
    """The later reading of a clock that several tasks looked at."""
    return max(known, new)


class State(TypedDict):
    """An investigation between two nodes.

    `plan`: keys of the questions to ask next. `readings`, `unavailable`: ids of the questions that were
    asked, with and without an answer. `not_asked`: kinds of source that the budget left out. `partial`:
    why the budget cut the investigation short. `weighing`, `proposals`: ids of the latest ranking.
    `decision`: the kind of a person's latest decision.
    """

    incident: Incident
    plan: list[str]
    readings: Annotated[list[str], merged]
    unavailable: Annotated[list[str], merged]
    not_asked: Annotated[list[str], merged]
    partial: Annotated[str, first_reason]
    spent_seconds: Annotated[float, longest]
    weighing: str
    proposals: list[str]
    ruled_out: list[str]
    decision: str


class Update(TypedDict, total=False):
    """What a node changes of the state."""

    plan: list[str]
    readings: list[str]
    unavailable: list[str]
    not_asked: list[str]
    partial: str
    spent_seconds: float
    weighing: str
    proposals: list[str]
    ruled_out: list[str]
    decision: str


class Task(TypedDict):
    """The questions for one kind of source, asked one after the other beside the other sources' tasks."""

    stage: Literal["gather", "ask"]
    source: str
    questions: list[str]


def beginning(incident: Incident) -> State:
    """The state of an investigation that has not begun."""
    return State(
        incident=incident,
        plan=[],
        readings=[],
        unavailable=[],
        not_asked=[],
        partial="",
        spent_seconds=0.0,
        weighing="",
        proposals=[],
        ruled_out=[],
        decision="",
    )
