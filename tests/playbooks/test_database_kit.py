"""Readings of a small shop's database, written by hand in a few words; used by the tests beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors import answers as a
from connectors.contract import Question, Reading, Source, Window, digest
from connectors.questions import (
    Activity,
    HypotheticalIndexes,
    IndexList,
    LockChain,
    MigrationFiles,
    StatementStatistics,
    TableStatistics,
)
from playbooks.facts import Scene
from playbooks.model import Finding
from playbooks.observations import Observations

ONSET = datetime(2026, 6, 18, 15, 0, tzinfo=UTC)
NOW = ONSET + timedelta(minutes=6)
SCENE = Scene(now=NOW, onset=ONSET, service="checkout", database="shop")
WINDOW = Window(start=ONSET - timedelta(hours=1), end=NOW)

BY_CUSTOMER = "SELECT id, status FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT $2"
BY_EMAIL = "SELECT id, status FROM orders WHERE customer_email = $1 ORDER BY created_at DESC LIMIT $2"
BY_PRODUCT = "SELECT id, name FROM products WHERE id = $1"
BY_CART = "SELECT product_id FROM cart_items WHERE cart_id = $1"

INDEXES = (
    a.Index(table="orders", index="orders_pkey", columns=("id",), unique=True),
    a.Index(table="orders", index="orders_customer_idx", columns=("customer_id", "created_at")),
    a.Index(
        table="orders",
        index="orders_open_idx",
        columns=("created_at",),
        definition="CREATE INDEX orders_open_idx ON public.orders USING btree (created_at)"
        " WHERE (status = 'pending'::text)",
    ),
    a.Index(table="products", index="products_pkey", columns=("id",), unique=True),
    a.Index(table="cart_items", index="cart_items_cart_idx", columns=("cart_id",)),
)

MIGRATIONS = (
    a.SourceFile(
        path="migrations/0001_orders.sql",
        text="CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int, status text, created_at date);\n"
        "CREATE INDEX orders_customer_idx ON orders (customer_id, created_at);",
    ),
    a.SourceFile(path="migrations/0002_email.sql", text="ALTER TABLE orders ADD COLUMN customer_email text;"),
)


def reading(question: Question, answer: a.Answer, at: datetime = NOW) -> Reading:
    return Reading(
        source=question.source,
        question=question,
        query=f"-- {question.name}",
        at=at,
        answer=answer,
        sha256=digest(question.key().encode()),
    )


def moments() -> tuple[datetime, datetime, datetime]:
    return ONSET - timedelta(minutes=30), ONSET - timedelta(seconds=5), NOW


def statements(*rows: tuple[str, float, float, float, float], two: bool = False) -> Reading:
    """Rows of query, calls/s and mean milliseconds before, calls/s and mean milliseconds since."""
    first, second, third = moments()
    seconds = ((second - first).total_seconds(), (third - second).total_seconds())

    def snapshot(at: datetime, before: float, since: float) -> a.StatementSnapshot:
        held = []
        for query, calls_b, mean_b, calls_s, mean_s in rows:
            calls = before * calls_b + since * calls_s
            time = before * calls_b * mean_b + since * calls_s * mean_s
            if calls > 0 or (calls_b > 0 and before == 0):
                held.append(
                    a.Statement(
                        queryid=digest(query.encode())[:12], query=query, calls=calls, total_exec_time_ms=time
                    )
                )
        return a.StatementSnapshot(at=at, statements=tuple(held))

    shots = [snapshot(first, 0.0, 0.0), snapshot(second, seconds[0], 0.0), snapshot(third, *seconds)]
    return reading(
        StatementStatistics(database="shop", window=WINDOW),
        a.StatementSnapshots(snapshots=tuple(shots[two:])),
    )


def tables(*rows: tuple[str, float, float, float], two: bool = False) -> Reading:
    """Rows of table, live rows, rows/s read by sequential scans before and since."""
    first, second, third = moments()
    seconds = ((second - first).total_seconds(), (third - second).total_seconds())

    def snapshot(at: datetime, before: float, since: float) -> a.TableSnapshot:
        return a.TableSnapshot(
            at=at,
            tables=tuple(
                a.Table(table=name, live_rows=live, seq_tup_read=before * rate_b + since * rate_s)
                for name, live, rate_b, rate_s in rows
            ),
        )

    shots = [snapshot(first, 0.0, 0.0), snapshot(second, seconds[0], 0.0), snapshot(third, *seconds)]
    return reading(
        TableStatistics(database="shop", window=WINDOW), a.TableSnapshots(snapshots=tuple(shots[two:]))
    )


def indexes(*rows: a.Index) -> Reading:
    return reading(IndexList(database="shop"), a.Indexes(indexes=rows or INDEXES))


def gains(*rows: a.IndexGain) -> Reading:
    return reading(HypotheticalIndexes(database="shop"), a.IndexGains(gains=rows))


def email_gain(before: float = 24_106.0, after: float = 44.0) -> a.IndexGain:
    return a.IndexGain(
        queryid=digest(BY_EMAIL.encode())[:12],
        table="orders",
        columns=("customer_email",),
        definition="CREATE INDEX ON public.orders (customer_email)",
        cost_before=before,
        cost_after=after,
        bytes_estimate=41e6,
    )


def migrations(*files: a.SourceFile) -> Reading:
    return reading(MigrationFiles(), a.SourceFiles(files=files or MIGRATIONS))


def activity(*groups: a.ActivityGroup, samples: int = 3) -> Reading:
    shots = tuple(
        a.ActivitySnapshot(at=ONSET + timedelta(seconds=30 * n), groups=groups) for n in range(1, samples + 1)
    )
    return reading(Activity(database="shop", window=WINDOW), a.ActivitySnapshots(snapshots=shots))


def locks(*rows: a.Lock) -> Reading:
    return reading(LockChain(database="shop", window=WINDOW), a.Locks(locks=rows))


def observed(*readings: Reading) -> Observations:
    return Observations(readings)


def by_judge(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {f.judge: f for f in findings}


NORMAL = (
    (BY_CUSTOMER, 20.0, 0.4, 20.0, 0.4),
    (BY_PRODUCT, 40.0, 0.1, 41.0, 0.1),
    (BY_CART, 30.0, 0.2, 30.0, 0.2),
)
NEW_EMAIL = (
    (BY_CUSTOMER, 20.0, 0.4, 0.0, 0.4),
    (BY_EMAIL, 0.0, 0.0, 18.0, 240.0),
    (BY_PRODUCT, 40.0, 0.1, 41.0, 0.12),
    (BY_CART, 30.0, 0.2, 30.0, 0.22),
)


def test_readings_of_the_kit_are_of_the_database() -> None:
    assert statements(*NORMAL).source is Source.DATABASE
