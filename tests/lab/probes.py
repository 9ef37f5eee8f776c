"""Asks the database what an investigator would ask, and records question, time and answer.

Reads through a role that can only read, in read-only transactions with a time-out. Must not draw conclusions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import psycopg
from psycopg.rows import dict_row

from connectors.case.database_kept import KEPT
from connectors.contract import Reading
from connectors.postgres.connector import Instance, PostgresConnector
from connectors.recording.readings import MAKERS
from tests.lab.telemetry import iso, now_iso

DATABASE = "shop"
APPLICATION = "firstcause"
LARGE_ROWS = 10_000

Answer = dict[str, object]
Rows = list[Answer]
Connection = psycopg.Connection[Answer]

SNAPSHOT: dict[str, str] = {
    "statement_statistics": """
        SELECT queryid::text, query, calls, total_exec_time AS total_exec_time_ms,
               mean_exec_time AS mean_exec_time_ms, rows, shared_blks_hit, shared_blks_read
        FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user) AND queryid IS NOT NULL
        ORDER BY total_exec_time DESC LIMIT 50""",
    "table_statistics": """
        SELECT schemaname AS schema, relname AS table, n_live_tup AS live_rows,
               pg_total_relation_size(relid) AS total_bytes, seq_scan, seq_tup_read, idx_scan,
               n_mod_since_analyze, last_analyze, last_autovacuum
        FROM pg_stat_user_tables ORDER BY relname""",
    "indexes": """
        SELECT n.nspname AS schema, t.relname AS table, c.relname AS index,
               ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true)
                     FROM generate_series(1, i.indnkeyatts) k) AS columns,
               pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid AS valid, i.indisunique AS unique,
               pg_relation_size(i.indexrelid) AS bytes, s.idx_scan AS scans
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
             JOIN pg_namespace n ON n.oid = t.relnamespace
             JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
        ORDER BY t.relname, c.relname""",
    "activity": """
        SELECT state, wait_event_type, wait_event, application_name AS application, count(*)::int AS count,
               coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change))),
                        0)::float8 AS oldest_seconds
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 4""",
    "lock_chain": """
        SELECT b.pid AS blocked_pid, b.query AS blocked_query,
               extract(epoch FROM clock_timestamp() - b.query_start)::float8 AS blocked_seconds,
               h.pid AS blocker_pid, h.query AS blocker_query, h.state AS blocker_state,
               h.application_name AS blocker_application,
               extract(epoch FROM clock_timestamp() - h.xact_start)::float8 AS blocker_seconds
        FROM pg_stat_activity b CROSS JOIN LATERAL unnest(pg_blocking_pids(b.pid)) AS p(pid)
             JOIN pg_stat_activity h ON h.pid = p.pid
        WHERE b.datname = current_database() ORDER BY blocked_seconds DESC LIMIT 100""",
    "settings": """
        SELECT name, setting, unit, source, pending_restart FROM pg_settings
        WHERE name IN ('max_connections', 'work_mem', 'shared_buffers', 'effective_cache_size',
                       'random_page_cost', 'autovacuum', 'statement_timeout', 'lock_timeout',
                       'idle_in_transaction_session_timeout', 'max_parallel_workers_per_gather',
                       'shared_preload_libraries', 'server_version')
        ORDER BY name""",
}


@dataclass(frozen=True)
class Recorded:
    """One line of readings.jsonl."""

    question: str
    params: Answer
    at: str
    answer: object
    connector: str = "database"


def plain(value: object) -> object:
    return iso(value) if isinstance(value, datetime) else value


@contextmanager
def read_only(dsn: str) -> Iterator[Connection]:
    """A read-only transaction that gives up before it could hurt anybody."""
    with psycopg.connect(dsn, row_factory=dict_row, application_name=APPLICATION) as connection:
        connection.read_only = True
        connection.execute("SET LOCAL statement_timeout = '10s'")
        yield connection
        connection.rollback()


def ask(dsn: str, sql: str) -> Rows:
    with read_only(dsn) as connection:
        rows = connection.execute(sql.encode()).fetchall()
    return [{key: plain(value) for key, value in row.items()} for row in rows]


def snapshot(dsn: str) -> list[Recorded]:
    """Every question that a live system can answer at any moment."""
    statistics = [
        Recorded(question, {"database": DATABASE}, now_iso(), ask(dsn, sql))
        for question, sql in SNAPSHOT.items()
    ]
    return statistics + server_state(dsn)


def server_state(dsn: str) -> list[Recorded]:
    """The state of the server itself, asked and written down by the program's own connector."""
    connector = PostgresConnector(Instance(DATABASE, dsn))
    try:
        now = datetime.now(UTC)
        asked = [connector.ask(kind.model_validate({"database": DATABASE}), now=now) for kind in KEPT]
    finally:
        connector.close()
    lines = [
        line
        for reading in asked
        if isinstance(reading, Reading)
        for line in MAKERS[type(reading.answer)](reading)
    ]
    return [Recorded(line["question"], line["params"], line["at"], line["answer"]) for line in lines]


