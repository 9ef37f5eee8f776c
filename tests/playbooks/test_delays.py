"""Delays between a guilty change and its fault: declared, moved a little by few cases, and never decisive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from playbooks.change_candidates import Candidate
from playbooks.change_reach import order
from playbooks.delays import Hazard, load_delays
from tests.playbooks.test_changes_kit import Scenario, at, deploy


def said(minutes: float, slow: bool = False, shape: str = "step") -> float:
    change = deploy("checkout", -minutes, "c")
    look = Scenario("", "checkout", "slow", (), (), (), None).look()
    candidate = Candidate("c", change, None, "checkout", at(-minutes), named=True, sure=True)
    return order(candidate, replace(look, shape=shape), slow).value


def test_the_file_says_where_its_numbers_are_from_and_how_few_they_are() -> None:
    file = load_delays()
    assert set(file.classes) == {"immediate", "gradual", "countdown"}
    assert "labelled cases" in file.provenance
    assert "few" in file.provenance
    assert 0 < sum(len(h.observed) for h in file.classes.values()) < 20


def test_an_immediate_fault_speaks_for_the_latest_deploy_and_never_convicts_it() -> None:
    assert 1.0 >= said(2) >= said(20) > said(90) > said(400) >= -1.8


@pytest.mark.parametrize("hours", [2, 4, 8])
def test_a_leak_may_take_hours_where_an_immediate_fault_may_not(hours: float) -> None:
    assert said(60 * hours, slow=True) > said(60 * hours) + 0.5


def test_what_counts_down_may_take_days() -> None:
    assert said(1440, shape="countdown") > said(1440, shape="ramp") > said(1440)


def test_few_cases_move_the_median_little_and_many_move_it_far() -> None:
    few = Hazard(
        declared_minutes=8, declared_cases=12, spread=1.7, background_minutes=240, observed={"a": 60}
    )
    many = few.model_copy(update={"observed": {str(n): 60.0 for n in range(200)}})
    assert 8 < few.median_minutes < 12
    assert 50 < many.median_minutes < 60
