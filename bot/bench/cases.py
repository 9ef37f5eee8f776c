"""Finds labelled cases below folders, and reads what the truth of each is.

Only the process that scores calls `read_truth`; the processes that investigate cannot open the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from bot.errors import BadInputError
from connectors.contract import Frozen
from graph.model import Verdict
from playbooks.model import Entity

_KNOWN = ("verdict", "services", "cause", "commit", "entity", "not")
_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


class Truth(Frozen):
    """What is known about one incident. `commit` is "none" where no change is guilty, None if unlabelled."""

    verdict: Verdict
    services: tuple[str, ...] = ()
    cause: str | None = None
    commit: str | None = None
    entity: Entity | None = None
    decoys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled case: its set (the folder it lies in), its own folder's name, where it is, its truth."""

    set: str
    folder: str
    path: Path
    truth: Truth

    @property
    def name(self) -> str:
        """How the case is called in every output."""
        return f"{self.set}/{self.folder}"


@dataclass(frozen=True, slots=True)
class Found:
    """The labelled cases below some folders, by name, and how many cases there had no label."""

    cases: tuple[Case, ...]
    unlabelled: int


def find(paths: Sequence[Path], only: str | None = None) -> Found:
    """Every folder below the paths that holds a case.yaml and a truth.yaml.

    Raises:
        BadInputError: a path does not exist, a truth cannot be read, or nothing was found.
    """
    folders = dict.fromkeys(folder for path in paths for folder in _folders(path))
    wanted = [folder for folder in folders if only is None or _matches(folder, only)]
    labelled = [folder for folder in wanted if (folder / "truth.yaml").is_file()]
    if not labelled:
        raise BadInputError(_nothing(paths, only, len(folders), len(wanted)))
    cases = [Case(folder.parent.name, folder.name, folder, read_truth(folder)) for folder in labelled]
    cases.sort(key=lambda case: (case.set, case.folder, str(case.path)))
    return Found(tuple(cases), len(wanted) - len(labelled))


def _folders(path: Path) -> Iterator[Path]:
    """The folders with a case.yaml, the path's own included; nothing inside of a case is looked at."""
    if not path.is_dir():
        raise BadInputError(f"{path}: no such directory")
    for folder, below, files in os.walk(path.resolve()):
        below.sort()
        if "case.yaml" in files:
            below.clear()
            yield Path(folder)


def _matches(folder: Path, only: str) -> bool:
    names = (folder.name, folder.parent.name, f"{folder.parent.name}/{folder.name}")
    return any(fnmatchcase(name, only) for name in names)


def _nothing(paths: Sequence[Path], only: str | None, found: int, wanted: int) -> str:
    where = ", ".join(map(str, paths))
    if found and not wanted:
        return f"--only {only}: matches none of the {found} cases below {where}"
    if wanted:
        return f"{where}: no labelled case; none of the {wanted} folders with a case.yaml has a truth.yaml"
    return (
        f"{where}: no cases found; a case is a folder with a case.yaml, its label is a truth.yaml beside it"
    )


def read_truth(folder: Path) -> Truth:
    """The truth of the case in a folder.

    Raises:
        BadInputError: it is malformed; the message names the file and the field.
    """
    path = folder / "truth.yaml"
    try:
        # Texts only: a sha such as 4074e93 must not become a number.
        document = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 - builds texts and nothing else
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise BadInputError(f"{path}: not YAML{line}") from error
    if not isinstance(document, dict):
        raise BadInputError(f"{path}: not a mapping of fields; the least it needs is `verdict: cause`")
    return _truth(path, {str(key): value for key, value in document.items()})


def _truth(path: Path, fields: Mapping[str, object]) -> Truth:
    for field in fields:
        if field not in _KNOWN:
            raise BadInputError(f"{path}: {field}: no such field; known are {', '.join(_KNOWN)}")
    truth = Truth(
        verdict=_verdict(path, fields),
        services=_names(path, fields, "services"),
        cause=_text(path, fields, "cause"),
        commit=_text(path, fields, "commit"),
        entity=_entity(path, fields.get("entity")),
        decoys=_names(path, fields, "not"),
    )
    if truth.commit in truth.decoys:
        raise BadInputError(f"{path}: not: names {truth.commit}, which is also the guilty commit")
    return truth


def _verdict(path: Path, fields: Mapping[str, object]) -> Verdict:
    said = _text(path, fields, "verdict")
    known = ", ".join(verdict.value for verdict in Verdict)
    if said is None:
        raise BadInputError(f"{path}: verdict: is missing; it is one of {known}")
    if said not in set(Verdict):
        raise BadInputError(f"{path}: verdict: {said!r} is unknown; it is one of {known}")
    return Verdict(said)


def _text(path: Path, fields: Mapping[str, object], field: str) -> str | None:
    value = fields.get(field)
    if value is None or (isinstance(value, str) and value in _EMPTY):
        return None
    if not isinstance(value, str):
        raise BadInputError(f"{path}: {field}: is not a text")
    return value


def _names(path: Path, fields: Mapping[str, object], field: str) -> tuple[str, ...]:
    value = fields.get(field)
    if value is None or (isinstance(value, str) and value in _EMPTY):
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) and name not in _EMPTY for name in value):
        raise BadInputError(f"{path}: {field}: is not a list of names")
    return tuple(dict.fromkeys(value))


def _entity(path: Path, value: object) -> Entity | None:
    if value is None or (isinstance(value, str) and value in _EMPTY):
        return None
    fields = {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}
    kind, name = fields.get("kind"), fields.get("name")
    if not isinstance(kind, str) or not isinstance(name, str) or not kind or not name:
        raise BadInputError(f"{path}: entity: needs a kind and a name, as {{kind: table, name: orders}}")
    return Entity(kind=kind, name=name)
