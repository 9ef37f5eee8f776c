from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import BadInputError
from bot.store import VERSION, Store
from connectors.contract import Reading, Source, Unavailable, digest
from connectors.questions import StatementPlan
from graph.decisions import Label
from graph.errors import NotRecordedError
from graph.experience import Said
from graph.planning import question_id, sweep
from graph.record import MemoryRecord, Record, Seal, readings_of, weighing_bytes
from tests.graph.fakes import INCIDENT, NOW, reading, series, toy_weigh

THREAD = "thread"
QUESTIONS = (*sweep(INCIDENT, tuple(Source)), StatementPlan(database="shop", queryid="1"))
SEAL = Seal(closed_at=NOW, weighing="w1", not_asked=("logs",), spent_seconds=1.5)


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("store"))]
)
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Record]:
    if request.param == "memory":
        kept: Record = MemoryRecord()
        kept.open(THREAD, INCIDENT)
        yield kept
        return
    at_server = request.param == "postgresql"
    where = request.getfixturevalue("server_url") if at_server else tmp_path / "store.db"
    with Store(where) as store:
        store.open(THREAD, INCIDENT)
        yield store


def test_an_investigation_keeps_the_incident_it_was_begun_with(record: Record) -> None:
    assert record.open(THREAD, INCIDENT.model_copy(update={"title": "another"})) == INCIDENT
    assert record.incident(THREAD) == INCIDENT
    assert record.incident("another") is None


def test_every_kind_of_answer_comes_back(record: Record) -> None:
    for question in QUESTIONS:
        assert record.put_answer(THREAD, question, reading(question)) == question_id(question)
    back = record.get_readings(THREAD, [question_id(question) for question in QUESTIONS])
    assert [each.sha256 for each in back if isinstance(each, Reading)] == [
        reading(question).sha256 for question in QUESTIONS
    ]
    assert [each.question for each in back if isinstance(each, Reading)] == list(QUESTIONS)


def test_no_answer_comes_back_with_its_reason(record: Record) -> None:
    missing = Unavailable(Source.METRICS, "HTTP 403", retry=True)
    record.put_answer(THREAD, QUESTIONS[0], missing)
    assert record.answer(THREAD, QUESTIONS[0]) == missing
    assert [(each.question, each.answer) for each in record.asked(THREAD)] == [(QUESTIONS[0], missing)]
    assert readings_of(record, THREAD, [question_id(QUESTIONS[0])]) == ()


def test_what_was_not_asked_has_no_answer(record: Record) -> None:
    assert record.answer(THREAD, QUESTIONS[0]) is None
    with pytest.raises(NotRecordedError):
        record.get_readings(THREAD, ["q0"])


def test_the_first_answer_stands(record: Record) -> None:
    record.put_answer(THREAD, QUESTIONS[0], reading(QUESTIONS[0]))
    record.put_answer(THREAD, QUESTIONS[0], Unavailable(Source.METRICS, "too late"))
    assert isinstance(record.answer(THREAD, QUESTIONS[0]), Reading)


def test_what_was_asked_is_listed_by_source_in_any_order_of_writing(record: Record) -> None:
    for question in reversed(QUESTIONS[: len(Source)]):
        record.put_answer(THREAD, question, reading(question))
    sources = [each.question.source for each in record.asked(THREAD)]
    assert sources == sorted(sources)


def test_a_weighing_comes_back_with_the_questions_it_wants(record: Record) -> None:
    weighing = toy_weigh(INCIDENT, [reading(QUESTIONS[0])])
    name = record.put_weighing(THREAD, weighing)
    assert record.put_weighing(THREAD, weighing) == name
    back = record.get_weighing(THREAD, name)
    assert back == weighing
    assert back.wanted[0].question == weighing.wanted[0].question
    assert weighing_bytes(back) == weighing_bytes(weighing)
    with pytest.raises(NotRecordedError):
        record.get_weighing(THREAD, "w0")


def test_a_label_is_kept_once_and_in_order(record: Record) -> None:
    first = Label(decision="rule_out", weighing="w1", proposal="p1")
    second = Label(decision="confirm", weighing="w2", proposal="p2")
    for label in (first, first, second):
        record.put_label(THREAD, label)
    assert list(record.labels(THREAD)) == [first, second]


