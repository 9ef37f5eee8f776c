"""Finds the real servers the lab starts. Must not start or install anything."""

from __future__ import annotations

import shutil
from pathlib import Path

# Debian keeps a major version's programs out of PATH and calls Prometheus' Alertmanager by a longer name.
POSTGRES_DIRECTORIES = ("/usr/lib/postgresql/15/bin", "/usr/pgsql-15/bin")
NAMES = {"alertmanager": ("prometheus-alertmanager", "alertmanager")}
FROM_POSTGRES = frozenset({"initdb", "postgres", "psql", "pg_dump"})
NEEDED = ("initdb", "postgres", "psql", "pg_dump", "prometheus", "alertmanager", "git")


class ProgramMissingError(Exception):
    """A server that the lab needs is not installed."""


def find(name: str) -> Path | None:
    if name in FROM_POSTGRES:
        for directory in POSTGRES_DIRECTORIES:
            path = Path(directory) / name
            if path.exists():
                return path
    for candidate in NAMES.get(name, (name,)):
        found = shutil.which(candidate)
        if found:
            return Path(found)
    return None


def require(name: str) -> str:
    path = find(name)
    if path is None:
        raise ProgramMissingError(f"{name} is not installed; on Debian: sh tests/live/install-servers.sh")
    return str(path)


def missing() -> list[str]:
    """What of the lab's needs is not installed here."""
    return [name for name in NEEDED if find(name) is None]
