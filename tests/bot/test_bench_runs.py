from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bot import incidents
from bot.bench import runs, worker
from bot.bench.answers import Run
from bot.bench.cases import Case, Truth
from bot.bench.runs import Manner
from connectors.case import Manifest
from graph.model import Verdict
from playbooks.model import Incident
from tests.bot import recorded_case


def cases(*names: str) -> list[Case]:
    return [Case("set", name, Path(name), Truth(verdict=Verdict.CAUSE)) for name in names]


def ran(found: list[Case], manner: Manner) -> list[Run]:
    heard: list[str] = []
    answers = runs.run_all(found, manner, lambda case, _: heard.append(case.folder))
    assert sorted(heard) == sorted(case.folder for case in found)
    return answers


def serve_by_name(connection: Connection) -> None:
    """Do as the case's name says."""
    while True:
        try:
            task: worker.Task | None = connection.recv()
        except EOFError:
            return
        if task is None:
            return
        name = Path(task.path).name
        if name.startswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("left"):
            os._exit(3)
        if name.startswith("hung"):
            time.sleep(600)
        if name.startswith("slow"):
            time.sleep(0.5)
        connection.send(Run(error=f"{name} was here"))


def serve_curiously(connection: Connection) -> None:
    """Serve as a worker does, with an investigation that looks for the answer."""

    def peek(manifest: Manifest, alert: bytes | None) -> Incident:
        del manifest, alert
        raise AssertionError(Path(os.environ["BENCH_PEEK"]).read_text(encoding="utf-8"))

    incidents.of_case = peek
    worker.serve(connection)


def test_answers_come_in_the_order_of_the_cases_whoever_is_done_first() -> None:
    found = ran(cases("slow", "a", "b", "c"), Manner(2, serve=serve_by_name))
    assert [run.error for run in found] == [f"{name} was here" for name in ("slow", "a", "b", "c")]


def test_a_case_that_kills_its_process_is_an_error_and_the_rest_go_on() -> None:
    found = ran(cases("killed", "a", "left", "b"), Manner(1, serve=serve_by_name))
    assert [run.error for run in found] == [
        "its process ended (killed by signal 9)",
        "a was here",
        "its process ended (exit code 3)",
        "b was here",
    ]


def test_a_case_that_hangs_is_given_up_and_the_rest_go_on() -> None:
    found = ran(cases("hung", "a"), Manner(1, longest_seconds=20.0, serve=serve_by_name))
    assert [run.error for run in found] == ["no answer within 20 s", "a was here"]


def test_an_investigation_that_opens_the_truth_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recorded_case.written(tmp_path / "set" / "one")
    (folder / "truth.yaml").write_text("verdict: cause\n", encoding="utf-8")
    monkeypatch.setenv("BENCH_PEEK", str(folder / "truth.yaml"))
    found = [Case("set", "one", folder, Truth(verdict=Verdict.CAUSE))]
    (run,) = ran(found, Manner(1, serve=serve_curiously))
    assert "may not open a file that holds the answer" in run.error
