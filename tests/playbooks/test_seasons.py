from __future__ import annotations

import numpy as np
import pytest

from connectors.answers import Floats
from graph.judgement import weigh
from playbooks.seasons import seasons
from playbooks.shifts import measure, uniform
from playbooks.symptom import usual_until
from tests.playbooks.judged import axis
from tests.playbooks.noise import (
    FAMILIES,
    SHAPES,
    Extra,
    Noise,
    Quiet,
    Shape,
    autoregressive,
    random_walk,
    seasonal,
    white,
)

DAILY = SHAPES["star of thirty, two days by five minutes"]
HOURLY = SHAPES["pair, ten hours by the minute"]
WEEK = Shape(HOURLY.calls, 2016, 300.0)


def _drawn(noise: Noise, shape: Shape, rows: int = 20) -> Floats:
    return np.array([10.0 + noise(np.random.default_rng(seed), shape.samples) for seed in range(rows)])


def _season(values: Floats, shape: Shape) -> Floats | None:
    times = axis(shape.samples, shape.step)
    return seasons(values, times, usual_until(times))


def _z(values: Floats, shape: Shape, last: int) -> Floats:
    season = _season(values, shape)
    assert season is not None
    return measure(values - season, uniform(shape.samples, last)).z


@pytest.mark.parametrize(
    ("shape", "cycles"),
    [(DAILY, 588 / 288), (HOURLY, 10.0), (WEEK, 7.0)],
    ids=["two days", "hours", "a week"],
)
def test_what_repeats_every_hour_or_day_has_not_shifted_when_it_repeats(shape: Shape, cycles: float) -> None:
    values = _drawn(seasonal(cycles), shape)
    blind = measure(values, uniform(shape.samples, 6)).z
    assert np.median(np.abs(_z(values, shape, 6))) < 2.0
    assert np.mean(np.abs(_z(values, shape, 6)) > 3.0) <= 0.1
    assert np.median(blind) > np.median(_z(values, shape, 6))


@pytest.mark.parametrize(("shape", "cycles"), [(DAILY, 588 / 288), (HOURLY, 10.0)], ids=["two days", "hours"])
def test_the_peak_that_does_not_come_is_a_fall_although_the_level_is_an_ordinary_one(
    shape: Shape, cycles: float
) -> None:
    values = _drawn(seasonal(cycles), shape)
    values[:, -6:] = 10.0 + 0.2 * np.random.default_rng(1).standard_normal((len(values), 6))
    assert np.mean(_z(values, shape, 6) < -3.0) >= 0.9


@pytest.mark.parametrize("noise", [white, random_walk, autoregressive(0.97), FAMILIES["bursts"]])
@pytest.mark.parametrize("shape", [DAILY, HOURLY], ids=["two days", "hours"])
def test_noise_has_no_season(noise: Noise, shape: Shape) -> None:
    season = _season(_drawn(noise, shape, 60), shape)
    assert season is None or np.mean(np.abs(season).max(axis=1) > 0) <= 0.04


def test_one_period_alone_proves_no_season() -> None:
    shape = Shape(HOURLY.calls, 300, 300.0)
    assert _season(_drawn(seasonal(300 / 288), shape), shape) is None


def test_an_incident_is_no_part_of_the_season_that_it_is_held_against() -> None:
    calm = _drawn(seasonal(10.0), HOURLY)
    hit = calm.copy()
    hit[:, -20:] += 50.0
    before, after = _season(calm, HOURLY), _season(hit, HOURLY)
    assert before is not None
    assert after is not None
    assert np.abs(before - after)[:, :-60].max() < 1e-9


def test_missing_samples_and_constants_have_no_part_in_it() -> None:
    values = _drawn(seasonal(10.0), HOURLY)
    values[0], values[1] = np.nan, 7.0
    values[2:, ::7] = np.nan
    season = _season(values, HOURLY)
    assert season is not None
    assert np.isfinite(season).all()
    assert not season[:2].any()


def test_the_daily_peak_accuses_nobody_and_a_fault_at_the_peak_is_found() -> None:
    calm = Quiet(HOURLY, seasonal(10.0), 1, amplitude=2.0)
    told = weigh(calm.incident(), calm.readings())
    assert max(p.confidence for p in told.proposals) < 0.5
    broken = Quiet(HOURLY, seasonal(10.0), 1, (Extra("n1", "duration", 3.0), Extra("n0", "duration", 1.5)))
    first = weigh(broken.incident(), broken.readings()).proposals[0]
    assert first.service == "n1"
    assert first.confidence >= 0.5