def test_what_people_said_is_listed_by_investigation_as_they_said_it(record: Record) -> None:
    assert record.said() == ()
    other = INCIDENT.model_copy(update={"id": "another"})
    record.open("other", other)
    first = Label(decision="rule_out", weighing="w1", proposal="p1")
    second = Label(decision="confirm", weighing="w2", proposal="p2")
    for thread, label in (("other", first), (THREAD, second), ("other", second)):
        record.put_label(thread, label)
    assert list(record.said()) == [Said("another", (first, second)), Said(INCIDENT.id, (second,))]
    record.forget("other")
    assert list(record.said()) == [Said(INCIDENT.id, (second,))]


def test_a_seal_is_written_once(record: Record) -> None:
    assert record.sealed(THREAD) is None
    assert record.seal(THREAD, SEAL) == SEAL
    assert record.seal(THREAD, SEAL.model_copy(update={"weighing": "w2"})) == SEAL
    assert record.sealed(THREAD) == SEAL


def test_what_is_forgotten_is_gone_and_the_rest_stays(record: Record) -> None:
    record.open("other", INCIDENT)
    for thread in (THREAD, "other"):
        record.put_answer(thread, QUESTIONS[0], reading(QUESTIONS[0]))
    record.forget(THREAD)
    assert record.incident(THREAD) is None
    assert isinstance(record.answer("other", QUESTIONS[0]), Reading)
    record.open(THREAD, INCIDENT)
    assert record.answer(THREAD, QUESTIONS[0]) is None


def test_several_threads_write_at_once(record: Record) -> None:
    def write(part: int) -> None:
        for question in QUESTIONS[part::4]:
            record.put_answer(THREAD, question, reading(question))

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(record.asked(THREAD)) == len(QUESTIONS)


def test_a_store_keeps_everything_for_the_next_process(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.open(THREAD, INCIDENT)
        store.put_answer(THREAD, QUESTIONS[0], reading(QUESTIONS[0], series(1000)))
        store.seal(THREAD, SEAL)
    with Store(tmp_path / "store.db") as again:
        assert again.sealed(THREAD) == SEAL
        back = again.answer(THREAD, QUESTIONS[0])
        assert isinstance(back, Reading)
        assert back.sha256 == reading(QUESTIONS[0], series(1000)).sha256


@pytest.mark.parametrize("damage", ["answer = zeroblob(40)", f"sha256 = '{digest(b'else')}'"])
def test_an_answer_that_no_longer_matches_its_hash_is_no_answer(tmp_path: Path, damage: str) -> None:
    with Store(tmp_path / "store.db") as store:
        store.open(THREAD, INCIDENT)
        store.put_answer(THREAD, QUESTIONS[0], reading(QUESTIONS[0]))
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
        file.execute(f"UPDATE answers SET {damage}")
    with Store(tmp_path / "store.db") as store:
        answer = store.answer(THREAD, QUESTIONS[0])
        assert answer == Unavailable(Source.METRICS, "the stored answer no longer matches its hash")
        assert readings_of(store, THREAD, [question_id(QUESTIONS[0])]) == ()


def test_a_weighing_that_was_changed_in_the_store_is_not_used(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.open(THREAD, INCIDENT)
        name = store.put_weighing(THREAD, toy_weigh(INCIDENT, []))
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
            file.execute("UPDATE weighings SET body = CAST('{}' AS BLOB)")
        with pytest.raises(NotRecordedError):
            store.get_weighing(THREAD, name)


def test_a_file_that_is_no_store_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text(
        "this is not a database, but long enough to look like a file of one\n" * 20
    )
    with pytest.raises(BadInputError, match=r"store\.db cannot be used"):
        Store(tmp_path / "store.db")


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
        file.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(BadInputError, match="newer version"):
        Store(tmp_path / "store.db")


def test_nobody_else_can_read_the_store(tmp_path: Path) -> None:
    with Store(tmp_path / "state" / "store.db") as store:
        store.open(THREAD, INCIDENT)
        modes = {file.name: file.stat().st_mode & 0o077 for file in (tmp_path / "state").iterdir()}
    assert modes == {"store.db": 0, "store.db-wal": 0, "store.db-shm": 0, "store.db.locks": 0}


def test_a_new_store_can_be_opened_by_several_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for attempt in range(10):
            stores = list(pool.map(Store, [tmp_path / str(attempt)] * 8))
            for store in stores:
                store.close()
