from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import BusyError
from bot.investigation import Confirm, Investigator, Options, Outcome, Progress
from bot.locks import held
from bot.store import Store
from connectors.contract import Question, Reading
from graph.record import MemoryRecord, weighing_bytes
from tests.graph.fakes import INCIDENT, FakeSources, reading, refuses, series, toy_weigh

ROOT = Path(__file__).parents[2]
CLOSE = Options(confirm="no")


def _stored(path: Path, options: Options = CLOSE) -> Outcome:
    with Store(path) as record:
        return Investigator(FakeSources(), record, options, weigh=toy_weigh).investigate(INCIDENT)


def test_a_store_and_memory_yield_the_same_investigation(tmp_path: Path) -> None:
    stored = _stored(tmp_path / "store.db")
    kept = Investigator(FakeSources(), MemoryRecord(), CLOSE, weigh=toy_weigh).investigate(INCIDENT)
    assert weighing_bytes(stored.weighing) == weighing_bytes(kept.weighing)
    assert stored.coverage == kept.coverage


def test_two_runs_of_one_incident_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    first, second = _stored(tmp_path / "first.db"), _stored(tmp_path / "second.db")
    assert weighing_bytes(first.weighing) == weighing_bytes(second.weighing)


def test_another_process_can_answer_what_this_one_proposed(tmp_path: Path) -> None:
    waiting = _stored(tmp_path / "store.db", Options())
    assert waiting.status == "awaiting_confirmation"
    with Store(tmp_path / "store.db") as record:
        outcome = Investigator(FakeSources(), record, weigh=toy_weigh).answer(INCIDENT.id, Confirm())
    assert outcome.status == "closed"
    assert outcome.weighing == waiting.weighing


def test_a_closed_investigation_is_shown_from_its_record(tmp_path: Path) -> None:
    assert _stored(tmp_path / "store.db") == _stored(tmp_path / "store.db")


def test_a_forgotten_investigation_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store(path) as record:
        investigator = Investigator(FakeSources(), record, weigh=toy_weigh)
        investigator.investigate(INCIDENT)
        investigator.forget(INCIDENT.id)
    with closing(sqlite3.connect(path)) as file:
        for table in ("investigations", "answers", "weighings", "labels", "checkpoints", "writes"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_large_readings_stay_out_of_the_checkpoints(tmp_path: Path) -> None:
    def large(question: Question) -> Reading:
        return reading(question, series(500_000))

    path = tmp_path / "store.db"
    with Store(path) as record:
        Investigator(FakeSources({"SeriesSweep": large}), record, weigh=toy_weigh).investigate(INCIDENT)
    with closing(sqlite3.connect(path)) as file:
        largest, steps = file.execute("SELECT max(length(checkpoint)), count(*) FROM checkpoints").fetchone()
        writes = file.execute("SELECT sum(length(value)) FROM writes").fetchone()[0]
    assert 0 < largest < 8_000
    assert writes < 50_000
    assert steps < 15


def test_checkpoints_hold_nothing_that_strict_msgpack_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _stored(tmp_path / "store.db", Options())
    outcome = _stored(tmp_path / "store.db", Options(confirm="yes"))
    assert outcome.status == "closed"
    assert not [record for record in caplog.records if "langgraph" in record.name]


def test_strict_msgpack_is_on_when_the_machine_is_composed() -> None:
    code = "import bot.checkpoints, langgraph.checkpoint.serde._msgpack as m; print(m.STRICT_MSGPACK_ENABLED)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LANGGRAPH")}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT, env=clean
    )
    assert done.stdout.strip() == "True"


def test_langgraph_is_not_imported_before_an_investigation_runs() -> None:
    code = "import sys, bot.investigation; print([name for name in sys.modules if name.startswith('lang')])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_second_process_is_refused_and_told_who_is_working(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    inside, leave = threading.Event(), threading.Event()

    def waits(question: Question) -> Reading:
        inside.set()
        leave.wait(60)
        return reading(question)

    with Store(path) as record:
        first = Investigator(FakeSources({"SeriesSweep": waits}), record, CLOSE, weigh=toy_weigh)
        thread = threading.Thread(target=first.investigate, args=(INCIDENT,))
        thread.start()
        assert inside.wait(30)
        command = [sys.executable, "-m", "tests.bot.killed", str(path), str(tmp_path / "asked"), "never"]
        second = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
        leave.set()
        thread.join()
        sealed = record.sealed(INCIDENT.id)
    assert f"BusyError: another process (pid {os.getpid()}) is working on this investigation" in second.stderr
    assert not (tmp_path / "asked").exists()
    assert sealed is not None


def test_the_lock_is_free_again_when_its_holder_is_done_or_dead(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib, bot.locks\nwith bot.locks.held(pathlib.Path(sys.argv[1]), 't'): os.abort()"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, cwd=ROOT).returncode == -6
    with held(tmp_path, "t"):
        pass
    with held(tmp_path, "t"), pytest.raises(BusyError, match=str(os.getpid())), held(tmp_path, "t"):
        pass


def test_different_investigations_do_not_lock_each_other(tmp_path: Path) -> None:
    with held(tmp_path, "one"), held(tmp_path, "other"):
        pass


def test_the_listener_is_called_by_one_thread_at_a_time() -> None:
    inside = threading.Lock()
    clashes = []

    def listen(_: Progress) -> None:
        clashes.append(not inside.acquire(blocking=False))
        inside.release()

    Investigator(FakeSources(), MemoryRecord(), CLOSE, listen, weigh=toy_weigh).investigate(INCIDENT)
    assert not any(clashes)


def test_a_gap_is_kept_with_its_question_and_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store(path) as record:
        sources = FakeSources({"LogSample": refuses})
        outcome = Investigator(sources, record, CLOSE, weigh=toy_weigh).investigate(INCIDENT)
    assert [(gap.question.name, gap.answer.source) for gap in outcome.gaps] == [("LogSample", "logs")]
    assert _stored(path).gaps == outcome.gaps


def test_a_variable_of_the_environment_does_not_send_the_evidence_to_a_tracing_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    utils = pytest.importorskip("langsmith.utils")
    utils.get_env_var.cache_clear()
    traced = []

    def listen(_: Progress) -> None:
        traced.append(utils.tracing_is_enabled())

    assert utils.tracing_is_enabled()
    Investigator(FakeSources(), MemoryRecord(), CLOSE, listen, weigh=toy_weigh).investigate(INCIDENT)
    monkeypatch.undo()
    utils.get_env_var.cache_clear()
    assert traced
    assert not any(traced)
