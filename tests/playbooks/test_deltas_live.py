"""Statements of a running incident: what two samples and the totals since the reset can tell."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import answers as a
from connectors.questions import StatementStatistics
from playbooks.database import judge_database
from playbooks.deltas import StatementDelta, statement_delta
from tests.playbooks.test_database_kit import (
    BY_CUSTOMER,
    BY_EMAIL,
    ONSET,
    SCENE,
    WINDOW,
    by_judge,
    observed,
    reading,
)

USUAL_SECONDS = 86_400.0
SINCE = 300.0
APART = 1.5
Rates = tuple[float, float, float, float]
"""Calls a second and mean milliseconds, before and since the onset."""


def _samples(
    rows: dict[str, Rates], usual: float = USUAL_SECONDS, apart: float = APART
) -> a.StatementSnapshots:
    shots = []
    for since in (SINCE, SINCE + apart):
        held = []
        for query, (calls_b, mean_b, calls_s, mean_s) in rows.items():
            calls = usual * calls_b + since * calls_s
            time = usual * calls_b * mean_b + since * calls_s * mean_s
            if calls > 0:
                held.append(a.Statement(queryid=query, query=query, calls=calls, total_exec_time_ms=time))
        shots.append(a.StatementSnapshot(at=ONSET + timedelta(seconds=since), statements=tuple(held)))
    return a.StatementSnapshots(snapshots=tuple(shots))


def _delta(rows: dict[str, Rates], **more: float) -> StatementDelta:
    delta = statement_delta(_samples(rows, **more), ONSET)
    assert isinstance(delta, StatementDelta), delta
    return delta


def test_a_statement_that_became_slower_shows_its_usual_mean_time_although_nobody_looked_before() -> None:
    [change] = _delta({BY_CUSTOMER: (20.0, 0.4, 20.0, 12.0)}).changes
    assert change.before.mean_ms == pytest.approx(0.4)
    assert change.after.mean_ms == pytest.approx(12.0)
    assert not change.is_new


def test_a_statement_that_came_with_the_incident_is_new() -> None:
    found = {
        each.query: each
        for each in _delta({BY_CUSTOMER: (20.0, 0.4, 2.0, 0.4), BY_EMAIL: (0, 0, 18.0, 240.0)}).changes
    }
    assert found[BY_EMAIL].is_new
    assert not found[BY_CUSTOMER].is_new


def test_a_statement_that_runs_as_ever_is_not_slower() -> None:
    [change] = _delta({BY_CUSTOMER: (20.0, 0.4, 25.0, 0.4)}).changes
    assert change.slower == pytest.approx(1.0)


def test_of_a_statement_whose_totals_were_reset_in_the_middle_of_it_nothing_is_said() -> None:
    assert _delta({BY_CUSTOMER: (20.0, 0.4, 20.0, 12.0)}, usual=SINCE * 0.4).changes == ()


def test_samples_too_close_together_tell_nothing() -> None:
    assert isinstance(statement_delta(_samples({BY_CUSTOMER: (1, 1, 1, 1)}, apart=0.2), ONSET), str)


@given(
    st.floats(0.5, 500), st.floats(0.05, 50), st.floats(0.5, 500), st.floats(0.05, 500), st.floats(7_200, 1e6)
)
def test_rates_that_hold_are_always_told_rightly_or_not_at_all(
    calls_b: float, mean_b: float, calls_s: float, mean_s: float, usual: float
) -> None:
    for change in _delta({BY_CUSTOMER: (calls_b, mean_b, calls_s, mean_s)}, usual=usual).changes:
        assert change.after.mean_ms == pytest.approx(mean_s, rel=1e-3)
        if not change.is_new:
            assert change.before.mean_ms == pytest.approx(mean_b, rel=1e-2)


def test_the_judges_name_the_new_statement_of_a_running_incident() -> None:
    rows = {BY_CUSTOMER: (20.0, 0.4, 2.0, 0.4), BY_EMAIL: (0.0, 0.0, 18.0, 240.0)}
    question = StatementStatistics(database="shop", window=WINDOW)
    found = by_judge(judge_database(observed(reading(question, _samples(rows))), SCENE))
    assert found["statement_new"].state == "yes"
    assert "customer_email" in found["statement_new"].why
    assert found["statement_more_calls"].state == "unknown"
