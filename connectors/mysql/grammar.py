"""The grammar layer: which statements may be sent at all, decided on a parse tree (sqlglot, MySQL's dialect).

It holds by itself, without the closed vocabulary: only a single SELECT over the performance and information
schemas, with named functions, and no clause that locks, writes a file or sets a variable.
"""

from __future__ import annotations

import re
from functools import lru_cache

from connectors.errors import RefusedError

LAYER = "grammar"
LONGEST = 4_000
_SCHEMAS = frozenset({"performance_schema", "information_schema"})
_FUNCTIONS = frozenset({"version", "current_user", "database", "connection_id", "now"})
_NODES = frozenset(
    """
    Select Column Identifier Alias Table From Join Where EQ NEQ Is Not Null Like And Literal Star Count Max
    Sum Coalesce Add Sub Mul Div Order Ordered Limit Group TableAlias Paren TsOrDsDiff TimestampDiff DateDiff
    CurrentTimestamp CurrentUser CurrentSchema CurrentDatabase CurrentVersion Anonymous SessionParameter Var
    """.split()
)
_VARIABLES = re.compile(r"@@(?:performance_schema|max_connections|tx_read_only|transaction_read_only)\b")
_SHOW = re.compile(r"SHOW GRANTS FOR CURRENT_USER")


@lru_cache(maxsize=256)
def admit(sql: str) -> None:
    """Let a statement through to be run.

    Raises:
        RefusedError: it is not one that only looks.
    """
    if _SHOW.fullmatch(sql):
        return
    if len(sql) > LONGEST or not sql.isascii() or "\0" in sql:
        raise RefusedError(LAYER, "too long, or of characters that ours never have")
    # A comment may hold code (/*! … */) that the server runs and a parser skips; ours have none.
    if any(sign in sql for sign in ("/*", "--", "#", ";", "\\", ":=", "`", '"')):
        raise RefusedError(LAYER, "a comment, a second statement, a quoted name or an assignment")
    if "@" in _VARIABLES.sub("", sql):
        raise RefusedError(LAYER, "a variable that is not allowed")
    _examine(sql)


def _examine(sql: str) -> None:
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(sql, read="mysql")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise RefusedError(LAYER, "it cannot be parsed") from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Select):
        raise RefusedError(LAYER, "it is not one SELECT")
    for node in tree.walk():
        kind = type(node).__name__
        if kind not in _NODES:
            raise RefusedError(LAYER, f"{kind} is not allowed")
        if isinstance(node, exp.Anonymous) and node.name.lower() not in _FUNCTIONS:
            raise RefusedError(LAYER, f"the function {node.name[:40]} is not allowed")
        if isinstance(node, exp.Table) and node.db.lower() not in _SCHEMAS:
            raise RefusedError(LAYER, f"the table {node.name[:60]} is not one of the server's own")
