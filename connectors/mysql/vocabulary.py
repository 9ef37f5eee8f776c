"""Every statement that may be sent, whole, by name and by kind of server. There are no others.

Sources: MySQL manual, "MySQL Performance Schema", "INFORMATION_SCHEMA Tables"; MariaDB, the same names.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["mariadb", "mysql"]

SERVER = """SELECT version() AS version, @@performance_schema AS performance_schema,
    @@max_connections AS max_connections, current_user() AS role"""

STATEMENTS = """SELECT digest AS queryid, digest_text AS query, count_star AS calls,
    sum_timer_wait / 1e9 AS total_exec_time_ms, sum_rows_sent AS rows_sent
    FROM performance_schema.events_statements_summary_by_digest
    WHERE schema_name = database() AND digest_text IS NOT NULL AND digest_text NOT LIKE '%performance_schema%'
    ORDER BY sum_timer_wait DESC LIMIT 200"""

TABLES = """SELECT t.table_name AS name, t.table_rows AS live_rows,
    t.data_length + t.index_length AS total_bytes, coalesce(w.count_fetch, 0) AS seq_tup_read
    FROM information_schema.tables t
    LEFT JOIN performance_schema.table_io_waits_summary_by_index_usage w
      ON w.object_schema = t.table_schema AND w.object_name = t.table_name AND w.index_name IS NULL
    WHERE t.table_schema = database() AND t.table_type = 'BASE TABLE'
    ORDER BY t.data_length DESC LIMIT 1000"""

INDEXES = """SELECT table_name AS name, index_name AS index_name, column_name AS column_name,
    seq_in_index AS place, non_unique AS non_unique
    FROM information_schema.statistics WHERE table_schema = database()
    ORDER BY table_name, index_name, seq_in_index LIMIT 5000"""

ACTIVITY = """SELECT command AS command, coalesce(state, '') AS state, user AS application,
    count(*) AS sessions, max(time) AS oldest_seconds
    FROM information_schema.processlist WHERE id <> connection_id()
    GROUP BY command, state, user ORDER BY sessions DESC LIMIT 500"""

LOCKS_MARIADB = """SELECT r.trx_mysql_thread_id AS blocked_pid, r.trx_query AS blocked_query,
    timestampdiff(second, r.trx_wait_started, now()) AS blocked_seconds, b.trx_mysql_thread_id AS blocker_pid,
    b.trx_query AS blocker_query, p.command AS blocker_state, p.user AS blocker_application,
    timestampdiff(second, b.trx_started, now()) AS blocker_seconds
    FROM information_schema.innodb_lock_waits w
    JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
    JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id
    LEFT JOIN information_schema.processlist p ON p.id = b.trx_mysql_thread_id
    LIMIT 500"""

LOCKS_MYSQL = """SELECT r.trx_mysql_thread_id AS blocked_pid, r.trx_query AS blocked_query,
    timestampdiff(second, r.trx_wait_started, now()) AS blocked_seconds, b.trx_mysql_thread_id AS blocker_pid,
    b.trx_query AS blocker_query, p.command AS blocker_state, p.user AS blocker_application,
    timestampdiff(second, b.trx_started, now()) AS blocker_seconds
    FROM performance_schema.data_lock_waits w
    JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_engine_transaction_id
    JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_engine_transaction_id
    LEFT JOIN information_schema.processlist p ON p.id = b.trx_mysql_thread_id
    LIMIT 500"""

GRANTS = "SHOW GRANTS FOR CURRENT_USER"

READ_ONLY_MARIADB = "SELECT @@tx_read_only AS read_only"
READ_ONLY_MYSQL = "SELECT @@transaction_read_only AS read_only"

CLOSED = frozenset(
    {
        SERVER,
        STATEMENTS,
        TABLES,
        INDEXES,
        ACTIVITY,
        LOCKS_MARIADB,
        LOCKS_MYSQL,
        GRANTS,
        READ_ONLY_MARIADB,
        READ_ONLY_MYSQL,
    }
)
"""What the vocabulary layer lets through: these texts, byte for byte, and nothing else."""
