"""Scores one answer against one truth. Pure; what a figure means is in docs/bench.md.

None always means "not scored": the truth does not say, or nothing was claimed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from pydantic import Field

from bot.bench.answers import Answer, Method, Named, Ranking, Run
from bot.bench.cases import Case, Truth
from connectors.contract import Frozen
from graph.model import Verdict

CONFIDENT: Final = 0.8
BLAMED: Final = 0.5
NONE: Final = "none"
_QUIET: Final = frozenset({Verdict.RECOVERED, Verdict.NO_FAULT})
_LEAST_SHA: Final = 7


class Claim(Frozen):
    """What an answer says with which confidence, and whether it is right."""

    confidence: float
    right: bool


class BaselineScore(Frozen):
    """One baseline on one case. `why_not` says why it could not rank."""

    rank: int | None = None
    change_right: bool | None = None
    seconds: float = 0.0
    why_not: str = ""


class Score(Frozen):
    """One case, scored.

    `rank`: the place of the first right service among the distinct ones, None where it is not named;
    `rank_by_proposal` counts proposals instead. `ranked`: whether the truth names services at all.
    `surely`: whether the case takes part in the figures about confidence, a missing claim counting as unsure.
    `set_holds`: whether the proposals that are said to hold the cause do; None where nothing is said.
    """

    set: str
    name: str
    error: str = ""
    partial: str = ""
    truth: Truth
    answer: Answer | None = None
    ranked: bool
    rank: int | None = None
    rank_by_proposal: int | None = None
    surely: bool
    claim: Claim | None = None
    set_holds: bool | None = None
    verdict_right: bool
    cause_right: bool | None = None
    entity_right: bool | None = None
    change_right: bool | None = None
    decoy_blamed: bool | None = None
    decoy_first: bool | None = None
    baselines: dict[Method, BaselineScore] = Field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def confidently_wrong(self) -> bool:
        """Whether the answer is wrong and said so surely that people would have acted on it."""
        return self.claim is not None and not self.claim.right and self.claim.confidence >= CONFIDENT


def score(case: Case, run: Run) -> Score:
    """Score one run; a run without an answer is wrong wherever it is scored."""
    truth, answer = case.truth, run.answer
    named = answer.proposals if answer else ()
    first = named[0] if named else None
    same = _Same(run.aliases)
    return Score(
        set=case.set,
        name=case.name,
        error=run.error,
        partial=answer.partial if answer else "",
        truth=truth,
        answer=answer,
        ranked=bool(truth.services),
        rank=rank_of([each.place for each in named], truth.services),
        rank_by_proposal=_rank_by_proposal(named, truth.services),
        surely=_surely(truth),
        claim=claim(answer, truth) if answer and _surely(truth) else None,
        set_holds=_set_holds(answer, truth),
        verdict_right=answer is not None and answer.verdict == truth.verdict,
        cause_right=None if truth.cause is None else first is not None and first.cause == truth.cause,
        entity_right=None if truth.entity is None else first is not None and first.entity == truth.entity,
        change_right=_change_right(answer, truth.commit, same),
        decoy_blamed=_any_decoy([each for each in named if each.confidence >= BLAMED], truth.decoys, same),
        decoy_first=_any_decoy(named[:1], truth.decoys, same),
        baselines={method: _baseline(ranking, truth, same) for method, ranking in run.baselines.items()},
        seconds=run.seconds,
        peak_bytes=run.peak_bytes,
    )


def rank_of(places: Iterable[str], services: Collection[str]) -> int | None:
    """The place of the first right service among the distinct places, from 1."""
    right = {f"service {service}" for service in services}
    distinct = dict.fromkeys(places)
    return next((rank for rank, place in enumerate(distinct, start=1) if place in right), None)


def _rank_by_proposal(named: Sequence[Named], services: Collection[str]) -> int | None:
    return next((rank for rank, each in enumerate(named, start=1) if each.service in services), None)


def _surely(truth: Truth) -> bool:
    """Whether the truth can tell a right claim from a wrong one."""
    return bool(truth.services) or truth.verdict in _QUIET | {Verdict.EXTERNAL}


def claim(answer: Answer, truth: Truth) -> Claim | None:
    """What the answer claims; None where it claims nothing.

    Under the verdicts recovered and no_fault the claim is the verdict, and `none_of_these` its confidence.
    Otherwise it is the first proposal's service; where the truth names none, that the fault lies outside.
    """
    if answer.verdict in _QUIET:
        return Claim(confidence=answer.none_of_these, right=answer.verdict == truth.verdict)
    if not answer.proposals:
        return None
    first = answer.proposals[0]
    if truth.services:
        return Claim(confidence=first.confidence, right=first.service in truth.services)
    outside = answer.verdict == truth.verdict == Verdict.EXTERNAL
    return Claim(confidence=first.confidence, right=outside)


def _set_holds(answer: Answer | None, truth: Truth) -> bool | None:
    if answer is None or not answer.likely or not truth.services or answer.verdict in _QUIET:
        return None
    return any(each.service in truth.services for each in answer.proposals[: answer.likely])


def _change_right(answer: Answer | None, guilty: str | None, same: _Same) -> bool | None:
    if guilty is None:
        return None
    if answer is None or (not answer.proposals and answer.verdict not in _QUIET):
        return False
    blamed = answer.proposals[0].change if answer.proposals and answer.verdict not in _QUIET else None
    return same.change(blamed, guilty)


def _any_decoy(named: Iterable[Named], decoys: Collection[str], same: _Same) -> bool | None:
    if not decoys:
        return None
    return any(
        each.change is not None and same.change(each.change, decoy) for each in named for decoy in decoys
    )


def _baseline(ranking: Ranking, truth: Truth, same: _Same) -> BaselineScore:
    told = truth.commit is not None and ranking.change is not None
    return BaselineScore(
        rank=rank_of((f"service {name}" for name in ranking.services), truth.services),
        change_right=same.change(ranking.change, truth.commit or NONE) if told else None,
        seconds=ranking.seconds,
        why_not=ranking.why_not,
    )


class _Same:
    """Whether two names are of one change: equal, a hash and its beginning, or an id and its commit."""

    def __init__(self, aliases: Iterable[tuple[str, str]]) -> None:
        self._commit_of: dict[str, set[str]] = {}
        for change, commit in aliases:
            self._commit_of.setdefault(change, set()).add(commit)

    def change(self, blamed: str | None, guilty: str) -> bool:
        """Whether the blamed change is the one the label names; nothing blamed is right under "none"."""
        if blamed is None or guilty == NONE:
            return blamed is None and guilty == NONE
        return any(_alike(one, guilty) for one in {blamed, *self._commits(blamed)}) or any(
            _alike(blamed, commit) for commit in self._commits(guilty)
        )

    def _commits(self, change: str) -> set[str]:
        """The commit of a change; a change of several commits is none of them."""
        commits = self._commit_of.get(change, set())
        return commits if len(commits) == 1 else set()


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _LEAST_SHA and _hexadecimal(short) and long.startswith(short))


def _hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)
