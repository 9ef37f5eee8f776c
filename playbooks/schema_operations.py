"""The steps that change a schema, as every migration framework and plain SQL can express them. Types only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeclaredIndex:
    """An index as a file declares it. `columns`: its keys; expressions as text. `path`: the file."""

    name: str
    table: str
    columns: tuple[str, ...]
    path: str
    db_schema: str = ""
    unique: bool = False
    partial: bool = False
    constraint: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key as a file declares it: these columns of `table` name a row of `target`."""

    table: str
    columns: tuple[str, ...]
    target: str
    path: str


@dataclass(frozen=True, slots=True)
class AddColumns:
    """A table with these columns, new or widened. `types`: one each where the file says them, else none."""

    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddForeignKey:
    """A foreign key comes."""

    key: ForeignKey


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column goes."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class DropTable:
    """A table goes, with its indexes."""

    table: str


@dataclass(frozen=True, slots=True)
class AddIndex:
    """An index comes."""

    index: DeclaredIndex


@dataclass(frozen=True, slots=True)
class DropIndex:
    """An index goes: by name, or by table and columns."""

    name: str = ""
    table: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenameTable:
    """A table is renamed."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """A column is renamed."""

    table: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RenameIndex:
    """An index is renamed."""

    old: str
    new: str


Operation = (
    AddColumns
    | AddForeignKey
    | DropColumn
    | DropTable
    | AddIndex
    | DropIndex
    | RenameTable
    | RenameColumn
    | RenameIndex
)


@dataclass(frozen=True, slots=True)
class FileOperations:
    """What one file does. `reason`: why it was skipped, wholly or in part; empty when all was read."""

    operations: tuple[Operation, ...]
    reason: str = ""


def constraint_name(table: str, columns: tuple[str, ...], primary: bool) -> str:
    """The name PostgreSQL gives the index of a constraint without one."""
    return f"{table}_pkey" if primary else f"{'_'.join((table, *columns))}_key"


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """The name PostgreSQL gives an index without one."""
    words = ["expr" if not column.isidentifier() else column for column in columns]
    return f"{'_'.join((table, *words))}_idx"
