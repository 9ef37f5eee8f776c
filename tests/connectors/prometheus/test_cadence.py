from __future__ import annotations

import numpy as np
import pytest

from connectors.answers import Floats
from connectors.prometheus.cadence import Cadence, evened, read_cadence

SLOW = Cadence(15.0, {"slow": 60.0, "fast": 15.0})


def repeated(samples: list[float], each: int) -> Floats:
    return np.repeat(np.array(samples, dtype=np.float64), each)


def evened_row(row: Floats, job: str = "slow") -> Floats:
    values = row.copy()[None, :]
    evened([{"job": job, "instance": "a"}], values, SLOW, 15.0)
    return np.asarray(values[0])


def test_a_counter_scraped_every_minute_rises_evenly_in_between() -> None:
    row = evened_row(repeated([0, 60, 120, 180, 240], 4))
    assert np.allclose(np.diff(row[np.isfinite(row)]), 15.0)


def test_what_comes_after_the_last_scrape_is_not_known_yet() -> None:
    row = evened_row(repeated([0, 60, 120, 180], 4))
    assert np.isnan(row[13:]).all()
    assert row[12] == 180


def test_a_counter_of_a_target_scraped_at_the_step_stays_as_it_is() -> None:
    row = repeated([0, 60, 120, 180], 4)
    assert np.array_equal(evened_row(row, "fast"), row)


def test_a_gauge_that_falls_stays_as_it_is() -> None:
    row = repeated([5, 3, 8, 2, 9], 4)
    assert np.array_equal(evened_row(row), row)


def test_a_gap_stays_a_gap() -> None:
    row = repeated([0, 60, 120, 180, 240], 4)
    row[5:7] = np.nan
    assert np.isnan(evened_row(row)[5:7]).all()


def test_a_target_without_up_shows_its_cadence_by_when_it_moves() -> None:
    values = np.array(
        [repeated([n, n + 60, n + 120, n + 180, n + 240, n + 300, n + 360], 4) for n in range(6)], dtype=float
    )
    labels = [{"job": "shop/cart", "instance": "otel"} for _ in values]
    evened(labels, values, SLOW, 15.0)
    row = values[0]
    assert np.allclose(np.diff(row[np.isfinite(row)]), 15.0)


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [
        (1.0, {30: 31, 120: 121, 600: 601}),
        (5.0, {30: 6, 120: 24, 600: 120}),
        (15.0, {30: 2, 120: 8, 600: 40}),
        (20.0, {30: 1, 120: 6, 600: 30}),
        (30.0, {30: 1, 120: 4, 600: 20}),
        (60.0, {30: 1, 120: 2, 600: 10}),
        (300.0, {120: 1, 600: 2}),
        (1.0, {30: 20, 120: 20, 600: 20}),  # twenty seconds old
    ],
)
def test_the_interval_of_a_job_is_the_one_that_people_set(seconds: float, counts: dict[int, float]) -> None:
    rows = [({"job": "a", "firstcause_span": str(span)}, often) for span, often in counts.items()]
    assert read_cadence(rows).by_job["a"] == pytest.approx(seconds, abs=0.5 if seconds > 1 else 1.0)


def test_one_or_two_samples_of_a_young_target_tell_nothing() -> None:
    rows = [({"job": "a", "firstcause_span": span}, 2.0) for span in ("30", "120", "600")]
    assert read_cadence(rows) == Cadence()