def answer_to(readings: list[Recorded], question: str) -> Rows:
    found = next(reading.answer for reading in readings if reading.question == question)
    return cast(Rows, found)


def grown(before: list[Recorded], after: list[Recorded], most: int = 5) -> Rows:
    """The statements that took the most additional time between two snapshots."""
    past = {
        row["queryid"]: cast(float, row["total_exec_time_ms"])
        for row in answer_to(before, "statement_statistics")
    }

    def growth(row: Answer) -> float:
        return cast(float, row["total_exec_time_ms"]) - past.get(row["queryid"], 0.0)

    rows = [row for row in answer_to(after, "statement_statistics") if is_select(str(row["query"]))]
    return sorted(rows, key=growth, reverse=True)[:most]


def is_select(query: str) -> bool:
    return query.lstrip().lower().startswith(("select", "with"))


def explain(connection: Connection, query: str) -> Answer:
    """The generic plan: what the server does without knowing the values."""
    count = max((int(number) for number in re.findall(r"\$(\d+)", query)), default=0)
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE probe AS {query}".encode())
    row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE probe{values}".encode()).fetchone()
    connection.execute("DEALLOCATE probe")
    assert row is not None
    document = cast("list[dict[str, Answer]]", row["QUERY PLAN"])
    return document[0]["Plan"]


def nodes(plan: Answer) -> Iterator[Answer]:
    yield plan
    for child in cast("list[Answer]", plan.get("Plans", [])):
        yield from nodes(child)


def filtered_scan(plan: Answer, sizes: dict[str, int]) -> tuple[str, list[str]] | None:
    """Table and columns of a sequential scan that filters a large table by equality, if there is one."""
    for node in nodes(plan):
        table = str(node.get("Relation Name", ""))
        columns = re.findall(r"\(?(\w+)\)?(?:::\w+)? = ", str(node.get("Filter", "")))
        if node["Node Type"] == "Seq Scan" and columns and sizes.get(table, 0) >= LARGE_ROWS:
            return table, columns
    return None


def hypothetical(connection: Connection, query: str, table: str, columns: list[str]) -> Answer:
    """What the plan would cost with an index that does not exist."""
    before = explain(connection, query)["Total Cost"]
    wanted = f"CREATE INDEX ON public.{table} ({', '.join(columns)})"
    made = connection.execute("SELECT indexrelid FROM hypopg_create_index(%s)", [wanted]).fetchone()
    assert made is not None
    oid = made["indexrelid"]
    after = explain(connection, query)["Total Cost"]
    size = connection.execute("SELECT hypopg_relation_size(%s) AS bytes", [oid]).fetchone()
    connection.execute("SELECT hypopg_reset()")
    assert size is not None
    return {"definition": wanted, "cost_before": before, "cost_after": after, "bytes_estimate": size["bytes"]}


def has_hypopg(connection: Connection) -> bool:
    return (
        connection.execute("SELECT 1 AS yes FROM pg_extension WHERE extname = 'hypopg'").fetchone()
        is not None
    )


def plans(dsn: str, before: list[Recorded], after: list[Recorded]) -> list[Recorded]:
    """The plans of the statements that grew most, and what an index would do where one is plainly wanted."""
    sizes = {str(row["table"]): cast(int, row["live_rows"]) for row in answer_to(after, "table_statistics")}
    recorded: list[Recorded] = []
    for row in grown(before, after):
        # A normalised text is not always a statement again: `interval $1` cannot be prepared.
        with suppress(psycopg.errors.SyntaxError, psycopg.errors.IndeterminateDatatype):
            recorded.extend(plan_of(dsn, row, sizes))
    return recorded


def plan_of(dsn: str, row: Answer, sizes: dict[str, int]) -> list[Recorded]:
    query = str(row["query"])
    params: Answer = {"database": DATABASE, "queryid": row["queryid"], "query": query}
    with read_only(dsn) as connection:
        plan = explain(connection, query)
        recorded = [Recorded("plan", params, now_iso(), {"plan": plan, "total_cost": plan["Total Cost"]})]
        scan = filtered_scan(plan, sizes)
        if scan is not None and has_hypopg(connection):
            table, columns = scan
            answer = hypothetical(connection, query, table, columns)
            where = params | {"table": table, "columns": columns}
            recorded.append(Recorded("hypothetical_index", where, now_iso(), answer))
    return recorded
