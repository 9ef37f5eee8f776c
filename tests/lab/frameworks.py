"""How the shop keeps its schema: plain SQL, Alembic or Prisma, and how each applies what is not yet applied.

Every framework keeps its own record in the database, as its users know it. Must not know what migrations do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.lab.programs import require

HERE = Path(__file__).parent

SQL_RECORD = "CREATE TABLE IF NOT EXISTS schema_migrations (version text PRIMARY KEY)"

# The table of Prisma's own migrate command; its checksum is that of the file.
PRISMA_RECORD = """
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0
)"""


class MigrationError(Exception):
    """A migration failed; what its framework left behind is left as it is."""


@dataclass(frozen=True)
class Framework:
    """One way of keeping a schema.

    `files`: what the repository holds of it. `apply`: bring the database of a connection string up to a tree.
    """

    name: str
    files: Path
    apply: Callable[[Path, str], None]


def _run(command: list[str], tree: Path, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=tree, env=os.environ | (env or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MigrationError(done.stderr.strip())


def _script(path: Path, dsn: str) -> None:
    command = [require("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", dsn, "--file", str(path)]
    _run(command, path.parent, {"PGAPPNAME": "migrate"})


def apply_sql(tree: Path, dsn: str) -> None:
    """Every script of `migrations` by its number."""
    with psycopg.connect(dsn, autocommit=True, application_name="migrate") as record:
        record.execute(SQL_RECORD)
        known = {version for (version,) in record.execute("SELECT version FROM schema_migrations")}
        for path in sorted((tree / "migrations").glob("*.sql")):
            if path.stem not in known:
                _script(path, dsn)
                record.execute("INSERT INTO schema_migrations VALUES (%s)", [path.stem])


def apply_prisma(tree: Path, dsn: str) -> None:
    """What `prisma migrate deploy` does: every `migration.sql` by its folder's name."""
    with psycopg.connect(dsn, autocommit=True, application_name="prisma") as record:
        record.execute(PRISMA_RECORD)
        known = {name for (name,) in record.execute("SELECT migration_name FROM _prisma_migrations")}
        for path in sorted((tree / "prisma" / "migrations").glob("*/migration.sql")):
            if path.parent.name not in known:
                _script(path, dsn)
                row = [str(uuid.uuid4()), sha256(path.read_bytes()).hexdigest(), path.parent.name]
                record.execute(
                    "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, "
                    "applied_steps_count) VALUES (%s, %s, %s, now(), 1)",
                    row,
                )


def apply_alembic(tree: Path, dsn: str) -> None:
    """The real Alembic, as it is run before a rollout."""
    where = conninfo_to_dict(dsn)
    url = f"postgresql+psycopg://{where['user']}@{where['host']}:{where['port']}/{where['dbname']}"
    _run([sys.executable, "-m", "alembic", "upgrade", "head"], tree, {"DATABASE_URL": url})


PLAIN_SQL = Framework("plain SQL", HERE / "sources" / "migrations", apply_sql)
ALEMBIC = Framework("Alembic", HERE / "schemas" / "alembic", apply_alembic)
PRISMA = Framework("Prisma", HERE / "schemas" / "prisma", apply_prisma)
