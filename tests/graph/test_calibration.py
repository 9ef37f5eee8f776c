from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from graph.calibration import (
    CALIBRATION,
    Calibrated,
    Calibration,
    Conformal,
    abstains,
    calibrate,
    conformal_set,
    first_confidence,
    is_thin,
    load_calibration,
    threshold_of,
)
from graph.traits import Traits

PLAIN = Calibration(
    format=1,
    version="t",
    method="t",
    offset=0.0,
    rise=1.0,
    fall=1.0,
    weights={},
    ceiling=1.0,
    thin_ceiling=0.75,
    abstain_below=0.2,
    conformal=Conformal(level=0.9, threshold=0.5, cases=30),
    provenance={},
)
BROAD = Traits(
    ahead=2.0, strength=4.0, agreeing=2, opposing=0, sources=2, visible=True, excess=20.0, share=0.8
)

traits = st.builds(
    Traits,
    ahead=st.floats(-10, 10),
    strength=st.floats(0, 20),
    agreeing=st.integers(0, 7),
    opposing=st.integers(0, 5),
    sources=st.integers(0, 3),
    visible=st.booleans(),
    excess=st.floats(0, 20),
    share=st.floats(0, 1),
)
models = st.builds(
    lambda offset, rise, fall, sources: PLAIN.model_copy(
        update={"offset": offset, "rise": rise, "fall": fall, "weights": {"sources": sources}}
    ),
    st.floats(-3, 3),
    st.floats(0.1, 3),
    st.floats(0.1, 3),
    st.floats(-1, 1),
)
rankings = st.lists(st.floats(0.0, 1.0), min_size=0, max_size=12)
law = settings(max_examples=150, deadline=None, derandomize=True)


def _said(*confidences: float) -> Calibrated:
    return Calibrated(confidences, 1.0 - sum(confidences), False)


@law
@given(rankings, st.floats(0.0, 1.0), traits, models)
def test_calibrated_confidences_and_none_add_up_to_one(
    raw: list[float], none: float, seen: Traits, model: Calibration
) -> None:
    found = calibrate(raw, none, seen, model)
    assert sum(found.confidences) + found.none == pytest.approx(1.0)
    assert all(0.0 <= each <= 1.0 for each in [*found.confidences, found.none])
    assert len(found.confidences) == len(raw)


@law
@given(rankings, st.floats(0.0, 1.0), traits, models)
def test_calibration_never_reorders_the_proposals(
    raw: list[float], none: float, seen: Traits, model: Calibration
) -> None:
    found = calibrate(raw, none, seen, model).confidences
    for i, one in enumerate(raw):
        assert all(found[i] <= found[j] + 1e-12 for j, other in enumerate(raw) if one < other)
        assert all(found[i] == pytest.approx(found[j]) for j, other in enumerate(raw) if one == other)


@law
@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=8), traits, models)
def test_a_hair_s_breadth_between_two_proposals_stays_one(
    raw: list[float], seen: Traits, model: Calibration
) -> None:
    first = max(raw)
    found = calibrate([first, first * (1 - 1e-9), *raw], 0.1, seen, model).confidences
    assert found[0] == pytest.approx(found[1], abs=1e-6)


@law
@given(st.floats(0.011, 0.98), st.floats(0.001, 0.009), traits, models)
def test_a_surer_ranking_is_never_calibrated_to_a_less_sure_one(
    raw: float, more: float, seen: Traits, model: Calibration
) -> None:
    assert first_confidence(raw + more, seen, model) >= first_confidence(raw, seen, model)


@law
@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8), traits, models)
def test_the_order_in_which_proposals_come_changes_no_confidence(
    raw: list[float], seen: Traits, model: Calibration
) -> None:
    forward = calibrate(raw, 0.1, seen, model)
    backward = calibrate(raw[::-1], 0.1, seen, model)
    assert sorted(forward.confidences) == pytest.approx(sorted(backward.confidences))


@law
@given(st.floats(0.0, 1.0), traits, models)
def test_thin_evidence_is_never_believed_beyond_its_ceiling(
    raw: float, seen: Traits, model: Calibration
) -> None:
    assert first_confidence(raw, replace(seen, visible=False), model) <= model.thin_ceiling
    assert first_confidence(raw, replace(seen, excess=5.0), model) <= model.thin_ceiling


def test_as_shipped_thin_evidence_cannot_reach_a_confidence_that_people_act_on() -> None:
    model = load_calibration()
    assert first_confidence(1.0, replace(BROAD, visible=False), model) < 0.8
    assert first_confidence(1.0, replace(BROAD, excess=5.2), model) < 0.8
    assert not is_thin(BROAD)


def test_proposals_that_are_held_back_are_not_tied() -> None:
    found = calibrate([0.5, 0.4, 0.1], 0.0, BROAD, PLAIN.model_copy(update={"ceiling": 0.5})).confidences
    assert found[0] > found[1] > found[2]


def test_the_identity_leaves_a_ranking_as_it_is() -> None:
    found = calibrate([0.5, 0.3], 0.2, BROAD, PLAIN)
    assert found.confidences == pytest.approx((0.5, 0.3))
    assert found.none == pytest.approx(0.2)


