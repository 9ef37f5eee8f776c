"""The catalogue layer: what the names of a statement stand for on this very server.

A name that the grammar trusts may be something else here: a function planted by a user, a volatile one, one
that runs with its owner's rights. So each is looked up: it must belong to pg_catalog (or to an extension we
know), not be volatile unless it was reviewed, and not make much of little.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from connectors.errors import RefusedError
from connectors.postgres import vocabulary
from connectors.postgres.channel import Row, one_statement
from connectors.postgres.grammar import Admitted, Name

if TYPE_CHECKING:
    from connectors.postgres.channel import Connection

LAYER = "catalogue"

_EXTENSION = """
    (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE d.classid = {catalogue}::pg_catalog.regclass AND d.objid = o.oid AND d.deptype = 'e'
           AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass LIMIT 1) AS extension"""

_FUNCTIONS = f"""
    SELECT n.nspname AS schema, o.proname AS name, o.provolatile::text AS volatile, o.prosecdef AS definer,
           {_EXTENSION.format(catalogue="'pg_catalog.pg_proc'")}
    FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace n ON n.oid = o.pronamespace
    WHERE o.proname = ANY($1::text[]) AND (n.nspname = 'pg_catalog' OR n.nspname = ANY($2::text[]))"""  # noqa: S608 - a constant

_OPERATORS = """
    SELECT n.nspname AS schema, o.oprname AS name, p.provolatile::text AS volatile, p.prosecdef AS definer,
           p.proname AS function
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
         JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
    WHERE o.oprname = ANY($1::text[]) AND n.nspname = 'pg_catalog'"""

_RELATIONS = f"""
    SELECT n.nspname AS schema, o.relname AS name, o.relkind::text AS kind, o.relrowsecurity AS secured,
           {_EXTENSION.format(catalogue="'pg_catalog.pg_class'")}
    FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
    WHERE o.relname = ANY($1::text[]) AND (n.nspname = 'pg_catalog' OR n.nspname = ANY($2::text[]))"""  # noqa: S608 - a constant

_TYPES = """
    SELECT n.nspname AS schema, o.typname AS name, o.typtype::text AS kind
    FROM pg_catalog.pg_type o JOIN pg_catalog.pg_namespace n ON n.oid = o.typnamespace
    WHERE o.typname = ANY($1::text[]) AND (n.nspname = 'pg_catalog' OR n.nspname = ANY($2::text[]))"""


@dataclass(frozen=True, slots=True)
class _Trust:
    """Which volatile functions are let through, and which others are not."""

    volatile: frozenset[str]
    refused: frozenset[str]


_RUN = _Trust(vocabulary.REVIEWED_VOLATILE, vocabulary.SWELLING)
_PLAN = _Trust(vocabulary.REVIEWED_VOLATILE | vocabulary.UNFOLDED, vocabulary.DECEPTIVE)


def examine(connection: Connection, statement: Admitted) -> None:
    """Look up all that a statement of ours names; RefusedError for the first that is not as it should be."""
    functions(connection, statement.functions, _RUN)
    operators(connection, statement.operators, _RUN)
    types(connection, statement.types)
    _own_relations(connection, statement.relations)


def examine_for_planning(connection: Connection, statement: Admitted) -> None:
    """The same for a statement that is only planned: its relations must be tables of the database."""
    functions(connection, statement.functions, _PLAN)
    operators(connection, statement.operators, _PLAN)
    types(connection, statement.types)
    _tables(connection, statement.relations)


def functions(connection: Connection, names: Iterable[Name], trust: _Trust) -> None:
    """Every overload of each name must be harmless: which one a call resolves to is the server's business."""
    for name, rows in _looked_up(connection, _FUNCTIONS, names):
        _present("function", name, rows)
        for row in rows:
            _trusted("function", name, row)
            _harmless(name, str(row["name"]), row, trust)


