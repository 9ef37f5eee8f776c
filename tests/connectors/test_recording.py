"""What is saved of an investigation replays to the same answers and the same ranking."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path
from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from bot import incidents
from bot.investigation import Investigator, Options, Outcome
from connectors.answers import (
    Answer,
    Change,
    ClusterEvent,
    ClusterState,
    Commit,
    Commits,
    LogRecord,
    LogSet,
    SourceFile,
    SourceFiles,
    Timeline,
)
from connectors.case import CaseSources, open_case
from connectors.case.database_kept import KEPT
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Sources, Unavailable, Window
from connectors.database_answers import ConnectionGroup, ConnectionUse
from connectors.errors import CaseError
from connectors.exemplars import Exemplars
from connectors.normal import normal
from connectors.questions import (
    ChangeTimeline,
    ClusterSnapshot,
    CommitLog,
    ConnectionsInUse,
    LogSample,
    MigrationFiles,
)
from connectors.recording import documents, readings, save, series, spans
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


def _kinds(answer: object) -> list[type]:
    inner = get_args(answer)
    return [kind for each in inner for kind in _kinds(each)] if inner else [cast("type", answer)]


def test_every_kind_of_answer_can_be_saved() -> None:
    kept = {kind for _, kind in KEPT.values()}
    written = {*documents.WRITERS, *readings.MAKERS, *series.ANSWERS, *spans.ANSWERS, *kept}
    # Exemplars serve the connectors among each other; no investigation asks for them.
    assert set(_kinds(Answer)) - {Exemplars} <= written


@given(integers(min_value=1_000_000_000 * 10**9, max_value=2_200_000_000 * 10**9))
def test_a_spans_time_comes_back_to_the_last_bit(nanos: int) -> None:
    at = nanos / 1e9
    assert spans.nanoseconds(at) / 1e9 == at


SECRET = "ghp_" + "a1B2c3D4" * 5


def test_secrets_and_addresses_reach_no_file_of_a_saved_case(tmp_path: Path) -> None:
    case = open_case(INCIDENTS / CASES[0])
    at = case.manifest.at
    window = Window(start=case.manifest.window.start, end=at)
    told = f"token={SECRET} of jane@mail.example"
    record = LogRecord(
        at.timestamp() - 60, "cart", "ERROR", told, attributes={"password": SECRET, "url": told}
    )
    change = Change(id="c1", at=at, kind="deploy", summary=told, link=f"https://x.example/?token={SECRET}")
    commit = Commit(sha="a" * 40, at=at, author="jane@mail.example", message=told, diff="\n" * 70_000 + told)
    answers: list[tuple[Question, Answer]] = [
        (LogSample(window=window), LogSet((record,))),
        (ChangeTimeline(window=window), Timeline(changes=(change,))),
        (CommitLog(window=window), Commits(commits=(commit,))),
        (ClusterSnapshot(window=window), ClusterState(events=(ClusterEvent(at=at, message=told),))),
        (MigrationFiles(), SourceFiles(files=(SourceFile(path="a/../../b.sql", text="x"),
                                              SourceFile(path="migrations/1.sql", text=told)))),
    ]  # fmt: skip
    asked = [(q, Reading(q.source, q, "asked", at, answer, sha256(answer))) for q, answer in answers]
    saved = save(tmp_path / "saved", case.manifest, b"{}", asked)
    assert "repository/migrations/1.sql" in saved.files
    assert not any("b.sql" in name for name in saved.files)
    for name in saved.files:
        data = (tmp_path / "saved" / name).read_bytes()
        text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8", "replace")
        assert SECRET not in text, name
        assert "jane@mail" not in text, name
