"""No investigation can open the answer, whatever a case's files pretend to be."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import connectors.case
from connectors.case import open_case
from connectors.case.directory import CaseDirectory
from connectors.errors import CaseError, ForbiddenFileError
from connectors.questions import LogSample
from tests.connectors.small_case import NOW, WIDE, SmallCase, refused

ANSWERS = ("truth.yaml", "truth_extra.json")


@pytest.mark.parametrize(
    "name",
    [
        *ANSWERS,
        "TRUTH.yaml",
        "./truth.yaml",
        "repository/truth.yaml",
        "repository/../truth.yaml",
        "database/../truth.yaml",
        "/etc/passwd",
        "../case/truth.yaml",
        "notes.txt",
        "database/shop.txt",
        "database/deep/shop.sql",
        "truth.yaml.gz",
        "",
        ".",
    ],
)
def test_a_name_outside_of_the_list_is_refused(case: SmallCase, name: str) -> None:
    case.text("truth.yaml", "verdict: cause").text("repository/truth.yaml", "x").text("notes.txt", "x")
    with pytest.raises(ForbiddenFileError):
        CaseDirectory(case.path).read(name)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", ["logs.jsonl", "alert.json", "traces.jsonl.gz", "readings.jsonl"])
def test_a_link_to_the_answer_is_refused_when_the_case_is_opened(
    case: SmallCase, name: str, answer: str
) -> None:
    case.text(answer, "verdict: cause")
    (case.path / name).symlink_to(case.path / answer)
    with pytest.raises(ForbiddenFileError, match=answer):
        case.open()


def test_a_manifest_that_links_to_the_answer_is_refused(case: SmallCase) -> None:
    case.text("truth.yaml", "verdict: cause")
    (case.path / "case.yaml").unlink()
    (case.path / "case.yaml").symlink_to("truth.yaml")
    with pytest.raises(ForbiddenFileError):
        case.open()


def test_a_hard_link_to_the_answer_is_refused(case: SmallCase) -> None:
    case.text("truth.yaml", "verdict: cause")
    (case.path / "logs.jsonl").hardlink_to(case.path / "truth.yaml")
    with pytest.raises(ForbiddenFileError, match="under another name"):
        case.open().ask(LogSample(window=WIDE), now=NOW)


def test_a_link_out_of_the_case_is_refused(case: SmallCase) -> None:
    outside = case.path.parent / "logs.jsonl"
    outside.write_text("{}")
    (case.path / "logs.jsonl").symlink_to(outside)
    with pytest.raises(ForbiddenFileError, match="outside"):
        case.open()


def test_a_link_to_itself_is_refused(case: SmallCase) -> None:
    (case.path / "logs.jsonl").symlink_to("logs.jsonl")
    with pytest.raises(ForbiddenFileError):
        case.open()


def test_a_link_placed_after_opening_is_refused_too(case: SmallCase) -> None:
    case.text("truth.yaml", "verdict: cause")
    sources = case.open()
    (case.path / "logs.jsonl").symlink_to("truth.yaml")
    with pytest.raises(ForbiddenFileError):
        sources.ask(LogSample(window=WIDE), now=NOW)


def test_a_link_between_two_allowed_files_is_followed(case: SmallCase) -> None:
    case.text("repository/a.sql", "select 1")
    (case.path / "repository" / "b.sql").symlink_to("a.sql")
    assert CaseDirectory(case.path).read("repository/b.sql") == b"select 1"


def test_links_and_answers_are_not_listed_in_the_repository(case: SmallCase) -> None:
    case.text("repository/a.sql", "x").text("repository/truth.yaml", "x").text("repository/.git/config", "x")
    (case.path / "repository" / "all").symlink_to(case.path)
    assert CaseDirectory(case.path).repository() == ["repository/a.sql"]


def test_a_directory_that_holds_only_the_answer_says_so(tmp_path: Path) -> None:
    (tmp_path / "truth.yaml").write_text("verdict: cause")
    with pytest.raises(CaseError, match=r"no case\.yaml; the directory holds only the answer"):
        open_case(tmp_path)


def test_an_empty_directory_is_no_case(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"no case\.yaml"):
        open_case(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "a" * 300, "nul\0byte"])
def test_a_directory_that_does_not_exist_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CaseError, match="no such directory"):
        open_case(tmp_path / name)


def test_a_file_is_no_case(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text("format: 1")
    with pytest.raises(CaseError, match="not a directory"):
        open_case(tmp_path / "case.yaml")


def test_a_directory_under_a_file_s_name_is_no_file(case: SmallCase) -> None:
    (case.path / "logs.jsonl").mkdir()
    assert refused(case.ask(LogSample(window=WIDE))) == "logs.jsonl is not part of this case"


_HOOK = """
import gzip, io, mmap, os, pathlib, shutil, sys
from connectors.case import forbid_answers
from connectors.errors import ForbiddenFileError
root = pathlib.Path(sys.argv[1])
os.chdir(root)
forbid_answers()
forbid_answers()
truth = root / "truth.yaml"

