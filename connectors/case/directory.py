"""The only place that opens a case's files, by an allow-list; and the wall in front of the answers.

Two walls stand here. `CaseDirectory` opens nothing but the names that CASE.md gives to an
investigation. `forbid_answers` refuses, for the rest of the process, every opening of a file named
like an answer, whoever asks. Neither is a sandbox against hostile native code: they make sure that no
code path of ours can peek, by mistake or by a case's symlink.
"""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from connectors.errors import CaseError, DamagedFileError, ForbiddenFileError

ANSWERS = frozenset({"truth.yaml", "truth_extra.json"})
PLAIN = frozenset({"case.yaml", "alert.json", "metrics.parquet", "kubernetes.json", "topology.csv"})
LINES = frozenset({"traces.jsonl", "logs.jsonl", "changes.jsonl", "commits.jsonl", "readings.jsonl"})
MOST_BYTES = 2**30
_DAMAGE = (EOFError, zlib.error, OSError)


class CaseDirectory:
    """A case's files by the names of CASE.md. Every name is checked again at every opening."""

    def __init__(self, path: Path) -> None:
        if not _exists(path):
            raise CaseError(f"{path}: no such directory")
        if not path.is_dir():
            raise CaseError(f"{path}: not a directory; a case is a directory with a case.yaml")
        self.root = path.resolve()
        self._refuse_without_manifest(path)
        for name in sorted(PLAIN | LINES | {f"{stem}.gz" for stem in LINES}):
            if (self.root / name).is_symlink():
                self._checked(name)

    def _refuse_without_manifest(self, shown: Path) -> None:
        if self.find("case.yaml") is not None:
            return
        if any(_exists(self.root / name) for name in ANSWERS):
            raise CaseError(f"{shown}: no case.yaml; the directory holds only the answer, not a case")
        raise CaseError(f"{shown}: no case.yaml; a case is a directory with a case.yaml")

    def find(self, name: str) -> str | None:
        """The file's name as it lies there (`name` or, for lines, `name.gz`), or None."""
        candidates = (name, f"{name}.gz") if name in LINES else (name,)
        return next((c for c in candidates if _is_file(self.root / c)), None)

    def read(self, name: str) -> bytes:
        """The file's content, unpacked."""
        with self._open(name) as file:
            return _bounded(file, name)

    def lines(self, name: str) -> Iterator[bytes]:
        """The file's lines, one by one; a damaged end raises DamagedFileError after the last good line."""
        seen = 0
        with self._open(name) as file:
            try:
                for line in file:
                    seen += len(line)
                    if seen > MOST_BYTES:
                        raise DamagedFileError(f"{name}: holds more than {MOST_BYTES >> 20} MiB")
                    yield line
            except _DAMAGE as error:
                raise DamagedFileError(f"{name}: cannot be read to its end") from error

    def repository(self) -> list[str]:
        """The regular files under repository/, by their path in the case; links are not followed."""
        return list(self._walk(self.root / "repository"))

    def databases(self) -> list[str]:
        """The names of the databases with a dump under database/."""
        folder = self.root / "database"
        if not folder.is_dir():
            return []
        return sorted(p.stem for p in folder.iterdir() if p.suffix == ".sql" and p.is_file())

    def size(self, name: str) -> int:
        """How many bytes the file takes on disk."""
        return self._checked(name).stat().st_size

    def _walk(self, folder: Path) -> Iterator[str]:
        if not folder.is_dir() or folder.is_symlink():
            return
        for entry in sorted(folder.iterdir(), key=lambda p: p.name):
            if entry.is_symlink() or entry.name == ".git" or _is_answer(entry.name):
                continue
            if entry.is_dir():
                yield from self._walk(entry)
            elif entry.is_file():
                yield entry.relative_to(self.root).as_posix()

    def _open(self, name: str) -> BinaryIO:
        path = self._checked(name)
        try:
            if name.endswith(".gz"):
                return cast("BinaryIO", gzip.open(path, "rb"))
            return path.open("rb")
        except OSError as error:
            raise CaseError(f"{name}: cannot be opened: {error.strerror}") from error

    def _checked(self, name: str) -> Path:
        """The real path behind an allowed name, or ForbiddenFileError."""
        if not _allowed(name):
            raise ForbiddenFileError(f"{name}: not a file that an investigation may open")
        try:
            real = (self.root / name).resolve()
        except (OSError, RuntimeError) as error:
            raise ForbiddenFileError(f"{name}: leads nowhere") from error
        if not real.is_relative_to(self.root):
            raise ForbiddenFileError(f"{name}: leads outside of the case")
        inside = real.relative_to(self.root).as_posix()
        if not _allowed(inside):
            raise ForbiddenFileError(f"{name}: leads to {inside}, which an investigation may not open")
        if any(_same_file(real, self.root / answer) for answer in ANSWERS):
            raise ForbiddenFileError(f"{name}: is the answer under another name")
        return real


def _bounded(file: BinaryIO, name: str) -> bytes:
    try:
        data = file.read(MOST_BYTES + 1)
    except _DAMAGE as error:
        raise DamagedFileError(f"{name}: cannot be read to its end") from error
    if len(data) > MOST_BYTES:
        raise CaseError(f"{name}: holds more than {MOST_BYTES >> 20} MiB")
    return data


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _allowed(name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name or _is_answer(path.name):
        return False
    if len(path.parts) <= 1:
        return name in PLAIN or name.removesuffix(".gz") in LINES
    if path.parts[0] == "database":
        return len(path.parts) == 2 and path.suffix == ".sql"
    return path.parts[0] == "repository"


def _is_answer(basename: str) -> bool:
    return basename.casefold() in ANSWERS


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


_MOVES = frozenset({"os.rename", "os.link"})
_hooks: list[bool] = []


def forbid_answers() -> None:
    """Refuse, from now on and in this whole process, every opening of a file named like an answer.

    A hook cannot be removed: the composition root of an investigation calls this, scoring runs elsewhere.
    """
    if not _hooks:
        _hooks.append(True)
        sys.addaudithook(_refuse_answers)


def _refuse_answers(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" or event in _MOVES:
        path = arguments[0]
        if isinstance(path, str | bytes | os.PathLike) and _leads_to_answer(os.fsdecode(path)):
            raise ForbiddenFileError("an investigation may not open a file that holds the answer")


def _leads_to_answer(path: str) -> bool:
    if _is_answer(path.rpartition(os.sep)[2]):
        return True
    try:
        os.readlink(path)  # noqa: PTH115 - runs at every open; where there is no link it is one system call
    except (OSError, ValueError):
        return False
    return _is_answer(os.path.realpath(path).rpartition(os.sep)[2])
