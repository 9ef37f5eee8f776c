"""Many rows are measured at once: each must come out as if it had been alone."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.answers import Floats, SeriesKey, SeriesSet
from playbooks.neighbours import shifts
from playbooks.observations import Observations
from playbooks.preparation import prepare
from playbooks.shifts import medians
from tests.playbooks.judged import SAMPLES, STEP

KINDS = ("http_requests_total", "http_requests", "cpu_usage", "db_up", "queue_depth_total", "flat")


def _holed(rng: np.random.Generator, values: Floats) -> Floats:
    """The samples with gaps: none, at the start, at the end, here and there, or nearly everywhere."""
    out = values.copy()
    at = int(rng.integers(1, len(out)))
    kind = int(rng.integers(6))
    if kind == 1:
        out[:at] = np.nan
    elif kind == 2:
        out[at:] = np.nan
    elif kind == 3:
        out[rng.random(len(out)) < 0.3] = np.nan
    elif kind == 4:
        out[rng.random(len(out)) < 0.98] = np.nan
    return out


def _mixed(seed: int) -> SeriesSet:
    """Counters, gauges that bear a counter's name, constants, each with or without gaps."""
    rng = np.random.default_rng(seed)
    keys, rows = [], []
    for n in range(60):
        metric = f"{KINDS[int(rng.integers(len(KINDS)))]}"
        gauge = rng.lognormal(0.0, 0.3, SAMPLES)
        rows.append(_holed(rng, (gauge, np.cumsum(gauge), np.full(SAMPLES, 2.0))[int(rng.integers(3))]))
        keys.append(SeriesKey(metric, (("route", f"/{n}"), ("service", f"s{n % 7}"))))
    return SeriesSet(tuple(keys), STEP * np.arange(SAMPLES, dtype=np.float64), np.array(rows))


@pytest.mark.parametrize("seed", range(5))
def test_a_series_is_prepared_as_if_it_were_alone(seed: int) -> None:
    series = _mixed(seed)
    together = prepare(series)
    alone = []
    for row, key in enumerate(series.keys):
        one = prepare(SeriesSet((key,), series.times, series.values[row : row + 1]))
        alone += [(str(key), row, one.series.values[0]) for key in one.series.keys]
    alone.sort(key=lambda each: str(series.keys[each[1]]))
    assert [str(key) for key in together.series.keys] == [name for name, _, _ in alone]
    assert together.origin == tuple((row,) for _, row, _ in alone)
    np.testing.assert_array_equal(together.series.values, np.array([values for _, _, values in alone]))


def test_what_is_prepared_leaves_the_answer_as_it_was() -> None:
    series = _mixed(9)
    before = series.values.copy()
    prepare(series)
    np.testing.assert_array_equal(series.values, before)


@pytest.mark.parametrize("seed", range(3))
def test_medians_are_those_of_the_samples_that_are_known(seed: int) -> None:
    values = _mixed(seed).values
    values = values[np.isfinite(values).any(axis=1)]
    np.testing.assert_array_equal(medians(values), np.nanmedian(values, axis=1))


def test_without_a_sample_there_is_no_median() -> None:
    assert np.isnan(medians(np.full((2, 5), np.nan))).all()
    assert np.isnan(medians(np.empty((2, 0)))).all()


def test_a_shift_is_that_of_its_row_alone() -> None:
    series = _mixed(3)
    onset = float(series.times[SAMPLES * 3 // 4])
    rows = list(range(len(series.keys)))
    together = shifts(series, rows, onset)
    assert together.tolist() == [float(shifts(series, [row], onset)[0]) for row in rows]
    assert (together != 0.0).any()


def test_what_was_worked_out_once_is_not_worked_out_again() -> None:
    asked: list[object] = []

    def count(seen: Observations, number: int) -> int:
        asked.append((seen, number))
        return number

    first, second = Observations(()), Observations(())
    assert [first.once(count, 1), first.once(count, 1), first.once(count, 2), second.once(count, 1)] == [
        1,
        1,
        2,
        1,
    ]
    assert asked == [(first, 1), (first, 2), (second, 1)]
