"""The shop's Git repository: a history of real commits, and a checked-out tree per deployed commit.

tests/lab/sources is the state before any scenario; scenarios commit edits on top. It must not deploy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.lab.frameworks import PLAIN_SQL, Framework
from tests.lab.programs import require
from tests.lab.telemetry import iso

SOURCE = Path(__file__).parent / "sources"
AUTHOR = "shop-bot <bot@shop.example>"
LARGEST_DIFF = 60_000

# How the shop came to be: message, days before the lab's start, path prefixes that arrive with it.
HISTORY: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    (
        "catalogue: products by category and by number",
        61,
        ("README", "services/catalogue", "migrations/0001"),
    ),
    ("cart: keep what a customer means to buy", 54, ("services/cart", "migrations/0003")),
    ("checkout: place orders", 47, ("services/checkout", "migrations/0002")),
    ("payments: charge through the provider", 40, ("services/payments", "migrations/0004")),
    ("gateway: one public API for the shop", 38, ("services/gateway",)),
    ("checkout: send receipts to the order's own address", 19, ("migrations/0005",)),
    ("fulfilment: index the open orders", 12, ("migrations/0006",)),
    ("deploy: manifests for all services", 9, ("deploy",)),
)


@dataclass(frozen=True)
class Edit:
    """One replacement in one file; `old` empty means a new file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Commit:
    """A commit as a case lists it."""

    sha: str
    at: str
    author: str
    message: str
    files: list[str]
    diff: str | None


@dataclass(frozen=True)
class Past:
    """A commit that lies behind the shop when it starts, some days ago."""

    message: str
    days: float
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Beginning:
    """How a shop differs before it starts: the commits that lie behind it, how its schema is kept, and the
    database server's settings."""

    past: tuple[Past, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    framework: Framework = PLAIN_SQL


class EditError(Exception):
    """The text to be replaced is not in the file: the scenario and the shop's sources have drifted apart."""


def shop_files(framework: Framework) -> dict[str, Path]:
    """The shop's sources by their path in its repository, its schema as `framework` keeps it."""
    files: dict[str, Path] = {}
    base = SOURCE if framework is PLAIN_SQL else framework.files
    for root in (SOURCE, base):
        for path in root.rglob("*"):
            name = path.relative_to(root).as_posix()
            other = root is not base and name.startswith("migrations/")
            if path.is_file() and "__pycache__" not in name and not other:
                files[name] = path
    return files


def _step(name: str) -> str:
    """Which step of the plain history a framework's file belongs to; its settings come with the first."""
    if name.startswith(("services/", "README")):
        return ""
    number = re.search(r"(?:^|/)(\d{4})_", name)
    return f"migrations/{number[1] if number else '0001'}"


class Repository:
    """A repository in a directory of its own."""

    def __init__(self, root: Path, trees: Path) -> None:
        self.root = root
        self._trees = trees
        root.mkdir(parents=True)
        trees.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    def _git(self, *arguments: str, at: datetime | None = None) -> str:
        name, _, address = AUTHOR.rstrip(">").partition(" <")
        when = iso(at or datetime.now(UTC))
        # The caller's own Git settings (signing, hooks, templates) have no business in the shop's history.
        env = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": address,
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
        }
        done = subprocess.run(
            [require("git"), "-C", str(self.root), *arguments],
            env=env,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def build_history(
        self, manifests: dict[str, str], now: datetime, beginning: Beginning | None = None
    ) -> str:
        """Commit the shop's past, and what a scenario adds to it; gives the commit first deployed from."""
        beginning = beginning or Beginning()
        files = shop_files(beginning.framework)
        for message, days, prefixes in HISTORY:
            for name, path in sorted(files.items()):
                if name.startswith(prefixes) or _step(name) in prefixes:
                    self._write(name, path.read_text())
            if "deploy" in prefixes:
                for name, text in manifests.items():
                    self._write(f"deploy/{name}.yaml", text)
            self._commit(message, now - timedelta(days=days))
        for past in beginning.past:
            self._apply(past.edits)
            self._commit(past.message, now - timedelta(days=past.days))
        return self.head()

    def _write(self, name: str, text: str) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("tests.lab.kit", "shopkit"))

    def _commit(self, message: str, at: datetime) -> str:
        self._git("add", "--all", at=at)
        self._git("commit", "--quiet", "-m", message, at=at)
        return self.head()

    def head(self) -> str:
        return self._git("rev-parse", "HEAD").strip()

    def commit(self, message: str, edits: list[Edit]) -> str:
        self._apply(edits)
        return self._commit(message, datetime.now(UTC))

    def _apply(self, edits: Iterable[Edit]) -> None:
        for edit in edits:
            path = self.root / edit.path
            text = path.read_text() if edit.old else ""
            if edit.old not in text:
                raise EditError(f"{edit.path} does not contain: {edit.old!r}")
            self._write(edit.path, text.replace(edit.old, edit.new, 1) if edit.old else edit.new)

    def tree(self, sha: str) -> Path:
        """The checked-out tree of a commit."""
        path = self._trees / sha[:12]
        if not path.exists():
            self._git("worktree", "add", "--quiet", "--detach", str(path), sha)
        return path

    def commits(self) -> list[Commit]:
        """Oldest first."""
        return [self._describe(sha) for sha in self._git("rev-list", "--reverse", "HEAD").split()]

    def _describe(self, sha: str) -> Commit:
        when, message = self._git("show", "--no-patch", "--format=%cI%n%B", sha).split("\n", 1)
        files = self._git("show", "--format=", "--name-only", sha).split()
        diff = self._git("show", "--format=", "--no-color", sha)
        at = iso(datetime.fromisoformat(when))
        return Commit(sha, at, AUTHOR, message.strip(), files, diff if len(diff) < LARGEST_DIFF else None)

    def export(self, target: Path) -> None:
        """Copy the working tree of the newest commit, without Git's own files."""
        shutil.copytree(self.root, target, ignore=shutil.ignore_patterns(".git", "__pycache__"))
