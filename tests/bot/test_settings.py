import ast
from pathlib import Path

import pytest

from bot.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_the_store_lies_in_the_users_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FIRSTCAUSE_STORE", raising=False)
    assert Settings().store_path == tmp_path / "firstcause" / "firstcause.db"


def test_a_relative_state_directory_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert Settings().state_directory == tmp_path / ".local" / "state" / "firstcause"


@pytest.mark.parametrize(("value", "unwelcome"), [("1", True), ("0", True), ("", False)])
def test_colours_are_unwelcome_when_no_color_is_not_empty(
    monkeypatch: pytest.MonkeyPatch, value: str, unwelcome: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", value)
    monkeypatch.setenv("TERM", "xterm")
    assert Settings().no_color is unwelcome


def test_nobody_else_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for package in ("bot", "graph", "playbooks", "connectors")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "settings.py" and _reads_environment(path)
    ]
    assert readers == []


def _reads_environment(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == "getenv":
            return True
        if isinstance(node, ast.Attribute) and node.attr == "environ" and isinstance(node.ctx, ast.Load):
            # Setting a library's own switch before it is imported is no reading.
            return not _only_sets(path)
    return False


def _only_sets(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    uses = sum(isinstance(n, ast.Attribute) and n.attr == "environ" for n in ast.walk(tree))
    sets = sum(
        isinstance(n, ast.Subscript)
        and isinstance(n.ctx, ast.Store)
        and isinstance(n.value, ast.Attribute)
        and n.value.attr == "environ"
        for n in ast.walk(tree)
    )
    return uses == sets
