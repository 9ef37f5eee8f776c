"""Alembic and Django migrations as schema steps: read from their text, never imported or run.

Only what is written as a literal counts; whatever a migration computes stays unread.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator

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
    index_name,
)
from playbooks.schema_sql import sql_operations


def python_operations(file: SourceFile) -> FileOperations:
    """What a migration in Python does, its way back left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in somebody's migration is not our warning
            tree = ast.parse(file.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return FileOperations((), f"not readable as Python: {str(error)[:80]}")
    operations: list[Operation] = []
    for call in _forward_calls(tree):
        reader = _CALLS.get(_called(call))
        if reader is not None:
            operations.extend(reader(call, file))
    return FileOperations(tuple(operations))


def _forward_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Every call in source order, but none inside `downgrade`."""
    skip = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in {"downgrade", "backwards"}
        for inner in ast.walk(node)
    }
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and id(n) not in skip]
    yield from sorted(calls, key=lambda c: (c.lineno, c.col_offset))


def _called(call: ast.Call) -> str:
    target = call.func
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[position] if 0 <= position < len(call.args) else None


def _text(node: ast.expr | None) -> str:
    """A string literal, also inside a call such as `op.f("name")` or `sa.text("…")`."""
    if isinstance(node, ast.Call) and node.args:
        return _text(node.args[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _texts(node: ast.expr | None) -> tuple[str, ...]:
    items = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
    found = tuple(_text(item) for item in items)
    return found if all(found) else ()


def _true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _op_create_index(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    table, columns = _text(_argument(call, 1, "table_name")), _texts(_argument(call, 2, "columns"))
    if not (table and columns):
        return
    name = _text(_argument(call, 0, "index_name")) or index_name(table, columns)
    yield AddIndex(
        DeclaredIndex(
            name,
            table,
            columns,
            file.path,
            unique=_true(_argument(call, -1, "unique")),
            partial=_argument(call, -1, "postgresql_where") is not None,
        )
    )


def _op_drop_index(call: ast.Call, _: SourceFile) -> Iterator[Operation]:
    yield DropIndex(name=_text(_argument(call, 0, "index_name")))


def _op_create_table(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    table = _text(_argument(call, 0, "table_name"))
    columns = [a for a in call.args[1:] if isinstance(a, ast.Call) and _called(a) == "Column"]
    if table:
        yield AddColumns(table, tuple(filter(None, (_text(_argument(c, 0, "name")) for c in columns))))
    for column in columns:
        yield from _sa_column(table, column, file)
    for item in call.args[1:]:
        if isinstance(item, ast.Call) and _called(item) == "ForeignKeyConstraint":
            yield from _sa_foreign(table, _texts(_argument(item, 0, "columns")), item, 1, file)


def _op_add_column(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    table, column = _text(_argument(call, 0, "table_name")), _argument(call, 1, "column")
    if table and isinstance(column, ast.Call):
        yield AddColumns(table, (_text(_argument(column, 0, "name")),))
        yield from _sa_column(table, column, file)


def _sa_column(table: str, column: ast.Call, file: SourceFile) -> Iterator[Operation]:
    yield from _sa_column_index(table, column, file)
    name = _text(_argument(column, 0, "name"))
    for item in column.args[1:]:
        if isinstance(item, ast.Call) and _called(item) == "ForeignKey":
            yield from _sa_foreign(table, (name,), item, 0, file)


def _sa_foreign(
    table: str, columns: tuple[str, ...], call: ast.Call, position: int, file: SourceFile
) -> Iterator[Operation]:
    """`ForeignKey("users.id")`, or a constraint with a list of such: the table stands before the column."""
    node = _argument(call, position, "refcolumns" if position else "column")
    named = next(iter(_texts(node)), "") if position else _text(node)
    target = named.split(".")[-2] if "." in named else ""
    if table and target and columns and all(columns):
        yield AddForeignKey(ForeignKey(table, columns, target, file.path))


def _op_create_foreign_key(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    table, target = (
        _text(_argument(call, n, name)) for n, name in ((1, "source_table"), (2, "referent_table"))
    )
    columns = _texts(_argument(call, 3, "local_cols"))
    if table and target and columns:
        yield AddForeignKey(ForeignKey(table, columns, target, file.path))


def _sa_column_index(table: str, column: ast.Call, file: SourceFile) -> Iterator[Operation]:
    name = _text(_argument(column, 0, "name"))
    unique = _true(_argument(column, -1, "unique")) or _true(_argument(column, -1, "primary_key"))
    if table and name and (unique or _true(_argument(column, -1, "index"))):
        key = f"ix_{table}_{name}" if not unique else f"{table}_{name}_key"
        yield AddIndex(DeclaredIndex(key, table, (name,), file.path, unique=unique, constraint=unique))


def _op_drop_column(call: ast.Call, _: SourceFile) -> Iterator[Operation]:
    yield DropColumn(_text(_argument(call, 0, "table_name")), _text(_argument(call, 1, "column_name")))


def _op_drop_table(call: ast.Call, _: SourceFile) -> Iterator[Operation]:
    yield DropTable(_text(_argument(call, 0, "table_name")))


def _execute(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    yield from sql_operations(SourceFile(path=file.path, text=_text(_argument(call, 0, "sql")))).operations


def _django_table(model: str, file: SourceFile) -> str:
    """`app_model`, Django's own naming; the app is the folder above `migrations`."""
    parts = file.path.split("/")
    app = parts[-3] if len(parts) >= 3 and parts[-2] == "migrations" else ""
    return f"{app}_{model.lower()}" if app else model.lower()


def _django_add_index(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    index = _argument(call, 1, "index")
    if not isinstance(index, ast.Call):
        return
    table = _django_table(_text(_argument(call, 0, "model_name")), file)
    columns = tuple(field.lstrip("-") for field in _texts(_argument(index, -1, "fields")))
    if columns:
        name = _text(_argument(index, -1, "name")) or index_name(table, columns)
        partial = _argument(index, -1, "condition") is not None
        yield AddIndex(DeclaredIndex(name, table, columns, file.path, partial=partial))


def _django_remove_index(call: ast.Call, _: SourceFile) -> Iterator[Operation]:
    yield DropIndex(name=_text(_argument(call, 1, "name")))


def _django_add_field(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    table = _django_table(_text(_argument(call, 0, "model_name")), file)
    yield from _django_field(table, _text(_argument(call, 1, "name")), _argument(call, 2, "field"), file)


def _django_create_model(call: ast.Call, file: SourceFile) -> Iterator[Operation]:
    table = _django_table(_text(_argument(call, 0, "name")), file)
    fields = _argument(call, 1, "fields")
    for item in fields.elts if isinstance(fields, (ast.List, ast.Tuple)) else []:
        if isinstance(item, ast.Tuple) and len(item.elts) == 2:
            yield from _django_field(table, _text(item.elts[0]), item.elts[1], file)


def _django_field(table: str, name: str, field: ast.expr | None, file: SourceFile) -> Iterator[Operation]:
    if not (table and name and isinstance(field, ast.Call)):
        return
    foreign = _called(field) in {"ForeignKey", "OneToOneField"}
    column = f"{name}_id" if foreign else name
    yield AddColumns(table, (column,))
    unique = any(_true(_argument(field, -1, flag)) for flag in ("unique", "primary_key"))
    without = _false(_argument(field, -1, "db_index"))
    if unique or (foreign and not without) or _true(_argument(field, -1, "db_index")):
        key = index_name(table, (column,))
        yield AddIndex(DeclaredIndex(key, table, (column,), file.path, unique=unique, constraint=True))
    model = _text(_argument(field, 0, "to")).rpartition(".")[2]
    if foreign and model:
        yield AddForeignKey(ForeignKey(table, (column,), _django_table(model, file), file.path))


_CALLS: dict[str, Callable[[ast.Call, SourceFile], Iterator[Operation]]] = {
    "create_index": _op_create_index,
    "drop_index": _op_drop_index,
    "create_table": _op_create_table,
    "add_column": _op_add_column,
    "drop_column": _op_drop_column,
    "drop_table": _op_drop_table,
    "create_foreign_key": _op_create_foreign_key,
    "execute": _execute,
    "AddIndex": _django_add_index,
    "AddIndexConcurrently": _django_add_index,
    "RemoveIndex": _django_remove_index,
    "RemoveIndexConcurrently": _django_remove_index,
    "AddField": _django_add_field,
    "CreateModel": _django_create_model,
    "RunSQL": _execute,
}
