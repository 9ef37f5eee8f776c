"""Statements, tables and indexes: what ran, what was scanned, and which indexes there are."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from connectors import answers as a
from connectors.governor import SourceFailedError
from connectors.postgres.channel import Row
from connectors.postgres.inquiry import Inquiry, typed
from connectors.postgres.literals import without_literals

MOST_STATEMENTS = 200

_TABLES = """
    SELECT s.schemaname AS db_schema, s.relname AS table, s.n_live_tup::float8 AS live_rows,
           pg_total_relation_size(s.relid)::float8 AS total_bytes, s.seq_scan::float8 AS seq_scan,
           s.seq_tup_read::float8 AS seq_tup_read, s.idx_scan::float8 AS idx_scan,
           s.n_mod_since_analyze::float8 AS n_mod_since_analyze,
           greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze,
           greatest(s.last_autovacuum, s.last_vacuum) AS last_autovacuum
    FROM pg_stat_user_tables s ORDER BY 4 DESC NULLS LAST, 1, 2"""

_INDEXES = """
    SELECT n.nspname AS db_schema, t.relname AS table, c.relname AS index,
           pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid AS valid, i.indisunique AS unique,
           pg_relation_size(i.indexrelid)::float8 AS size_bytes, s.idx_scan::float8 AS scans,
           (SELECT array_agg(k.attname::text ORDER BY k.attnum)
            FROM pg_attribute k WHERE k.attrelid = i.indexrelid AND k.attnum <= i.indnkeyatts) AS names,
           (SELECT array_agg(pg_get_indexdef(i.indexrelid, k.attnum::int4, true) ORDER BY k.attnum)
            FROM pg_attribute k WHERE k.attrelid = i.indexrelid AND k.attnum <= i.indnkeyatts) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
         JOIN pg_namespace n ON n.oid = t.relnamespace
         LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
    WHERE n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' AND NOT n.nspname LIKE 'pg_toast%'
    ORDER BY 1, 2, 3"""

MISSING = "pg_stat_statements is not installed here: CREATE EXTENSION pg_stat_statements"


def statement_sql(inquiry: Inquiry) -> str:
    """The statement that reads the counters; SourceFailedError where the extension is not there."""
    schema = inquiry.extension("pg_stat_statements")
    if schema is None:
        raise SourceFailedError(f"{inquiry.database}: {MISSING}", counts=False)
    total = "total_exec_time" if inquiry.version >= 13 else "total_time"
    top = "toplevel AND" if inquiry.version >= 14 else ""
    return f"""
    SELECT queryid::text AS queryid, query, calls::float8 AS calls, {total}::float8 AS total_exec_time_ms,
           rows::float8 AS rows, shared_blks_hit::float8 AS shared_blks_hit,
           shared_blks_read::float8 AS shared_blks_read
    FROM {schema}.pg_stat_statements
    WHERE {top} dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user) AND queryid IS NOT NULL
    ORDER BY {total} DESC LIMIT {MOST_STATEMENTS}"""  # noqa: S608 - a quoted schema and our own words


def statements(inquiry: Inquiry) -> a.StatementSnapshots:
    """Two samples, some time apart: their difference is what runs now. There is no history on the server."""
    sql = statement_sql(inquiry)
    began = time.monotonic()
    first = inquiry.rows(sql)
    time.sleep(inquiry.sample_seconds)
    apart = time.monotonic() - began
    second = inquiry.rows(sql)
    inquiry.notes.append(f"two samples {apart:.1f} s apart: the server keeps no history of its counters")
    if any(row["query"] == "<insufficient privilege>" for row in second):
        inquiry.notes.append(
            "some statements are hidden from this role: GRANT pg_monitor (pg_read_all_stats)"
        )
    earlier = inquiry.now - timedelta(seconds=apart)
    return a.StatementSnapshots(snapshots=(_snapshot(earlier, first), _snapshot(inquiry.now, second)))


def _snapshot(at: datetime, rows: tuple[Row, ...]) -> a.StatementSnapshot:
    shown = ({**row, "query": without_literals(str(row["query"]))} for row in rows)
    return a.StatementSnapshot(at=at, statements=typed(a.Statement, shown))


def tables(inquiry: Inquiry) -> a.TableSnapshots:
    """Every user table, the largest first. A replica counts its own scans."""
    tables = typed(a.Table, inquiry.rows(_TABLES))
    earlier = [_no_later(table, inquiry.now) for table in tables]
    return a.TableSnapshots(snapshots=(a.TableSnapshot(at=inquiry.now, tables=tuple(earlier)),))


def _no_later(table: a.Table, now: datetime) -> a.Table:
    """The server's clock may be ahead of ours: nothing is said to lie after now."""
    moments = {"last_analyze": table.last_analyze, "last_autovacuum": table.last_autovacuum}
    return table.model_copy(update={name: at and min(at, now) for name, at in moments.items()})


def indexes(inquiry: Inquiry) -> a.Indexes:
    """Every index of the users' tables."""
    rows = inquiry.rows(_INDEXES)
    inquiry_rows = ({name: value for name, value in row.items() if name != "names"} for row in rows)
    return a.Indexes(indexes=typed(a.Index, inquiry_rows))
