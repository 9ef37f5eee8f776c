"""The part of a source tree that a case carries: which files shape the schema, in the order they apply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from connectors.answers import SourceFile, SourceFiles
from connectors.case.directory import CaseDirectory
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, missing, unasked
from connectors.contract import Question, Source, Unavailable
from connectors.migration_paths import MOST_BYTES, MOST_FILE_BYTES, MOST_FILES, in_order, is_migration, order
from connectors.questions import MigrationFiles

FOLDER = "repository"


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
        taken = self._take(sorted(wanted, key=order))
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
