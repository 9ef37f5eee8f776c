"""Whatever its sources do, a live investigation ends in time, with a proposal that says what was missing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import configuration, doctor, live, result
from bot.casework import Place
from bot.investigation import Options
from bot.live_incident import Request
from tests.doubles.faulty import FAULTS, faulty

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
BUDGET = 6.0


def configured(tmp_path: Path, url: str) -> configuration.Configuration:
    limits = "limits: {timeout: 700ms}"
    path = tmp_path / "firstcause.yaml"
    path.write_text(
        "sources:\n"
        f"  - {{kind: prometheus, url: '{url}', {limits}}}\n"
        f"  - {{kind: tempo, url: '{url}', {limits}}}\n"
        f"  - {{kind: github, url: '{url}', repository: shop/shop, {limits}}}\n"
        "services:\n  checkout: {namespace: shop}\n"
        "investigation: {discovery: 1s}\n"
    )
    return configuration.load(path)


@pytest.mark.parametrize("fault", FAULTS)
def test_there_is_always_a_proposal_in_time_that_says_what_was_missing(fault: str, tmp_path: Path) -> None:
    before = threading.active_count()
    with faulty(fault) as url:
        began = time.monotonic()
        opened = live.opened(
            configured(tmp_path, url),
            Request(
                at=datetime.now(UTC).replace(microsecond=0), service="checkout", since=timedelta(minutes=30)
            ),
            Place(tmp_path / "store.db", chosen=True),
            print,
        )
        outcome = opened.work.investigate(
            Options(seconds=BUDGET, question_seconds=3.0, confirm="no"), lambda _: None
        )
        took = time.monotonic() - began
        opened.sources.close()
    document = result.of_outcome(outcome)
    assert took < BUDGET + 4
    assert document.verdict in {"unknown", "no_fault"}
    assert document.coverage["traces"].startswith("unavailable")
    if fault != "skewed":  # an empty answer from the past is an answer
        assert document.coverage["metrics"].startswith("unavailable")
        assert document.coverage["changes"].startswith("unavailable")
    assert document.coverage["logs"] == "unavailable: no source of this kind"
    assert threading.active_count() < before + 40


@pytest.mark.parametrize("fault", FAULTS)
def test_doctor_tells_a_source_in_trouble_within_its_time(fault: str, tmp_path: Path) -> None:
    with faulty(fault) as url:
        read = configured(tmp_path, url)
        began = time.monotonic()
        examined = doctor.examine(read.sources, live.ground_of(read, tmp_path / "s.db"), datetime.now(UTC), 8)
        took = time.monotonic() - began
    assert took < 9
    assert [each.source for each in examined] == ["prometheus", "tempo", "github"]
    for each in examined:
        assert each.checks
        if (fault, each.source) != ("skewed", "github"):
            assert {check.state for check in each.checks} & {"failed", "warning"}, each
    assert doctor.exit_code(examined) == doctor.FAILED


def test_the_process_ends_with_its_result_and_not_with_the_source_that_hangs(tmp_path: Path) -> None:
    with faulty("slow") as url:
        configured(tmp_path, url)
        file = tmp_path / "firstcause.yaml"
        file.write_text(file.read_text().replace("700ms", "50s"))
        asked = ["--service", "checkout", "--since", "30m", "--budget-seconds", "1", "--no-confirm", "--json"]
        where = ["--config", str(file), "--store", str(tmp_path / "store.db")]
        done = subprocess.run(
            [sys.executable, "-m", "bot.commands", "investigate", *where, *asked],
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "unknown"