def mapped():
    with open(truth, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

def renamed():
    os.rename("truth.yaml", "other.yaml")

def linked():
    os.link("truth.yaml", "other.yaml")

def in_directory():
    folder = os.open(root, os.O_RDONLY)
    return os.open("truth.yaml", os.O_RDONLY, dir_fd=folder)

ways = {
    "open": lambda: open(truth),
    "bytes": lambda: open(os.fsencode(truth), "rb"),
    "relative": lambda: open("../case/./truth.yaml"),
    "doubled": lambda: open(str(root) + "//truth.yaml"),
    "pathlib": lambda: truth.read_text(),
    "io": lambda: io.open(truth),
    "fileio": lambda: io.FileIO(truth),
    "os.open": lambda: os.open(truth, os.O_RDONLY),
    "dir_fd": in_directory,
    "gzip": lambda: gzip.open(truth).read(),
    "mmap": mapped,
    "symlink": lambda: open("innocent.txt"),
    "symlink to symlink": lambda: open("chain.txt"),
    "linked directory": lambda: open("elsewhere/truth.yaml"),
    "extra": lambda: open("truth_extra.json"),
    "upper case": lambda: open("TRUTH.YAML"),
    "copy": lambda: shutil.copy(truth, "copy.yaml"),
    "rename": renamed,
    "hard link": linked,
    "write": lambda: open(truth, "w"),
}
for name, way in ways.items():
    try:
        way()
    except ForbiddenFileError:
        continue
    print("opened by", name)
assert open("harmless.txt").read() == "fine"
assert open("harmless-link.txt").read() == "fine"
print("end")
"""


def test_the_hook_stops_every_way_to_open_the_answer(case: SmallCase) -> None:
    case.text("truth.yaml", "verdict: cause").text("truth_extra.json", "{}").text("harmless.txt", "fine")
    (case.path / "innocent.txt").symlink_to("truth.yaml")
    (case.path / "chain.txt").symlink_to("innocent.txt")
    (case.path / "harmless-link.txt").symlink_to("harmless.txt")
    (case.path / "elsewhere").symlink_to(case.path)
    done = subprocess.run(
        [sys.executable, "-c", _HOOK, str(case.path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(_root())},
    )
    assert done.stdout == "end\n", done.stderr


def test_nothing_in_the_package_but_the_directory_opens_files() -> None:
    openers = {
        "open",
        "open_code",
        "fdopen",
        "read_text",
        "read_bytes",
        "memory_map",
        "OSFile",
        "input_stream",
    }
    package = Path(connectors.case.__file__).parent
    guilty = [
        f"{file.name}:{node.lineno}"
        for file in sorted(package.glob("*.py"))
        if file.name != "directory.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and _called(node.func) in openers
    ]
    assert guilty == []


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _root() -> Path:
    return Path(connectors.case.__file__).parents[2]
