from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import Floats
from playbooks.shifts import (
    CAP,
    Template,
    climbs,
    independent_samples,
    is_cumulative,
    measure,
    rates,
    spread,
    uniform,
)
from tests.playbooks.judged import SAMPLES, STEP, TROUBLED, axis, noisy, stepped
from tests.playbooks.noise import FAMILIES, autoregressive, random_walk

LAST = uniform(SAMPLES, TROUBLED)
SEEDS = st.integers(0, 10_000)


def _z(values: Floats, template: Template = LAST) -> float:
    return float(measure(values[None, :], template).z[0])


def _noise(seed: int, level: float = 10.0, spread: float = 1.0) -> Floats:
    return np.asarray(level + spread * np.random.default_rng(seed).standard_normal(SAMPLES))


# --- known answers ----------------------------------------------------------------------------------
@pytest.mark.parametrize("by", [2.0, 5.0, 20.0])
def test_a_step_is_seen_with_its_sign_and_its_levels(by: float) -> None:
    up = measure(stepped(_noise(1), by)[None, :], LAST)
    down = measure(stepped(_noise(1), -by)[None, :], LAST)
    assert up.z[0] > 3.0
    assert down.z[0] < -3.0
    assert up.usual[0] == pytest.approx(10.0, abs=0.3)
    assert up.now[0] == pytest.approx(10.0 + by, abs=0.5)
    assert up.scale[0] == pytest.approx(1.0, abs=0.3)


def test_noise_alone_seldom_looks_like_a_shift() -> None:
    zs = np.array([_z(_noise(seed)) for seed in range(200)])
    assert np.mean(np.abs(zs) > 3.0) <= 0.05
    assert abs(float(np.median(zs))) < 0.5


def test_a_ramp_that_begins_with_the_incident_is_seen() -> None:
    values = _noise(2)
    values[-TROUBLED:] += np.linspace(0.0, 10.0, TROUBLED)
    assert _z(values) > 3.0


def test_a_level_that_always_wanders_is_less_surprising_than_one_that_never_did() -> None:
    calm, wandering = _noise(3), _noise(3) + 4.0 * np.sin(np.arange(SAMPLES) / 15.0)
    assert _z(stepped(wandering, 4.0)) < _z(stepped(calm, 4.0))


@pytest.mark.parametrize(
    "wild",
    [
        30.0,
        1e6,
    ],
)
def test_one_wild_sample_in_the_history_does_not_hide_a_step(wild: float) -> None:
    values = stepped(_noise(4), 5.0)
    values[50] += wild
    assert _z(values) > 5.0


def test_a_shift_is_capped() -> None:
    assert _z(stepped(_noise(15), 1e9)) == CAP


def test_a_series_that_never_moved_and_then_does_is_a_shift() -> None:
    assert _z(stepped(np.full(SAMPLES, 7.0), 1.0)) > 3.0
    assert _z(stepped(np.zeros(SAMPLES), 0.01)) > 3.0


def test_without_history_nothing_can_be_told() -> None:
    shifts = measure(np.ones((2, 4)), uniform(4, 3))
    assert np.isnan(shifts.z).all()
    assert measure(np.empty((0, SAMPLES)), LAST).z.shape == (0,)


def test_little_history_shrinks_the_shift_instead_of_inventing_a_null() -> None:
    values = np.array([1.0, 1.1, 0.9, 1.0, 1.1, 5.0, 5.0, 5.0])
    short, long = _z(values, uniform(8, 3)), _z(stepped(noisy(1.0, "long", 0.1), 4.0))
    assert 0.0 < short <= long


def test_weights_say_which_samples_count() -> None:
    values = _noise(6)
    values[-5:] += 8.0
    late, early = np.zeros(TROUBLED), np.zeros(TROUBLED)
    late[-5:], early[:5] = 0.2, 0.2
    first = SAMPLES - TROUBLED
    assert _z(values, Template(late, first)) > 3.0
    assert abs(_z(values, Template(early, first))) < 3.0


def test_a_uniform_template_is_the_last_samples_alike() -> None:
    template = uniform(10, 4)
    assert template.first == 6
    assert template.weights.tolist() == [0.25] * 4


def test_centre_and_scale_are_those_of_a_normal_sample() -> None:
    centre, scale = spread(np.random.default_rng(7).normal(5.0, 2.0, (1, 4000)))
    assert centre[0] == pytest.approx(5.0, abs=0.15)
    assert scale[0] == pytest.approx(2.0, abs=0.25)


