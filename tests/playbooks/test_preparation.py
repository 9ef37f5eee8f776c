from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import Floats, SeriesKey
from playbooks.preparation import Prepared, prepare
from playbooks.semantics import Signal
from playbooks.shifts import measure, uniform
from tests.playbooks.judged import SAMPLES, STEP, TROUBLED, key, noisy, seeded, series, stepped

CART = {"service": "cart"}


def _only(prepared: Prepared, metric: str) -> Floats:
    rows = [row for row, found in enumerate(prepared.series.keys) if found.metric == metric]
    assert len(rows) == 1, [str(k) for k in prepared.series.keys]
    return np.asarray(prepared.series.values[rows[0]])


def _names(prepared: Prepared) -> set[str]:
    return {found.metric for found in prepared.series.keys}


def test_a_counter_becomes_its_rate() -> None:
    counter = np.cumsum(noisy(STEP * 4.0, "requests"))
    rate = _only(prepare(series({key("http_requests_total", **CART): counter})), "http_requests_total:rate")
    assert np.isnan(rate[0])
    assert float(np.median(rate[1:])) == pytest.approx(4.0, rel=0.05)


def test_a_restarted_counter_has_no_spike_and_no_negative_rate() -> None:
    counter = np.cumsum(noisy(60.0, "requests"))
    counter[100:] -= counter[100]
    rate = _only(prepare(series({key("http_requests_total", **CART): counter})), "http_requests_total:rate")
    assert np.nanmin(rate) >= 0.0
    assert np.nanmax(rate) < 6.0


def test_a_sum_beside_its_count_becomes_the_mean_of_an_observation() -> None:
    number = np.cumsum(noisy(60.0, "count"))
    seconds = np.cumsum(0.2 * np.diff(number, prepend=0.0))
    seconds[-TROUBLED:] += np.cumsum(np.full(TROUBLED, 60.0 * 0.3))
    prepared = prepare(
        series(
            {
                key("http_request_duration_seconds_sum", **CART): seconds,
                key("http_request_duration_seconds_count", **CART): number,
            }
        )
    )
    mean = _only(prepared, "http_request_duration_seconds:avg")
    assert float(np.nanmedian(mean[:100])) == pytest.approx(0.2, rel=1e-6)
    assert float(np.nanmedian(mean[-TROUBLED:])) == pytest.approx(0.5, rel=0.05)


def test_a_mean_without_observations_is_unknown_and_not_zero() -> None:
    number = np.cumsum(noisy(60.0, "count"))
    number[100:120] = number[99]
    seconds = 0.2 * number + np.cumsum(noisy(1.0, "seconds"))
    seconds[100:120] = seconds[99]
    prepared = prepare(
        series({key("latency_seconds_sum", **CART): seconds, key("latency_seconds_count", **CART): number})
    )
    assert np.isnan(_only(prepared, "latency_seconds:avg")[101:120]).all()


def test_a_count_of_requests_is_traffic_and_not_latency() -> None:
    counter = np.cumsum(noisy(60.0, "requests"))
    prepared = prepare(series({key("http_request_duration_seconds_count", **CART): counter}))
    assert [said.signal for said in prepared.meanings] == [Signal.TRAFFIC]


def test_buckets_and_constants_do_not_speak() -> None:
    told = {
        key("http_request_duration_seconds_bucket", le="0.1", **CART): np.cumsum(noisy(60.0, "bucket")),
        key("build_info", **CART): np.ones(SAMPLES),
        key("queue_length", **CART): np.full(SAMPLES, np.nan),
        key("idle_requests_total", **CART): np.full(SAMPLES, 12.0),
    }
    assert _names(prepare(series(told))) == set()


def test_a_gauge_that_bears_a_counters_name_stays_a_gauge() -> None:
    sessions = np.round(noisy(20.0, "sessions", 0.2))
    assert _names(prepare(series({key("pg_stat_activity_count", datname="shop"): sessions}))) == {
        "pg_stat_activity_count"
    }


def test_a_recorded_rate_is_not_taken_for_a_counter() -> None:
    assert _names(prepare(series({key("http_requests_total:rate5m", **CART): noisy(5.0, "rate")}))) == {
        "http_requests_total:rate5m"
    }


def test_a_steady_counter_without_a_counters_name_does_not_climb() -> None:
    blocks = np.cumsum(noisy(500.0, "blocks"))
    prepared = prepare(series({key("pg_stat_database_blks_read", datname="shop"): blocks}))
    assert abs(float(measure(prepared.series.values, uniform(SAMPLES, TROUBLED)).z[0])) < 3.0
    assert float(np.nanmax(prepared.series.values)) < 0.01 * blocks[-1]


