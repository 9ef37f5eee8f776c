from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.bench.answers import Answer, Measured, Named, PlacesRanked, Run
from bot.bench.cases import Case, Truth
from bot.bench.heldout import Protocol, answers, folds, scored, systems
from bot.bench.scoring import score
from bot.errors import BadInputError
from graph.model import Verdict
from graph.ranking import Weights
from graph.traits import Traits
from playbooks.model import Entity
from playbooks.suspects import FEATURES

BROAD = Traits(
    ahead=2.0, strength=4.0, agreeing=2, opposing=0, sources=2, visible=True, excess=20.0, share=0.8
)
SERVICES = ("cart", "checkout", "payments")


def _case(name: str, folder: str, *services: str) -> Case:
    return Case(folder, name, Path(folder) / name, Truth(verdict=Verdict.CAUSE, services=services))


def _cases(n: int = 6) -> list[Case]:
    return [
        _case(f"{i}", folder, SERVICES[i % 3]) for folder in ("bank", "shop", "shop-old") for i in range(n)
    ]


def _shipped(cases: Sequence[Case]) -> list[Run]:
    """Features drawn by the case's name alone: nothing of its label is in them."""
    first = Named(service="cart", cause="x", entity=None, change=None, confidence=0.9)
    answer = Answer(verdict=Verdict.CAUSE, proposals=(first,), none_of_these=0.1, calibrated=False, likely=1)
    return [
        Run(answer=answer, measured=Measured(services=SERVICES, features=_features(case)), seconds=1.0)
        for case in cases
    ]


def _features(case: Case) -> tuple[tuple[float, ...], ...]:
    drawn = np.random.default_rng([len(case.set), int(case.folder)]).random((3, len(FEATURES)))
    return tuple(tuple(map(float, row)) for row in drawn)


class Ranker:
    """Ranks by the weights it is given, as the workers would."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        self.given: list[tuple[Weights, ...]] = []

    def __call__(self, weights: Sequence[tuple[Weights, ...]]) -> list[Run]:
        self.given = list(weights)
        return [
            Run(ranked=tuple(self._ranked(case, each) for each in mine))
            for case, mine in zip(self._cases, weights, strict=True)
        ]

    def _ranked(self, case: Case, weights: Weights) -> PlacesRanked:
        vector = np.array([weights.features[name] for name in FEATURES])
        scores = dict(zip(SERVICES, np.exp(np.array(_features(case)) @ vector), strict=True))
        order = sorted(scores, key=lambda name: -scores[name])
        total = sum(scores.values()) + 1.0
        return PlacesRanked(
            places=tuple((name, None) for name in order),
            raw=tuple(float(scores[name] / total) for name in order),
            none=float(1.0 / total),
            traits=BROAD,
        )


def _said(cases: Sequence[Case], protocol: Protocol = "loso") -> list[Answer | None]:
    return [run.answer for run in answers(cases, _shipped(cases), protocol, Ranker(cases))]


def test_a_set_whose_name_begins_with_another_s_is_the_same_system() -> None:
    assert systems([_case("1", name) for name in ("shop-old", "shop", "shopping", "bank")]) == [
        "shop", "shop", "shopping", "bank",
    ]  # fmt: skip


def test_no_label_of_a_system_has_a_say_in_what_is_said_of_it() -> None:
    cases = _cases()
    turned = [
        replace(case, truth=Truth(verdict=Verdict.CAUSE, services=("cart",))) if case.set == "bank" else case
        for case in cases
    ]
    before, after = _said(cases), _said(turned)
    own = [i for i, case in enumerate(cases) if case.set == "bank"]
    assert [before[i] for i in own] == [after[i] for i in own]
    assert any(one != other for one, other in zip(before, after, strict=True)), "labels teach the others"


def test_every_case_is_ranked_by_weights_for_every_fold_it_teaches_and_its_own() -> None:
    cases = _cases()
    ranker = Ranker(cases)
    answers(cases, _shipped(cases), "cv", ranker)
    count = len(set(folds(cases, "cv")))
    assert count == 5
    assert {len(mine) for mine in ranker.given} == {count}


def test_what_is_said_to_be_no_fault_stands_and_what_failed_stays_failed() -> None:
    cases = _cases()
    shipped = _shipped(cases)
    assert shipped[0].answer is not None
    quiet = shipped[0].answer.model_copy(update={"verdict": Verdict.NO_FAULT})
    shipped[0] = shipped[0].model_copy(update={"answer": quiet})
    shipped[1] = Run(error="it broke")
    found = answers(cases, shipped, "loso", Ranker(cases))
    assert found[0].answer == quiet
    assert (found[1].answer, found[1].error) == (None, "it broke")


def test_confidences_of_a_held_out_answer_add_up_and_its_set_is_a_beginning() -> None:
    for answer in _said(_cases()):
        assert answer is not None
        total = sum(each.confidence for each in answer.proposals) + answer.none_of_these
        assert total == pytest.approx(1.0)
        assert 0 <= answer.likely < len(SERVICES)


def test_mechanisms_are_not_scored_as_nothing_is_fitted_on_them() -> None:
    case = _case("1", "shop", "cart")
    named = case.truth.model_copy(update={"cause": "disk_full", "entity": Entity(kind="pod", name="x")})
    told = score(scored(replace(case, truth=named)), _shipped([case])[0])
    assert (told.cause_right, told.entity_right, told.rank) == (None, None, 1)


@pytest.mark.parametrize(
    ("cases", "protocol", "complaint"),
    [
        (_cases()[:6], "loso", "needs cases of two systems"),
        (
            [_case("1", "shop", "cart"), _case("2", "shop", "cart")],
            "cv",
            "needs cases with two guilty services",
        ),
        ([_case("1", "shop", "cart"), _case("2", "bank")], "loso", "needs cases of two systems"),
    ],
)
def test_cases_that_cannot_be_divided_are_refused(
    cases: list[Case], protocol: Protocol, complaint: str
) -> None:
    with pytest.raises(BadInputError, match=complaint):
        folds(cases, protocol)
