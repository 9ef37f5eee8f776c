"""PostgreSQL's statistics as Prometheus series, named as postgres_exporter names them.

A process of the lab. It only reads, as the monitoring role; its own sessions are left out of what it reports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from wsgiref.simple_server import WSGIRequestHandler, make_server

import psycopg
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric, UntypedMetricFamily
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

APPLICATION = "postgres_exporter"


@dataclass(frozen=True)
class Query:
    """A statement whose columns are labels or values."""

    prefix: str
    labels: tuple[str, ...]
    sql: str


QUERIES = (
    Query(
        "pg_stat_user_tables_",
        ("datname", "schemaname", "relname"),
        """SELECT current_database() AS datname, schemaname, relname, seq_scan, seq_tup_read, idx_scan,
                  idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_live_tup, n_dead_tup, n_mod_since_analyze,
                  vacuum_count, autovacuum_count, pg_total_relation_size(relid) AS size_bytes
           FROM pg_stat_user_tables""",
    ),
    Query(
        "pg_stat_database_",
        ("datname",),
        """SELECT datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned,
                  tup_fetched, tup_inserted, tup_updated, deadlocks, temp_files, temp_bytes, conflicts
           FROM pg_stat_database WHERE datname = current_database()""",
    ),
    Query(
        "pg_stat_activity_",
        ("datname", "state"),
        """SELECT current_database() AS datname, s AS state, count(a.pid),
                  coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::float
                  AS max_tx_duration
           FROM unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)']) s
           LEFT JOIN pg_stat_activity a ON a.state = s AND a.datname = current_database()
                AND a.application_name NOT IN ('postgres_exporter', 'firstcause')
           GROUP BY s""",
    ),
    Query(
        "pg_locks_",
        ("datname", "mode"),
        """SELECT current_database() AS datname, lower(m) AS mode, count(l.pid)
           FROM unnest(ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock',
                'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                'AccessExclusiveLock']) m
           LEFT JOIN (SELECT mode, l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                WHERE a.application_name NOT IN ('postgres_exporter', 'firstcause')
                  AND l.locktype IN ('relation', 'tuple', 'transactionid')) l ON l.mode = m
           GROUP BY m""",
    ),
    Query(
        "pg_locks_waiting_",
        ("datname",),
        "SELECT current_database() AS datname, count(*) FROM pg_locks WHERE NOT granted",
    ),
    Query(
        "pg_stat_bgwriter_",
        (),
        """SELECT checkpoints_timed AS checkpoints_timed_total, checkpoints_req AS checkpoints_req_total,
                  checkpoint_write_time / 1000 AS checkpoint_write_time_seconds_total,
                  checkpoint_sync_time / 1000 AS checkpoint_sync_time_seconds_total,
                  buffers_checkpoint AS buffers_checkpoint_total, buffers_backend AS buffers_backend_total,
                  buffers_backend_fsync AS buffers_backend_fsync_total
           FROM pg_stat_bgwriter""",
    ),
    Query(
        "pg_settings_",
        (),
        """SELECT current_setting('max_connections')::float AS max_connections,
                  pg_size_bytes(current_setting('work_mem'))::float AS work_mem_bytes""",
    ),
    Query(
        "pg_stat_statements_",
        ("datname", "user", "queryid"),
        """SELECT current_database() AS datname, 'postgres' AS user, queryid::text, calls AS calls_total,
                  total_exec_time / 1000 AS seconds_total, rows AS rows_total,
                  shared_blks_hit AS shared_blks_hit_total, shared_blks_read AS shared_blks_read_total
           FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid AND d.datname = current_database()
           WHERE toplevel AND query !~* '^(begin|commit|set|show|vacuum|create|analyze|checkpoint)'
                 AND userid = (SELECT oid FROM pg_roles WHERE rolname = 'postgres')
           ORDER BY total_exec_time DESC LIMIT 20""",
    ),
)


class Statistics(Collector):
    """Asks all queries anew at every scrape."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[dict[str, object]] | None = None

    def collect(self) -> Iterable[Metric]:
        try:
            connection = self._connect()
            families = [family for query in QUERIES for family in read(connection, query)]
        except psycopg.Error as error:
            print(f"no statistics: {error}", file=sys.stderr, flush=True)
            self._connection = None
            families = []
        yield from families
        yield UntypedMetricFamily("pg_up", "Whether the server answers", value=float(bool(families)))

    def _connect(self) -> psycopg.Connection[dict[str, object]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                row_factory=dict_row,
                application_name=APPLICATION,
                connect_timeout=3,
            )
        return self._connection


def read(connection: psycopg.Connection[dict[str, object]], query: Query) -> Iterator[Metric]:
    rows = connection.execute(query.sql.encode()).fetchall()
    names = [name for name in (rows[0] if rows else {}) if name not in query.labels]
    for name in names:
        # Untyped: the exporter's names do not end in _total, which OpenMetrics demands of a counter.
        family = UntypedMetricFamily(query.prefix + name, query.prefix + name, labels=query.labels)
        for row in rows:
            value = row[name]
            if isinstance(value, int | float):
                family.add_metric([str(row[label]) for label in query.labels], float(value))
        yield family


class Quiet(WSGIRequestHandler):
    """A scrape every five seconds is no news."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
        del format, args


def main() -> None:
    port, dsn = sys.argv[1:]
    registry = CollectorRegistry()
    registry.register(Statistics(dsn))
    with make_server("127.0.0.1", int(port), make_wsgi_app(registry), handler_class=Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
