"""Statements of the application, made fit to be planned: read, rewritten, every table named in full.

What the planner gets is printed anew from the tree that was judged, so that nothing in the text that
the parser did not see can reach the server. Nothing here is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.errors import RefusedError
from connectors.postgres import grammar

if TYPE_CHECKING:
    from connectors.postgres.wall import Reading

LAYER = "grammar"

_UNPREPARABLE = re.compile(r"\b(interval|date|timestamptz|timestamp|time)\s+(\$\d+)", re.IGNORECASE)
"""A typed literal loses its meaning when its value becomes a parameter; a cast says the same."""

_RELATIONS = """
    SELECT c.relname::text AS name, n.nspname::text AS schema
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
          AND n.nspname <> 'information_schema' AND NOT n.nspname LIKE 'pg_toast%'
          AND NOT n.nspname LIKE 'pg_temp%'
    ORDER BY n.nspname = 'public' DESC, n.nspname"""

_ENUMERATIONS = """
    SELECT t.typname::text AS name, n.nspname::text AS schema
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typname = ANY($1::text[]) AND t.typtype = 'e'
    ORDER BY n.nspname = 'public' DESC, n.nspname"""


@dataclass(frozen=True, slots=True)
class Plannable:
    """A statement that may be planned. `rewritten`: it is the search of an UPDATE or DELETE, not itself."""

    admitted: grammar.Admitted
    rewritten: bool = False


def plannable(reading: Reading, text: str) -> Plannable:
    """Make the application's statement fit to be planned.

    Raises:
        RefusedError: it cannot be read, or is none that may be planned.
    """
    sql = _UNPREPARABLE.sub(r"\2::\1", text)
    tree = grammar.parsed(sql)
    searched = _as_select(tree)
    _same(sql, tree)
    _qualify(reading, searched)
    _renumber(searched)
    from pglast.stream import RawStream

    printed = str(RawStream()(searched))
    return Plannable(grammar.admit_for_planning(printed, grammar.parsed(printed)), searched is not tree)


def _same(sql: str, tree: Any) -> None:
    """The printed statement must mean what the text did: the parser's fingerprint says so."""
    from pglast.parser import fingerprint
    from pglast.stream import RawStream

    if fingerprint(str(RawStream()(tree))) != fingerprint(sql):
        raise RefusedError(LAYER, "it cannot be printed again faithfully")


def _as_select(tree: Any) -> Any:
    """A SELECT as it is; UPDATE and DELETE as the SELECT that finds their rows."""
    from pglast import ast

    if isinstance(tree, ast.SelectStmt):
        return tree
    if not isinstance(tree, ast.UpdateStmt | ast.DeleteStmt):
        raise RefusedError(LAYER, f"{type(tree).__name__} has no search to plan")
    more = tree.fromClause if isinstance(tree, ast.UpdateStmt) else tree.usingClause
    one = ast.ResTarget(val=ast.A_Const(isnull=False, val=ast.Integer(ival=1)))
    return ast.SelectStmt(
        targetList=(one,),
        fromClause=(tree.relation, *(more or ())),
        whereClause=tree.whereClause,
        withClause=tree.withClause,
        limitOption=_plain_limit(),
        op=_no_set(),
        all=False,
        groupDistinct=False,
    )


def _plain_limit() -> Any:
    from pglast.enums import LimitOption

    return LimitOption.LIMIT_OPTION_DEFAULT


def _no_set() -> Any:
    from pglast.enums import SetOperation

    return SetOperation.SETOP_NONE


def walk(node: Any) -> Iterator[Any]:
    """Every node, itself included."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, tuple):
            stack.extend(reversed(current))
        elif hasattr(current, "__slots__") and not isinstance(current, str | int | float | bool):
            yield current
            stack.extend(getattr(current, name) for name in current)


def _qualify(reading: Reading, tree: Any) -> None:
    """Write the schema before every table and enumeration that leaves it to the application's search path."""
    from pglast import ast

    own = {node.ctename for node in _of(tree, ast.CommonTableExpr)}
    tables = [n for n in _of(tree, ast.RangeVar) if not n.schemaname and n.relname not in own]
    found = _schemas(reading, _RELATIONS, {node.relname for node in tables})
    for node in tables:
        node.schemaname = found.get(node.relname)
    types = [node for node in _of(tree, ast.TypeName) if len(node.names or ()) == 1]
    known = _schemas(reading, _ENUMERATIONS, {node.names[0].sval for node in types})
    for node in types:
        if node.names[0].sval in known:
            node.names = (ast.String(sval=known[node.names[0].sval]), *node.names)


def _of(tree: Any, kind: type) -> list[Any]:
    """The nodes of one kind."""
    return [node for node in walk(tree) if isinstance(node, kind)]


def _schemas(reading: Reading, sql: str, names: set[str]) -> dict[str, str]:
    """The schema of each name: public where it is there too, else the only one. Two others are ambiguous."""
    if not names:
        return {}
    found: dict[str, list[str]] = {}
    for row in reading.rows(sql, sorted(names)).rows:
        found.setdefault(row["name"], []).append(row["schema"])
    for name, schemas in found.items():
        if len(schemas) > 1 and schemas[0] != "public":
            raise RefusedError(LAYER, f"{name} may be of schema {' or '.join(schemas)}")
    return {name: schemas[0] for name, schemas in found.items()}


def _renumber(tree: Any) -> None:
    """Parameters without gaps: those of an UPDATE's SET are gone, and the server wants a type for each."""
    from pglast import ast

    parameters = _of(tree, ast.ParamRef)
    order = {number: n for n, number in enumerate(sorted({node.number for node in parameters}), 1)}
    for node in parameters:
        node.number = order[node.number]
