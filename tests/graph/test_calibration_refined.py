from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.calibration import LEAST_LABELS, first_confidence, load_calibration
from graph.refinement import PRIOR_LABELS, Outcome, interval_width, refine
from graph.traits import Traits

SHIPPED = load_calibration()
BROAD = Traits(
    ahead=2.0, strength=4.0, agreeing=2, opposing=0, sources=2, visible=True, excess=20.0, share=0.8
)
THIN = replace(BROAD, visible=False)

outcomes = st.lists(
    st.builds(Outcome, raw=st.floats(0.0, 1.0), traits=st.sampled_from([BROAD, THIN]), right=st.booleans()),
    max_size=40,
)
hours = st.lists(st.floats(0.0, 1.0), max_size=20)
law = settings(max_examples=60, deadline=None, derandomize=True)
PLACES = [(raw, traits) for raw in (0.1, 0.5, 0.8, 0.97) for traits in (BROAD, THIN)]


def _labels(right: int, wrong: int, raw: float = 0.7) -> list[Outcome]:
    return [Outcome(raw, BROAD, True)] * right + [Outcome(raw, BROAD, False)] * wrong


@law
@given(outcomes, hours, st.floats(0.0, 1.0), st.sampled_from([BROAD, THIN]))
def test_a_right_label_lowers_no_confidence_and_a_wrong_one_raises_none(
    known: list[Outcome], quiet: list[float], raw: float, traits: Traits
) -> None:
    before = refine(SHIPPED, known, quiet)
    right = refine(SHIPPED, [*known, Outcome(raw, traits, True)], quiet)
    wrong = refine(SHIPPED, [*known, Outcome(raw, traits, False)], quiet)
    for place in PLACES:
        usual = first_confidence(*place, before)
        assert first_confidence(*place, right) >= usual - 1e-12
        assert first_confidence(*place, wrong) <= usual + 1e-12


@law
@given(outcomes, hours)
def test_the_order_of_labels_and_hours_changes_nothing(known: list[Outcome], quiet: list[float]) -> None:
    assert refine(SHIPPED, known, quiet) == refine(SHIPPED, known[::-1], quiet[::-1])


@law
@given(outcomes, st.floats(0.0, 1.0), st.sampled_from([BROAD, THIN]), st.booleans())
def test_one_label_hardly_moves_anything(
    known: list[Outcome], raw: float, traits: Traits, right: bool
) -> None:
    before, after = refine(SHIPPED, known), refine(SHIPPED, [*known, Outcome(raw, traits, right)])
    for place in PLACES:
        assert abs(first_confidence(*place, after) - first_confidence(*place, before)) < 0.06


def test_without_experience_the_shipped_model_stands() -> None:
    refined = refine(SHIPPED, [])
    for place in PLACES:
        assert first_confidence(*place, refined) == first_confidence(*place, SHIPPED)
    assert not refined.calibrated


def test_many_labels_outweigh_the_shipped_model() -> None:
    often_wrong = refine(SHIPPED, _labels(60, 140))
    assert first_confidence(0.7, BROAD, often_wrong) == pytest.approx(0.3, abs=0.1)


def test_loud_fault_free_hours_make_less_sure_and_silent_ones_leave_it() -> None:
    usual = first_confidence(0.7, BROAD, SHIPPED)
    assert first_confidence(0.7, BROAD, refine(SHIPPED, [], [0.9] * 50)) < usual - 0.02
    assert first_confidence(0.7, BROAD, refine(SHIPPED, [], [0.01] * 50)) == pytest.approx(usual, abs=0.01)


def test_twenty_nine_labels_are_too_few_to_be_called_calibrated() -> None:
    few = refine(SHIPPED, _labels(23, LEAST_LABELS - 24))
    assert (few.calibrated, few.doubt) == (False, "29 of 30 confirmed incidents")
    enough = refine(SHIPPED, _labels(23, LEAST_LABELS - 23))
    assert (enough.calibrated, enough.doubt) == (True, "")


def test_thirty_rights_and_no_wrong_bound_the_accuracy_well_enough() -> None:
    assert interval_width(30, 30) < 0.2 < interval_width(24, 30)
    assert refine(SHIPPED, _labels(30, 0, raw=0.95)).calibrated


@law
@given(st.floats(0.05, 0.97), st.integers(1, 60), st.sampled_from([BROAD, THIN]))
def test_a_run_of_rights_raises_a_confidence_no_further_than_their_number_added_to_the_prior_s(
    raw: float, n: int, traits: Traits
) -> None:
    before = first_confidence(raw, traits, SHIPPED)
    after = first_confidence(raw, traits, refine(SHIPPED, [Outcome(raw, traits, True)] * n))
    assert after <= (PRIOR_LABELS * before + n) / (PRIOR_LABELS + n) + 0.01


def test_ten_mistaken_confirmations_of_guesses_bring_no_sure_proposal_past_its_ceiling_or_far() -> None:
    stamped = refine(SHIPPED, [Outcome(0.2, THIN, True)] * 10)
    assert first_confidence(0.99, THIN, stamped) < 0.8
    assert first_confidence(0.7, BROAD, stamped) - first_confidence(0.7, BROAD, SHIPPED) < 0.1


def test_labels_that_contradict_the_refined_confidence_are_not_called_calibrated() -> None:
    refined = refine(SHIPPED, _labels(2, 30, raw=0.97))
    assert not refined.calibrated
    assert refined.doubt.startswith("right in 2 of 32 confirmed incidents where ")


def test_the_refined_model_says_how_many_labels_it_rests_on() -> None:
    refined = refine(SHIPPED, _labels(3, 1))
    assert refined.labels == 4
    assert refined.version == f"{SHIPPED.version}+4-labels"


def test_thin_evidence_is_believed_further_only_after_many_rights() -> None:
    few, many = (refine(SHIPPED, [Outcome(0.99, THIN, True)] * n) for n in (5, 60))
    assert first_confidence(0.99, THIN, few) < 0.8 < first_confidence(0.99, THIN, many)
    assert few.ceiling == SHIPPED.ceiling


def test_wrongs_on_thin_evidence_do_not_lower_its_ceiling_but_its_confidence() -> None:
    refined = refine(SHIPPED, [Outcome(0.99, THIN, False)] * 10)
    assert refined.thin_ceiling == SHIPPED.thin_ceiling
    assert first_confidence(0.7, THIN, refined) < first_confidence(0.7, THIN, SHIPPED)
