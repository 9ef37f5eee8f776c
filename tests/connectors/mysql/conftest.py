from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
from pymysql.cursors import SSDictCursor

from connectors.mysql.role import grants
from connectors.mysql.wall import Address
from tests.lab.supervisor import Supervisor, free_port, wait_until

MARIADBD = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
PASSWORD = "a password of the test"


@dataclass(frozen=True)
class Server:
    """A real MariaDB with a small shop in it, and the role that `firstcause sql-role` describes."""

    port: int

    def admin(self) -> pymysql.Connection[SSDictCursor]:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database="shop",
            autocommit=True,
            cursorclass=SSDictCursor,
        )

    def run(self, *statements: str) -> None:
        with self.admin() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                cursor.fetchall()

    def address(self, user: str = "firstcause", password: str = PASSWORD) -> Address:
        return Address("127.0.0.1", "shop", user, password, self.port)


FILL = (
    "CREATE TABLE customers (id bigint PRIMARY KEY AUTO_INCREMENT, email varchar(200), card varchar(40))",
    "CREATE TABLE orders (id bigint PRIMARY KEY AUTO_INCREMENT, customer_id bigint,"
    " customer_email varchar(200), status varchar(20), INDEX orders_customer_idx (customer_id))",
    "INSERT INTO customers (email, card)"
    " SELECT concat('customer', seq, '@mail.example'), '4111 1111 1111 1111' FROM seq_1_to_2000",
    "INSERT INTO orders (customer_id, customer_email, status) SELECT 1 + seq % 2000,"
    " concat('customer', 1 + seq % 2000, '@mail.example'), 'paid' FROM seq_1_to_60000",
    "ANALYZE TABLE orders, customers",
)


def _started(root: Path, supervisor: Supervisor) -> Server:
    port, data = free_port(), root / "data"
    account = "mysql" if os.geteuid() == 0 else None
    if account:
        shutil.chown(root, account, account)
    install = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--innodb-use-native-aio=0",
    ]
    # Its own directories and nothing of the caller's: neither configuration nor a place it may not enter.
    made = subprocess.run(
        install,
        check=False,
        capture_output=True,
        text=True,
        user=account,
        group=account,
        extra_groups=[] if account else None,
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "TMPDIR": str(root)},
        cwd=root,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    options = [
        "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
        f"--socket={root / 'sock'}", "--performance-schema=ON",
        "--innodb-use-native-aio=0", "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=64M", "--skip-log-bin", f"--pid-file={root / 'pid'}",
        "--secure-file-priv=/tmp",
    ]  # fmt: skip
    running = supervisor.start("mariadb", [MARIADBD, *options], user=account)

    def answers() -> bool:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="root").close()
        except pymysql.MySQLError:
            return False
        return True

    wait_until(answers, "MariaDB", 30, running)
    with (
        pymysql.connect(host="127.0.0.1", port=port, user="root") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE DATABASE shop")
    server = Server(port)
    server.run(*FILL)
    lines = [line for line in grants("firstcause", "shop").splitlines() if not line.startswith("--")]
    server.run(*(line.rstrip(";").replace("'…'", f"'{PASSWORD}'") for line in lines))
    return server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if not Path(MARIADBD).exists():
        pytest.skip("MariaDB is not installed")
    with tempfile.TemporaryDirectory(prefix="firstcause-my-", dir="/tmp") as directory:
        root = Path(directory)
        root.chmod(0o755)
        supervisor = Supervisor(root)
        try:
            yield _started(root, supervisor)
        finally:
            supervisor.stop_all()


Counted = Callable[[], tuple[int, ...]]


@pytest.fixture
def counted(server: Server) -> Counted:
    """What the shop holds: rows, tables and roles, to see that nothing changed."""

    def count() -> tuple[int, ...]:
        numbers = []
        with server.admin() as connection, connection.cursor() as cursor:
            for sql in (
                "SELECT count(*) AS n FROM orders",
                "SELECT count(*) AS n FROM customers",
                "SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = 'shop'",
                "SELECT count(*) AS n FROM mysql.user",
                "SELECT coalesce(sum(crc32(status)), 0) AS n FROM orders",
            ):
                cursor.execute(sql)
                row = cursor.fetchall()[0]
                numbers.append(int(row["n"]))
        return tuple(numbers)

    return count
