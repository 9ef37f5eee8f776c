"""The schema that migrations or a dump add up to: tables, columns and indexes, read without running anything.

A file or statement that cannot be read is skipped and said to be. Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from connectors.answers import SourceFile
from playbooks.migration_frameworks import framework_operations
from playbooks.schema_operations import (
    AddColumns,
    AddForeignKey,
    AddIndex,
    DeclaredIndex,
    DropColumn,
    DropIndex,
    DropTable,
    ForeignKey,
    Operation,
    RenameColumn,
    RenameIndex,
    RenameTable,
)
from playbooks.schema_sql import sql_operations

_BACKWARD = re.compile(
    r"(\.down\.sql|/down\.sql|_down\.sql|(^|/)(revert|verify|undo|rollback)s?/|(^|/)U\d[\d._]*__[^/]*\.sql)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not read, wholly or in part, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Schema:
    """What files declare, all of them together in their order. `read`: paths that were understood.

    `types` holds the declared type of (table, column), lower case, where a file says one.
    """

    tables: Mapping[str, frozenset[str]]
    indexes: Mapping[str, DeclaredIndex]
    dropped: Mapping[str, DeclaredIndex]
    read: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()

    def on(self, table: str) -> tuple[DeclaredIndex, ...]:
        """The declared indexes of a table, by name."""
        return tuple(index for _, index in sorted(self.indexes.items()) if index.table == table)


@dataclass
class _Builder:
    tables: dict[str, set[str]] = field(default_factory=dict)
    indexes: dict[str, DeclaredIndex] = field(default_factory=dict)
    dropped: dict[str, DeclaredIndex] = field(default_factory=dict)
    types: dict[tuple[str, str], str] = field(default_factory=dict)
    foreign_keys: dict[ForeignKey, None] = field(default_factory=dict)

    def apply(self, operation: Operation) -> None:
        if isinstance(operation, AddColumns):
            self._add_columns(operation)
        elif isinstance(operation, AddForeignKey):
            self.foreign_keys[operation.key] = None
        elif isinstance(operation, AddIndex):
            self._add(operation.index)
        elif isinstance(operation, DropIndex):
            self._drop(operation)
        elif isinstance(operation, DropColumn):
            self._drop_column(operation)
        elif isinstance(operation, DropTable):
            self._drop_table(operation.table)
        else:
            self._rename(operation)

    def _add_columns(self, operation: AddColumns) -> None:
        self.tables.setdefault(operation.table, set()).update(operation.columns)
        for column, kind in zip(operation.columns, operation.types, strict=False):
            if kind:
                self.types[operation.table, column] = kind.lower()

    def _drop_table(self, table: str) -> None:
        self.tables.pop(table, None)
        self._forget(index.name for index in self.indexes.values() if index.table == table)
        self._keep_keys(lambda key: table not in (key.table, key.target))

    def _keep_keys(self, wanted: Callable[[ForeignKey], bool]) -> None:
        self.foreign_keys = dict.fromkeys(filter(wanted, self.foreign_keys))

    def _add(self, index: DeclaredIndex) -> None:
        self.indexes[index.name] = index
        self.dropped.pop(index.name, None)

    def _drop(self, operation: DropIndex) -> None:
        names = [operation.name] if operation.name else []
        names += [
            i.name
            for i in self.indexes.values()
            if operation.columns and i.table == operation.table and i.columns == operation.columns
        ]
        for name in names:
            gone = self.indexes.pop(name, None)
            if gone is not None:
                self.dropped[name] = gone

    def _drop_column(self, operation: DropColumn) -> None:
        self.tables.get(operation.table, set()).discard(operation.column)
        self._forget(
            index.name
            for index in self.indexes.values()
            if index.table == operation.table and operation.column in index.columns
        )
        self._keep_keys(lambda key: key.table != operation.table or operation.column not in key.columns)

    def _forget(self, names: Iterable[str]) -> None:
        for name in list(names):
            del self.indexes[name]

    def _rename(self, operation: RenameTable | RenameColumn | RenameIndex) -> None:
        if isinstance(operation, RenameIndex):
            index = self.indexes.pop(operation.old, None)
            if index is not None:
                self.indexes[operation.new] = replace(index, name=operation.new)
        elif isinstance(operation, RenameTable):
            self.tables[operation.new] = self.tables.pop(operation.old, set())
            for name, index in list(self.indexes.items()):
                if index.table == operation.old:
                    self.indexes[name] = replace(index, table=operation.new)
            self.foreign_keys = dict.fromkeys(
                replace(
                    key,
                    table=operation.new if key.table == operation.old else key.table,
                    target=operation.new if key.target == operation.old else key.target,
                )
                for key in self.foreign_keys
            )
        else:
            self._rename_column(operation)

    def _rename_column(self, operation: RenameColumn) -> None:
        columns = self.tables.setdefault(operation.table, set())
        columns.discard(operation.old)
        columns.add(operation.new)
        for name, index in list(self.indexes.items()):
            if index.table == operation.table:
                renamed = tuple(operation.new if c == operation.old else c for c in index.columns)
                self.indexes[name] = replace(index, columns=renamed)


def read_schema(files: Iterable[SourceFile]) -> Schema:
    """Add up the files in their order; migrations that lead back (down, revert, undo) are left out."""
    return _read(tuple(files))


@lru_cache(maxsize=8)
def _read(files: tuple[SourceFile, ...]) -> Schema:
    builder = _Builder()
    read: list[str] = []
    skipped: list[Skipped] = []
    for file in files:
        if _BACKWARD.search(file.path):
            continue
        result = sql_operations(file) if file.path.endswith(".sql") else framework_operations(file)
        for operation in result.operations:
            builder.apply(operation)
        if result.reason:
            skipped.append(Skipped(file.path, result.reason))
        if result.operations or not result.reason:
            read.append(file.path)
    return Schema(
        {table: frozenset(columns) for table, columns in sorted(builder.tables.items())},
        dict(sorted(builder.indexes.items())),
        dict(sorted(builder.dropped.items())),
        tuple(read),
        tuple(skipped),
        dict(sorted(builder.types.items())),
        tuple(builder.foreign_keys),
    )
