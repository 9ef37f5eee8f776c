"""What the documents name exists: files, targets, commands, options."""

import re
from pathlib import Path

import pytest
import typer

from bot.cli import app
from bot.web.measures import Measures

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "benchmarks").glob("*.md"))
NAMES = [str(document.relative_to(ROOT)) for document in DOCUMENTS]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, as they are made of them."""
    text = document.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for path, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        target = (document.parent / path) if path else document
        assert target.exists(), path
        assert not anchor or anchor in headings(target), f"{path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_make_target_named_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    code = "\n".join(CODE.findall(document.read_text(encoding="utf-8")))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", code, re.MULTILINE)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_subcommand_named_exists(document: Path) -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", {}))
    code = "\n".join(CODE.findall(document.read_text(encoding="utf-8")))
    assert set(re.findall(r"(?:^|`)firstcause ([a-z][a-z-]*)", code, re.MULTILINE)) <= known


def test_every_subcommand_and_its_options_are_documented() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    for name, command in getattr(typer.main.get_command(app), "commands", {}).items():
        assert f"firstcause {name}" in text, name
        options = [option for parameter in command.params for option in parameter.opts]
        assert all(option in text for option in options if option.startswith("--")), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_metric_of_our_own_that_is_named_is_exported(document: Path) -> None:
    named = set(re.findall(r"`(firstcause_[a-z_]+[a-z])(?=[`{ ])", document.read_text(encoding="utf-8")))
    measures = Measures("test")
    measures.slack(lambda: True)
    counts = dict.fromkeys(("jobs_oldest_seconds", "messages_oldest_seconds", "messages_dead"), 0.0)
    exported = re.findall(r"^# TYPE (\w+)", measures.exposition(counts).decode(), re.MULTILINE)
    assert named <= set(exported)
