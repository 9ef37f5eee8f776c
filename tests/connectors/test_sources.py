"""A case as a whole: routing, the wall of time, threads, and every development case there is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
import pytest

from connectors import answers as a
from connectors import database_answers, questions
from connectors.case import CaseSources, open_case
from connectors.case.directory import CaseDirectory
from connectors.case.reader import Found, Once
from connectors.case.time_wall import _TIMES, refuse_later
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Sources, Unavailable, Window
from connectors.database_answers import DatabaseAnswer
from connectors.errors import TimeLeakError
from connectors.exemplars import Exemplar, Exemplars
from connectors.otlp import read_spans
from connectors.questions import ChangeTimeline, DatabaseQuestion, LogSample, SeriesSweep, SpanSample
from tests.connectors.small_case import NOW, WIDE, SmallCase, answered, iso, minute, refused, request, span

SHARED = Path(__file__).parents[3] / "shared" / "cases"
SECOND = timedelta(seconds=1)


class LeakyReader:
    """A reader with a bug: its answer holds a sample from after now."""

    source: ClassVar[Source] = Source.METRICS
    questions: ClassVar[tuple[type[Question], ...]] = (SeriesSweep,)

    def present(self) -> bool:
        return True

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        times = np.array([now.timestamp(), now.timestamp() + 0.001])
        return Found(a.SeriesSet((), times, np.empty((0, 2))), f"leak of {question.name}")


def test_a_reader_that_leaks_is_stopped(case: SmallCase) -> None:
    sources = CaseSources(case.open().manifest, None, [LeakyReader()])
    with pytest.raises(TimeLeakError, match=r"SeriesSet holds a time 0\.001 s after 2026-06-18T15:06:00Z"):
        sources.ask(SeriesSweep(window=WIDE), now=NOW)


def late_answers() -> Iterator[a.Answer]:
    at = NOW + SECOND
    later = read_spans([request(span(1, 66, 0.5))], now=NOW.timestamp() + 60)
    container = a.Container(name="c", last_exit_at=at)
    table = a.Table(table="t", last_autovacuum=at)
    yield a.SeriesSet((), np.array([0.0, at.timestamp()]), np.empty((0, 2)))
    yield later
    yield a.LogSet((a.LogRecord(at.timestamp(), "", "", ""),))
    yield a.LogSet((), False, ((0.0, at.timestamp()),))
    yield a.Timeline(changes=(a.Change(id="1", at=at, kind="other"),))
    yield a.Timeline(changes=(a.Change(id="1", at=NOW, kind="other", steps=(NOW, at)),))
    yield a.Commits(commits=(a.Commit(sha="1", at=at),))
    yield a.StatusFeeds(events=(a.StatusEvent(at=at, provider="", component="", status=""),))
    yield a.ClusterState(pods=(a.Pod(namespace="", name="", started_at=at),))
    yield a.ClusterState(pods=(a.Pod(namespace="", name="", containers=(container,)),))
    yield a.ClusterState(rollouts=(a.Rollout(namespace="", workload="", at=at),))
    yield a.ClusterState(events=(a.ClusterEvent(at=at),))
    yield a.StatementSnapshots(snapshots=(a.StatementSnapshot(at=at, statements=()),))
    yield a.ActivitySnapshots(snapshots=(a.ActivitySnapshot(at=at, groups=()),))
    yield a.TableSnapshots(snapshots=(a.TableSnapshot(at=at, tables=()),))
    yield Exemplars(exemplars=(Exemplar(trace="1", at=at, value=1.0, metric="m"),))
    yield a.TableSnapshots(snapshots=(a.TableSnapshot(at=NOW, tables=(table,)),))


@pytest.mark.parametrize("answer", [*late_answers()], ids=lambda answer: type(answer).__name__)
def test_no_kind_of_answer_may_know_the_future(answer: a.Answer) -> None:
    with pytest.raises(TimeLeakError):
        refuse_later(answer, NOW)
    refuse_later(answer, NOW + timedelta(minutes=2))


def test_every_kind_of_answer_with_times_is_checked() -> None:
    timeless = {a.PatternCounts, a.CallGraphEdges, a.Indexes, a.Locks, a.Plan, a.IndexGains, a.SourceFiles}
    of_ages = set(get_args(DatabaseAnswer))
    assert set(get_args(a.Answer)) - set(_TIMES) == timeless | of_ages
    assert "Instant" not in Path(database_answers.__file__).read_text()


def test_a_case_is_a_set_of_sources(case: SmallCase) -> None:
    sources: Sources = case.open()
    assert sources.available() == []


def test_only_sources_with_files_are_available(case: SmallCase) -> None:
    page = {"connector": "status-page", "question": "provider status", "at": iso(10), "answer": []}
    case.metrics({"up": [1]}, [10]).lines("commits.jsonl").text("database/shop.sql", "").lines(
        "readings.jsonl", page
    )
    assert case.open().available() == [Source.METRICS, Source.CHANGES, Source.DATABASE, Source.STATUS]


class Riddle(Question):
    """A question nobody knows."""

    source: ClassVar[Source] = Source.METRICS


def test_a_question_nobody_can_answer_is_refused_politely(case: SmallCase) -> None:
    assert refused(case.ask(Riddle())) == "a case cannot answer Riddle"


def test_a_later_now_than_the_incident_s_is_of_no_use(case: SmallCase) -> None:
    case.metrics({"up": [1, 2]}, [10, 70])
    reply = case.open().ask(SeriesSweep(window=WIDE), now=minute(90))
    assert isinstance(reply, Reading)
    assert (reply.at, answered(reply, a.SeriesSet).values.tolist()) == (NOW, [[1]])


def test_a_reading_carries_its_answer_s_hash(case: SmallCase) -> None:
    case.metrics({"up": [1, None]}, [10, 20])
    one, two = case.ask(SeriesSweep(window=WIDE)), case.ask(SeriesSweep(window=WIDE))
    assert isinstance(one, Reading)
    assert isinstance(two, Reading)
    assert one.sha256 == two.sha256 == sha256(one.answer)


def test_a_file_that_vanishes_is_unavailable_not_a_crash(
    case: SmallCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.lines("logs.jsonl", {})
    sources = case.open()
    monkeypatch.setattr(CaseDirectory, "find", lambda _self, name: name)
    (case.path / "logs.jsonl").unlink()
    assert "cannot be opened" in refused(sources.ask(LogSample(window=WIDE), now=NOW))


def test_notes_go_with_the_source_they_speak_of(case: SmallCase) -> None:
    notes = """source:
  name: lab
  notes: [traces are whole, "logs are cut", baseline rows were moved, everything is slow, a login failed]
