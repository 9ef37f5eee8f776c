"""The grammar layer: which statements may be sent at all, decided on PostgreSQL's own parse tree.

What is not named as allowed is refused: kinds of statement, kinds of node, functions, operators, types,
relations. It looks at the text alone and never at the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from connectors.errors import RefusedError
from connectors.postgres import vocabulary

LONGEST = 20_000
"""Characters of a statement; ours are far shorter, and a generated text of this length tells nothing."""
MOST_NODES = 4_000
DEEPEST = 60
LONGEST_CONSTANT = 1_000
MOST_LEVELS = 16
"""Subqueries are flattened into one another: each may double an expression before anything is planned."""
LAYER = "grammar"

_EXPRESSIONS = frozenset(
    """
    ResTarget ColumnRef A_Star String Integer Float Boolean BitString A_Const ParamRef A_Expr BoolExpr
    NullTest BooleanTest FuncCall TypeCast TypeName CaseExpr CaseWhen CoalesceExpr MinMaxExpr SubLink
    A_ArrayExpr A_Indirection A_Indices SQLValueFunction RowExpr SortBy WindowDef Alias JoinExpr RangeVar
    RangeSubselect RangeFunction WithClause CommonTableExpr SelectStmt
    """.split()
)
_LEVELS = frozenset({"RangeSubselect", "CommonTableExpr"})
_FOR_PLANNING = _EXPRESSIONS | frozenset({"GroupingSet", "GroupingFunc", "CollateClause"})


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A name as written; `schema` is empty where it is left to the search path."""

    name: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A statement that the grammar lets through, and all that it names, for the catalogue to look up."""

    sql: str
    functions: frozenset[Name]
    operators: frozenset[Name]
    types: frozenset[Name]
    relations: frozenset[Name]


@dataclass(frozen=True, slots=True)
class _Policy:
    """What differs between statements that run (ours) and those that are only planned (the application's)."""

    nodes: frozenset[str]
    closed: bool
    """Whether names must be those of the vocabulary; else the catalogue alone decides."""


_RUN = _Policy(_EXPRESSIONS, closed=True)
_PLAN = _Policy(_FOR_PLANNING, closed=False)


@dataclass(slots=True)
class _Found:
    functions: set[Name] = field(default_factory=set)
    operators: set[Name] = field(default_factory=set)
    types: set[Name] = field(default_factory=set)
    relations: set[Name] = field(default_factory=set)
    nodes: int = 0
    levels: int = 0


@lru_cache(maxsize=256)
def admit(sql: str) -> Admitted:
    """Let a statement of ours through to be run.

    Raises:
        RefusedError: it is not a single plain SELECT over what the vocabulary names.
    """
    return _admitted(sql, parsed(sql), _RUN)


def admit_for_planning(sql: str, tree: Any) -> Admitted:
    """Let a SELECT of the application through to be planned, never run; its names stay to be looked up."""
    return _admitted(sql, tree, _PLAN)


def parsed(sql: str) -> Any:
    """The one statement in the text, as PostgreSQL's parser reads it.

    Raises:
        RefusedError: none, several, or not readable.
    """
    if len(sql) > LONGEST:
        raise RefusedError(LAYER, f"longer than {LONGEST:,} characters")
    if any(character < " " and character not in "\n\t\r" for character in sql):
        raise RefusedError(LAYER, "a control character in the text")
    from pglast.parser import ParseError, parse_sql  # 0.15 s: only where a database is asked

    try:
        sql.encode()
        statements = parse_sql(sql)
    except (ParseError, RecursionError, ValueError) as error:
        raise RefusedError(LAYER, "PostgreSQL's parser cannot read it") from error
    if len(statements) != 1:
        raise RefusedError(LAYER, f"{len(statements)} statements in one text")
    return statements[0].stmt


def _admitted(sql: str, tree: Any, policy: _Policy) -> Admitted:
    if _kind(tree) != "SelectStmt":
        raise RefusedError(LAYER, f"{_kind(tree)} is not a SELECT")
    found = _Found()
    try:
        _Check(policy, found).statement(tree, frozenset())
    except RecursionError as error:
        raise RefusedError(LAYER, "nested too deeply") from error
    return Admitted(
        sql,
        frozenset(found.functions),
        frozenset(found.operators),
        frozenset(found.types),
        frozenset(found.relations),
    )


class _Check:
    """Walks a tree and refuses the first thing that is not allowed."""

    def __init__(self, policy: _Policy, found: _Found) -> None:
        self._policy = policy
        self._found = found
        self._rules: dict[str, Callable[[Any, frozenset[str]], None]] = {
            "SelectStmt": self._select,
            "RangeVar": self._relation,
            "FuncCall": self._function,
            "A_Expr": self._operator,
            "SubLink": self._sublink,
            "SortBy": self._sort,
            "TypeName": self._type,
            "A_Const": self._constant,
            "CommonTableExpr": self._cte,
        }

    def statement(self, tree: Any, visible: frozenset[str]) -> None:
        """The whole statement. Its CTEs are seen in their order: an earlier one cannot see a later name."""
        clause = tree.withClause
        if clause is not None:
            if clause.recursive and self._policy.closed:
                raise RefusedError(LAYER, "WITH RECURSIVE")
            if clause.recursive:
                visible |= {cte.ctename for cte in clause.ctes}
            for cte in clause.ctes:
                self._walk(cte, visible, 1)
                visible |= {cte.ctename}
        self._select(tree, visible)
        for child in _children(tree, leave_out="withClause"):
            self._walk(child, visible, 1)

    def _walk(self, node: Any, visible: frozenset[str], depth: int) -> None:
        self._found.nodes += 1
        if self._found.nodes > MOST_NODES or depth > DEEPEST:
            raise RefusedError(LAYER, "too large or too deep")
        kind = _kind(node)
        self._found.levels += kind in _LEVELS
        if self._found.levels > MOST_LEVELS:
            raise RefusedError(
                LAYER, f"more than {MOST_LEVELS} queries inside of one another or side by side"
            )
        if kind == "WithClause":
            raise RefusedError(LAYER, "WITH below the statement itself")
        if kind not in self._policy.nodes:
            raise RefusedError(LAYER, f"{kind} is not allowed")
        rule = self._rules.get(kind)
        if rule is not None:
            rule(node, visible)
        for child in _children(node):
            self._walk(child, visible, depth + 1)

    # --- rules --------------------------------------------------------------------------------------
    def _select(self, node: Any, _visible: frozenset[str]) -> None:
        if node.intoClause is not None:
            raise RefusedError(LAYER, "SELECT INTO makes a table")
        if node.lockingClause is not None:
            raise RefusedError(LAYER, "FOR UPDATE and FOR SHARE lock rows")

    def _cte(self, node: Any, _visible: frozenset[str]) -> None:
        if _kind(node.ctequery) != "SelectStmt":
            raise RefusedError(LAYER, f"{_kind(node.ctequery)} inside of WITH")

    def _relation(self, node: Any, visible: frozenset[str]) -> None:
        name = Name(node.relname, node.schemaname or "")
        if not name.schema and name.name in visible:
            return
        if node.catalogname:
            raise RefusedError(LAYER, "a relation of another database")
        if self._policy.closed and not _known(name, vocabulary.RELATIONS, vocabulary.EXTENSION_RELATIONS):
            raise RefusedError(LAYER, f"relation {_shown(name)} is not in the vocabulary")
        self._found.relations.add(name)

    def _function(self, node: Any, _visible: frozenset[str]) -> None:
        name = _name(node.funcname)
        if self._policy.closed and not _known(name, vocabulary.FUNCTIONS, vocabulary.EXTENSION_FUNCTIONS):
            raise RefusedError(LAYER, f"function {_shown(name)} is not in the vocabulary")
        self._found.functions.add(name)

    def _operator(self, node: Any, _visible: frozenset[str]) -> None:
        self._named_operator(_name(node.name))

    def _sublink(self, node: Any, _visible: frozenset[str]) -> None:
        if node.operName:
            self._named_operator(_name(node.operName))

    def _sort(self, node: Any, _visible: frozenset[str]) -> None:
        if node.useOp:
            self._named_operator(_name(node.useOp))

    def _named_operator(self, name: Name) -> None:
        words = {"BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"}
        if name.name in words and not name.schema:
            return
        if self._policy.closed and (name.schema or name.name not in vocabulary.OPERATORS):
            raise RefusedError(LAYER, f"operator {_shown(name)} is not in the vocabulary")
        self._found.operators.add(name)

    def _type(self, node: Any, _visible: frozenset[str]) -> None:
        name = _name(node.names)
        if self._policy.closed:
            if node.typmods or not _known(name, vocabulary.TYPES, frozenset()):
                raise RefusedError(LAYER, f"type {_shown(name)} is not in the vocabulary")
            if node.setof or node.pct_type:
                raise RefusedError(LAYER, "a type taken from a column, or a set")
        self._found.types.add(name)

    def _constant(self, node: Any, _visible: frozenset[str]) -> None:
        value = getattr(node.val, "sval", None) or getattr(node.val, "fval", None) or ""
        if len(str(value)) > LONGEST_CONSTANT:
            raise RefusedError(LAYER, f"a constant longer than {LONGEST_CONSTANT:,} characters")


def _known(name: Name, own: frozenset[str], extension: frozenset[str]) -> bool:
    """Whether the vocabulary has it: pg_catalog's under no other schema, an extension's under any."""
    return (name.schema in ("", "pg_catalog") and name.name in own) or (
        name.schema not in ("", "pg_catalog") and name.name in extension
    )


def _name(parts: Any) -> Name:
    words = [part.sval for part in parts]
    if len(words) > 2:
        raise RefusedError(LAYER, "a name of another database")
    return Name(words[-1], words[0] if len(words) == 2 else "")


def _shown(name: Name) -> str:
    return f"{name.schema}.{name.name}" if name.schema else name.name


def _kind(node: object) -> str:
    return type(node).__name__


def _children(node: Any, leave_out: str = "") -> Iterator[Any]:
    """The nodes directly below, through tuples."""
    stack = [getattr(node, name) for name in node if name != leave_out]
    while stack:
        value = stack.pop()
        if isinstance(value, tuple):
            stack.extend(value)
        elif hasattr(value, "__slots__") and not isinstance(value, (str, int, float, bool)):
            yield value
