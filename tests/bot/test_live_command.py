"""The commands around live investigations as a user types them: init, investigate, services, doctor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot import cli, configuration, live_session
from bot.configuration_starter import TEXT

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _answers_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit hook stays for the rest of a process, and other tests of this one open labels."""
    monkeypatch.setattr("bot.session.forbid_answers", lambda: None)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FIRSTCAUSE_CONFIG", raising=False)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(list(arguments)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


def test_finding_out_who_is_meant_takes_a_quarter_of_a_small_budget_at_most() -> None:
    Path("firstcause.yaml").write_text("sources:\n  - {kind: prometheus, url: 'http://127.0.0.1:9'}\n")
    read = configuration.load(Path("firstcause.yaml"))
    assert live_session._in_time(read, 4).investigation.discovery.total_seconds() == 0.5  # it may run twice
    assert live_session._in_time(read, None).investigation.discovery == read.investigation.discovery


def test_init_writes_a_configuration_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["init"]) == 0
    assert (tmp_path / "firstcause.yaml").read_text() == TEXT
    configuration.load(tmp_path / "firstcause.yaml")
    (tmp_path / "firstcause.yaml").write_text("mine")
    capsys.readouterr()
    assert "not overwritten" in refused(capsys, "init")
    assert (tmp_path / "firstcause.yaml").read_text() == "mine"
    assert "cannot be written" in refused(capsys, "init", "no/such/place.yaml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["investigate", "--case", ".", "--service", "cart"], "--case and --service exclude each other"),
        (["investigate", "--case", ".", "--save-case", "x"], "--case and --save-case exclude each other"),
        (["investigate"], "--service NAME, --alert FILE, or --case DIR"),
        (["investigate", "--service", "cart"], "`firstcause init` writes one"),
        (["investigate", "--service", "cart", "--since", "half"], "--since half: a duration is a number"),
        (["investigate", "--service", "cart", "--at", "now"], "--at now: not a time in ISO 8601"),
        (["investigate", "--service", "cart", "--at", "2026-06-18T15:06:00"], "has no time zone"),
        (["record", "--service", "cart", "--out", "x", "--config", "y.yaml"], "y.yaml: no such file"),
        (["services"], "`firstcause init` writes one"),
        (["doctor"], "`firstcause init` writes one"),
        (["doctor", "--timeout", "0"], "--timeout must lie between"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_what_to_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "2199-01-01T00:00:00Z"], "lies in the future"),
        (["--alert", "nowhere.json"], "--alert nowhere.json: cannot be read: No such file"),
        (["--alert", "empty.json"], "--alert empty.json: is empty"),
        (["--alert", "broken.json"], "the alert is not JSON"),
        (["--save-case", "taken"], "taken: exists already, and is not overwritten"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_before_anything_is_investigated(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "firstcause.yaml").write_text(
        "sources: [{kind: prometheus, url: 'http://127.0.0.1:9', limits: {timeout: 300ms}}]\n"
    )
    (tmp_path / "empty.json").write_text(" \n")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes").write_text("mine")
    assert said in refused(capsys, "investigate", "--service", "cart", *arguments)


def test_the_services_written_are_shown_without_asking_anybody(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "firstcause.yaml").write_text(
        "sources: [{kind: prometheus, url: 'http://127.0.0.1:9'}]\nservices:\n  cart: {namespace: shop}\n"
    )
    assert cli.run(["services", "--offline"]) == 0
    shown = capsys.readouterr().out
    assert "cart" in shown
    assert "written: firstcause.yaml" in shown


NOWHERE = """sources:
  - {kind: prometheus, url: 'http://127.0.0.1:9'}
  - {kind: tempo, url: 'http://127.0.0.1:9'}
  - {kind: loki, url: 'http://127.0.0.1:9'}
  - {kind: postgres, database: shop, dsn: 'host=127.0.0.1 port=9 dbname=shop user=firstcause'}
  - {kind: mysql, database: stock, host: 127.0.0.1, port: 9, user: firstcause, password: {file: key}}
  - {kind: git, path: nowhere}
  - {kind: github, url: 'http://127.0.0.1:9', repository: shop/shop}
  - {kind: pagerduty, url: 'http://127.0.0.1:9', token: {file: key}}
"""


def test_the_doctor_says_of_every_source_that_is_not_there_what_to_look_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "firstcause.yaml").write_text(NOWHERE)
    (tmp_path / "key").write_text("a-key")
    assert cli.run(["doctor", "--json"]) == 2
    sources = json.loads(capsys.readouterr().out)["sources"]
    assert len(sources) == 8
    assert {each["checks"][0]["state"] for each in sources} == {"failed"}
    assert [each["source"] for each in sources if not each["checks"][0]["fix"]] == []
    fixes = {each["kind"]: each["checks"][0]["fix"] for each in sources}
    assert "port" in fixes["postgres"]


def test_where_no_source_answers_why_is_told_and_who_says_what_mends_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "firstcause.yaml").write_text("sources: [{kind: prometheus, url: 'http://127.0.0.1:9'}]\n")
    asked = ["investigate", "--service", "cart", "--no-confirm", "--json", "--store", "store.db"]
    assert cli.run(asked) == 0
    shown = capsys.readouterr()
    assert "Connection refused" in json.loads(shown.out)["coverage"]["metrics"]
    assert "no source answered" in shown.err
    assert "`firstcause doctor`" in shown.err


def test_a_reader_that_stops_early_does_not_cost_the_saved_case(tmp_path: Path) -> None:
    (tmp_path / "firstcause.yaml").write_text("sources: [{kind: prometheus, url: 'http://127.0.0.1:9'}]\n")
    asked = [sys.executable, "-m", "bot.commands", "record", "--service", "cart", "--out", "case"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            asked, check=False, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    finally:
        os.close(writing)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "case" / "case.yaml").exists()
