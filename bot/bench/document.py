"""The benchmark's outcome as one typed document: what --json prints and every other output is made from.

Keys are added, never changed, as long as `format` is 1. Two runs on the same cases differ in seconds and
bytes only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Literal

import bot
from bot.bench import intervals, summary
from bot.bench.answers import Method
from bot.bench.heldout import TOLD, Protocol
from bot.bench.scoring import BLAMED, CONFIDENT, Score
from bot.bench.summary import Summary
from connectors.contract import Frozen

FORMAT: Final = 1

BASELINES: Final[dict[Method, str]] = {
    "baro": "BARO",
    "nsigma": "N-sigma",
    "correlation": "correlation",
    "random_walk": "random walk",
    "latest_deploy": "latest deploy",
}


class HeldOut(Frozen):
    """The same cases, each ranked and calibrated by what was fitted without its fold; no baselines."""

    protocol: Protocol
    told: str
    sets: list[Summary]
    cases: list[Score]


class Document(Frozen):
    """Everything a benchmark found: a summary a set, the pooled one last, and every case.

    `held_out` is None where only the shipped program was asked for.
    """

    format: Literal[1]
    version: str
    seed: int
    resamples: int
    confident: float
    blamed: float
    headline_ece: Literal["ece"]
    workers: int
    wall_seconds: float
    unlabelled: int
    sets: list[Summary]
    cases: list[Score]
    held_out: HeldOut | None = None

    @property
    def overall(self) -> Summary:
        """The pooled summary, or the only one."""
        return self.sets[-1]

    def to_json(self) -> str:
        """The document as text, pure ASCII."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=True)


def document(
    scores: Sequence[Score], seed: int, workers: int, wall_seconds: float, unlabelled: int
) -> Document:
    """Sum the scores up, those of the shipped program."""
    return Document(
        format=FORMAT,
        version=bot.__version__,
        seed=seed,
        resamples=intervals.RESAMPLES,
        confident=CONFIDENT,
        blamed=BLAMED,
        headline_ece="ece",
        workers=workers,
        wall_seconds=round(wall_seconds, 3),
        unlabelled=unlabelled,
        sets=summary.summarise(scores, seed),
        cases=list(scores),
    )


def with_held_out(outcome: Document, scores: Sequence[Score], protocol: Protocol) -> Document:
    """The document with the held-out scores beside those of the shipped program."""
    beside = HeldOut(
        protocol=protocol,
        told=TOLD[protocol],
        sets=summary.summarise(scores, outcome.seed),
        cases=list(scores),
    )
    return outcome.model_copy(update={"held_out": beside})
