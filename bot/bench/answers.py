"""What one run of one case yields, as the processes hand it to the one that scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.result import Result
from connectors.contract import Frozen
from graph.model import Verdict
from graph.traits import Traits
from playbooks.model import Entity

Method = Literal["baro", "nsigma", "correlation", "random_walk", "latest_deploy"]


class Named(Frozen):
    """One proposal, as far as it is scored."""

    service: str | None
    cause: str
    entity: Entity | None
    change: str | None
    confidence: float

    @property
    def place(self) -> str:
        """What the proposal blames: its service, else its entity."""
        if self.service is not None:
            return f"service {self.service}"
        return f"{self.entity.kind} {self.entity.name}" if self.entity else "nothing"


class Answer(Frozen):
    """The result of an investigation, as far as it is scored; `partial` as in the result.

    `likely`: how many of the first proposals are said to hold the cause; 0 where nothing is said.
    """

    verdict: Verdict
    proposals: tuple[Named, ...]
    none_of_these: float
    calibrated: bool
    partial: str = ""
    likely: int = 0


class PlacesRanked(Frozen):
    """A ranking before any calibration, as other weights than the shipped ones make it."""

    places: tuple[tuple[str, str | None], ...]
    raw: tuple[float, ...]
    none: float
    traits: Traits


class Measured(Frozen):
    """What fitting weights needs of a case: its services and one row of features for each."""

    services: tuple[str, ...] = ()
    features: tuple[tuple[float, ...], ...] = ()


class Ranking(Frozen):
    """What a baseline says: services, the worst first, and the change it blames; else why it cannot say."""

    services: tuple[str, ...] = ()
    change: str | None = None
    seconds: float = 0.0
    why_not: str = ""


class Run(Frozen):
    """One case, run once: an answer or an error, the baselines' rankings, seconds, peak memory in bytes.

    `aliases` are pairs of names of one change: its id and its commit. `measured` and `ranked` are there where
    other weights than the shipped ones are asked for.
    """

    answer: Answer | None = None
    error: str = ""
    baselines: dict[Method, Ranking] = Field(default_factory=dict)
    aliases: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    peak_bytes: int = 0
    measured: Measured = Measured()
    ranked: tuple[PlacesRanked, ...] = ()


def of_result(result: Result) -> Answer:
    """What of a result is scored."""
    return Answer(
        verdict=result.verdict,
        proposals=tuple(
            Named(
                service=each.service,
                cause=each.cause,
                entity=Entity(kind=each.entity.kind, name=each.entity.name) if each.entity else None,
                change=each.change,
                confidence=each.confidence,
            )
            for each in result.proposals
        ),
        none_of_these=result.none_of_these,
        calibrated=result.calibrated,
        partial=result.partial,
        likely=result.likely.places if result.likely else 0,
    )
