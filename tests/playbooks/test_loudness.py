from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.loudness import agreed, among, loudness

DEVIATIONS = st.lists(st.floats(-60.0, 60.0), min_size=1, max_size=20)


def test_within_the_usual_range_nothing_speaks() -> None:
    assert [loudness(z) for z in (-40.0, 0.0, 1.5, float("nan"))] == [0.0] * 4
    assert 0.0 < loudness(3.0) < loudness(30.0) < 4.2


@pytest.mark.parametrize("series", [2, 20, 500])
def test_the_largest_of_many_series_of_noise_says_no_more_than_one(series: int) -> None:
    largest = np.random.default_rng(series).standard_normal((400, series)).max(axis=1)
    told = [among(float(z), series) for z in largest]
    assert np.mean(np.array(told) > 2.0) <= 0.05


def test_a_great_shift_stays_great_among_many() -> None:
    assert among(20.0, 500) > 19.0
    assert among(3.0, 1) == 3.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(DEVIATIONS, st.integers(1, 5))
def test_a_series_told_again_under_other_names_adds_nothing(deviations: list[float], times: int) -> None:
    assert agreed(deviations * (times + 1)) == agreed(deviations)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(2.0, 60.0), st.integers(1, 200))
def test_more_series_that_stay_calm_never_make_a_service_louder(z: float, calm: int) -> None:
    quiet = np.linspace(-1.0, 1.0, calm + 2).tolist()
    assert agreed([z, z * 0.9, *quiet]) <= agreed([z, z * 0.9]) + 1e-12


def test_nothing_measured_is_silent_and_one_alone_is_trusted_less_than_two() -> None:
    assert agreed([]) == 0.0
    assert agreed([9.0]) < agreed([9.0, 8.9])
