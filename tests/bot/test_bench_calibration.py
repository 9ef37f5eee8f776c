from __future__ import annotations

import numpy as np
import pytest

from bot.bench import calibration, intervals
from connectors.answers import Floats


def once(n: int) -> Floats:
    return np.ones((1, n))


def array(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def test_ece_of_one_confidence_is_its_distance_from_the_share_that_was_right() -> None:
    confidence, right = array(0.8, 0.8, 0.8, 0.8), array(1, 0, 1, 0)
    assert calibration.ece_equal_width(confidence, right, once(4))[0] == pytest.approx(0.3)
    assert calibration.ece_equal_mass(confidence, right, once(4))[0] == pytest.approx(0.3)


def test_ece_of_perfect_confidence_is_zero() -> None:
    confidence, right = array(0.5, 0.5, 1.0, 0.0), array(1, 0, 1, 0)
    assert calibration.ece_equal_width(confidence, right, once(4))[0] == pytest.approx(0)
    assert calibration.ece_equal_mass(confidence, right, once(4), bins=2)[0] == pytest.approx(0)


def test_bins_of_equal_width_let_errors_inside_of_one_cancel_and_equal_mass_does_not() -> None:
    confidence, right = array(0.91, 0.99), array(1, 0)
    assert calibration.ece_equal_width(confidence, right, once(2))[0] == pytest.approx(abs(-0.09 + 0.99) / 2)
    assert calibration.ece_equal_mass(confidence, right, once(2), bins=2)[0] == pytest.approx(
        (0.09 + 0.99) / 2
    )


def test_a_bin_of_equal_mass_takes_its_share_of_a_group_on_its_border() -> None:
    confidence, right = array(0.2, 0.6, 0.6, 0.6), array(0, 1, 1, 1)
    # the lower half holds the 0.2 and a third of the group, whose gap is -0.4 a claim
    expected = (abs(0.2 - 0.4) + abs(-0.8)) / 4
    assert calibration.ece_equal_mass(confidence, right, once(4), bins=2)[0] == pytest.approx(expected)


def test_an_edge_belongs_to_the_bin_above_and_one_to_the_last() -> None:
    assert calibration.bin_of(array(0.0, 0.1, 0.3, 0.7, 0.69999, 1.0)).tolist() == [0, 1, 3, 7, 6, 9]


def test_no_figure_depends_on_the_order_of_cases() -> None:
    rng = np.random.default_rng(5)
    confidence = np.round(rng.random(40), 1)
    right = (rng.random(40) < confidence).astype(np.float64)
    order = rng.permutation(40)
    for figure in (calibration.ece_equal_mass, calibration.ece_equal_width, calibration.brier):
        here = figure(confidence, right, once(40))[0]
        assert figure(confidence[order], right[order], once(40))[0] == pytest.approx(here)
    here = calibration.accuracy_at(0.5, confidence, right, once(40))[0]
    assert calibration.accuracy_at(0.5, confidence[order], right[order], once(40))[0] == pytest.approx(here)


def test_a_weight_of_two_is_the_claim_twice() -> None:
    confidence, right = array(0.9, 0.6, 0.3), array(1, 0, 0)
    twice, weights = array(0.9, 0.9, 0.6, 0.3), np.array([[2.0, 1.0, 1.0]])
    outcome = array(1, 1, 0, 0)
    for figure in (calibration.ece_equal_mass, calibration.ece_equal_width, calibration.brier):
        assert figure(confidence, right, weights)[0] == pytest.approx(figure(twice, outcome, once(4))[0])


def test_accuracy_at_coverage_takes_the_surest_first() -> None:
    confidence, right = array(0.9, 0.8, 0.4, 0.3), array(1, 1, 0, 0)
    assert calibration.accuracy_at(0.5, confidence, right, once(4))[0] == pytest.approx(1.0)
    assert calibration.accuracy_at(1.0, confidence, right, once(4))[0] == pytest.approx(0.5)
    assert calibration.accuracy_at(0.8, confidence, right, once(4))[0] == pytest.approx(2 / 3.2)


def test_equal_confidences_are_shared_by_the_border_of_coverage() -> None:
    confidence, right = array(0.7, 0.7, 0.7, 0.7), array(1, 0, 0, 0)
    assert calibration.accuracy_at(0.5, confidence, right, once(4))[0] == pytest.approx(0.25)


def test_perfectly_calibrated_claims_show_an_ece_that_shrinks_with_their_number() -> None:
    few = calibration.expected_ece(np.full(20, 0.7), 200, 1).mean()
    many = calibration.expected_ece(np.full(2000, 0.7), 200, 1).mean()
    assert many < 0.02 < few


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values, sets = [1.0, 0.0, 0.3, 0.7, 0.2, 0.9, 1.0], ["a"] * 7
    first = intervals.of_mean(values, sets, seed=7)
    intervals.weights.cache_clear()
    assert intervals.of_mean(values, sets, seed=7) == first
    assert intervals.of_mean(values, sets, seed=8) != first


def test_the_interval_of_a_share_is_about_that_of_the_binomial() -> None:
    found = intervals.of_mean([1.0] * 50 + [0.0] * 50, ["a"] * 100, seed=0)
    assert found.value == 0.5
    assert found.low == pytest.approx(0.40, abs=0.02)
    assert found.high == pytest.approx(0.60, abs=0.02)
    assert found.interval == "bootstrap"


def test_cases_that_all_agree_get_the_exact_bound_instead_of_none() -> None:
    never = intervals.of_mean([0.0] * 88, ["a"] * 88, seed=0)
    assert (never.low, never.interval) == (0.0, "exact")
    assert never.high == pytest.approx(1 - 0.025 ** (1 / 88), abs=1e-4)
    always = intervals.of_mean([1.0] * 8, ["a"] * 8, seed=0)
    assert (always.high, always.interval) == (1.0, "exact")
    assert always.low == pytest.approx(0.6306, abs=1e-4)


def test_cases_are_drawn_within_their_sets() -> None:
    drawn = intervals.weights((3, 5), 0)
    assert drawn.shape == (intervals.RESAMPLES, 8)
    assert (drawn[:, :3].sum(axis=1) == 3).all()
    assert (drawn[:, 3:].sum(axis=1) == 5).all()


def test_a_figure_about_half_of_the_cases_is_as_uncertain_as_that_half() -> None:
    def always_right(drawn: Floats) -> Floats:
        return np.ones(len(drawn))

    whole = intervals.of_statistic(always_right, ["a"] * 20, 0)
    half = intervals.of_statistic(always_right, ["a"] * 20, 0, 0.5)
    assert whole.low is not None
    assert half.low is not None
    assert half.low < whole.low


def test_wilsons_interval_is_the_published_one() -> None:
    assert intervals.wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert intervals.wilson(0, 0) == (None, None)


def test_the_debiased_error_of_a_plain_gap_is_the_gap_and_of_honest_claims_about_nothing() -> None:
    rng = np.random.default_rng(11)
    honest = rng.random(4000)
    right = (rng.random(4000) < honest).astype(np.float64)
    assert calibration.ce_debiased(honest, right, once(4000))[0] < 0.02
    assert calibration.ce_debiased(np.full(4000, 0.9), right, once(4000))[0] == pytest.approx(0.4, abs=0.02)


def test_the_debiased_error_of_few_honest_claims_is_closer_to_nothing_than_the_plain_one() -> None:
    rng = np.random.default_rng(12)
    plain, debiased = [], []
    for _ in range(200):
        sure = rng.uniform(0.5, 1.0, 88)
        right = (rng.random(88) < sure).astype(np.float64)
        plain.append(calibration.ece_equal_mass(sure, right, once(88))[0])
        debiased.append(calibration.ce_debiased(sure, right, once(88))[0] ** 2)
    assert np.mean(plain) > 0.08
    assert np.mean(debiased) < 0.006


def test_a_bin_of_one_claim_tells_no_gap_from_chance() -> None:
    assert calibration.ce_debiased(array(0.2, 0.9), array(1, 0), once(2))[0] == 0.0


def test_what_is_no_share_of_cases_gets_no_binomial_bound() -> None:
    assert intervals.of_mean([1.0] * 5, ["shop"] * 5, 0).low == pytest.approx(0.4782, abs=1e-3)
    counted = intervals.of_mean([1.0] * 5, ["shop"] * 5, 0, counts=True)
    assert (counted.value, counted.low, counted.high, counted.interval) == (1.0, 1.0, 1.0, "bootstrap")
