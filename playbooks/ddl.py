"""Exact, non-blocking DDL for an index, and the migration file that brings it in the project's own manner.

Text only; nothing here is ever run by this program. Source: PostgreSQL manual, "CREATE INDEX" (Building
Indexes Concurrently), "Lexical Structure" (identifiers), "Client Connection Defaults" (lock_timeout).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

LONGEST_NAME = 63
"""PostgreSQL cuts identifiers at NAMEDATALEN - 1 bytes."""
LOCK_TIMEOUT = "5s"


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """An index that should exist. `keys`: columns, or expressions where `expressions` says so."""

    table: str
    db_schema: str
    keys: tuple[str, ...]
    expressions: tuple[bool, ...] = ()

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
        return ", ".join(f"({key})" if expression else identifier(key) for key, expression in pairs)

    def create(self, concurrently: bool = True) -> str:
        """The CREATE INDEX statement; concurrently, it blocks neither reads nor writes."""
        how = "CONCURRENTLY " if concurrently else ""
        return (
            f"CREATE INDEX {how}IF NOT EXISTS {identifier(self.name)} "
            f"ON {qualified(self.db_schema, self.table)} ({self.key_list})"
        )

    def drop(self) -> str:
        """What undoes it, also after a build that failed half-way."""
        where = qualified(self.db_schema, self.name)
        return f"DROP INDEX CONCURRENTLY IF EXISTS {where}"


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file to add to the repository; `framework` says in whose manner."""

    path: str
    text: str
    framework: str


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


def migration_file(plan: IndexPlan, paths: Sequence[str], now: datetime) -> MigrationFile | None:
    """The migration that creates the index, named and numbered as the project's others are.

    Args:
        plan: the index.
        paths: the migrations that exist, in any order.
        now: for projects that number by time.

    Returns:
        None when no migration is known to take after.
    """
    known = [p for p in paths if re.match(r"[VvUu]?\d", p.rsplit("/", 1)[-1])]
    if not known:
        return None
    last = max(known, key=_order)
    folder, _, file = last.rpartition("/")
    match = re.match(r"(?P<head>[Vv]?)(?P<number>\d+)(?P<gap>_{1,2}|-|\.)?", file)
    assert match is not None
    number = _next_number(match["number"], now)
    stem = f"{match['head']}{number}{match['gap'] or '_'}{plan.name}"
    return _in_manner(plan, f"{folder}/{stem}" if folder else stem, last)


def _order(path: str) -> tuple[int, str]:
    digits = re.search(r"\d+", path.rsplit("/", 1)[-1])
    return (int(digits[0]) if digits else -1, path)


def _next_number(last: str, now: datetime) -> str:
    if len(last) == 14:
        return f"{now:%Y%m%d%H%M%S}"
    if len(last) >= 9:
        return f"{int(now.timestamp())}" if len(last) == 10 else str(int(last) + 1)
    return str(int(last) + 1).zfill(len(last))


def _in_manner(plan: IndexPlan, stem: str, last: str) -> MigrationFile:
    if last.endswith(".py"):
        return _django(plan, stem, last)
    if last.endswith(".rb"):
        return _rails(plan, stem)
    text = f"SET lock_timeout = '{LOCK_TIMEOUT}';\n{plan.create()};\n"
    up = next((e for e in (".up.sql", ".sql") if last.endswith(e)), ".sql")
    return MigrationFile(f"{stem}{up}", text, "sql")


def _django(plan: IndexPlan, stem: str, last: str) -> MigrationFile:
    previous = last.rsplit("/", 1)[-1].removesuffix(".py")
    app = last.split("/")[-3] if last.count("/") >= 2 else "app"
    text = f"""from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY cannot run in a transaction
    dependencies = [({app!r}, {previous!r})]
    operations = [
        migrations.RunSQL(
            {plan.create()!r},
            {plan.drop()!r},
        ),
    ]
"""
    return MigrationFile(f"{stem}.py", text, "django")


def _rails(plan: IndexPlan, stem: str) -> MigrationFile:
    name = "".join(word.capitalize() for word in re.split(r"\W|_", plan.name) if word)
    text = f"""class Add{name} < ActiveRecord::Migration[7.0]
  disable_ddl_transaction!

  def up
    execute <<~'SQL'
      {plan.create()}
    SQL
  end

  def down
    execute <<~'SQL'
      {plan.drop()}
    SQL
  end
end
"""
    return MigrationFile(f"{stem.replace(plan.name, 'add_' + plan.name)}.rb", text, "rails")
