"""Exact, non-blocking DDL for an index.

Text only; nothing here is ever run by this program. Source: PostgreSQL manual, "CREATE INDEX" (Building
Indexes Concurrently), "Lexical Structure" (identifiers), "Client Connection Defaults" (lock_timeout).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from connectors.answers import Dialect

LONGEST_NAME = 63
"""PostgreSQL cuts identifiers at NAMEDATALEN - 1 bytes."""
LOCK_TIMEOUT = "5s"


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """An index that should exist. `keys`: columns, or expressions where `expressions` says so.

    In MySQL's dialect `db_schema` is the database, and an index is built in place, unlocked (MySQL manual,
    "Online DDL Operations"; MariaDB, "InnoDB Online DDL"): what cannot be built so is refused, not blocked.
    """

    table: str
    db_schema: str
    keys: tuple[str, ...]
    expressions: tuple[bool, ...] = ()
    dialect: Dialect = "postgresql"

    @property
    def name(self) -> str:
        """`table_columns_idx`, as PostgreSQL itself would name it, cut with a hash where too long."""
        words = [re.sub(r"\W+", "_", key).strip("_") for key in self.keys]
        name = "_".join([re.sub(r"\W+", "_", self.table), *words, "idx"])
        if len(name.encode()) <= LONGEST_NAME:
            return name
        tail = sha256(name.encode()).hexdigest()[:8]
        return f"{name.encode()[: LONGEST_NAME - 13].decode(errors='ignore')}_{tail}_idx"

    @property
    def key_list(self) -> str:
        """The index's keys as DDL has them."""
        flags = self.expressions or (False,) * len(self.keys)
        pairs = zip(self.keys, flags, strict=True)
        quoted = backticked if self.dialect == "mysql" else identifier
        return ", ".join(f"({key})" if expression else quoted(key) for key, expression in pairs)

    def create(self, concurrently: bool = True) -> str:
        """The CREATE INDEX statement; concurrently, it blocks neither reads nor writes."""
        if self.dialect == "mysql":
            return f"{self._altered()} ADD INDEX {backticked(self.name)} ({self.key_list}){_ONLINE}"
        how = "CONCURRENTLY " if concurrently else ""
        return (
            f"CREATE INDEX {how}IF NOT EXISTS {identifier(self.name)} "
            f"ON {qualified(self.db_schema, self.table)} ({self.key_list})"
        )

    def drop(self) -> str:
        """What undoes it, also after a build that failed half-way."""
        if self.dialect == "mysql":
            return f"{self._altered()} DROP INDEX {backticked(self.name)}{_ONLINE}"
        where = qualified(self.db_schema, self.name)
        return f"DROP INDEX CONCURRENTLY IF EXISTS {where}"

    def _altered(self) -> str:
        parts = [part for part in (self.db_schema, self.table) if part and part != "public"]
        return f"ALTER TABLE {'.'.join(map(backticked, parts))}"


_ONLINE = ", ALGORITHM=INPLACE, LOCK=NONE"


def backticked(name: str) -> str:
    """The name quoted as MySQL quotes identifiers."""
    return "`" + name.replace("\x00", "").replace("`", "``") + "`"


def identifier(name: str) -> str:
    """The name quoted as an identifier: always safe, quoted only where it must be."""
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) and name not in _reserved():
        return name
    return '"' + name.replace("\x00", "").replace('"', '""') + '"'


def qualified(db_schema: str, name: str) -> str:
    """Schema and name as DDL has them."""
    return f"{identifier(db_schema or 'public')}.{identifier(name)}"


def literal(text: str) -> str:
    """The text as an SQL string constant; with backslashes, in the escape form that reads the same always."""
    clean = text.replace("\x00", "").replace("'", "''")
    return f" E'{clean.replace(chr(92), chr(92) * 2)}'" if "\\" in clean else f"'{clean}'"


def _reserved() -> frozenset[str]:
    from pglast.keywords import (  # noqa: PLC0415, RUF100  0.15 s: only where DDL is written
        COL_NAME_KEYWORDS,
        RESERVED_KEYWORDS,
        TYPE_FUNC_NAME_KEYWORDS,
    )

    return frozenset(RESERVED_KEYWORDS | TYPE_FUNC_NAME_KEYWORDS | COL_NAME_KEYWORDS)
