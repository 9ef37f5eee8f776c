"""Held-out figures: every case ranked by weights and calibrated by a model that were fitted without its fold.

Nested, as in `benchmarks/calibrate.py`: the calibrator, too, learned from rankings whose weights had not seen
the case ranked. Only verdicts that nothing is (any longer) wrong are taken as the shipped program gave them.
Pure but for `answers`, which runs the cases once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from bot.bench.answers import Answer, Measured, Named, PlacesRanked, Run
from bot.bench.cases import Case
from bot.errors import BadInputError
from connectors.answers import Floats
from graph.calibration import Calibration, abstains, calibrate, conformal_set
from graph.calibrators import CANDIDATES, Row, Scored, abstain_below, by, conformal, fit
from graph.fitting import fit as fit_weights
from graph.fitting import weights_of
from graph.judgement import MOST_PROPOSALS
from graph.model import Verdict
from graph.ranking import Weights

Protocol = Literal["shipped", "loso", "cv"]

TOLD: Final[dict[Protocol, str]] = {
    "shipped": "as shipped",
    "loso": "leave one system out",
    "cv": "five folds by guilty service",
}
FOLDS: Final = 5
_CALIBRATOR: Final = next(each for each in CANDIDATES if each.name == "Platt, ceilings")
_QUIET: Final = frozenset({Verdict.RECOVERED, Verdict.NO_FAULT})

Vectors = Mapping[tuple[str, ...], Floats]
"""Fitted weights by the folds that were left out of the fit."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A case as weights are fitted on it."""

    name: str
    system: str
    features: Floats
    right: Floats


def systems(cases: Sequence[Case]) -> list[str]:
    """Each case's system: its set, where `shop` and `shop-old` are one."""
    names = sorted({case.set for case in cases})
    return [
        min(name for name in names if case.set == name or case.set.startswith(f"{name}-")) for case in cases
    ]


def folds(cases: Sequence[Case], protocol: Protocol) -> list[str]:
    """The fold of every case; cases whose truth names no service lie in folds, but nothing is fitted on them.

    Raises:
        BadInputError: the cases cannot be divided so.
    """
    known = systems(cases)
    if protocol == "loso":
        found = known
    else:
        groups = [
            f"{system}/{(*case.truth.services, '')[0]}" for case, system in zip(cases, known, strict=True)
        ]
        order = {group: str(i % FOLDS) for i, group in enumerate(sorted(set(groups)))}
        found = [order[group] for group in groups]
    if len({fold for case, fold in zip(cases, found, strict=True) if case.truth.services}) < 2:
        needs = "cases of two systems (folders)" if protocol == "loso" else "cases with two guilty services"
        raise BadInputError(
            f"--protocol {protocol}: needs {needs} at least, with `services` in their truth.yaml"
        )
    return found


def scored(case: Case) -> Case:
    """The case without the labels that no weights are fitted on: mechanisms and things at fault."""
    return replace(case, truth=case.truth.model_copy(update={"cause": None, "entity": None}))


def answers(
    cases: Sequence[Case],
    shipped: Sequence[Run],
    protocol: Protocol,
    rank: Callable[[Sequence[tuple[Weights, ...]]], list[Run]],
) -> list[Run]:
    """Every case's run under the protocol; `rank` ranks each case with each of its weights."""
    fold_of = folds(cases, protocol)
    every = sorted(set(fold_of))
    vectors = _fitted(_labelled(cases, shipped), fold_of)
    # A case is scored without its own fold; to teach another fold's calibrator it is ranked without both.
    without = [[(own,), *(_pair(own, other) for other in every if other != own)] for own in fold_of]
    ranked = rank([tuple(weights_of(vectors[each], "held out") for each in mine) for mine in without])
    table = [dict(zip(mine, run.ranked, strict=False)) for mine, run in zip(without, ranked, strict=True)]
    models = {fold: _model(cases, fold_of, table, fold) for fold in every}
    return [
        _answered(run, again, mine.get((own,)), models[own])
        for run, again, mine, own in zip(shipped, ranked, table, fold_of, strict=True)
    ]


def _pair(one: str, other: str) -> tuple[str, ...]:
    return tuple(sorted((one, other)))


def _labelled(cases: Sequence[Case], shipped: Sequence[Run]) -> list[Labelled | None]:
    """What each case teaches weights; None where its truth names no service, or it failed."""
    return [
        Labelled(case.name, system, np.array(run.measured.features), _right(case, run.measured))
        if case.truth.services and run.measured.services
        else None
        for case, run, system in zip(cases, shipped, systems(cases), strict=True)
    ]


def _right(case: Case, measured: Measured) -> Floats:
    return np.array([float(name in case.truth.services) for name in measured.services])


def _fitted(labelled: Sequence[Labelled | None], fold_of: Sequence[str]) -> Vectors:
    every = sorted(set(fold_of))
    wanted = {(fold,) for fold in every} | {_pair(a, b) for a in every for b in every if a != b}
    return {
        left_out: fit_weights(
            [each for each, fold in zip(labelled, fold_of, strict=True) if each and fold not in left_out]
        )
        for left_out in sorted(wanted)
    }


def _model(
    cases: Sequence[Case],
    fold_of: Sequence[str],
    table: Sequence[Mapping[tuple[str, ...], PlacesRanked]],
    held: str,
) -> Calibration:
    """The calibration for one fold, from the others' rankings."""
    rows = [
        row
        for case, own, mine, system in zip(cases, fold_of, table, systems(cases), strict=True)
        if own != held and (row := _row(case, system, mine.get(_pair(own, held)))) is not None
    ]
    if not rows:
        raise BadInputError("too few cases could be ranked to fit anything without the case that is scored")
    model = fit(_CALIBRATOR, rows)
    said = by(model)
    scored = [Scored(row, said(row)) for row in rows]
    return model.model_copy(update={"conformal": conformal(scored), "abstain_below": abstain_below(scored)})


def _row(case: Case, system: str, ranked: PlacesRanked | None) -> Row | None:
    """A ranking as calibrators learn from it."""
    if ranked is None or not ranked.places or not case.truth.services:
        return None
    total = sum(ranked.raw) + ranked.none
    at = (i for i, (service, _) in enumerate(ranked.places) if service in case.truth.services)
    return Row(
        name=case.name,
        system=system,
        healthy=False,
        raw=tuple(each / total for each in ranked.raw),
        none=ranked.none / total,
        truth=next(at, None),
        traits=ranked.traits,
    )


def _answered(run: Run, again: Run, ranked: PlacesRanked | None, model: Calibration) -> Run:
    """The run with what the held-out ranking says in place of what the shipped one said."""
    seconds = {"baselines": {}, "seconds": again.seconds, "peak_bytes": again.peak_bytes}
    if run.answer is None or ranked is None:
        return run.model_copy(update={**seconds, "answer": None, "error": run.error or again.error})
    if run.answer.verdict in _QUIET:
        return run.model_copy(update=seconds)
    said = calibrate(ranked.raw, ranked.none, ranked.traits, model)
    named = tuple(
        Named(service=service, cause="", entity=None, change=change, confidence=confidence)
        for (service, change), confidence in zip(ranked.places, said.confidences, strict=True)
    )[:MOST_PROPOSALS]
    size = conformal_set(said, model)
    answer = Answer(
        verdict=Verdict.UNKNOWN if abstains(said, model) else Verdict.CAUSE,
        proposals=named,
        none_of_these=said.none,
        calibrated=False,
        likely=size if size <= MOST_PROPOSALS else 0,
    )
    return run.model_copy(update={**seconds, "answer": answer})