def test_every_row_remembers_the_row_it_was_made_from() -> None:
    told = {
        key("build_info", **CART): np.ones(SAMPLES),
        key("http_requests_total", **CART): np.cumsum(noisy(60.0, "requests")),
        key("queue_length", **CART): noisy(5.0, "queue"),
    }
    prepared = prepare(series(told))
    assert prepared.origin == ((1,), (2,))
    assert prepared.rows("cart", (Signal.QUEUE,)) == (1,)
    assert prepared.rows("web", (Signal.QUEUE,)) == ()


def _pods(metric: str, old: Floats, new: Floats, at: int = 120) -> Prepared:
    """Two pods, the second of which replaced the first."""
    old, new = old.copy(), new.copy()
    old[at:], new[:at] = np.nan, np.nan
    return prepare(series({key(metric, pod="cart-1", **CART): old, key(metric, pod="cart-2", **CART): new}))


def test_pods_that_replaced_each_other_are_one_series() -> None:
    prepared = _pods("process_cpu", noisy(0.4, "old"), noisy(0.4, "new"))
    assert len(prepared.series.keys) == 1
    assert np.isfinite(prepared.series.values).all()
    assert prepared.origin == ((0, 1),)
    assert abs(float(measure(prepared.series.values, uniform(SAMPLES, TROUBLED)).z[0])) < 3.0


def test_a_new_version_that_needs_more_is_seen_against_the_old_one() -> None:
    prepared = _pods("process_cpu", noisy(0.4, "old"), noisy(0.8, "new"), SAMPLES - TROUBLED)
    assert float(measure(prepared.series.values, uniform(SAMPLES, TROUBLED)).z[0]) > 3.0


def test_a_new_pods_counter_begins_at_zero_without_a_negative_rate() -> None:
    old, new = np.cumsum(noisy(60.0, "old")), np.cumsum(noisy(60.0, "new"))
    prepared = _pods("http_requests_total", old + 1e6, new)
    assert np.nanmin(prepared.series.values) >= 0.0
    assert np.nanmax(prepared.series.values) < 6.0


def test_pods_that_run_side_by_side_stay_apart() -> None:
    told = {key("process_cpu", pod=f"cart-{n}", **CART): noisy(0.4, f"{n}") for n in range(2)}
    assert len(prepare(series(told)).series.keys) == 2


def test_a_counter_with_missing_samples_still_has_its_rate() -> None:
    counter = np.cumsum(noisy(60.0, "requests"))
    counter[seeded("holes").random(SAMPLES) < 0.2] = np.nan
    rate = _only(prepare(series({key("http_requests_total", **CART): counter})), "http_requests_total:rate")
    assert float(np.nanmedian(rate)) == pytest.approx(4.0, rel=0.05)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 9999),
    st.sampled_from(["requests_total", "latency_seconds_sum", "latency_seconds_count", "cpu", "x_bucket"]),
    st.lists(st.tuples(st.integers(0, SAMPLES), st.integers(0, SAMPLES)), max_size=4),
)
def test_missing_samples_never_become_infinite_or_negative_rates(
    seed: int, metric: str, blocks: list[tuple[int, int]]
) -> None:
    counter = np.cumsum(np.abs(noisy(60.0, f"{seed}")))
    values = {
        key(metric, **CART): counter.copy(),
        key("latency_seconds_count", job="x", **CART): counter.copy(),
    }
    for row in values.values():
        for a, b in blocks:
            row[min(a, b) : max(a, b)] = np.nan
    made = prepare(series(values)).series.values
    assert not np.isinf(made).any()
    assert not (made < 0).any()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 9999), st.floats(1.5, 10.0))
def test_a_mean_latency_does_not_depend_on_traffic(seed: int, factor: float) -> None:
    number = np.diff(np.cumsum(noisy(60.0, f"{seed}")), prepend=0.0)
    more = number.copy()
    more[-TROUBLED:] *= factor
    each = noisy(0.2, f"each {seed}")

    def mean(requests: Floats) -> Floats:
        told: dict[SeriesKey, Floats] = {
            key("latency_seconds_sum", **CART): np.cumsum(requests * each),
            key("latency_seconds_count", **CART): np.cumsum(requests),
        }
        return _only(prepare(series(told)), "latency_seconds:avg")

    assert mean(more)[1:] == pytest.approx(mean(number)[1:], rel=1e-6)


def test_a_step_survives_preparation() -> None:
    prepared = prepare(series({key("queue_length", **CART): stepped(noisy(5.0, "queue"), 10.0)}))
    assert measure(prepared.series.values, uniform(SAMPLES, TROUBLED)).z[0] > 3.0
