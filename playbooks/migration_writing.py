"""Writes the migration that brings an index, in the manner of the project's own migrations. Text only.

Every one builds concurrently, outside of a transaction, with a lock time-out, and can be undone. Nothing
here is ever run by this program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import PurePosixPath
from xml.sax.saxutils import escape, quoteattr

from connectors.answers import SourceFile
from playbooks.ddl import LOCK_TIMEOUT, IndexPlan

_ALEMBIC = re.compile(r"^revision(?:\s*:[^=\n]+)?\s*=\s*[\"']([^\"'\n]+)[\"']", re.MULTILINE)
_DOWN = re.compile(r"^down_revision(?:\s*:[^=\n]+)?\s*=\s*(.+)$", re.MULTILINE)
_FIRST_LINE = "--liquibase formatted sql"


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file to add to the repository, in the manner of `framework`. What else is to be done it says."""

    path: str
    text: str
    framework: str


def migration_file(plan: IndexPlan, files: Sequence[SourceFile], now: datetime) -> MigrationFile | None:
    """The migration that creates the index, named and numbered as the project's others are.

    Args:
        plan: the index.
        files: the migrations that exist, in the order in which they apply.
        now: for projects that number by time.

    Returns:
        None when no migration is known to take after.
    """
    for write in (_alembic, _prisma, _sqitch, _liquibase, _numbered):
        made = write(plan, files, now)
        if made is not None:
            return made
    return None


# --- by a number in the name: plain SQL, Flyway, golang-migrate, Django, Rails ------------------------------
def _numbered(plan: IndexPlan, files: Sequence[SourceFile], now: datetime) -> MigrationFile | None:
    known = [file.path for file in files if re.match(r"[VvUu]?\d", file.path.rsplit("/", 1)[-1])]
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
    up = next((e for e in (".up.sql", ".sql") if last.endswith(e)), ".sql")
    flyway = re.match(r"[Vv]\d", last.rsplit("/", 1)[-1]) is not None
    note = f"-- Flyway: put executeInTransaction=false into {stem}{up}.conf beside it\n" if flyway else ""
    return MigrationFile(f"{stem}{up}", note + _sql(plan), "sql")


def _sql(plan: IndexPlan) -> str:
    return f"SET lock_timeout = '{LOCK_TIMEOUT}';\n{plan.create()};\n"


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


# --- by a chain, a folder, a plan or a changelog ------------------------------------------------------------
def _alembic(plan: IndexPlan, files: Sequence[SourceFile], _: datetime) -> MigrationFile | None:
    """After the revision that no other names; two such heads are for a person to merge."""
    revisions = {}
    for file in files:
        own = _ALEMBIC.search(file.text) if file.path.endswith(".py") else None
        if own is not None and _DOWN.search(file.text):
            revisions[own[1]] = file
    named = {n for file in revisions.values() for n in re.findall(r"[\"']([^\"']+)[\"']", _downs(file.text))}
    heads = [name for name in revisions if name not in named]
    if len(heads) != 1:
        return None
    folder = str(PurePosixPath(revisions[heads[0]].path).parent)
    new = sha256(f"{heads[0]} {plan.name}".encode()).hexdigest()[:12]
    text = f'''"""{plan.name}"""

from alembic import op

revision = {new!r}
down_revision = {heads[0]!r}
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():  # CONCURRENTLY cannot run in a transaction
        op.execute("SET lock_timeout = '{LOCK_TIMEOUT}'")
        op.execute({plan.create()!r})


def downgrade():
    with op.get_context().autocommit_block():
        op.execute({plan.drop()!r})
'''
    return MigrationFile(f"{folder}/{new}_{plan.name}.py", text, "alembic")


def _downs(text: str) -> str:
    found = _DOWN.search(text)
    return found[1] if found else ""


