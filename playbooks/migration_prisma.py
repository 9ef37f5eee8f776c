"""Prisma's `schema.prisma` as schema steps: models with their fields, keys, indexes and relations.

Source: Prisma schema reference (model, @id, @unique, @map, @relation, @@id, @@unique, @@index, @@map).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.answers import SourceFile
from playbooks.schema_operations import (
    AddColumns,
    AddForeignKey,
    AddIndex,
    DeclaredIndex,
    FileOperations,
    ForeignKey,
    Operation,
)

_MODEL = re.compile(r"^model\s+(\w+)\s*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+)\s+(\w+)(\[\]|\?)?([^\n]*)$")
_MAP = re.compile(r"@map\(\s*(?:name:\s*)?\"(\w+)\"")
_LIST = re.compile(r"\[([^\[\]\n]*)\]")
_NAMED = re.compile(r"\b(?:map|name):\s*\"(\w+)\"")
_RELATION = re.compile(r"@relation\([^\n]*?fields:\s*\[([^\]\n]*)\]")


@dataclass(frozen=True, slots=True)
class _Model:
    """One model: its table, its lines, and the column of each of its fields."""

    name: str
    table: str
    lines: tuple[str, ...]

    def columns(self) -> dict[str, str]:
        """The column of each field that is no relation."""
        found = {}
        for line in self.lines:
            field = _FIELD.match(line)
            if field is not None and not line.strip().startswith(("@@", "//")):
                mapped = _MAP.search(field[4])
                found[field[1]] = mapped[1] if mapped else field[1]
        return found


def prisma_operations(file: SourceFile) -> FileOperations:
    """The tables, indexes and foreign keys that a schema's models promise."""
    models = [_model(name, body) for name, body in _MODEL.findall(file.text)]
    tables = {model.name: model.table for model in models}
    operations: list[Operation] = []
    for model in models:
        operations.extend(_of_model(model, tables, file))
    return FileOperations(tuple(operations), "" if models else "no model in it")


def _model(name: str, body: str) -> _Model:
    lines = tuple(line.split("//")[0].rstrip() for line in body.splitlines())
    mapped = next(
        (found[1] for line in lines if (found := re.search(r"@@map\(\s*(?:name:\s*)?\"(\w+)\"", line))), name
    )
    return _Model(name, mapped, lines)


def _of_model(model: _Model, tables: dict[str, str], file: SourceFile) -> Iterator[Operation]:
    columns = model.columns()
    for line in model.lines:
        field = _FIELD.match(line)
        if line.strip().startswith("@@"):
            yield from _of_block(model, line.strip(), columns, file)
        elif field is not None and field[2] in tables:
            yield from _of_relation(model, line, tables[field[2]], columns, file)
        elif field is not None:
            yield AddColumns(model.table, (columns[field[1]],), (field[2].lower(),))
            yield from _of_field(model, columns[field[1]], field[4], file)


def _of_field(model: _Model, column: str, attributes: str, file: SourceFile) -> Iterator[Operation]:
    if re.search(r"@(?:id|unique)\b", attributes):
        end = "pkey" if "@id" in attributes else f"{column}_key"
        name = f"{model.table}_{end}"
        yield AddIndex(DeclaredIndex(name, model.table, (column,), file.path, unique=True, constraint=True))


def _of_relation(
    model: _Model, line: str, target: str, columns: dict[str, str], file: SourceFile
) -> Iterator[Operation]:
    fields = _RELATION.search(line)
    own = _fields(fields[1], columns) if fields else ()
    if own:
        yield AddForeignKey(ForeignKey(model.table, own, target, file.path))


def _of_block(model: _Model, line: str, columns: dict[str, str], file: SourceFile) -> Iterator[Operation]:
    kind = re.match(r"@@(index|unique|id)\b", line)
    listed = _LIST.search(line)
    if kind is None or listed is None:
        return
    own = _fields(listed[1], columns)
    named = _NAMED.search(line)
    ends = {"index": "idx", "unique": "key", "id": "pkey"}
    usual = "_".join((model.table, *(own if kind[1] != "id" else ()), ends[kind[1]]))
    unique = kind[1] != "index"
    if own:
        name = named[1] if named else usual
        yield AddIndex(DeclaredIndex(name, model.table, own, file.path, unique=unique, constraint=unique))


def _fields(written: str, columns: dict[str, str]) -> tuple[str, ...]:
    names = (each.split("(")[0].strip() for each in re.sub(r"\([^)]*\)", "", written).split(","))
    return tuple(columns.get(name, name) for name in names if name)
