from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from bot.store import Where
from tests.connectors.postgres.servers import Server, programs, start
from tests.lab.supervisor import Supervisor


@pytest.fixture(scope="session")
def store_server() -> Iterator[Server]:
    """A PostgreSQL of its own: not below pytest's directory, which only its user may enter."""
    found = programs()
    if not found:
        pytest.skip("PostgreSQL is not installed")
    version = "18" if "18" in found else "15"
    with tempfile.TemporaryDirectory(prefix="firstcause-store-", dir="/tmp") as directory:
        root = Path(directory)
        root.chmod(0o711)
        supervisor = Supervisor(root)
        try:
            yield start(version, found[version], root, supervisor)
        finally:
            supervisor.stop_all()


@pytest.fixture
def server_url(store_server: Server) -> SecretStr:
    """The URL of an empty database."""
    with psycopg.connect(store_server.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return SecretStr(f"postgresql://postgres@127.0.0.1:{store_server.port}/postgres")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("store"))])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """An empty store on each kind of database."""
    if request.param == "sqlite":
        return tmp_path / "store.db"
    url: SecretStr = request.getfixturevalue("server_url")
    return url
