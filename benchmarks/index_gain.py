"""What an index is predicted to gain, beside what it gained once it was really there.

    python -m benchmarks.index_gain [ROWS]

Runs on the lab's schema in a real PostgreSQL (400,000 orders by default), without load. Each statement runs
a few times, so that pg_stat_statements knows it; the connector is then asked, through its wall, what an index
would gain, once with hypopg and once by its own cost model. The predicted index is then built, for real, and
the statement measured again. Ratios are what matters: a planner's cost is no time. A `-` says that no index
was proposed, which is the right answer where the measured gain of the one that was tried is about 1.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from connectors.answers import IndexGain, IndexGains, StatementSnapshots
from connectors.contract import Reading, Window
from connectors.postgres.connector import Instance, PostgresConnector
from connectors.questions import HypotheticalIndexes, StatementStatistics
from tests.lab.database import NAME, Postgres
from tests.lab.frameworks import apply_sql
from tests.lab.supervisor import Supervisor

SOURCES = Path(__file__).resolve().parents[1] / "tests" / "lab" / "sources"
RUNS = 9


@dataclass(frozen=True)
class Trial:
    """A statement with values it is run with, and the index that is tried where none is proposed."""

    about: str
    sql: str
    value: Callable[[int, int], tuple[object, ...]]
    otherwise: str


TRIALS = (
    Trial(
        "one customer's orders, by e-mail",
        "SELECT id, total_cents FROM orders WHERE customer_email = $1 ORDER BY created_at DESC LIMIT 20",
        lambda n, rows: (f"customer{1 + n * 97 % (rows // 12)}@mail.example",),
        "orders (customer_email)",
    ),
    Trial(
        "one payment, by reference",
        "SELECT order_id, status FROM payments WHERE reference = $1",
        lambda n, _: (f"unknown-{n}",),
        "payments (reference)",
    ),
    Trial(
        "items of a product, counted",
        "SELECT count(*) FROM order_items WHERE product_id = $1 AND quantity = $2",
        lambda n, _: (1 + n, 2),
        "order_items (product_id, quantity)",
    ),
    Trial(
        "orders of one day, summed",
        "SELECT sum(total_cents) FROM orders WHERE created_at >= $1 AND created_at < $2",
        lambda n, _: (f"2026-01-{1 + n % 20:02}", f"2026-01-{2 + n % 20:02}"),
        "orders (created_at)",
    ),
    Trial(
        "half of all items: no index helps",
        "SELECT sum(price_cents) FROM order_items WHERE quantity <= $1",
        lambda _n, _rows: (2,),
        "order_items (quantity)",
    ),
    Trial(
        "orders by id: indexed already",
        "SELECT status FROM orders WHERE id = $1",
        lambda n, _: (1 + n * 53,),
        "orders (id)",
    ),
)


def seconds(connection: psycopg.Connection[tuple[object, ...]], trial: Trial, rows: int) -> float:
    """The median time of a run, warm."""
    taken = []
    with psycopg.RawCursor(connection) as cursor:
        for n in range(RUNS):
            began = time.perf_counter()
            cursor.execute(trial.sql.encode(), trial.value(n, rows)).fetchall()
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def asked(connector: PostgresConnector, queryid: str) -> tuple[IndexGain, ...]:
    """What the connector predicts for a statement."""
    now = datetime.now(UTC)
    reading = connector.ask(HypotheticalIndexes(database=NAME, queryid=queryid), now=now)
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, IndexGains)
    return reading.answer.gains


def known(connector: PostgresConnector, begins: str) -> str:
    """The id of the statement that begins so."""
    now = datetime.now(UTC)
    window = Window(start=now - timedelta(hours=1), end=now)
    reading = connector.ask(StatementStatistics(database=NAME, window=window), now=now)
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, StatementSnapshots)
    found = [each for snapshot in reading.answer.snapshots for each in snapshot.statements]
    return next(each.queryid for each in found if each.query.startswith(begins))


def predicted(connector: PostgresConnector, trial: Trial) -> tuple[IndexGain | None, str]:
    """The best predicted gain, and the statement's id."""
    queryid = known(connector, trial.sql[:60])
    gains = sorted(asked(connector, queryid), key=lambda gain: gain.cost_after)
    return (gains[0] if gains else None), queryid


def row(server: Postgres, connector: PostgresConnector, trial: Trial, rows: int) -> str:
    """One line of the table: predicted by hypopg and by the model, then measured."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        before = seconds(connection, trial, rows)
        gain, queryid = predicted(connector, trial)
        connection.execute("DROP EXTENSION hypopg")
        modelled = next(iter(sorted(asked(connector, queryid), key=lambda each: each.cost_after)), None)
        connection.execute("CREATE EXTENSION hypopg")
        where = gain.definition.partition(" ON ")[2] if gain else trial.otherwise
        began = time.perf_counter()
        connection.execute(f"CREATE INDEX CONCURRENTLY tried ON {where}".encode())
        built = time.perf_counter() - began
        sized = connection.execute("SELECT pg_relation_size('tried')").fetchone()
        connection.execute("ANALYZE")
        after = seconds(connection, trial, rows)
        connection.execute("DROP INDEX tried")
    assert sized is not None
    size = float(str(sized[0])) / 1e6
    return (
        f"| {trial.about} | {where.replace('public.', '')} | {ratio(gain)} | {ratio(modelled)} "
        f"| {before / after:,.1f}x ({before * 1e3:,.2f} → {after * 1e3:,.2f} ms) "
        f"| {megabytes(gain)} / {megabytes(modelled)} / {size:,.1f} MB | {building(gain)} / {built:,.2f} s |"
    )


def ratio(gain: IndexGain | None) -> str:
    return f"{gain.cost_before / max(gain.cost_after, 1e-9):,.1f}x" if gain else "-"


def megabytes(gain: IndexGain | None) -> str:
    return f"{gain.bytes_estimate / 1e6:,.1f}" if gain and gain.bytes_estimate else "-"


def building(gain: IndexGain | None) -> str:
    return f"{gain.build_seconds_estimate:,.2f}" if gain and gain.build_seconds_estimate else "-"


def main(rows: int) -> None:
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstcause-gain-", dir="/tmp")))
        root.chmod(0o755)
        (root / "logs").mkdir()
        supervisor = Supervisor(root / "logs")
        stack.callback(supervisor.stop_all)
        server = Postgres(root / "postgres", supervisor, {})
        server.start()
        apply_sql(SOURCES, server.dsn())
        server.load(rows)
        connector = PostgresConnector(Instance(database=NAME, dsn=server.dsn("firstcause")))
        stack.callback(connector.close)
        print(f"{rows:,} orders, {os.cpu_count()} processors, medians of {RUNS - 2} warm runs\n")
        print("| statement | index | hypopg | own model | measured | size: hypopg / model / real | build |")
        print("|---|---|---|---|---|---|---|")
        for trial in TRIALS:
            print(row(server, connector, trial, rows), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000)
