"""The shop's schema in every framework, applied to a real server by what its users run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.lab import programs
from tests.lab.database import Postgres
from tests.lab.frameworks import ALEMBIC, PLAIN_SQL, PRISMA, Framework, MigrationError
from tests.lab.repository import Beginning, Edit, Repository
from tests.lab.supervisor import Supervisor

pytestmark = pytest.mark.skipif(bool(programs.missing()), reason=f"not installed: {programs.missing()}")

NOW = datetime(2026, 6, 18, 14, 0, tzinfo=UTC)
RECORDS = ("schema_migrations", "alembic_version", "_prisma_migrations")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    # Not under pytest's directory, which it keeps from the database's own user.
    with tempfile.TemporaryDirectory(prefix="firstcause-frameworks-") as directory:
        root = Path(directory)
        root.chmod(0o711)
        (root / "logs").mkdir()
        supervisor = Supervisor(root / "logs")
        server = Postgres(root / "postgres", supervisor, {"shared_buffers": "32MB"})
        try:
            server.start()
            yield server
        finally:
            supervisor.stop_all()


def repository(root: Path, framework: Framework) -> Repository:
    made = Repository(root / "repository", root / "trees")
    made.build_history({"cart": "kind: Deployment\n"}, NOW, Beginning(framework=framework))
    return made


def database(postgres: Postgres, name: str) -> str:
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    return postgres.dsn(database=name)


def columns(dsn: str) -> list[tuple[object, ...]]:
    """Every column of the shop's own tables."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            """SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
               WHERE table_schema = 'public' AND NOT table_name = ANY (%s) ORDER BY 1, 2""",
            [list(RECORDS)],
        ).fetchall()


def leading(dsn: str) -> set[tuple[object, ...]]:
    """Every table and the column that an index on it begins with."""
    with psycopg.connect(dsn) as connection:
        return set(
            connection.execute(
                """SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true) FROM pg_index
                   WHERE indrelid::regclass::text !~ '^(pg_|_prisma|alembic|schema_migrations|orders)'"""
            ).fetchall()
        )


@pytest.mark.parametrize("framework", [ALEMBIC, PRISMA], ids=lambda framework: framework.name)
def test_the_shop_is_the_same_in_every_framework(
    framework: Framework, postgres: Postgres, tmp_path: Path
) -> None:
    dsns = []
    for kept in (PLAIN_SQL, framework):
        made = repository(tmp_path / kept.name, kept)
        dsns.append(database(postgres, f"{framework.name}_{kept.name}".lower().replace(" ", "_")))
        for _ in range(2):  # the second time there is nothing to do
            kept.apply(made.tree(made.head()), dsns[-1])
    plain, other = dsns
    assert columns(other) == columns(plain)
    assert leading(other) == leading(plain)


@pytest.mark.parametrize("framework", [ALEMBIC, PRISMA], ids=lambda framework: framework.name)
def test_a_repository_holds_its_schema_in_one_framework_only(framework: Framework, tmp_path: Path) -> None:
    made = repository(tmp_path, framework)
    made.export(tmp_path / "out")
    assert not (tmp_path / "out" / "migrations").exists()
    assert list((tmp_path / "out").rglob("0006_*"))


def test_a_unique_index_that_meets_duplicates_fails_and_stays_invalid(
    postgres: Postgres, tmp_path: Path
) -> None:
    made, dsn = repository(tmp_path, PLAIN_SQL), database(postgres, "duplicates")
    PLAIN_SQL.apply(made.tree(made.head()), dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO orders (customer_id, total_cents) VALUES (1, 1), (1, 1)")
    text = "CREATE UNIQUE INDEX CONCURRENTLY orders_once ON orders (customer_id);\n"
    commit = made.commit("orders: once", [Edit("migrations/0007_orders_once.sql", "", text)])
    with pytest.raises(MigrationError, match="could not create unique index"):
        PLAIN_SQL.apply(made.tree(commit), dsn)
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_once'::regclass")
        assert row.fetchone() == (False,)
