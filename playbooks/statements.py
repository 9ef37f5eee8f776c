"""Which columns a statement filters, joins and sorts by: read from PostgreSQL's own parse tree.

Understands statements as pg_stat_statements and spans hold them (parameters for literals). Never runs one,
and never guesses: what cannot be parsed or told apart is said to be unread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

How = Literal["equal", "range", "join", "order", "pattern", "either", "flag"]
Columns = Mapping[str, frozenset[str]]
"""The columns of each table, by the table's name."""

LONGEST_STATEMENT = 20_000
"""Characters; beyond that a statement is generated text, and parsing it costs more than it tells."""

_RANGE = {"<", ">", "<=", ">="}
_PATTERN_KINDS = {"AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR"}
_KINDS = {"SelectStmt": "select", "InsertStmt": "insert", "UpdateStmt": "update", "DeleteStmt": "delete"}


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table as written; `db_schema` is empty where the statement leaves it to the search path."""

    name: str
    db_schema: str = ""


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One use of one column. `key` is the column, or the expression over it that an index would need.

    `how`: equal (= IN IS NULL), range, join (to another table's column), order, pattern (LIKE),
    either (inside an OR: no single index serves it), flag (a boolean column by itself).
    """

    table: TableName
    key: str
    how: How
    expression: bool = False


@dataclass(frozen=True, slots=True)
class StatementUse:
    """What a statement touches. `limited`: it has a LIMIT. `unresolved`: columns of no known table."""

    kind: str
    tables: tuple[TableName, ...]
    uses: tuple[ColumnUse, ...]
    limited: bool = False
    unresolved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """The statement could not be read, and why."""

    reason: str


def read_statement(text: str, columns: Columns | None = None) -> StatementUse | Unread:
    """Read one statement.

    Args:
        text: the statement, normalised or not.
        columns: the tables' columns, to tell apart what a join leaves unqualified.
    """
    known = tuple(sorted((columns or {}).items()))
    return _read(text, known)


@lru_cache(maxsize=2048)
def _read(text: str, known: tuple[tuple[str, frozenset[str]], ...]) -> StatementUse | Unread:
    if len(text) > LONGEST_STATEMENT:
        return Unread(f"the statement is longer than {LONGEST_STATEMENT:,} characters")
    if not text.strip() or text.rstrip().endswith(("…", "...")):
        return Unread("the statement is cut")
    from pglast.parser import ParseError, parse_sql  # noqa: PLC0415, RUF100  0.15 s: only where a database is judged

    try:
        statements = parse_sql(text)
    except (ParseError, RecursionError, ValueError) as error:
        return Unread(f"PostgreSQL's parser rejects the statement: {str(error)[:120]}")
    if len(statements) != 1:
        return Unread(f"{len(statements)} statements in one text")
    reader = _Reader(dict(known))
    root = statements[0].stmt
    try:
        reader.statement(root, None)
    except RecursionError:
        return Unread("the statement is nested too deeply")
    return StatementUse(
        kind=_KINDS.get(_kind(root), "other"),
        tables=tuple(sorted(reader.tables)),
        uses=tuple(dict.fromkeys(reader.uses)),
        limited=bool(getattr(root, "limitCount", None)),
        unresolved=tuple(sorted(reader.unresolved)),
    )


def plain_key(key: str) -> str:
    """The key without case, casts, quotes, parentheses and spaces: equal for equal index expressions."""
    bare = re.sub(r"::\s*[a-z_]+(\s+varying)?(\(\d+\))?", "", key.lower())
    return re.sub(r"[()\s\"]", "", bare)


def _kind(node: object) -> str:
    return type(node).__name__


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        yield from node
    elif hasattr(node, "__slots__"):
        for name in node:
            yield getattr(node, name)