# --- missing samples --------------------------------------------------------------------------------
def test_gaps_leave_a_shift_as_it_is() -> None:
    values = stepped(_noise(8), 5.0)
    holed = values.copy()
    holed[np.random.default_rng(9).random(SAMPLES) < 0.3] = np.nan
    assert _z(holed) > 3.0


def test_an_incident_without_samples_cannot_be_told() -> None:
    values = _noise(10)
    values[-TROUBLED:] = np.nan
    assert np.isnan(_z(values))


def test_a_series_that_begins_with_the_incident_cannot_be_told() -> None:
    values = _noise(11)
    values[:-TROUBLED] = np.nan
    assert np.isnan(_z(values))


def test_a_series_without_a_sample_cannot_be_told() -> None:
    assert np.isnan(_z(np.full(SAMPLES, np.nan)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SEEDS, st.lists(st.tuples(st.integers(0, SAMPLES), st.integers(0, SAMPLES)), max_size=5))
def test_no_block_of_missing_samples_poisons_another_series(seed: int, blocks: list[tuple[int, int]]) -> None:
    values = np.array([_noise(seed), stepped(_noise(seed + 1), 4.0)])
    alone = measure(values[1:], LAST)
    for a, b in blocks:
        values[0, min(a, b) : max(a, b)] = np.nan
    both = measure(values, LAST)
    assert both.z[1] == alone.z[0]
    assert np.isnan(both.z[0]) or abs(both.z[0]) <= CAP


# --- what must hold for every series ----------------------------------------------------------------
@settings(max_examples=40, deadline=None, derandomize=True)
@given(SEEDS, st.sampled_from([1e-9, 1e-3, 60.0, 1000.0, 1e9]), st.floats(-8.0, 8.0))
def test_units_do_not_change_a_shift(seed: int, unit: float, by: float) -> None:
    values = stepped(_noise(seed), by)
    assert _z(values * unit) == pytest.approx(_z(values), rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SEEDS, st.floats(-8.0, 8.0))
def test_a_mirrored_series_has_the_mirrored_shift(seed: int, by: float) -> None:
    values = stepped(_noise(seed), by)
    assert _z(-values) == pytest.approx(-_z(values), rel=0.05, abs=0.05)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SEEDS, st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_a_larger_step_is_never_a_smaller_shift(seed: int, a: float, b: float) -> None:
    small, large = sorted((a, b))
    assert _z(stepped(_noise(seed), small)) <= _z(stepped(_noise(seed), large)) + 1e-9


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SEEDS, st.permutations(range(5)))
def test_the_order_of_series_does_not_change_their_shifts(seed: int, order: list[int]) -> None:
    values = np.array([stepped(_noise(seed + n), float(n)) for n in range(5)])
    assert (measure(values[order], LAST).z == measure(values, LAST).z[order]).all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(-1e12, 1e12), st.integers(1, SAMPLES - 10))
def test_a_constant_series_never_shifts(level: float, length: int) -> None:
    assert abs(_z(np.full(SAMPLES, level), uniform(SAMPLES, length))) < 1e-6


# --- counters ---------------------------------------------------------------------------------------
def test_a_counters_rate_is_its_increase_per_second() -> None:
    assert rates(np.array([0.0, 30.0, 60.0, 120.0]), axis(4, 15.0)).tolist()[1:] == [2.0, 2.0, 4.0]
    assert np.isnan(rates(np.array([1.0, 2.0]), axis(2, 15.0))[0])


def test_after_a_reset_counting_starts_at_zero() -> None:
    rate = rates(np.array([900.0, 930.0, 15.0, 45.0]), axis(4, 15.0))
    assert rate[1:].tolist() == [2.0, 1.0, 2.0]
    assert np.nanmin(rate) >= 0.0


def test_a_gap_in_a_counter_is_a_gap_in_its_rate_only_beside_it() -> None:
    counter = np.arange(12, dtype=np.float64) * 30.0
    counter[5] = np.nan
    rate = rates(counter, axis(12, 15.0))
    assert np.isnan(rate[[0, 5, 6]]).all()
    assert (rate[[1, 2, 3, 4, 7, 8, 9, 10, 11]] == 2.0).all()


def test_samples_at_uneven_times_give_even_rates() -> None:
    assert rates(np.array([0.0, 20.0, 30.0]), np.array([0.0, 20.0, 30.0]))[1:].tolist() == [1.0, 1.0]


def test_a_cumulative_series_is_known_by_its_values() -> None:
    rising = np.cumsum(np.abs(_noise(12)))
    reset = np.concatenate((rising[:100], rising[:100]))
    told = is_cumulative(np.array([rising, reset, _noise(13), np.zeros(SAMPLES), np.full(SAMPLES, np.nan)]))
    assert told.tolist() == [True, True, False, False, False]


