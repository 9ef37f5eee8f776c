from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bot.commands import bench
from tests.bot import recorded_case

ROOT = Path(__file__).resolve().parents[2]
VARYING = frozenset({"timing", "seconds", "peak_bytes", "wall_seconds", "median_seconds", "workers"})


def run(
    *arguments: str | Path, state: Path, check: bool = True, **more: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    done = subprocess.run(
        [sys.executable, "-m", "bot.commands", "bench", *map(str, arguments)],
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=200,
        env={**kept, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT), **more},
    )  # fmt: skip
    assert done.returncode == 0 or not check, done.stderr
    return done


def labelled(folder: Path, truth: str) -> Path:
    recorded_case.written(folder)
    (folder / "truth.yaml").write_text(truth, encoding="utf-8")
    return folder


@pytest.fixture
def incidents(tmp_path: Path) -> Path:
    """Two cases that differ in nothing but their label."""
    labelled(tmp_path / "past" / "shop" / "one", "verdict: cause\nservices: [checkout]\n")
    labelled(tmp_path / "past" / "shop" / "two", "verdict: cause\nservices: [<b>elsewhere]\n")
    return tmp_path / "past"


def steady(document: object) -> object:
    """The document without what two runs may differ in."""
    if isinstance(document, dict):
        return {key: steady(value) for key, value in document.items() if key not in VARYING}
    return [steady(each) for each in document] if isinstance(document, list) else document


def test_two_cases_are_investigated_and_scored_and_written(incidents: Path, tmp_path: Path) -> None:
    done = run(incidents, "--json", "--workers", "2", "--out", tmp_path / "out", state=tmp_path)
    document = json.loads(done.stdout)
    one, two = document["cases"]
    assert (one["name"], two["name"]) == ("shop/one", "shop/two")
    assert one["answer"] == two["answer"]
    assert (one["rank"], two["rank"]) == (1, None)
    (shop,) = document["sets"]
    assert (shop["cases"], shop["errors"]) == (2, [])
    assert shop["figures"]["ac1"] == {
        "value": 0.5, "low": 0.0, "high": 1.0, "n": 2, "interval": "bootstrap",
    }  # fmt: skip
    assert shop["baselines"]["baro"]["figures"]["ac1"]["value"] == 0.5
    assert shop["baselines"]["latest_deploy"]["silent"] == {"no record of changes": 2}
    assert shop["timing"]["peak_bytes"] > 2**20
    assert json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8")) == document
    assert "investigated 2 of 2" in done.stderr


def test_two_runs_differ_in_nothing_but_seconds_and_bytes(incidents: Path, tmp_path: Path) -> None:
    first = run(incidents, "--json", "--workers", "1", state=tmp_path)
    second = run(incidents, "--json", "--workers", "2", state=tmp_path, PYTHONHASHSEED="7")
    assert steady(json.loads(first.stdout)) == steady(json.loads(second.stdout))


def test_a_case_that_cannot_be_opened_is_counted_wrong_and_shown(incidents: Path, tmp_path: Path) -> None:
    (incidents / "shop" / "two" / "case.yaml").write_text("format: 99\n", encoding="utf-8")
    done = run(incidents, "--workers", "1", "--no-baselines", state=tmp_path)
    assert "shop/two failed: case.yaml: format 99 is unknown" in done.stderr
    assert "Failed, and counted as wrong (1): shop/two" in done.stdout
    assert "BARO" not in done.stdout
    assert "\x1b" not in done.stdout


def test_the_page_holds_its_charts_and_no_script_and_strangers_names_escaped(
    incidents: Path, tmp_path: Path
) -> None:
    (incidents / "shop" / "two").rename(incidents / "shop" / "<script>x|y")
    run(incidents, "--workers", "1", "--out", tmp_path / "out", state=tmp_path)
    page = (tmp_path / "out" / "bench.html").read_text(encoding="utf-8")
    seen = Tags()
    seen.feed(page)
    assert seen.count["svg"] == 2
    assert "script" not in seen.count
    assert not re.search(r'(?:src|href)\s*=\s*"?https?:', page)
    marked = (tmp_path / "out" / "bench.md").read_text(encoding="utf-8")
    assert "shop/\\<script\\>x\\|y" in marked


class Tags(HTMLParser):
    """Counts the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.count[tag] = self.count.get(tag, 0) + 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{}/nowhere"], "no such directory"),
        (["{}"], "no cases found"),
        (["{}", "--workers", "-1"], "--workers"),
        ([], "PATH..."),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    done = run(*(each.format(tmp_path) for each in arguments), state=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert complaint in done.stderr


def test_a_malformed_truth_ends_the_run_before_anything_is_investigated(
    incidents: Path, tmp_path: Path
) -> None:
    (incidents / "shop" / "two" / "truth.yaml").write_text("verdict: maybe\n", encoding="utf-8")
    done = run(incidents, state=tmp_path, check=False)
    assert done.returncode == 2
    assert "truth.yaml: verdict: 'maybe' is unknown" in done.stderr
    assert "investigated" not in done.stderr


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_investigated(
    incidents: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run(incidents, "--out", tmp_path / "file", state=tmp_path, check=False)
    assert done.returncode == 2
    assert "--out" in done.stderr
    assert "investigated" not in done.stderr


def test_a_folder_of_one_system_cannot_leave_a_system_out(incidents: Path, tmp_path: Path) -> None:
    done = run(incidents, "--protocol", "loso", state=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "needs cases of two systems" in done.stderr


def test_held_out_figures_stand_beside_the_shipped_ones(incidents: Path, tmp_path: Path) -> None:
    labelled(incidents / "bank" / "three", "verdict: cause\nservices: [checkout]\n")
    done = run(
        incidents, "--protocol", "loso", "--json", "--no-baselines", "--out", tmp_path / "out", state=tmp_path
    )
    beside = json.loads(done.stdout)["held_out"]
    assert [each["set"] for each in beside["sets"]] == ["bank", "shop", "all"]
    assert [each["rank"] for each in beside["cases"]] == [1, 1, None]
    assert all(each["cause_right"] is None for each in beside["cases"])
    for name in ("bench.md", "bench.html"):
        assert "Held out: leave one system out" in (tmp_path / "out" / name).read_text(encoding="utf-8")


def test_the_help_says_what_a_label_needs() -> None:
    assert bench.bench.__doc__ is not None
    assert "verdict: cause" in bench.bench.__doc__