def test_doubt_goes_to_the_others_by_their_proportions() -> None:
    found = calibrate([0.8, 0.1], 0.1, BROAD, PLAIN.model_copy(update={"ceiling": 0.75}))
    assert found.confidences == pytest.approx((0.6, 0.2))
    assert found.none == pytest.approx(0.2)


def test_what_the_second_may_not_take_goes_to_none_of_these() -> None:
    found = calibrate([0.5, 0.5], 0.0, BROAD, PLAIN.model_copy(update={"ceiling": 0.5}))
    assert found.confidences == pytest.approx((0.25, 0.25))
    assert found.none == pytest.approx(0.5)


def test_where_a_rival_is_close_the_first_cannot_be_believed_far() -> None:
    sure = PLAIN.model_copy(update={"offset": 3.0})
    assert calibrate([0.5, 0.5], 0.0, BROAD, sure).confidences == pytest.approx((0.5, 0.5))
    assert calibrate([0.5, 0.4], 0.1, BROAD, sure).confidences[0] < 0.65
    assert calibrate([0.5, 0.1], 0.4, BROAD, sure).confidences[0] > 0.9


def test_platt_scaling_is_a_known_number() -> None:
    model = PLAIN.model_copy(update={"offset": 0.5, "rise": 2.0, "fall": 2.0})
    assert first_confidence(0.8, BROAD, model) == pytest.approx(1 / (1 + math.exp(-(0.5 + 2 * math.log(4)))))


def test_a_trait_that_is_not_a_number_moves_nothing() -> None:
    model = PLAIN.model_copy(update={"weights": {"ahead": 1.0, "unheard of": 3.0}})
    assert first_confidence(0.5, replace(BROAD, ahead=math.nan), model) == pytest.approx(0.5)


@pytest.mark.parametrize(("raw", "none"), [([], 0.3), ([0.0, 0.0], 0.0), ([], 0.0)])
def test_without_any_confidence_it_is_none_of_these(raw: list[float], none: float) -> None:
    found = calibrate(raw, none, BROAD, PLAIN)
    assert found.none == 1.0
    assert not any(found.confidences)


def test_the_threshold_is_the_corrected_quantile() -> None:
    scores = [i / 10 for i in range(1, 11)]
    assert threshold_of(scores, 0.8) == 0.9  # the ceil(11 x 0.8) = 9th smallest of ten
    assert threshold_of(scores, 0.9) == 1.0
    assert threshold_of(scores, 0.95) is None


def test_nine_cases_are_the_fewest_that_can_promise_nine_in_ten() -> None:
    assert threshold_of([0.0] * 8, 0.9) is None
    assert threshold_of([0.0] * 9, 0.9) == 0.0


def test_causes_that_were_not_proposed_take_the_promise_away() -> None:
    assert threshold_of([0.0] * 8 + [math.inf] * 2, 0.9) is None
    assert threshold_of([0.0] * 18 + [math.inf], 0.9) == 0.0


@pytest.mark.parametrize(
    ("confidences", "size"),
    [
        ((0.9, 0.05), 1),  # before the second lies 0.95 of what all have
        ((0.4, 0.3, 0.2), 2),  # before the third 0.78
        ((0.2, 0.15, 0.1, 0.05), 2),  # before the third 0.7: that nothing was found is no place
        ((0.2, 0.2), 0),  # in a set of all nothing is excluded
        ((), 0),
    ],
)
def test_a_set_takes_places_until_enough_confidence_lies_before_the_next(
    confidences: tuple[float, ...], size: int
) -> None:
    assert conformal_set(_said(*confidences), PLAIN) == size


def test_without_a_threshold_no_set_is_promised() -> None:
    none = PLAIN.model_copy(update={"conformal": Conformal(level=0.9, threshold=None, cases=5)})
    assert conformal_set(_said(0.9, 0.1), none) == 0


@law
@given(st.lists(st.floats(0.0, 1.0), min_size=20, max_size=60), st.sampled_from([0.5, 0.8, 0.9]))
def test_at_least_the_promised_share_of_the_cases_it_was_made_from_is_covered(
    scores: list[float], level: float
) -> None:
    threshold = threshold_of(scores, level)
    if threshold is not None:
        assert sum(score <= threshold for score in scores) >= level * len(scores)


def test_an_unsure_first_proposal_is_no_answer() -> None:
    assert abstains(_said(0.19, 0.1), PLAIN)
    assert not abstains(_said(0.2, 0.1), PLAIN)
    assert abstains(_said(), PLAIN)


def test_the_shipped_model_says_where_it_comes_from_and_does_not_call_itself_calibrated() -> None:
    model = load_calibration(CALIBRATION)
    assert model.calibrated is False
    assert model.labels == 0
    assert {"fitted", "date", "cases"} <= set(model.provenance)
    assert date.fromisoformat(model.provenance["date"]) >= date(2026, 11, 23)
    assert any(name.startswith("leave one system out: ECE") for name in model.provenance)
    assert model.conformal.cases >= 9


def test_a_model_with_a_falling_slope_is_refused() -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate(PLAIN.model_dump() | {"rise": -1.0})
