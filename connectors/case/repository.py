"""The part of a source tree that a case carries: which files shape the schema, in the order they apply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import ClassVar

from connectors.answers import SourceFile, SourceFiles
from connectors.case.directory import CaseDirectory
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, missing, unasked
from connectors.contract import Question, Source, Unavailable
from connectors.questions import MigrationFiles

FOLDER = "repository"
MOST_FILES = 2_000
MOST_FILE_BYTES = 2**20
MOST_BYTES = 20 * 2**20
_FOLDERS = frozenset(
    {"migrations", "migration", "migrate", "versions", "alembic", "changelog", "changelogs", "flyway"}
)
_SCRIPTS = frozenset(
    {".py", ".rb", ".sql", ".js", ".ts", ".php", ".go", ".xml", ".yaml", ".yml", ".kt", ".java"}
)
_WHOLE_SCHEMAS = frozenset({"schema.sql", "structure.sql", "schema.rb", "schema.prisma", "init.sql"})
_UNDOING = re.compile(r"(\.|_|-)(down|undo|rollback)\.[a-z]+$|^U\d[\w.]*__.*\.sql$")
_REVISION = re.compile(r"^(down_)?revision(?:\s*:[^=\n]+)?\s*=\s*(.+)$", re.MULTILINE)
_QUOTED = re.compile(r"""["']([^"']+)["']""")


class RepositoryReader:
    """Answers which migrations the deployed source holds."""

    source: ClassVar[Source] = Source.REPOSITORY
    questions: ClassVar[tuple[type[Question], ...]] = (MigrationFiles,)

    def __init__(self, directory: CaseDirectory, manifest: Manifest) -> None:
        self._directory = directory
        self._manifest = manifest

    def present(self) -> bool:
        """Whether the case carries any source."""
        return bool(self._directory.repository())

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:  # noqa: ARG002 - it has no times
        """The schema and migration files, in the order in which they apply."""
        if not isinstance(question, MigrationFiles):
            return unasked(self.source, question)
        paths = self._directory.repository()
        if not paths:
            return missing(self.source, f"{FOLDER}/")
        root = self._root(question.service)
        wanted = [path for path in paths if path.startswith(root) and is_migration(path)]
        taken = self._take(sorted(wanted, key=_order))
        query = f"{root}: {len(taken.files)} schema and migration files of {len(paths)}"
        return Found(SourceFiles(files=in_order(taken.files)), query, None, taken.notes)

    def _root(self, service: str | None) -> str:
        entry = self._manifest.services.get(service or "")
        root = (entry.repository if entry is not None else None) or FOLDER
        root = root.strip("/") + "/"
        return root if root.startswith(f"{FOLDER}/") else f"{FOLDER}/{root}"

    def _take(self, paths: list[str]) -> _Taken:
        files: list[SourceFile] = []
        left, skipped = MOST_BYTES, 0
        for path in paths:
            size = self._directory.size(path)
            if size > min(MOST_FILE_BYTES, left) or len(files) >= MOST_FILES:
                skipped += 1
                continue
            left -= size
            content = self._directory.read(path).decode("utf-8", "replace")
            files.append(SourceFile(path=path.removeprefix(f"{FOLDER}/"), text=content))
        notes = (f"{skipped} files left out: too large or too many",) if skipped else ()
        return _Taken(tuple(files), notes)


@dataclass(frozen=True, slots=True)
class _Taken:
    files: tuple[SourceFile, ...]
    notes: tuple[str, ...]


def is_migration(path: str) -> bool:
    """Whether the file shapes a schema: SQL, a whole schema, or a script in a migration directory."""
    name = PurePosixPath(path)
    folders = {part.lower() for part in name.parts[:-1]}
    if _UNDOING.search(name.name) or "down" in folders or name.name == "__init__.py":
        return False
    if name.name in _WHOLE_SCHEMAS or name.suffix == ".sql":
        return True
    return name.suffix in _SCRIPTS and not folders.isdisjoint(_FOLDERS) and name.name != "env.py"


def _order(path: str) -> tuple[object, ...]:
    """Whole schemas first, then folder by folder, numbers in a name by their value."""
    name = PurePosixPath(path)
    return (name.name not in _WHOLE_SCHEMAS, _natural(str(name.parent)), _natural(name.name))


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    pieces = re.split(r"(\d+)", text)
    return tuple((0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in pieces if piece)


def in_order(files: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    """Alembic's files in the order of their revisions, which their names do not tell; others as they are."""
    revisions = {file.path: _revision(file) for file in files if file.path.endswith(".py")}
    slots = [i for i, file in enumerate(files) if revisions.get(file.path) is not None]
    chain = _chained([(files[i], found) for i in slots if (found := revisions[files[i].path]) is not None])
    ordered = list(files)
    for slot, file in zip(slots, chain, strict=True):
        ordered[slot] = file
    return tuple(ordered)


@dataclass(frozen=True, slots=True)
class _Revision:
    id: str
    after: tuple[str, ...]


def _revision(file: SourceFile) -> _Revision | None:
    own, after = "", None
    for down, value in _REVISION.findall(file.text):
        names = tuple(_QUOTED.findall(value))
        if down:
            after = names
        elif names:
            own = names[0]
    return _Revision(own, after) if own and after is not None else None


def _chained(revisions: list[tuple[SourceFile, _Revision]]) -> list[SourceFile]:
    """Each file after those it names; a file whose predecessors never come keeps its place at the end."""
    known = {revision.id for _, revision in revisions}
    done: set[str] = set()
    ordered: list[SourceFile] = []
    waiting = list(revisions)
    while waiting:
        ready = [pair for pair in waiting if all(name in done or name not in known for name in pair[1].after)]
        if not ready:
            return ordered + [file for file, _ in waiting]
        ordered.extend(file for file, _ in ready)
        done.update(revision.id for _, revision in ready)
        waiting = [pair for pair in waiting if pair not in ready]
    return ordered
