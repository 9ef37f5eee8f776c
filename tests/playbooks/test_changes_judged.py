"""Every synthetic incident, judged: the guilty change first or none, and no decoy at a half or more."""

from __future__ import annotations

import pytest

from tests.playbooks.test_changes_kit import Scenario
from tests.playbooks.test_changes_scenarios_code import CODE
from tests.playbooks.test_changes_scenarios_code_more import CODE_MORE
from tests.playbooks.test_changes_scenarios_config import CONFIG
from tests.playbooks.test_changes_scenarios_hard_code import HARD_CODE
from tests.playbooks.test_changes_scenarios_hard_more import HARD_MORE
from tests.playbooks.test_changes_scenarios_hard_none import HARD_NONE
from tests.playbooks.test_changes_scenarios_hard_rest import HARD_REST
from tests.playbooks.test_changes_scenarios_last import LAST
from tests.playbooks.test_changes_scenarios_none import NONE
from tests.playbooks.test_changes_scenarios_wide import WIDE
from tests.playbooks.test_changes_scenarios_wide_none import WIDE_NONE

ALL = (
    *CODE,
    *CODE_MORE,
    *CONFIG,
    *HARD_CODE,
    *HARD_MORE,
    *HARD_NONE,
    *HARD_REST,
    *LAST,
    *NONE,
    *WIDE,
    *WIDE_NONE,
)


@pytest.mark.parametrize("scenario", ALL, ids=[s.name for s in ALL])
def test_the_guilty_change_or_none_is_named(scenario: Scenario) -> None:
    judgement = scenario.judge()
    told = {change.change_id: round(change.probability, 3) for change in judgement.changes}
    right = judgement.probability(scenario.guilty)
    assert right > 0.5, (told, judgement.none)
    assert all(p < 0.5 for name, p in told.items() if name != scenario.guilty)
    if scenario.mechanism:
        cause = judgement.none.cause if scenario.guilty is None else judgement.changes[0].cause
        assert cause in scenario.mechanism
