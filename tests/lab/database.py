"""The shop's PostgreSQL: a cluster on a free port, the migrations, millions of rows, a schema dump.

It must not be used to look at an incident: that is probes.py, through a role that can only read.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.lab.loadgen import Demand
from tests.lab.programs import require
from tests.lab.supervisor import Running, Supervisor, free_port, wait_until

NAME = "shop"
OWNER = "postgres"
READER = "firstcause"
SLOW_LOG_MS = 250

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "768MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "top",
    "track_io_timing": "on",
    # A parallel plan would take both cores of a small machine away from the shop's own processes.
    "max_parallel_workers_per_gather": "0",
    # The data is thrown away with the lab: durability would only cost time.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_destination": "jsonlog",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql.log",
    "log_min_duration_statement": f"{SLOW_LOG_MS}ms",
    "log_lock_waits": "on",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

# One statement a table; $ROWS is the number of orders. Emails are the load generator's own.
LOAD = (
    """INSERT INTO customers (email, name, created_at)
       SELECT 'customer' || n || '@mail.example', 'Customer ' || n, now() - random() * interval '900 days'
       FROM generate_series(1, {customers}) n""",
    """INSERT INTO products (category_id, name, description, price_cents, stock, popularity)
       SELECT 1 + n % {categories}, 'Product ' || n, repeat('well made and sturdy, ', 6),
              199 + (n * 37) % 9000, n % 500, random()
       FROM generate_series(1, {products}) n""",
    """INSERT INTO orders (customer_id, customer_email, status, total_cents, external_reference, created_at)
       SELECT c, 'customer' || c || '@mail.example', CASE WHEN n % 400 = 0 THEN 'pending' ELSE 'paid' END,
              500 + (n * 31) % 20000, 'ch_' || substr(md5(n::text), 1, 20),
              now() - ({rows} - n) * (interval '700 days' / {rows})
       FROM (SELECT n, 1 + (n * 7919::bigint) % {customers} AS c
             FROM generate_series(1, {rows}) n) numbered""",
    """INSERT INTO order_items (order_id, product_id, quantity, price_cents)
       SELECT 1 + (n * 2)::bigint % {rows}, 1 + (n * 13) % {products}, 1 + n % 3, 199 + (n * 37) % 9000
       FROM generate_series(1, {rows} / 2) n""",
    """INSERT INTO cart_items (cart_id, product_id, quantity, price_cents)
       SELECT 1 + n % {customers}, 1 + (n * 13) % {products}, 1, 199 + (n * 37) % 9000
       FROM generate_series(1, {rows} / 10) n""",
    """INSERT INTO payments (order_id, amount_cents, provider, reference, status)
       SELECT n, 500 + (n * 31) % 20000, 'api.payprovider.example',
              'ch_' || substr(md5(n::text), 1, 20), 'captured'
       FROM generate_series(1, {rows} / 4) n""",
)


def sizes(rows: int) -> Demand:
    """How many customers, products and categories go with that many orders."""
    return Demand(customers=max(100, rows // 12), products=max(200, rows // 60), categories=40)


class Postgres:
    """One running server."""

    def __init__(self, root: Path, supervisor: Supervisor, settings: Mapping[str, str]) -> None:
        self.data = root / "data"
        self.port = free_port()
        self._root = root
        self._supervisor = supervisor
        self._settings = SETTINGS | dict(settings)
        self._running: Running | None = None

    def dsn(self, user: str = OWNER, database: str = NAME) -> str:
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    @property
    def log(self) -> Path:
        return self.data / "log" / "postgresql.json"

    def start(self) -> None:
        self._root.mkdir(parents=True)
        account = "postgres" if os.geteuid() == 0 else None
        if account:  # a server refuses to run as root
            shutil.chown(self._root, account, account)
        subprocess.run(
            [require("initdb"), "-D", str(self.data), "-U", OWNER, "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True,
            capture_output=True,
            user=account,
            group=account,
            extra_groups=[] if account else None,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            cwd=self._root,
        )
        lines = [f"{key} = '{value}'" for key, value in (self._settings | {"port": str(self.port)}).items()]
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        argv = [require("postgres"), "-D", str(self.data)]
        self._running = self._supervisor.start("postgres", argv, user=account, stop_signal=signal.SIGINT)
        wait_until(self._accepts, "PostgreSQL", 30, self._running)
        self._prepare()

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self.dsn(database="postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _prepare(self) -> None:
        with psycopg.connect(self.dsn(database="postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {NAME}")
            connection.execute(f"CREATE ROLE {READER} LOGIN")
            connection.execute(f"GRANT pg_monitor, pg_read_all_data TO {READER}")
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            known = connection.execute(
                "SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'"
            ).fetchone()
            if known:
                connection.execute("CREATE EXTENSION hypopg")

    def load(self, rows: int) -> None:
        """Fill all tables; `rows` is the number of orders and the rest is in proportion."""
        demand = sizes(rows)
        numbers = {
            "rows": rows,
            "customers": demand.customers,
            "products": demand.products,
            "categories": demand.categories,
        }
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            for statement in LOAD:
                connection.execute(statement.format_map(numbers).encode())
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
            connection.execute("SELECT pg_stat_reset()")
            connection.execute("ANALYZE")  # the reset forgot how many rows are alive
            connection.execute("SELECT pg_stat_statements_reset()")

    def dump_schema(self, target: Path) -> None:
        """Plain SQL that any PostgreSQL can load: the shop's own schema, without the lab's extensions."""
        arguments = [
            "--schema-only",
            "--schema=public",
            "--no-owner",
            "--no-privileges",
            f"--dbname={self.dsn()}",
        ]
        with target.open("wb") as file:
            subprocess.run([require("pg_dump"), *arguments], check=True, stdout=file)