def operators(connection: Connection, names: Iterable[Name], trust: _Trust) -> None:
    """Every operator must be pg_catalog's own, and the function behind it harmless."""
    wanted = sorted(names)
    for name in wanted:
        if name.schema not in ("", "pg_catalog"):
            raise RefusedError(LAYER, f"operator {name.name} of schema {name.schema}")
    known = _built_in(connection, {_stored(name.name) for name in wanted})
    for name in wanted:
        rows = known[_stored(name.name)]
        _present("operator", name, rows)
        for row in rows:
            _harmless(name, str(row["function"]), row, trust)


_OPERATORS_OF: WeakKeyDictionary[Connection, dict[str, list[Row]]] = WeakKeyDictionary()


def _built_in(connection: Connection, names: Iterable[str]) -> dict[str, list[Row]]:
    """The operators of pg_catalog, looked up once a connection.

    `=` alone has some seventy, and reading them was most of what the wall cost the server. Nobody but a
    superuser, whom no wall stops, can change them meanwhile.
    """
    known = _OPERATORS_OF.setdefault(connection, {})
    missing = sorted(set(names) - known.keys())
    if missing:
        found = one_statement(connection, _OPERATORS, [missing]).rows
        known.update({name: [row for row in found if row["name"] == name] for name in missing})
    return known


def types(connection: Connection, names: Iterable[Name]) -> None:
    """Casts go to pg_catalog's types, or to an enumeration: casting to another runs a user's code."""
    for name, rows in _looked_up(connection, _TYPES, names):
        _present("type", name, rows)
        for row in rows:
            if row["schema"] != "pg_catalog" and row["kind"] != "e":
                raise RefusedError(LAYER, f"type {name.schema}.{name.name} is a user's")


def _own_relations(connection: Connection, names: Iterable[Name]) -> None:
    for name, rows in _looked_up(connection, _RELATIONS, names):
        _present("relation", name, rows)
        for row in rows:
            _trusted("relation", name, row)


def _tables(connection: Connection, names: Iterable[Name]) -> None:
    for name, rows in _looked_up(connection, _RELATIONS, names):
        _present("relation", name, rows)
        for row in rows:
            if row["kind"] not in vocabulary.PLANNABLE_KINDS or row["secured"]:
                raise RefusedError(
                    LAYER, f"relation {name.name} is a view, a foreign table or guarded by row security"
                )


def _looked_up(connection: Connection, sql: str, names: Iterable[Name]) -> Iterable[tuple[Name, list[Row]]]:
    """Each name with its rows: of its schema, or of pg_catalog where it names none."""
    wanted = sorted(names)
    if not wanted:
        return []
    schemas = sorted({name.schema for name in wanted if name.schema})
    found = one_statement(connection, sql, [[name.name for name in wanted], schemas]).rows

    def is_of(row: Row, name: Name) -> bool:
        return bool(row["name"] == name.name and row["schema"] == (name.schema or "pg_catalog"))

    return [(name, [row for row in found if is_of(row, name)]) for name in wanted]


def _present(what: str, name: Name, rows: list[Row]) -> None:
    if not rows and not (what == "function" and name.name in _SYNTAX):
        where = name.schema or "pg_catalog"
        raise RefusedError(LAYER, f"no {what} {name.name} in {where}")


_SYNTAX = frozenset({"extract"})
"""Since 14 a function, before that date_part under another spelling."""


def _trusted(what: str, name: Name, row: Row) -> None:
    if row["schema"] != "pg_catalog" and row["extension"] not in vocabulary.EXTENSIONS:
        raise RefusedError(LAYER, f"{what} {row['schema']}.{name.name} is a user's")


def _harmless(name: Name, function: str, row: Row, trust: _Trust) -> None:
    if row["volatile"] == "v" and function not in trust.volatile:
        raise RefusedError(LAYER, f"{name.name} is volatile: it may act")
    if row["definer"]:
        raise RefusedError(LAYER, f"{name.name} runs with its owner's rights")
    if function in trust.refused:
        raise RefusedError(LAYER, f"{name.name} does more than the catalogue says")


def _stored(operator: str) -> str:
    return "<>" if operator == "!=" else operator
