from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.postgres import shop
from tests.connectors.postgres.servers import Server, programs, start
from tests.lab.supervisor import Supervisor

BINARIES = programs()


@pytest.fixture(scope="session")
def cluster_root() -> Iterator[tuple[Path, Supervisor]]:
    """Where the servers live: not below pytest's own directory, which only its user may enter."""
    with tempfile.TemporaryDirectory(prefix="firstcause-pg-", dir="/tmp") as directory:
        root = Path(directory)
        root.chmod(0o711)
        supervisor = Supervisor(root)
        try:
            yield root, supervisor
        finally:
            supervisor.stop_all()


@pytest.fixture(scope="session", params=["15", "18"])
def server(request: pytest.FixtureRequest, cluster_root: tuple[Path, Supervisor]) -> Server:
    """A server of each major version, with the small shop in it."""
    version = str(request.param)
    if version not in BINARIES:
        pytest.skip(f"PostgreSQL {version} is not installed")
    made = start(version, BINARIES[version], *cluster_root)
    shop.fill(made)
    return made