# --- what hangs together ------------------------------------------------------------------------------
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_an_autoregressive_series_is_worth_as_many_independent_samples_as_theory_says(rho: float) -> None:
    rows = np.array([autoregressive(rho)(np.random.default_rng(seed), 2000) for seed in range(40)])
    told = float(np.median(independent_samples(rows)))
    assert told == pytest.approx(2000 * (1 - rho) / (1 + rho), rel=0.35)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_kind_of_noise_is_often_far_beyond_its_own_history(family: str) -> None:
    drawn = [10.0 + FAMILIES[family](np.random.default_rng(seed), SAMPLES) for seed in range(300)]
    z = np.abs(measure(np.array(drawn), LAST).z)
    assert np.mean(z > 3.0) <= (0.08 if family in {"bursts", "random walk", "AR .97"} else 0.04)
    assert np.mean(z > 6.0) <= 0.05


@pytest.mark.parametrize("rho", [0.0, 0.7, 0.97])
@pytest.mark.parametrize("last", [TROUBLED, TROUBLED - 3])
def test_a_step_of_six_deviations_is_seen_in_noise_that_swings_slowly(rho: float, last: int) -> None:
    rows = [autoregressive(rho)(np.random.default_rng(seed), SAMPLES) for seed in range(60)]
    z = measure(np.array([stepped(10.0 + row, 6.0, last) for row in rows]), LAST).z
    assert np.mean(z > 3.0) >= 0.75


def test_a_jump_is_seen_where_the_level_walks_at_random() -> None:
    rows = [random_walk(np.random.default_rng(seed), SAMPLES) for seed in range(60)]
    z = measure(np.array([stepped(10.0 + row, 8.0) for row in rows]), LAST).z
    assert np.mean(z > 3.0) >= 0.75


def test_what_bursts_again_and_again_has_not_shifted_when_it_bursts_once_more() -> None:
    values = _noise(16, 10.0, 0.3)
    for start in (15, 60, 110, 150):
        values[start : start + 8] += 5.0
    values[-8:] += 5.0
    once = _noise(16, 10.0, 0.3)
    once[-8:] += 5.0
    assert abs(_z(values)) < 3.0 < _z(once)


# --- slow climbs ------------------------------------------------------------------------------------
def climb(values: Floats) -> float:
    return float(climbs(values[None, :])[0])


def test_a_level_that_walks_at_random_seldom_climbs() -> None:
    rows = np.array([100.0 + random_walk(np.random.default_rng(seed), SAMPLES) for seed in range(300)])
    assert np.mean(climbs(rows) > 3.0) <= 0.02


def test_a_leak_that_ends_in_a_restart_has_climbed() -> None:
    values = _noise(17) + np.linspace(0.0, 60.0, SAMPLES)
    values[-5:] = 10.0
    assert climb(values) > 3.0


def test_a_leak_climbs_and_noise_a_step_and_a_fall_do_not() -> None:
    ramp = np.linspace(0.0, 30.0, SAMPLES)
    assert climb(_noise(14) + ramp) > 3.0
    assert climb(_noise(14) - ramp) == 0.0
    assert sum(climb(_noise(seed)) > 3.0 for seed in range(50)) == 0
    assert climb(np.full(SAMPLES, 5.0)) == 0.0
    assert climb(np.full(SAMPLES, np.nan)) == 0.0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(SEEDS, st.sampled_from([1e-6, 1000.0, 1e9]))
def test_units_do_not_change_a_climb(seed: int, unit: float) -> None:
    values = _noise(seed) + np.linspace(0.0, 20.0, SAMPLES)
    assert climb(values * unit) == pytest.approx(climb(values), rel=1e-6)


def test_the_step_between_samples_is_that_of_the_axis() -> None:
    assert np.diff(axis()).tolist() == [STEP] * (SAMPLES - 1)


def test_a_series_is_measured_alike_alone_and_among_thousands() -> None:
    values = np.random.default_rng(3).normal(size=(4100, 60)).cumsum(axis=1)
    values[::7, -6:] += 9.0
    together = measure(values, uniform(60, 6))
    for row in (0, 7, 511, 512, 2047, 2048, 4095, 4099):
        alone = measure(values[row : row + 1], uniform(60, 6))
        assert alone.z[0] == pytest.approx(together.z[row], rel=1e-9)
        assert alone.usual[0] == together.usual[row]