"""
    case.manifest((case.path / "case.yaml").read_text() + notes)
    case.metrics({"up": [1]}, [10]).lines("traces.jsonl").lines("logs.jsonl")
    sources = case.open()
    general = ("everything is slow", "a login failed")
    for question, own in (
        (SeriesSweep(window=WIDE), "baseline rows were moved"),
        (SpanSample(window=WIDE), "traces are whole"),
        (LogSample(window=WIDE), "logs are cut"),
    ):
        assert getattr(sources.ask(question, now=NOW), "notes", ()) == (own, *general)


def test_each_file_is_parsed_once_however_many_ask_at_once(
    case: SmallCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.lines("logs.jsonl", *({"timestamp": iso(10), "body": str(n)} for n in range(500)))
    case.lines("traces.jsonl", request(span(1, 10))).lines("changes.jsonl", {"at": iso(10), "kind": "flag"})
    sources = case.open()
    opened: list[str] = []
    lines = CaseDirectory.lines

    def counted(self: CaseDirectory, name: str) -> Iterator[bytes]:
        opened.append(name)
        return lines(self, name)

    monkeypatch.setattr(CaseDirectory, "lines", counted)
    asked: list[Question] = [LogSample(window=WIDE), SpanSample(window=WIDE), ChangeTimeline(window=WIDE)] * 8
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda question: sources.ask(question, now=NOW), asked))
    assert len({getattr(reply, "sha256", None) for reply in replies}) == 3
    assert sorted(opened) == ["changes.jsonl", "logs.jsonl", "traces.jsonl"]


def test_a_value_is_made_once_even_when_two_ask_at_once() -> None:
    made: list[int] = []
    gate = threading.Barrier(4)

    def make() -> int:
        made.append(1)
        return len(made)

    once = Once(make)

    def ask() -> int:
        gate.wait()
        return once.get()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: ask(), range(4))) == [1] * 4


def test_a_failure_is_not_kept_as_a_value() -> None:
    once: Once[int] = Once(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            once.get()


def every_question(window: Window) -> Iterator[Question]:
    for kind in vars(questions).values():
        if isinstance(kind, type) and issubclass(kind, Question) and kind not in (Question, DatabaseQuestion):
            given = {"window": window, "database": "shop", "queryid": "1", "metric": "up"}
            yield kind.model_validate({k: v for k, v in given.items() if k in kind.model_fields})


def test_every_question_of_the_vocabulary_is_answered_or_refused(case: SmallCase) -> None:
    sources = case.open()
    replies = [sources.ask(question, now=NOW) for question in every_question(WIDE)]
    assert len(replies) >= 18
    assert all("a case cannot answer" not in refused(reply) for reply in replies)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the development cases do not lie beside this checkout")
@pytest.mark.parametrize(
    "name", ["nezha-ob", "nezha-tt", "petshop", "petshop-substitute-baseline", "rootcausebench"]
)
def test_every_development_case_answers_every_question_within_its_time(name: str) -> None:
    for path in sorted((SHARED / name).iterdir()):
        sources = open_case(path)
        manifest = sources.manifest
        wide = Window(start=manifest.window.start - timedelta(days=1), end=manifest.at + timedelta(days=1))
        answers = 0
        for question in every_question(wide):
            reply = sources.ask(question, now=manifest.at)
            if isinstance(reply, Reading):
                answers += 1
                refuse_later(reply.answer, manifest.at)
                assert reply.at <= manifest.at
        assert answers >= len(sources.available()) > 0, path.name
