from __future__ import annotations

import ast
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from pglast import parse_sql

from tests.lab.cluster import manifest
from tests.lab.conformance import TELLING
from tests.lab.loadgen import Demand
from tests.lab.monitoring import Levels, rules
from tests.lab.provider import Pace
from tests.lab.repository import Beginning, Edit, Repository
from tests.lab.shop import FIRST_VERSIONS, Options, Shop
from tests.lab.stage import NoSuchScenarioError, Scenario, scenario, scenarios

NAMES = list(scenarios())


class Work:
    """Other people's sessions, which a rehearsal reads and does not run."""

    def hold_open(self, application: str, statements: list[str]) -> None:
        assert application
        assert all(parse_sql(statement) for statement in statements)

    def run(self, application: str, statements: list[str]) -> None:
        self.hold_open(application, statements)

    def repeat(self, application: str, statement: str, seconds: float) -> None:
        assert seconds > 0
        self.hold_open(application, [statement])


class Rehearsal:
    """The shop as a scenario sees it, with a real repository and nothing running."""

    def __init__(self, root: Path, beginning: Beginning) -> None:
        self.repository = Repository(root / "repository", root / "trees")
        self.repository.build_history({"cart": manifest("cart")}, datetime.now(UTC), beginning)
        self.jobs = Work()
        self.migrated: list[str] = []
        self.options = Options()
        self.demand = Demand()
        self.deployed: list[tuple[str, str, str]] = []
        self.progress = print

    def wait(self, seconds: float) -> None:
        assert seconds >= 0

    def commit(self, message: str, edits: list[Edit]) -> str:
        return self.repository.commit(message, edits)

    def roll_out(self, service: str, version: str, commit: str) -> None:
        source = self.repository.tree(commit) / "services" / service / "app.py"
        ast.parse(source.read_text())
        self.deployed.append((service, version, commit))

    def set_demand(self, demand: Demand) -> None:
        assert demand.rate > 0

    def set_provider_pace(self, pace: Pace) -> None:
        assert pace.seconds > 0

    def migrate(self, commit: str) -> None:
        self.migrated.append(commit)


@dataclass(frozen=True)
class Rehearsed:
    """A scenario after its last step, and the shop it was played in."""

    scenario: Scenario
    shop: Rehearsal


@pytest.fixture(scope="module", params=NAMES)
def rehearsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    played = scenario(request.param)
    rehearsal = Rehearsal(tmp_path_factory.mktemp("shop"), played.beginning)
    shop = cast(Shop, rehearsal)
    played.arrange(shop)
    played.baseline(shop, 600)
    played.inject(shop)
    played.after_alert(shop)
    return Rehearsed(played, rehearsal)


def test_every_change_applies_to_the_shops_sources_and_raises_a_version(rehearsed: Rehearsed) -> None:
    versions = dict(FIRST_VERSIONS)
    for service, version, _ in rehearsed.shop.deployed:
        assert [int(part) for part in version.split(".")] > [
            int(part) for part in versions[service].split(".")
        ]
        versions[service] = version


def test_the_truth_names_only_what_was_deployed(rehearsed: Rehearsed) -> None:
    truth = rehearsed.scenario.truth()
    deployed = {commit for _, _, commit in rehearsed.shop.deployed}
    assert set(truth.decoys) <= deployed
    assert truth.decoys
    assert truth.commit in {None, "none", *deployed}
    assert truth.commit not in truth.decoys
    assert set(truth.services) <= set(FIRST_VERSIONS)


def test_no_commit_gives_the_answer_away(rehearsed: Rehearsed) -> None:
    for commit in rehearsed.shop.repository.commits():
        text = f"{commit.message}\n{commit.diff}".lower()
        assert not [word for word in TELLING if word in text]


@pytest.mark.parametrize("name", NAMES)
def test_the_alert_a_scenario_waits_for_is_a_rule(name: str) -> None:
    assert f"'alert': '{scenario(name).alert}'" in str(rules(Levels()))


def test_an_unknown_scenario_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NoSuchScenarioError, match="slow-dependency"):
        scenario("no-such-thing")
