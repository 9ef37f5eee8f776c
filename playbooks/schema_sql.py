"""Plain SQL migrations and dumps as schema steps, by PostgreSQL's own parser, statement by statement."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

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
    RenameIndex,
    RenameTable,
    constraint_name,
    index_name,
)

LONGEST_FILE = 2_000_000
"""Characters; a larger file is data, not schema."""
_MULTI = re.IGNORECASE | re.MULTILINE | re.DOTALL
_DOWN = re.compile(r"^--\s*(\+goose\s+Down|\+micrate\s+Down|migrate:down|!?\s*rollback\b|@UNDO).*\Z", _MULTI)
_COPY = re.compile(r"^COPY\s[^;]*FROM\s+stdin[^;]*;\n.*?^\\\.$", _MULTI)
_PSQL = re.compile(r"^\\.*$", re.MULTILINE)
_WANTED = re.compile(r"\b(create|alter|drop)\b", re.IGNORECASE)


def sql_operations(file: SourceFile) -> FileOperations:
    """What an SQL file does; statements that PostgreSQL's parser rejects are skipped and counted."""
    if len(file.text) > LONGEST_FILE:
        return FileOperations((), f"larger than {LONGEST_FILE:,} characters")
    text = _PSQL.sub("", _COPY.sub("", _DOWN.sub("", file.text)))
    pieces = _split(text)
    if isinstance(pieces, str):
        return FileOperations((), pieces)
    operations: list[Operation] = []
    bad = 0
    for piece in pieces:
        parsed = _parse(piece)
        bad += parsed is None
        for node in parsed or ():
            operations.extend(_operations(node, file.path))
    reason = f"{bad} of {len(pieces)} statements are not PostgreSQL" if bad else ""
    return FileOperations(tuple(operations), reason)


def _split(text: str) -> list[str] | str:
    from pglast.parser import ParseError, scan  # noqa: PLC0415, RUF100  0.15 s: only where schemas are read

    try:
        tokens = scan(text)
    except (ParseError, ValueError) as error:
        return f"cannot be split into statements: {str(error)[:80]}"
    ends = [token.start for token in tokens if token.name == "ASCII_59"]
    bounds = [-1, *ends, len(text)]
    pieces = [text[a + 1 : b].strip() for a, b in itertools.pairwise(bounds)]
    return [piece for piece in pieces if _WANTED.search(piece)]


def _parse(piece: str) -> list[Any] | None:
    from pglast.parser import ParseError, parse_sql  # noqa: PLC0415, RUF100  see _split

    try:
        return [raw.stmt for raw in parse_sql(piece)]
    except (ParseError, RecursionError, ValueError):
        return None


def _operations(node: Any, path: str) -> Iterator[Operation]:
    handler = _HANDLERS.get(type(node).__name__)
    if handler is not None:
        yield from handler(node, path)


def _create_table(node: Any, path: str) -> Iterator[Operation]:
    table = node.relation.relname
    elements = node.tableElts or ()
    columns = [e for e in elements if type(e).__name__ == "ColumnDef"]
    yield AddColumns(table, tuple(c.colname for c in columns), tuple(map(_type, columns)))
    for column in columns:
        yield from _column_indexes(table, column, path)
    for element in elements:
        if type(element).__name__ == "Constraint":
            yield from _constraint(table, element, (), path)


def _type(column: Any) -> str:
    """The type's own name: `int8`, `text`, `uuid`."""
    names = column.typeName.names if column.typeName is not None else ()
    return names[-1].sval if names else ""


def _column_indexes(table: str, column: Any, path: str) -> Iterator[Operation]:
    for constraint in column.constraints or ():
        yield from _constraint(table, constraint, (column.colname,), path)


def _constraint(table: str, node: Any, columns: tuple[str, ...], path: str) -> Iterator[Operation]:
    kind = node.contype.name
    keys = tuple(key.sval for key in node.keys or ()) or columns
    if kind in {"CONSTR_PRIMARY", "CONSTR_UNIQUE"} and keys:
        name = node.conname or constraint_name(table, keys, kind == "CONSTR_PRIMARY")
        yield AddIndex(DeclaredIndex(name, table, keys, path, unique=True, constraint=True))
    elif kind == "CONSTR_FOREIGN" and node.pktable is not None:
        own = tuple(key.sval for key in node.fk_attrs or ()) or columns
        if own:
            yield AddForeignKey(ForeignKey(table, own, node.pktable.relname, path))


def _alter_table(node: Any, path: str) -> Iterator[Operation]:
    if node.relation is None:
        return
    table = node.relation.relname
    for command in node.cmds or ():
        kind = getattr(command.subtype, "name", "")
        if kind == "AT_AddColumn":
            yield AddColumns(table, (command.def_.colname,), (_type(command.def_),))
            yield from _column_indexes(table, command.def_, path)
        elif kind == "AT_DropColumn":
            yield DropColumn(table, command.name)
        elif kind == "AT_AddConstraint":
            yield from _constraint(table, command.def_, (), path)
        elif kind == "AT_DropConstraint":
            yield DropIndex(name=command.name)


def _create_index(node: Any, path: str) -> Iterator[Operation]:
    from pglast.stream import RawStream  # noqa: PLC0415, RUF100  see _split

    keys = tuple(p.name or str(RawStream()(p.expr)) for p in node.indexParams or ())
    table = node.relation.relname
    yield AddIndex(
        DeclaredIndex(
            name=node.idxname or index_name(table, keys),
            table=table,
            columns=keys,
            path=path,
            db_schema=node.relation.schemaname or "",
            unique=bool(node.unique),
            partial=node.whereClause is not None,
        )
    )


def _drop(node: Any, _: str) -> Iterator[Operation]:
    for item in node.objects or ():
        name = item[-1].sval if isinstance(item, tuple) else getattr(item, "sval", "")
        if node.removeType.name == "OBJECT_INDEX":
            yield DropIndex(name=name)
        elif node.removeType.name == "OBJECT_TABLE":
            yield DropTable(name)


def _rename(node: Any, _: str) -> Iterator[Operation]:
    kind = node.renameType.name
    if kind == "OBJECT_COLUMN" and node.relation is not None:
        yield RenameColumn(node.relation.relname, node.subname, node.newname)
    elif kind == "OBJECT_TABLE":
        yield RenameTable(node.relation.relname, node.newname)
    elif kind == "OBJECT_INDEX":
        yield RenameIndex(node.relation.relname, node.newname)


_HANDLERS: dict[str, Callable[[Any, str], Iterator[Operation]]] = {
    "CreateStmt": _create_table,
    "AlterTableStmt": _alter_table,
    "IndexStmt": _create_index,
    "DropStmt": _drop,
    "RenameStmt": _rename,
}
