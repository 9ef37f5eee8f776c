"""A small real git repository: the shop's history, of which the forges' doubles tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pygit2


@dataclass(frozen=True)
class History:
    """The clone and its commits, oldest first, by their short titles."""

    path: Path
    commits: dict[str, str]


def make_history(path: Path, start: datetime) -> History:
    """Commits an hour apart: a base, a tagged release, an innocent and a guilty change, one not deployed."""
    repository = pygit2.init_repository(path, initial_head="main")
    steps: list[tuple[str, dict[str, str]]] = [
        (
            "base",
            {"checkout/app.py": "def pay():\n    return 1\n", "checkout/migrations/001_init.sql": _INIT},
        ),
        ("release", {"checkout/app.py": "def pay():\n    return 2\n"}),
        ("innocent", {"README.md": "The shop.\n"}),
        (
            "guilty",
            {"checkout/app.py": "TIMEOUT = 0.1\npassword = 'hunter2hunter2'\n\n\ndef pay():\n    return 2\n"},
        ),
        ("undeployed", {"checkout/migrations/002_status.sql": "ALTER TABLE orders ADD status text;\n"}),
    ]
    commits: dict[str, str] = {}
    parents: list[pygit2.Oid] = []
    for n, (title, files) in enumerate(steps):
        for name, text in files.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            repository.index.add(name)
        at = int((start + timedelta(hours=n)).timestamp())
        who = pygit2.Signature("A Developer", "dev@shop.example", at, 0)
        tree = repository.index.write_tree()
        made = repository.create_commit("refs/heads/main", who, who, f"{title}\n", tree, parents)
        commits[title], parents = str(made), [made]
        if title == "release":
            repository.references.create("refs/tags/v1.4.0", made)
    repository.free()
    return History(path, commits)


_INIT = "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint);\n"