def _walk(node: Any, stop: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Every node below, in order, not entering kinds in `stop` (which are yielded)."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current is None or isinstance(current, (str, int, float, bool)):
            continue
        if not isinstance(current, tuple):
            yield current
        if _kind(current) in stop and current is not node:
            continue
        stack.extend(reversed(list(_children(current))))


@dataclass
class _Scope:
    """The tables one query level sees, by alias; None stands for a subquery or CTE."""

    names: dict[str, TableName | None] = field(default_factory=dict)
    parent: _Scope | None = None
    hidden: frozenset[str] = frozenset()

    def find(self, alias: str) -> TableName | None:
        """The table behind an alias, here or outside."""
        if alias in self.names:
            return self.names[alias]
        return self.parent.find(alias) if self.parent else None


class _Reader:
    """Collects tables and column uses of one statement."""

    def __init__(self, columns: dict[str, frozenset[str]]) -> None:
        self.columns = columns
        self.tables: set[TableName] = set()
        self.uses: list[ColumnUse] = []
        self.unresolved: set[str] = set()

    # --- query levels ---------------------------------------------------------------------------
    def statement(self, node: Any, parent: _Scope | None) -> None:
        """One SELECT, INSERT, UPDATE, DELETE, and everything nested in it."""
        if _kind(node) not in _KINDS:
            return
        scope = _Scope(parent=parent, hidden=parent.hidden if parent else frozenset())
        self._ctes(node, scope)
        for arm in (getattr(node, "larg", None), getattr(node, "rarg", None)):
            if arm is not None:
                self.statement(arm, scope)
        for source in self._sources(node):
            self._source(source, scope)
        self._condition(getattr(node, "whereClause", None), scope)
        if _kind(node) == "InsertStmt":
            self.statement(node.selectStmt, scope)
        if _kind(node) == "SelectStmt":
            self._order(node, scope)
        self._nested((getattr(node, "targetList", None), getattr(node, "havingClause", None)), scope)

    def _ctes(self, node: Any, scope: _Scope) -> None:
        clause = getattr(node, "withClause", None)
        if clause is None:
            return
        if clause.recursive:
            scope.hidden |= frozenset(cte.ctename for cte in clause.ctes)
        for cte in clause.ctes:
            self.statement(cte.ctequery, scope)
            scope.hidden |= {cte.ctename}

    @staticmethod
    def _sources(node: Any) -> Iterable[Any]:
        own = getattr(node, "relation", None)
        more = (getattr(node, "fromClause", None), getattr(node, "usingClause", None))
        return [*([own] if own is not None else []), *(item for part in more for item in part or ())]

    def _source(self, node: Any, scope: _Scope) -> None:
        kind = _kind(node)
        if kind == "RangeVar":
            self._table(node, scope)
        elif kind == "JoinExpr":
            self._source(node.larg, scope)
            self._source(node.rarg, scope)
            self._condition(node.quals, scope)
        elif kind == "RangeSubselect":
            scope.names[node.alias.aliasname if node.alias else ""] = None
            self.statement(node.subquery, scope)

    def _table(self, node: Any, scope: _Scope) -> None:
        alias = node.alias.aliasname if node.alias else node.relname
        if not node.schemaname and node.relname in scope.hidden:
            scope.names[alias] = None
            return
        table = TableName(node.relname, node.schemaname or "")
        self.tables.add(table)
        scope.names[alias] = table

    def _order(self, node: Any, scope: _Scope) -> None:
        for item in node.sortClause or ():
            if _kind(item.node) == "ColumnRef":
                self._use(item.node, "order", scope)

    # --- conditions -----------------------------------------------------------------------------
    def _condition(self, node: Any, scope: _Scope, either: bool = False) -> None:
        if node is None:
            return
        kind = _kind(node)
        if kind == "BoolExpr":
            self._boolean(node, scope, either)
        elif kind == "A_Expr":
            self._comparison(node, scope, either)
        elif kind == "ColumnRef" and not either:
            self._use(node, "flag", scope)
        elif kind == "NullTest" and node.nulltesttype.name == "IS_NULL":
            self._use(node.arg, "either" if either else "equal", scope)
        elif kind == "SubLink" and node.testexpr is not None:
            self._use(node.testexpr, "either" if either else "join", scope)
        self._nested(node if kind != "BoolExpr" else None, scope)

    def _boolean(self, node: Any, scope: _Scope, either: bool) -> None:
        operator = node.boolop.name
        if operator == "NOT_EXPR":
            self._nested(node, scope)
            return
        for part in node.args:
            self._condition(part, scope, either or operator == "OR_EXPR")

    def _comparison(self, node: Any, scope: _Scope, either: bool) -> None:
        how = _how(node)
        if how is None:
            return
        left, right = self._operand(node.lexpr), self._operand(node.rexpr)
        if left is not None and right is not None and how == "equal":
            how = "join"
        for side in (left, right):
            if side is not None:
                self._use(side, "either" if either else how, scope)

    @staticmethod
    def _operand(node: Any) -> Any:
        """The side if an index could serve it: a column, or an expression over columns of one table."""
        if node is None or isinstance(node, tuple):
            return None
        inside = list(_walk(node, frozenset({"SubLink"})))
        if any(_kind(child) == "SubLink" for child in inside):
            return None
        return node if any(_kind(child) == "ColumnRef" for child in inside) else None

    def _nested(self, node: Any, scope: _Scope) -> None:
        for child in _walk(node, frozenset({"SubLink"})):
            if _kind(child) == "SubLink":
                self.statement(child.subselect, scope)

    # --- columns --------------------------------------------------------------------------------
    def _use(self, node: Any, how: How, scope: _Scope) -> None:
        references = [child for child in _walk(node) if _kind(child) == "ColumnRef"]
        tables = {self._resolve(reference, scope) for reference in references}
        table = tables.pop() if len(tables) == 1 else None
        if table is None:
            return
        if _kind(node) == "ColumnRef":
            self.uses.append(ColumnUse(table, _last(node), how))
        else:
            self.uses.append(ColumnUse(table, _expression(node), how, expression=True))

    def _resolve(self, reference: Any, scope: _Scope) -> TableName | None:
        if any(_kind(part) != "String" for part in reference.fields):
            return None
        names = [part.sval for part in reference.fields]
        if len(names) >= 2:
            return scope.find(names[-2])
        return self._unqualified(names[0], scope)

    def _unqualified(self, column: str, scope: _Scope) -> TableName | None:
        here = list(scope.names.values())
        tables = [table for table in here if table is not None]
        owners = [table for table in tables if column in self.columns.get(table.name, ())]
        if len(owners) == 1:
            return owners[0]
        alone = len(here) == 1 and len(tables) == 1
        if alone and (scope.parent is None or tables[0].name not in self.columns):
            return tables[0]
        if scope.parent is not None and not owners:
            return self._unqualified(column, scope.parent)
        self.unresolved.add(column)
        return None


def _how(node: Any) -> How | None:
    kind, operator = node.kind.name, node.name[-1].sval
    if kind in _PATTERN_KINDS:
        return "pattern"
    if kind.startswith("AEXPR_BETWEEN"):
        return "range"
    if kind in {"AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY"} and operator == "=":
        return "equal"
    return "range" if kind == "AEXPR_OP" and operator in _RANGE else None


def _last(reference: Any) -> str:
    return str(reference.fields[-1].sval)


def _expression(node: Any) -> str:
    """The expression as an index would hold it: without the table's alias."""
    from pglast import ast  # noqa: PLC0415, RUF100  see _read
    from pglast.stream import RawStream  # noqa: PLC0415, RUF100

    for child in _walk(node):
        if isinstance(child, ast.ColumnRef) and child.fields:
            child.fields = (child.fields[-1],)
    return str(RawStream()(node))
