from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bot.investigation import Confirm, Investigator, Options, Outcome, RuleOut
from bot.store import Store
from connectors.contract import Source
from graph.errors import NotWaitingError
from graph.record import weighing_bytes
from tests.bot.killed import LoggedSources
from tests.graph.fakes import INCIDENT, FakeSources, toy_weigh

STAGES = ["scope", "gather", "gather:5", "weigh", "ask", "ask:1", "propose", "confirm", "close"]
RULE_OUT = RuleOut(proposal="missing_index")


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with Store(tmp_path_factory.mktemp("unkilled") / "store.db") as record:
        return Investigator(FakeSources(), record, Options(confirm="yes"), weigh=toy_weigh).investigate(
            INCIDENT
        )


def _run(*arguments: str | Path) -> int:
    command = [sys.executable, "-m", "tests.bot.killed", *map(str, arguments)]
    return subprocess.run(command, check=False, timeout=120, cwd=Path(__file__).parents[2]).returncode


def _same(outcome: Outcome, other: Outcome) -> bool:
    """Everything but the time it took."""
    return (
        weighing_bytes(outcome.weighing) == weighing_bytes(other.weighing)
        and outcome.coverage == other.coverage
        and (outcome.status, outcome.queries, outcome.partial, outcome.ruled_out, outcome.confirmation)
        == (other.status, other.queries, other.partial, other.ruled_out, other.confirmation)
    )


def _asked_again(log: Path) -> int:
    return sum(count - 1 for count in Counter(log.read_text().splitlines()).values())


@pytest.mark.parametrize("moment", STAGES)
def test_what_was_killed_is_finished_by_the_next_process_as_if_nothing_had_been(
    moment: str, tmp_path: Path, unkilled: Outcome
) -> None:
    store, log = tmp_path / "store.db", tmp_path / "asked"
    assert _run(store, log, moment) == -signal.SIGKILL
    log.touch()
    before = log.read_text().splitlines()
    with Store(store) as record:
        answered = {asked.question.key() for asked in record.asked(INCIDENT.id)}
        runs = Investigator(LoggedSources(log), record, Options(confirm="yes"), weigh=toy_weigh)
        outcome = runs.investigate(INCIDENT)
    assert _same(outcome, unkilled)
    assert not answered & set(log.read_text().splitlines()[len(before) :])
    assert _asked_again(log) <= len(Source), "more than the one open question of each source"


def test_the_same_command_again_finishes_the_job(tmp_path: Path, unkilled: Outcome) -> None:
    command = (tmp_path / "store.db", tmp_path / "asked")
    assert [_run(*command, moment) for moment in ("ask", "propose", "never")] == [-signal.SIGKILL] * 2 + [0]
    assert _asked_again(tmp_path / "asked") == 0
    with Store(command[0]) as record:
        outcome = Investigator(FakeSources(), record, weigh=toy_weigh).investigate(INCIDENT)
    assert outcome.status == "closed"
    assert _same(outcome, unkilled)


@pytest.mark.parametrize("moment", ["confirm", "weigh", "propose"])
def test_an_answer_is_not_lost_with_the_process_that_took_it(moment: str, tmp_path: Path) -> None:
    store, log = tmp_path / "store.db", tmp_path / "asked"
    with Store(store) as record:
        runs = Investigator(LoggedSources(log), record, weigh=toy_weigh)
        runs.investigate(INCIDENT)
        assert _run(store, log, moment, RULE_OUT.model_dump_json()) == -signal.SIGKILL
        outcome = runs.investigate(INCIDENT)
        assert outcome.status == "awaiting_confirmation"
        assert outcome.ruled_out == ("missing_index",)
        assert outcome.weighing.proposals[0].id == "bad_deploy"
        assert runs.answer(INCIDENT.id, Confirm()).status == "closed"
        assert [label.decision for label in record.labels(INCIDENT.id)] == ["rule_out", "confirm"]
    assert _asked_again(log) == 0


def test_a_closed_investigation_leaves_no_checkpoints(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as record:
        Investigator(FakeSources(), record, Options(confirm="no"), weigh=toy_weigh).investigate(INCIDENT)
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        for table in ("checkpoints", "writes"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_second_answer_does_not_overtake_one_that_was_heard(tmp_path: Path) -> None:
    store, log = tmp_path / "store.db", tmp_path / "asked"
    with Store(store) as record:
        runs = Investigator(LoggedSources(log), record, weigh=toy_weigh)
        runs.investigate(INCIDENT)
        assert _run(store, log, "confirm", RULE_OUT.model_dump_json()) == -signal.SIGKILL
        with pytest.raises(NotWaitingError, match="answered already"):
            runs.answer(INCIDENT.id, Confirm())
        assert runs.investigate(INCIDENT).ruled_out == ("missing_index",)
