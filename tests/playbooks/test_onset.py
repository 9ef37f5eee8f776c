from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import Floats, LogRecord, LogSet, SpanSet
from playbooks.onset import Track, best_split, split_of
from tests.playbooks.judged import NOW, Shop, Span, Trouble, span_set

AT = NOW.timestamp()
USUAL = AT - 330.0


def _calls(change: float, slower: float, seed: int = 1, count: int = 240) -> SpanSet:
    """Calls of one operation over twenty minutes, slower by that factor from `change` seconds before now."""
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(AT - 1200.0, AT - 1.0, count))
    seconds = 0.05 * np.exp(0.3 * random.standard_normal(count))
    seconds[times >= AT - change] *= slower
    return span_set(
        [
            Span("cart", "GET /", float(t), float(s), trace=f"{n}")
            for n, (t, s) in enumerate(zip(times, seconds, strict=True))
        ]
    )


def _lines(change: float, share: float = 1.0, seed: int = 1) -> LogSet:
    """Two hundred requests' logs; from `change` seconds before now that share of them fails."""
    random = np.random.default_rng(seed)
    records = []
    for n, at in enumerate(np.sort(random.uniform(AT - 1200.0, AT - 1.0, 200)).tolist()):
        records.append(LogRecord(at, "cart", "INFO", "accepted", trace=f"t{n}"))
        if at >= AT - change and random.random() < share:
            records.append(LogRecord(at, "cart", "ERROR", "no price for 17", trace=f"t{n}"))
    return LogSet(tuple(records))


@pytest.mark.parametrize("ago", [90.0, 150.0, 240.0, 400.0, 560.0])
def test_a_planted_slow_down_is_found_within_forty_seconds(ago: float) -> None:
    assert abs(split_of(_calls(ago, 3.0), None, AT, None) - (AT - ago)) <= 40.0


@pytest.mark.parametrize("ago", [180.0, 240.0, 560.0])
def test_a_planted_error_in_the_logs_is_found_within_forty_seconds(ago: float) -> None:
    assert abs(split_of(None, _lines(ago), AT, None) - (AT - ago)) <= 40.0


def test_an_error_of_seven_requests_in_ten_is_dated_within_forty_seconds() -> None:
    near = [
        abs(split_of(None, _lines(180.0, 0.7, seed), AT, None) - (AT - 180.0)) <= 40.0 for seed in range(20)
    ]
    assert sum(near) >= 18


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 9999), st.integers(80, 570))
def test_any_planted_slow_down_is_found_within_forty_seconds(seed: int, ago: int) -> None:
    assert abs(split_of(_calls(float(ago), 4.0, seed), None, AT, None) - (AT - ago)) <= 40.0


@pytest.mark.parametrize("late", [0.0, 60.0, 200.0])
def test_a_symptom_that_shows_late_does_not_hide_the_earlier_change(late: float) -> None:
    found = split_of(_calls(300.0, 3.0), None, AT, AT - 300.0 + late)
    assert abs(found - (AT - 300.0)) <= 40.0


def test_where_nothing_changed_the_symptoms_onset_stays() -> None:
    assert split_of(_calls(0.0, 1.0), None, AT, AT - 200.0) == AT - 200.0
    assert split_of(None, None, AT, AT - 200.0) == AT - 200.0


def test_where_nothing_changed_the_usual_split_stays() -> None:
    stayed = [split_of(_calls(0.0, 1.0, seed), None, AT, None) == USUAL for seed in range(30)]
    assert sum(stayed) >= 28


def test_without_spans_and_logs_the_usual_split_stays() -> None:
    assert split_of(None, None, AT, None) == USUAL
    assert split_of(span_set([]), LogSet(()), AT, None) == USUAL
    assert best_split([], np.array([1.0]), 5.0) == 5.0


def test_one_sparse_operation_cannot_choose_the_split() -> None:
    """Four busy operations change at one time, a rare one at another."""
    tracks = []
    times: Floats = np.linspace(0.0, 1000.0, 200, dtype=np.float64)
    for n in range(4):
        random = np.random.default_rng(n)
        tracks.append(Track(times, 0.2 * random.standard_normal(200) + (times >= 600.0)))
    rare: Floats = np.linspace(0.0, 1000.0, 12, dtype=np.float64)
    tracks.append(Track(rare, np.where(rare >= 300.0, 5.0, 0.0)))
    assert best_split(tracks, np.arange(100.0, 960.0, 20.0), 900.0) == pytest.approx(600.0, abs=20.0)


@pytest.mark.parametrize("days", [1, 365])
def test_the_split_moves_with_the_incident(days: int) -> None:
    far = days * 86400.0
    one = _calls(200.0, 3.0)
    later = span_set(
        [
            Span("cart", "GET /", float(s) + far, float(e - s), trace=t)
            for s, e, t in zip(one.start, one.end, one.trace, strict=True)
        ]
    )
    assert split_of(later, None, AT + far, None) - far == pytest.approx(split_of(one, None, AT, None))


def test_the_shops_trouble_is_dated_by_its_traces() -> None:
    shop = Shop(Trouble(own={"payments": 0.2}))
    assert abs(split_of(shop.spans(), None, AT, None) - shop.onset) <= 40.0
