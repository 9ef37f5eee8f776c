"""Rails migrations and `schema.rb` as schema steps: read from their text, never run.

Only what is written as a literal counts; whatever a migration computes stays unread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.answers import SourceFile
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
)
from playbooks.schema_sql import sql_operations

_RAILS = re.compile(
    r"^[ \t]*(?P<call>(?:add|remove)_(?:index|column)|add_reference|add_foreign_key|drop_table)[ (]+"
    r":?[\"']?(?P<table>\w+)[\"']?(?:,\s*(?P<rest>[^\n]*))?$",
    re.MULTILINE,
)
_TABLE = re.compile(
    r"^[ \t]*create_table[ (]+:?[\"']?(?P<table>\w+)[^\n]*do \|t\|\n(?P<body>.*?)^[ \t]*end\b",
    re.MULTILINE | re.DOTALL,
)
_COLUMN = re.compile(r"^[ \t]*t\.(?P<type>\w+)[ (]+(?P<rest>[^\n]*)$", re.MULTILINE)
_EXECUTE = re.compile(
    r"^[ \t]*execute[ (]+(?:<<[~-]?['\"]?(?P<end>\w+)['\"]?\)?\n(?P<block>.*?)^[ \t]*(?P=end)\b"
    r"|[\"'](?P<line>[^\n]*)[\"']\)?[ \t]*$)",
    re.MULTILINE | re.DOTALL,
)
_NAME = re.compile(r"\bname:\s*:?[\"']?(\w+)")
_LIST = re.compile(r"(?:columns?:\s*)?(?:\[(?P<many>[^\]]*)\]|:?[\"']?(?P<one>\w+)[\"']?)")


def rails_operations(file: SourceFile) -> Iterator[Operation]:
    """Rails: `schema.rb` and migrations; the part after `def down` leads back and is left out."""
    text = re.split(r"^\s*def down\b", file.text, maxsplit=1, flags=re.MULTILINE)[0]
    for block in _TABLE.finditer(text):
        yield from _rails_table(block["table"], block["body"], file)
    for match in _RAILS.finditer(text):
        yield from _rails_call(match["call"], match["table"], match["rest"] or "", file)
    for match in _EXECUTE.finditer(text):
        sql = match["block"] or match["line"] or ""
        yield from sql_operations(SourceFile(path=file.path, text=sql)).operations


def _rails_columns(rest: str) -> tuple[str, ...]:
    match = _LIST.match(rest.strip())
    if match is None:
        return ()
    return tuple(re.findall(r"\w+", match["many"])) if match["many"] is not None else (match["one"],)


def _rails_index(table: str, rest: str, file: SourceFile) -> Iterator[Operation]:
    columns = _rails_columns(rest)
    named = _NAME.search(rest)
    if columns:
        name = named[1] if named else f"index_{table}_on_{'_and_'.join(columns)}"
        unique, partial = "unique: true" in rest, "where:" in rest
        yield AddIndex(DeclaredIndex(name, table, columns, file.path, unique=unique, partial=partial))


def _rails_table(table: str, body: str, file: SourceFile) -> Iterator[Operation]:
    yield AddColumns(table, ("id",))
    for column in _COLUMN.finditer(body):
        kind, names = column["type"], _rails_columns(column["rest"])
        if kind == "index":
            yield from _rails_index(table, column["rest"], file)
        elif kind in {"references", "belongs_to"}:
            yield from _rails_reference(table, names, column["rest"], file)
        elif kind == "timestamps":
            yield AddColumns(table, ("created_at", "updated_at"))
        else:
            yield AddColumns(table, names, (kind,) * len(names))


def _rails_reference(table: str, names: tuple[str, ...], rest: str, file: SourceFile) -> Iterator[Operation]:
    columns = tuple(f"{name}_id" for name in names[:1])
    yield AddColumns(table, columns)
    if columns and "index: false" not in rest:
        name = f"index_{table}_on_{columns[0]}"
        yield AddIndex(DeclaredIndex(name, table, columns, file.path))
    if columns and "foreign_key: true" in rest:
        yield AddForeignKey(ForeignKey(table, columns, f"{names[0]}s", file.path))


def _rails_call(call: str, table: str, rest: str, file: SourceFile) -> Iterator[Operation]:
    columns = _rails_columns(rest)
    if call == "add_index":
        yield from _rails_index(table, rest, file)
    elif call == "remove_index":
        named = _NAME.search(rest)
        yield DropIndex(name=named[1]) if named else DropIndex(table=table, columns=columns)
    elif call == "add_reference":
        yield from _rails_reference(table, columns, rest, file)
    elif call == "add_foreign_key":
        named = re.search(r"\bcolumn:\s*:?[\"']?(\w+)", rest)
        own = named[1] if named else f"{columns[0].removesuffix('s')}_id" if columns else ""
        if own:
            yield AddForeignKey(ForeignKey(table, (own,), columns[0], file.path))
    elif call == "drop_table":
        yield DropTable(table)
    elif columns:
        yield AddColumns(table, columns[:1]) if call == "add_column" else DropColumn(table, columns[0])
