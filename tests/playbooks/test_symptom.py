from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import Floats, SeriesKey, SeriesSet
from connectors.contract import Window
from playbooks.model import Incident, Symptom
from playbooks.symptom import SymptomView, symptom_rows, view
from tests.playbooks.judged import NOW, SAMPLES, STEP, axis, key, noisy, seeded, series

LATENCY = key("http_request_duration_seconds:p99", service="cart")
ERRORS = key("http_request_errors:rate1m", service="cart")
TRAFFIC = key("http_requests:rate1m", service="cart")
OTHERS = key("http_request_duration_seconds:p99", service="web")


def _incident(symptom: Symptom = Symptom.LATENCY, **changes: object) -> Incident:
    window = Window(start=NOW - timedelta(seconds=STEP * SAMPLES), end=NOW)
    given = Incident(id="t", title="t", at=NOW, window=window, service="cart", symptom=symptom)
    return given.model_copy(update=changes)


def _during(values: Floats, first: int, last: int, by: float) -> Floats:
    out = values.copy()
    out[first : last + 1] += by
    return out


def _look(values: Floats, **changes: object) -> SymptomView:
    return view(_incident(**changes), series({LATENCY: values}))  # type: ignore[arg-type]


def _ago(seconds: float) -> float:
    return NOW.timestamp() - seconds


# --- visible or not ---------------------------------------------------------------------------------
def test_a_step_is_visible_and_goes_on() -> None:
    seen = _look(_during(noisy(0.2, "a"), SAMPLES - 20, SAMPLES, 0.5))
    assert seen.visible
    assert seen.ended is None
    assert seen.template.weights.sum() == pytest.approx(1.0)


def test_noise_is_no_symptom_and_the_last_minutes_are_looked_at() -> None:
    shown = sum(_look(noisy(0.2, f"noise {n}")).visible for n in range(60))
    assert shown <= 3
    hidden = _look(noisy(0.2, "a"))
    assert not hidden.visible
    assert hidden.onset is None
    assert hidden.template.first == SAMPLES - 20


@pytest.mark.parametrize("back", [4, 8, 20, 60])
def test_the_onset_is_found_within_two_samples(back: int) -> None:
    first = SAMPLES - back
    seen = _look(_during(noisy(0.2, "onset"), first, SAMPLES, 0.5))
    assert seen.onset is not None
    assert seen.onset_low is not None
    assert seen.onset_high is not None
    truth = float(axis()[first])
    assert abs(seen.onset - truth) <= 2 * STEP
    assert seen.onset_low <= truth <= seen.onset_high


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(4, 70), st.floats(1.0, 50.0))
def test_any_clear_step_is_found_within_two_samples(seed: int, back: int, by: float) -> None:
    seen = _look(_during(noisy(0.2, f"{seed}"), SAMPLES - back, SAMPLES, by))
    assert seen.onset is not None
    assert abs(seen.onset - _ago(STEP * (back - 1))) <= 2 * STEP


def test_an_end_is_seen_when_it_is_over() -> None:
    seen = _look(
        _during(noisy(0.2, "end"), SAMPLES - 30, SAMPLES - 11, 0.5), started_at=NOW - timedelta(minutes=5)
    )
    assert seen.visible
    assert seen.ended is not None
    assert abs(seen.ended - _ago(STEP * 10)) <= 2 * STEP


def test_a_disturbance_long_before_the_alert_is_not_its_symptom() -> None:
    seen = _look(_during(noisy(0.2, "early"), SAMPLES - 70, SAMPLES - 50, 0.5), started_at=NOW)
    assert not seen.visible
    assert seen.template.first >= SAMPLES - 70


def test_of_two_disturbances_the_newer_is_the_symptom() -> None:
    values = _during(noisy(0.2, "two"), SAMPLES - 70, SAMPLES - 50, 0.5)
    seen = _look(_during(values, SAMPLES - 12, SAMPLES, 0.5))
    assert seen.onset is not None
    assert abs(seen.onset - _ago(STEP * 11)) <= 2 * STEP


def test_a_short_gap_does_not_end_a_symptom() -> None:
    values = _during(noisy(0.2, "gap"), SAMPLES - 20, SAMPLES, 0.5)
    values[SAMPLES - 10 : SAMPLES - 8] = 0.2
    seen = _look(values)
    assert seen.onset is not None
    assert abs(seen.onset - _ago(STEP * 19)) <= 2 * STEP


def test_a_fall_of_latency_is_no_symptom() -> None:
    assert not _look(_during(noisy(0.2, "fall"), SAMPLES - 20, SAMPLES, -0.15)).visible


