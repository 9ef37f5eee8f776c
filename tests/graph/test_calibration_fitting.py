from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from benchmarks.reliability import figures
from graph.calibration import Calibrated
from graph.calibrators import (
    CANDIDATES,
    Row,
    Scored,
    abstain_below,
    choose,
    conformal,
    fit,
    isotonic,
    pooled,
    row_weights,
)
from graph.traits import Traits

BROAD = Traits(
    ahead=2.0, strength=4.0, agreeing=2, opposing=0, sources=2, visible=True, excess=20.0, share=0.8
)
BY_NAME = {each.name: each for each in CANDIDATES}


def _row(raw: float, truth: int | None, system: str = "one", healthy: bool = False) -> Row:
    return Row("case", system, healthy, (raw, (1 - raw) / 2), (1 - raw) / 2, truth, BROAD)


def _scored(sure: float, right: bool, healthy: bool = False) -> Scored:
    rest = (1 - sure) / 2
    return Scored(
        _row(sure, 0 if right else None, healthy=healthy), Calibrated((sure, rest), 1 - sure - rest, False)
    )


def _times(n: int, one: Scored) -> list[Scored]:
    return [one] * n


def test_neighbours_that_fall_are_pooled_by_weight() -> None:
    assert pooled([0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 3.0, 1.0]) == [0.0, 0.25, 0.25, 1.0]


def test_the_calibration_error_of_claims_of_one_confidence_is_the_gap() -> None:
    rows = _times(7, _scored(0.9, True)) + _times(3, _scored(0.9, False))
    found = figures(rows)
    assert found["ECE"].value == pytest.approx(0.2)
    assert found["Brier"].value == pytest.approx(0.7 * 0.01 + 0.3 * 0.81)
    assert found["confidently wrong"].value == pytest.approx(0.3)
    assert found["right"].low is not None
    assert found["right"].low < 0.7


def test_a_ranking_that_is_overconfident_is_believed_less_after_the_fit() -> None:
    rows = [_row(0.9, 0)] * 60 + [_row(0.9, 1)] * 40
    model = fit(BY_NAME["Platt"], rows)
    said = 1 / (1 + math.exp(-(model.offset + model.rise * math.log(9))))
    assert said == pytest.approx(0.6, abs=0.05)


def test_every_system_weighs_alike_and_fault_free_instants_their_declared_share() -> None:
    rows = [_row(0.5, 0)] * 30 + [_row(0.5, 0, "two")] * 10 + [_row(0.5, None, healthy=True)] * 5
    weights = row_weights(rows)
    assert weights[:30].sum() == pytest.approx(weights[30:40].sum()) == pytest.approx(20.0)
    assert weights[40:].sum() == pytest.approx(0.15 * 40)


def test_without_data_the_fit_is_as_the_ranking_says() -> None:
    for candidate in CANDIDATES:
        model = fit(candidate, [_row(0.5, 0), _row(0.5, 1)])
        assert abs(model.offset) < 0.1
        assert model.rise == pytest.approx(1.0, abs=0.1)


def test_the_isotonic_reference_is_a_step_at_each_pool() -> None:
    said = isotonic([_row(0.2, 1), _row(0.6, 0)])
    assert said(_row(0.3, 0)).confidences == (0.0,)
    assert said(_row(0.7, 0)).confidences == (1.0,)


def test_a_cause_that_was_not_proposed_is_an_infinite_score() -> None:
    assert _scored(0.8, False).before == math.inf
    found = conformal(_times(30, _scored(0.8, True)) + _times(20, _scored(0.8, False, healthy=True)))
    assert (found.threshold, found.cases) == (0.0, 30)


def test_the_answer_begins_where_it_is_more_often_right_than_wrong() -> None:
    unsure = _times(6, _scored(0.4, False)) + _times(4, _scored(0.4, True))
    assert abstain_below(unsure + _times(10, _scored(0.55, True))) == 0.55


def _verdicts(wrong: int, sure: float) -> Sequence[Scored]:
    return _times(wrong, _scored(sure, False)) + _times(100 - wrong, _scored(sure, True))


def test_a_calibrator_that_is_confidently_wrong_too_often_is_not_chosen_however_good() -> None:
    across = {name: _verdicts(5, 0.75) for name in BY_NAME} | {"beta": _verdicts(5, 0.95)}
    assert choose(across, across, 0.02).chosen.name == "raw"
    assert choose(across, across, 0.02).reasons["beta"].startswith("confidently wrong")


def test_a_simpler_calibrator_within_one_standard_error_is_preferred() -> None:
    across = {name: _verdicts(30, 0.5) for name in BY_NAME}
    across |= {"temperature": _verdicts(30, 0.69), "beta": _verdicts(30, 0.7)}
    assert choose(across, across, 0.02).chosen.name == "temperature"
