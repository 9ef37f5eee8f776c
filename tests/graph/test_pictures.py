from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import Answer, SeriesSet, Timeline
from graph.judgement import weigh
from graph.model import Picture, Weighing
from tests.playbooks.judged import (
    CALM,
    NOW,
    Shop,
    Trouble,
    axis,
    key,
    noisy,
    stepped,
    with_answer,
    with_series,
)

SLOW = Shop(Trouble(own={"payments": 0.2}))
ALL = "metrics edges changes commits"


def _drawn(shop: Shop, change: object = None) -> Weighing:
    readings = shop.readings(ALL)
    return weigh(shop.incident(), with_series(readings, change) if callable(change) else readings)


def _bounded(pictures: tuple[Picture, ...]) -> None:
    assert len(pictures) <= 4
    for picture in pictures:
        assert len(picture.times) == len(picture.values) <= 240
        assert list(picture.times) == sorted(set(picture.times))
        assert all(at <= NOW.timestamp() for at in picture.times)
        assert all(value is None or np.isfinite(value) for value in picture.values)


def test_the_symptom_is_drawn_first_and_then_the_suspects() -> None:
    pictures = weigh(SLOW.incident(), SLOW.readings("metrics edges")).pictures
    _bounded(pictures)
    assert [p.role for p in pictures][:2] == ["symptom", "suspect: payments"]
    assert 'service="gateway"' in pictures[0].title
    assert 'service="payments"' in pictures[1].title
    assert pictures[1].baseline == pytest.approx(0.04, abs=0.03)


def test_a_picture_marks_the_onset_and_the_suspected_changes() -> None:
    marks = {mark.label: mark.at for mark in _drawn(SLOW).pictures[0].marks}
    assert abs(marks["onset"] - SLOW.onset) <= 30.0
    assert [at for label, at in marks.items() if label.startswith("deploy checkout ")] == [SLOW.onset - 60.0]


@pytest.mark.parametrize("seconds", [-10.0, 5.0])
def test_the_onsets_uncertainty_is_drawn_where_it_hides_whether_a_change_came_first(seconds: float) -> None:
    at = datetime.fromtimestamp(SLOW.onset + seconds, UTC)

    def moved(answer: Answer) -> Answer:
        if not isinstance(answer, Timeline):
            return answer
        return Timeline(changes=tuple(c.model_copy(update={"at": at}) for c in answer.changes))

    readings = with_answer(SLOW.readings(ALL), moved)
    marks = {mark.label: mark.at for mark in weigh(SLOW.incident(), readings).pictures[0].marks}
    assert marks["onset at the earliest"] <= SLOW.onset <= marks["onset at the latest"]
    assert marks["onset at the earliest"] <= at.timestamp() <= marks["onset at the latest"]
    assert "onset at the earliest" not in {m.label for m in _drawn(SLOW).pictures[0].marks}


def test_no_series_is_drawn_twice() -> None:
    titles = [p.title for p in _drawn(Shop(Trouble(own={"gateway": 0.3}))).pictures]
    assert len(set(titles)) == len(titles)


def test_without_series_nothing_is_drawn() -> None:
    assert weigh(SLOW.incident(), SLOW.readings("traces logs")).pictures == ()


def test_a_service_that_did_not_move_is_not_drawn_as_a_suspect() -> None:
    for noise in range(3):
        shop = Shop(CALM, noise=noise)
        _bounded(weigh(shop.incident(), shop.readings(ALL)).pictures)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.integers(8, 2500))
def test_a_long_recording_is_thinned_out_and_keeps_its_ends(samples: int) -> None:
    times = axis(samples, 5.0)
    values = np.array([stepped(noisy(0.2, "long", samples=samples), 1.0, max(samples // 20, 3))])

    def long(_: SeriesSet) -> SeriesSet:
        return SeriesSet((key("http_request_duration_seconds:p99", service="gateway"),), times, values)

    pictures = _drawn(replace(SLOW, traces=(2, 2)), long).pictures
    _bounded(pictures)
    for picture in pictures:
        assert picture.times[0] == pytest.approx(times[0], abs=60.0)
        assert picture.times[-1] == pytest.approx(times[-1], abs=60.0)


def test_a_missing_sample_is_drawn_as_missing() -> None:
    def holed(told: SeriesSet) -> SeriesSet:
        values = told.values.copy()
        values[:, 20:40] = np.nan
        return SeriesSet(told.keys, told.times, values)

    pictures = _drawn(SLOW, holed).pictures
    _bounded(pictures)
    assert all(None in picture.values for picture in pictures)
