"""Liquibase changelogs in XML, YAML and JSON as schema steps; the SQL form is plain SQL with comments.

Only changes are read: rollbacks lead back, and a change set for another database is not ours.
Source: Liquibase documentation, change types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.answers import SourceFile
from playbooks.schema_operations import (
    AddColumns,
    AddForeignKey,
    AddIndex,
    DeclaredIndex,
    DropColumn,
    DropIndex,
    DropTable,
    FileOperations,
    ForeignKey,
    Operation,
    RenameColumn,
    RenameTable,
    constraint_name,
    index_name,
)
from playbooks.schema_sql import sql_operations

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_OURS = re.compile(r"\b(?:postgresql|postgres|all)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Change:
    """One change: its kind, its attributes and its columns, whatever the notation."""

    kind: str
    told: Mapping[str, str]
    columns: Sequence[Mapping[str, str]] = field(default_factory=tuple)

    def get(self, name: str) -> str:
        return self.told.get(name, "")

    def names(self, name: str) -> tuple[str, ...]:
        """A list written as `a, b`."""
        return tuple(filter(None, (each.strip() for each in self.get(name).split(","))))


def liquibase_operations(file: SourceFile) -> FileOperations:
    """What a changelog does; a file that is none is skipped and said to be."""
    changes = _xml(file.text) if file.path.endswith(".xml") else _tree(file)
    if isinstance(changes, str):
        return FileOperations((), changes)
    operations: list[Operation] = []
    for change in changes:
        reader = _KINDS.get(change.kind)
        if reader is not None:
            operations.extend(reader(change, file))
    return FileOperations(tuple(operations))


# --- notations --------------------------------------------------------------------------------------
def _xml(text: str) -> list[_Change] | str:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        return f"not readable as XML: {str(error)[:80]}"
    if _plain(root.tag) != "databaseChangeLog":
        return "no changelog of Liquibase"
    found: list[_Change] = []
    for changes in root:
        if _plain(changes.tag) == "changeSet" and _for_us(changes.attrib.get("dbms", "")):
            found.extend(_xml_change(each) for each in changes)
    return found


def _plain(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _xml_change(element: Element) -> _Change:
    columns = []
    for inner in element:
        if _plain(inner.tag) == "column":
            limits = next((each.attrib for each in inner if _plain(each.tag) == "constraints"), {})
            columns.append({**limits, **inner.attrib})
    told = dict(element.attrib) | {"sql": (element.text or "").strip() or element.attrib.get("sql", "")}
    return _Change(_plain(element.tag), told, tuple(columns))


def _tree(file: SourceFile) -> list[_Change] | str:
    try:
        tree = json.loads(file.text) if file.path.endswith(".json") else _yaml(file.text)
    except (ValueError, RecursionError) as error:
        return f"not readable: {str(error)[:80]}"
    log = tree.get("databaseChangeLog") if isinstance(tree, dict) else None
    if not isinstance(log, list):
        return "no changelog of Liquibase"
    found: list[_Change] = []
    for item in log:
        changes = item.get("changeSet") if isinstance(item, dict) else None
        if isinstance(changes, dict) and _for_us(_word(changes.get("dbms"))):
            listed = changes.get("changes")
            found.extend(_tree_changes(listed if isinstance(listed, list) else []))
    return found


def _yaml(text: str) -> object:
    import yaml

    if re.search(r"(?m)[:\-\s]\*\w", text):
        raise ValueError("YAML aliases are not followed")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _tree_changes(listed: Sequence[object]) -> Iterator[_Change]:
    for item in listed:
        for kind, body in item.items() if isinstance(item, dict) else ():
            if isinstance(body, str):
                yield _Change(str(kind), {"sql": body})
            elif isinstance(body, dict):
                told = {str(name): _word(value) for name, value in body.items()}
                yield _Change(str(kind), told, tuple(_tree_columns(body.get("columns"))))


def _tree_columns(listed: Any) -> Iterator[Mapping[str, str]]:
    for item in listed if isinstance(listed, list) else ():
        column = item.get("column") if isinstance(item, dict) else None
        if isinstance(column, dict):
            limits = column.get("constraints")
            both = {**(limits if isinstance(limits, dict) else {}), **column}
            yield {str(name): _word(value) for name, value in both.items()}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float)) else ""


def _for_us(databases: str) -> bool:
    """Whether a change set is meant for PostgreSQL: no database named, or it is; `!postgresql` is not."""
    return not databases or ("!" not in databases and _OURS.search(databases) is not None)


# --- change types -------------------------------------------------------------------------------------
def _table(change: _Change, file: SourceFile) -> Iterator[Operation]:
    table = change.get("tableName")
    named = [column for column in change.columns if column.get("name")]
    if not table:
        return
    yield AddColumns(table, tuple(c["name"] for c in named), tuple(c.get("type", "") for c in named))
    primary = tuple(c["name"] for c in named if c.get("primaryKey") == "true")
    if primary:
        name = constraint_name(table, primary, True)
        yield AddIndex(DeclaredIndex(name, table, primary, file.path, unique=True, constraint=True))
    for column in named:
        yield from _limits(table, column, file)


def _limits(table: str, column: Mapping[str, str], file: SourceFile) -> Iterator[Operation]:
    own = (column["name"],)
    if column.get("unique") == "true":
        name = column.get("uniqueConstraintName") or constraint_name(table, own, False)
        yield AddIndex(DeclaredIndex(name, table, own, file.path, unique=True, constraint=True))
    target = column.get("referencedTableName") or column.get("references", "").partition("(")[0]
    if target:
        yield AddForeignKey(ForeignKey(table, own, target.rpartition(".")[2], file.path))


def _index(change: _Change, file: SourceFile) -> Iterator[Operation]:
    table = change.get("tableName")
    columns = tuple(c["name"] for c in change.columns if c.get("name"))
    if table and columns:
        name = change.get("indexName") or index_name(table, columns)
        unique = change.get("unique") == "true"
        yield AddIndex(DeclaredIndex(name, table, columns, file.path, unique=unique))


def _unique(change: _Change, file: SourceFile) -> Iterator[Operation]:
    table, columns = change.get("tableName"), change.names("columnNames")
    if table and columns:
        primary = change.kind == "addPrimaryKey"
        name = change.get("constraintName") or constraint_name(table, columns, primary)
        yield AddIndex(DeclaredIndex(name, table, columns, file.path, unique=True, constraint=True))


def _foreign(change: _Change, file: SourceFile) -> Iterator[Operation]:
    table, columns = change.get("baseTableName"), change.names("baseColumnNames")
    if table and columns and change.get("referencedTableName"):
        yield AddForeignKey(ForeignKey(table, columns, change.get("referencedTableName"), file.path))


def _drop_columns(change: _Change, _: SourceFile) -> Iterator[Operation]:
    for column in filter(None, (change.get("columnName"), *(c.get("name", "") for c in change.columns))):
        yield DropColumn(change.get("tableName"), column)


def _sql(change: _Change, file: SourceFile) -> Iterator[Operation]:
    if _for_us(change.get("dbms")):
        yield from sql_operations(SourceFile(path=file.path, text=change.get("sql"))).operations


_KINDS: dict[str, Callable[[_Change, SourceFile], Iterator[Operation]]] = {
    "createTable": _table,
    "addColumn": _table,
    "createIndex": _index,
    "addUniqueConstraint": _unique,
    "addPrimaryKey": _unique,
    "addForeignKeyConstraint": _foreign,
    "dropIndex": lambda change, _: iter((DropIndex(name=change.get("indexName")),)),
    "dropUniqueConstraint": lambda change, _: iter((DropIndex(name=change.get("constraintName")),)),
    "dropTable": lambda change, _: iter((DropTable(change.get("tableName")),)),
    "dropColumn": _drop_columns,
    "renameTable": lambda change, _: iter(
        (RenameTable(change.get("oldTableName"), change.get("newTableName")),)
    ),
    "renameColumn": lambda change, _: iter(
        (RenameColumn(change.get("tableName"), change.get("oldColumnName"), change.get("newColumnName")),)
    ),
    "sql": _sql,
}