def test_a_fall_of_the_success_rate_is_a_symptom() -> None:
    success = key("success_rate", service="cart")
    values = _during(noisy(0.99, "success", 0.002), SAMPLES - 20, SAMPLES, -0.3)
    assert view(_incident(Symptom.ERRORS), series({success: values})).visible


# --- which series -----------------------------------------------------------------------------------
def test_the_symptom_is_looked_for_in_the_alerts_own_kind_of_signal() -> None:
    told = series(
        {OTHERS: noisy(1, "w"), TRAFFIC: noisy(1, "t"), ERRORS: noisy(1, "e"), LATENCY: noisy(1, "l")}
    )
    assert symptom_rows(_incident(Symptom.LATENCY), told) == (3,)
    assert symptom_rows(_incident(Symptom.ERRORS), told) == (2,)
    assert symptom_rows(_incident(Symptom.TRAFFIC), told) == (1,)
    assert symptom_rows(_incident(Symptom.UNKNOWN), told) == (2, 3)
    assert symptom_rows(_incident(service="nobody"), told) == ()


def test_the_series_that_the_alert_names_is_the_symptoms() -> None:
    p50 = key("http_request_duration_seconds:p50", service="cart")
    told = series({p50: noisy(1, "p50"), LATENCY: noisy(1, "p99"), OTHERS: noisy(1, "web")})
    assert symptom_rows(_incident(metric=LATENCY.metric), told) == (1,)


def test_without_the_services_own_series_its_edges_show_the_symptom() -> None:
    edge = key("istio_request_duration_milliseconds:p99", source_workload="web", destination_workload="cart")
    client = key("http_client_request_duration_seconds:p99", service="cart")
    assert symptom_rows(_incident(), series({edge: noisy(1, "e")})) == (0,)
    assert symptom_rows(_incident(), series({client: noisy(1, "c"), LATENCY: noisy(1, "l")})) == (1,)


# --- odd recordings ---------------------------------------------------------------------------------
@pytest.mark.parametrize("samples", [2, 3, 5, 6, 7, 12])
def test_short_recordings_are_looked_at_without_a_fall(samples: int) -> None:
    seen = view(_incident(), series({LATENCY: noisy(1, "short", samples=samples)}))
    assert 0 <= seen.template.first < samples
    assert len(seen.template.weights) == samples - seen.template.first


def test_no_series_at_all_is_not_visible() -> None:
    assert not view(_incident(), SeriesSet((), axis(), np.empty((0, SAMPLES)))).visible


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, SAMPLES), st.integers(0, SAMPLES)), max_size=4), st.integers(0, 999))
def test_missing_samples_give_finite_times_and_weights(blocks: list[tuple[int, int]], seed: int) -> None:
    values = _during(noisy(0.2, f"{seed}"), SAMPLES - 20, SAMPLES, 0.5)
    for a, b in blocks:
        values[min(a, b) : max(a, b)] = np.nan
    seen = _look(values)
    assert np.isfinite(seen.excess).all()
    assert np.isfinite(seen.template.weights).all()
    assert seen.template.weights.sum() == pytest.approx(1.0)
    assert not seen.visible or seen.onset is not None


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1000.0]), st.floats(0.0, 2.0))
def test_units_do_not_change_what_is_visible(seed: int, unit: float, by: float) -> None:
    values = _during(noisy(0.2, f"{seed}"), SAMPLES - 20, SAMPLES, by)
    one, other = _look(values), _look(values * unit)
    assert (one.visible, one.onset, one.ended) == (other.visible, other.onset, other.ended)
    assert other.excess == pytest.approx(one.excess, rel=1e-6, abs=1e-9)


def test_a_constant_series_shows_nothing() -> None:
    keys: tuple[SeriesKey, ...] = (LATENCY,)
    assert not view(_incident(), SeriesSet(keys, axis(), np.full((1, SAMPLES), 3.0))).visible


def test_a_seed_is_the_same_on_every_day() -> None:
    assert seeded("a").random() == seeded("a").random()


# --- how surely the onset is known ------------------------------------------------------------------
@pytest.mark.parametrize("by", [0.1, 0.4])
def test_the_onsets_interval_holds_the_onset_nine_times_in_ten(by: float) -> None:
    held = []
    for seed in range(60):
        last = 12 + seed % 20
        seen = _look(_during(noisy(0.2, f"onset {seed}"), SAMPLES - last, SAMPLES, by))
        if seen.visible and seen.onset_low is not None and seen.onset_high is not None:
            # The first bad sample shows what began at some time since the one before it.
            began = _ago(STEP * last - STEP / 2)
            held.append(seen.onset_low <= began <= seen.onset_high)
    assert len(held) >= 50
    assert sum(held) >= 0.9 * len(held)
