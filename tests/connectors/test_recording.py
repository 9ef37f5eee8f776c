"""What is saved of an investigation replays to the same answers and the same ranking."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from bot import incidents
from bot.investigation import Investigator, Options, Outcome
from connectors.case import CaseSources, open_case
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Sources, Unavailable
from connectors.database_answers import ConnectionGroup, ConnectionUse
from connectors.errors import CaseError
from connectors.normal import normal
from connectors.questions import ConnectionsInUse
from connectors.recording import save
from graph.record import MemoryRecord
from playbooks.model import Incident

INCIDENTS = Path(__file__).resolve().parents[1] / "incidents"
CASES = ["missing-index-after-deploy", "slow-dependency"]

_PERSONAL = {"CommitLog"}
"""Answers of recorded cases that hold authors' addresses, which are not written."""


class AsLive:
    """A case's answers as LiveSources would give them."""

    def __init__(self, case: CaseSources) -> None:
        self.case = case

    def available(self) -> list[Source]:
        return list(self.case.available())

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        answer = self.case.ask(question, now=now)
        return normal(answer) if isinstance(answer, Reading) else answer


def investigated(sources: Sources, incident: Incident) -> tuple[Outcome, MemoryRecord]:
    record = MemoryRecord()
    work = Investigator(sources=sources, record=record, options=Options(confirm="no"))
    return work.investigate(incident, "thread"), record


def ranking(outcome: Outcome) -> list[tuple[object, ...]]:
    return [
        (p.rank, p.cause, p.service, p.entity, p.change, pytest.approx(p.confidence, abs=1e-9))
        for p in outcome.weighing.proposals
    ]


@pytest.mark.parametrize("name", CASES)
def test_a_saved_investigation_replays_to_the_identical_ranking(name: str, tmp_path: Path) -> None:
    case = open_case(INCIDENTS / name)
    live, record = investigated(AsLive(case), incidents.of_case(case.manifest, case.alert_bytes))
    asked = [(each.question, each.answer) for each in record.asked("thread")]
    save(tmp_path / "saved", case.manifest, case.alert_bytes or b"{}", asked)
    again = open_case(tmp_path / "saved")
    incident = incidents.of_case(again.manifest, again.alert_bytes)
    assert incident == live.incident
    replayed, second = investigated(again, incident)
    assert ranking(replayed) == ranking(live)
    assert replayed.weighing.verdict == live.weighing.verdict
    assert len(second.asked("thread")) > 8
    hashes = {each.question.key(): _hash(each.answer) for each in record.asked("thread")}
    for each in second.asked("thread"):
        if each.question.name not in _PERSONAL:
            assert hashes[each.question.key()] == _hash(each.answer), each.question.name


def _hash(answer: Reading | Unavailable) -> str:
    return answer.sha256 if isinstance(answer, Reading) else "unavailable"


def test_a_directory_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    case = open_case(INCIDENTS / CASES[0])
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CaseError, match="not overwritten"):
        save(tmp_path, case.manifest, b"{}", [])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_answers_of_a_database_are_saved_as_the_case_reads_them(tmp_path: Path) -> None:
    case = open_case(INCIDENTS / CASES[0])
    use = ConnectionUse(
        most=100, used=99, groups=(ConnectionGroup(application="pool", state="idle", count=90),)
    )
    question = ConnectionsInUse(database="shop")
    reading = Reading(Source.DATABASE, question, "SELECT", case.manifest.at, use, sha256(use))
    save(tmp_path / "saved", case.manifest, b"{}", [(question, reading)])
    again = open_case(tmp_path / "saved").ask(question, now=case.manifest.at)
    assert isinstance(again, Reading), again
    assert again.sha256 == reading.sha256