def _prisma(plan: IndexPlan, files: Sequence[SourceFile], now: datetime) -> MigrationFile | None:
    """By a folder a migration, numbered by time or by hand: `prisma migrate` applies them by their names."""
    found = [re.search(r"^(.*/)?(\d+)_[^/]+/migration\.sql$", file.path) for file in files]
    known = [each for each in found if each is not None]
    if not known:
        return None
    last = max(known, key=lambda each: (int(each[2]), each[0]))
    note = (
        f'-- Declare it in schema.prisma too: @@index([…], map: "{plan.name}").\n'
        "-- One statement only: Prisma runs several as one transaction, where CONCURRENTLY fails.\n"
    )
    path = f"{last[1] or ''}{_next_number(last[2], now)}_{plan.name}/migration.sql"
    return MigrationFile(path, f"{note}{plan.create()};\n", "prisma")


def _sqitch(plan: IndexPlan, files: Sequence[SourceFile], _: datetime) -> MigrationFile | None:
    """A deploy script without the usual transaction; the plan gets a line by `sqitch add`."""
    known = [file for file in files if re.search(r"(^|/)deploy/[^/]+\.sql$", file.path)]
    if not any(re.match(r"\s*--\s*Deploy\s", file.text) for file in known):
        return None
    folder = known[-1].path.rpartition("/")[0]
    first = known[-1].text.splitlines()[0]
    project = re.match(r"\s*--\s*Deploy\s+([\w.-]+):", first)
    named = f"{project[1]}:{plan.name}" if project else plan.name
    note = f"-- Run `sqitch add {plan.name}` first; its revert script: {plan.drop()};\n"
    text = f"-- Deploy {named} to pg\n{note}\n{_sql(plan)}"
    return MigrationFile(f"{folder}/{plan.name}.sql", text, "sqitch")


def _liquibase(plan: IndexPlan, files: Sequence[SourceFile], now: datetime) -> MigrationFile | None:
    """A changelog of its own beside the last one, in the same notation (SQL for JSON)."""
    logs = [file for file in files if _is_changelog(file)]
    if not logs:
        return None
    last = max(logs, key=lambda file: _order(file.path))
    folder, _, name = last.path.rpartition("/")
    number = re.match(r"(\d+)", name)
    stem = f"{_next_number(number[1], now)}-{plan.name}" if number else plan.name
    ending = name.rpartition(".")[2]
    write = {"xml": _liquibase_xml, "yaml": _liquibase_yaml, "yml": _liquibase_yaml}.get(
        ending, _liquibase_sql
    )
    path = f"{folder}/{stem}.{ending if ending != 'json' else 'sql'}".lstrip("/")
    return MigrationFile(path, write(plan), "liquibase")


def _is_changelog(file: SourceFile) -> bool:
    if file.path.endswith((".xml", ".yaml", ".yml", ".json")):
        return "databaseChangeLog" in file.text[:20_000]
    return file.path.endswith(".sql") and file.text.lstrip().lower().startswith(_FIRST_LINE)


_INCLUDE = "include this file in the master changelog, unless that includes its folder"


def _liquibase_sql(plan: IndexPlan) -> str:
    return (
        f"{_FIRST_LINE}\n-- {_INCLUDE}\n\n--changeset firstcause:{plan.name} runInTransaction:false\n"
        f"{_sql(plan)}--rollback {plan.drop()};\n"
    )


def _liquibase_yaml(plan: IndexPlan) -> str:
    up, down = json.dumps(_sql(plan)), json.dumps(f"{plan.drop()};")  # a string of JSON is one of YAML
    return f"""# {_INCLUDE}
databaseChangeLog:
  - changeSet:
      id: {plan.name}
      author: firstcause
      runInTransaction: false
      changes:
        - sql: {{sql: {up}}}
      rollback:
        - sql: {{sql: {down}}}
"""


def _liquibase_xml(plan: IndexPlan) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- {_INCLUDE} -->
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">
  <changeSet id={quoteattr(plan.name)} author="firstcause" runInTransaction="false">
    <sql>{escape(_sql(plan))}</sql>
    <rollback>{escape(plan.drop())};</rollback>
  </changeSet>
</databaseChangeLog>
"""
