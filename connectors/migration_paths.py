"""Which files of a source tree shape a schema, and the order in which they apply. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from connectors.answers import SourceFile

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
_PLAN = "sqitch.plan"
_BACK = frozenset({"revert", "verify", "rollback"})
_REPEATED = re.compile(r"R__.*\.sql")
_UNDOING = re.compile(r"(\.|_|-)(down|undo|rollback)\.[a-z]+$|^U\d[\w.]*__.*\.sql$")
_REVISION = re.compile(r"^(down_)?revision(?:\s*:[^=\n]+)?\s*=\s*(.+)$", re.MULTILINE)
_QUOTED = re.compile(r"""["']([^"']+)["']""")


def is_migration(path: str) -> bool:
    """Whether the file shapes a schema: SQL, a whole schema, or a script in a migration directory."""
    name = PurePosixPath(path)
    folders = {part.lower() for part in name.parts[:-1]}
    if _UNDOING.search(name.name) or "down" in folders or name.name == "__init__.py":
        return False
    if name.name in _WHOLE_SCHEMAS or name.name == _PLAN:
        return True
    if name.suffix == ".sql":
        return folders.isdisjoint(_BACK)
    return name.suffix in _SCRIPTS and not folders.isdisjoint(_FOLDERS) and name.name != "env.py"


def order(path: str) -> tuple[object, ...]:
    """A sort key: whole schemas first, then folder by folder, numbers in a name by their value."""
    name = PurePosixPath(path)
    repeated = _REPEATED.fullmatch(name.name) is not None  # Flyway applies these after all others
    return (name.name not in _WHOLE_SCHEMAS, _natural(str(name.parent)), repeated, _natural(name.name))


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    pieces = re.split(r"(\d+)", text)
    return tuple((0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in pieces if piece)


def in_order(files: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    """Alembic's and sqitch's files in the order that their names do not tell; others as they are."""
    files = _planned(files)
    revisions = {file.path: _revision(file) for file in files if file.path.endswith(".py")}
    slots = [i for i, file in enumerate(files) if revisions.get(file.path) is not None]
    chain = _chained([(files[i], found) for i in slots if (found := revisions[files[i].path]) is not None])
    ordered = list(files)
    for slot, file in zip(slots, chain, strict=True):
        ordered[slot] = file
    return tuple(ordered)


def _planned(files: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    """Sqitch's scripts in the order of their plan, which itself is no migration and left out.

    A line of the plan that is no pragma, comment or tag begins with the name of a change (sqitchchanges).
    """
    plans = {str(PurePosixPath(file.path).parent): file for file in files if file.path.endswith(_PLAN)}
    rest = [file for file in files if not file.path.endswith(_PLAN)]
    for folder, plan in sorted(plans.items()):
        names = [line.split()[0].lstrip("+") for line in plan.text.splitlines() if _is_change(line)]
        places = {f"{folder}/deploy/{name}.sql".removeprefix("./"): n for n, name in enumerate(names)}
        slots = [n for n, file in enumerate(rest) if file.path in places]
        ours = sorted((rest[n] for n in slots), key=lambda file: places[file.path])
        for slot, file in zip(slots, ours, strict=True):
            rest[slot] = file
    return tuple(rest)


def _is_change(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith(("%", "#", "@", "-"))


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
