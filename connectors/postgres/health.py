"""The state of the server itself: vacuum, WAL, replication, sizes, keys, settings, versions. Never judges."""

from __future__ import annotations

from connectors import database_answers as d
from connectors.postgres.inquiry import Inquiry, typed
from connectors.redaction import redacted, redacted_pairs

_NUMBER = "(SELECT setting::float8 FROM pg_settings WHERE name = '{name}')"

_FREEZING = f"""
    SELECT (SELECT setting = 'on' FROM pg_settings WHERE name = 'autovacuum') AS enabled,
           age(datfrozenxid)::float8 AS xid_age, mxid_age(datminmxid)::float8 AS multixact_age,
           {_NUMBER.format(name="autovacuum_freeze_max_age")} AS freeze_max_age
    FROM pg_database WHERE datname = current_database()"""  # noqa: S608 - a constant

_VACUUM = f"""
    SELECT s.schemaname AS db_schema, s.relname AS table, s.n_live_tup::float8 AS live_rows,
           s.n_dead_tup::float8 AS dead_rows, greatest(c.reltuples, 0)::float8 AS estimated_rows,
           s.n_mod_since_analyze::float8 AS changed_rows,
           {_NUMBER.format(name="autovacuum_vacuum_threshold")}
             + {_NUMBER.format(name="autovacuum_vacuum_scale_factor")} * greatest(c.reltuples, 0)::float8
             AS vacuum_after,
           {_NUMBER.format(name="autovacuum_analyze_threshold")}
             + {_NUMBER.format(name="autovacuum_analyze_scale_factor")} * greatest(c.reltuples, 0)::float8
             AS analyze_after,
           greatest(extract(epoch FROM clock_timestamp() - greatest(s.last_analyze, s.last_autoanalyze)),
                    CASE WHEN s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL THEN 0 END)::float8
             AS analyzed_seconds,
           greatest(extract(epoch FROM clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum)),
                    CASE WHEN s.last_vacuum IS NOT NULL OR s.last_autovacuum IS NOT NULL THEN 0 END)::float8
             AS vacuumed_seconds,
           age(c.relfrozenxid)::float8 AS xid_age,
           NOT coalesce('autovacuum_enabled=off' = ANY(c.reloptions)
                        OR 'autovacuum_enabled=false' = ANY(c.reloptions), false) AS autovacuum
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    ORDER BY s.n_dead_tup + s.n_mod_since_analyze DESC, 1, 2"""  # noqa: S608 - a constant

_RUNNING = """
    SELECT p.pid, coalesce(c.relname::text, p.relid::text) AS table, p.phase,
           coalesce(p.heap_blks_scanned::float8 / nullif(p.heap_blks_total, 0)::float8, 0) AS done,
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS seconds
    FROM pg_stat_progress_vacuum p LEFT JOIN pg_class c ON c.oid = p.relid
         LEFT JOIN pg_stat_activity a ON a.pid = p.pid
    WHERE p.datname = current_database() ORDER BY 5 DESC"""

_CHECKPOINTS_17 = """
    SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 AS since_seconds,
           num_timed::float8 AS checkpoints_timed, num_requested::float8 AS checkpoints_requested,
           (write_time / 1000)::float8 AS write_seconds, (sync_time / 1000)::float8 AS sync_seconds
    FROM pg_stat_checkpointer"""

_CHECKPOINTS_12 = """
    SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 AS since_seconds,
           checkpoints_timed::float8 AS checkpoints_timed, checkpoints_req::float8 AS checkpoints_requested,
           (checkpoint_write_time / 1000)::float8 AS write_seconds,
           (checkpoint_sync_time / 1000)::float8 AS sync_seconds
    FROM pg_stat_bgwriter"""

_WAL = "SELECT wal_bytes::float8 AS wal_bytes FROM pg_stat_wal"

_ARCHIVE = f"""
    SELECT archived_count::float8 AS archived, failed_count::float8 AS archive_failures,
           extract(epoch FROM clock_timestamp() - last_failed_time)::float8 AS archive_failed_seconds,
           {_NUMBER.format(name="max_wal_size")} * 1048576 AS max_wal_size_bytes,
           {_NUMBER.format(name="checkpoint_timeout")} AS checkpoint_timeout_seconds
    FROM pg_stat_archiver"""  # noqa: S608 - a constant

_RECOVERY = """
    SELECT pg_is_in_recovery() AS in_recovery,
           CASE WHEN pg_is_in_recovery() THEN
                extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8
             AS replay_delay_seconds"""

_STANDBYS = """
    SELECT coalesce(application_name, '') AS application, coalesce(state, '') AS state,
           coalesce(sync_state, '') AS sync_state,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                ELSE pg_current_wal_lsn() END, replay_lsn)::float8 AS lag_bytes,
           extract(epoch FROM replay_lag)::float8 AS replay_lag_seconds
    FROM pg_stat_replication ORDER BY 4 DESC NULLS LAST"""

_SLOTS = """
    SELECT slot_name AS slot, slot_type AS kind, active,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                ELSE pg_current_wal_lsn() END, restart_lsn)::float8 AS retained_bytes{status}
    FROM pg_replication_slots ORDER BY 4 DESC NULLS LAST"""

_TOTALS = """
    SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 AS since_seconds,
           pg_database_size(datname)::float8 AS size_bytes, xact_commit::float8 AS commits,
           xact_rollback::float8 AS rollbacks, deadlocks::float8 AS deadlocks, conflicts::float8 AS conflicts,
           temp_files::float8 AS temp_files, temp_bytes::float8 AS temp_bytes, blks_hit::float8 AS blks_hit,
           blks_read::float8 AS blks_read
    FROM pg_stat_database WHERE datname = current_database()"""

_KEYS = """
    SELECT s.schemaname AS db_schema, s.sequencename AS sequence, coalesce(t.relname::text, '') AS table,
           coalesce(k.attname::text, '') AS column, coalesce(y.typname::text, s.data_type::text) AS kind,
           coalesce(s.last_value, 0)::float8 AS last_value, has_sequence_privilege(c.oid, 'SELECT') AS seen,
           least(s.max_value::float8, CASE y.typname WHEN 'int2' THEN 32767 WHEN 'int4' THEN 2147483647
                                      ELSE 9223372036854775807 END::float8) AS largest
    FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename AND c.relkind = 'S'
         LEFT JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
              AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
         LEFT JOIN pg_class t ON t.oid = d.refobjid
         LEFT JOIN pg_attribute k ON k.attrelid = d.refobjid AND k.attnum = d.refobjsubid
         LEFT JOIN pg_type y ON y.oid = k.atttypid
    WHERE s.increment_by > 0 ORDER BY 6 DESC, 1, 2"""

_SERVER = """
    SELECT version() AS version,
           extract(epoch FROM clock_timestamp() - pg_conf_load_time())::float8 AS loaded_seconds,
           extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS started_seconds"""

_SETTINGS = """
    SELECT name, coalesce(setting, '') AS value, coalesce(unit, '') AS unit, source AS origin, pending_restart
    FROM pg_settings
    WHERE (source NOT IN ('default', 'override', 'client', 'session', 'user', 'database user')
           OR pending_restart OR name = ANY($1::text[]))
          AND NOT name LIKE '%conninfo%' AND NOT name LIKE '%passphrase%' AND NOT name LIKE '%_command'
    ORDER BY name"""

_ALWAYS = (
    "max_connections work_mem shared_buffers effective_cache_size random_page_cost autovacuum max_wal_size"
    " checkpoint_timeout max_worker_processes max_parallel_workers deadlock_timeout wal_level"
).split()
"""Settings worth knowing at their default too."""

_FILE_ERRORS = """
    SELECT coalesce(name, '') AS name, error FROM pg_file_settings WHERE error IS NOT NULL ORDER BY 1"""

_MAY_READ_FILES = "SELECT has_table_privilege(current_user, 'pg_catalog.pg_file_settings', 'SELECT') AS may"

_EXTENSIONS = """
    SELECT 'extension' AS kind, e.extname::text AS name, e.extversion AS recorded, x.default_version AS actual
    FROM pg_extension e JOIN pg_available_extensions x ON x.name = e.extname
    WHERE e.extversion <> x.default_version ORDER BY 2"""

_COLLATIONS = """
    SELECT 'collation' AS kind, c.collname::text AS name, c.collversion AS recorded,
           pg_collation_actual_version(c.oid) AS actual
    FROM pg_collation c
    WHERE c.collversion IS NOT NULL AND c.collversion <> pg_collation_actual_version(c.oid)
          AND EXISTS (SELECT 1 FROM pg_attribute k WHERE k.attcollation = c.oid AND k.attrelid > 16383)
    ORDER BY 2 LIMIT 200"""

_DATABASE_COLLATION = """
    SELECT 'collation' AS kind, 'of the database' AS name, datcollversion AS recorded,
           pg_database_collation_actual_version(oid) AS actual
    FROM pg_database
    WHERE datname = current_database() AND datcollversion IS NOT NULL
          AND datcollversion <> pg_database_collation_actual_version(oid)"""


def vacuum(inquiry: Inquiry) -> d.VacuumHealth:
    """How far vacuum is behind."""
    return d.VacuumHealth(
        **inquiry.one(_FREEZING),
        tables=typed(d.VacuumTable, inquiry.rows(_VACUUM)),
        running=typed(d.VacuumRun, inquiry.rows(_RUNNING)),
    )


def write_ahead(inquiry: Inquiry) -> d.WriteAhead:
    """Checkpoints, WAL and the archive."""
    checkpoints = inquiry.one(_CHECKPOINTS_17 if inquiry.version >= 17 else _CHECKPOINTS_12)
    wal = inquiry.one(_WAL) if inquiry.version >= 14 else {}
    (answer,) = typed(d.WriteAhead, [{**checkpoints, **wal, **inquiry.one(_ARCHIVE)}])
    return answer


def replication(inquiry: Inquiry) -> d.ReplicationState:
    """Standbys and slots."""
    status = ", coalesce(wal_status, '') AS wal_status" if inquiry.version >= 13 else ""
    state = {name: value for name, value in inquiry.one(_RECOVERY).items() if value is not None}
    standbys = typed(d.Standby, inquiry.rows(_STANDBYS))
    slots = typed(d.Slot, inquiry.rows(_SLOTS.format(status=status)))
    return d.ReplicationState.model_validate({**state, "standbys": standbys, "slots": slots})


def totals(inquiry: Inquiry) -> d.DatabaseCounters:
    """The database's own counters."""
    (answer,) = typed(d.DatabaseCounters, [inquiry.one(_TOTALS)])
    return answer


def keys(inquiry: Inquiry) -> d.KeySpace:
    """Sequences by how much of them, or of the column they fill, is used up."""
    rows = inquiry.rows(_KEYS)
    hidden = sum(not row["seen"] for row in rows)
    if hidden:
        inquiry.notes.append(f"{hidden} sequences are not seen: GRANT SELECT ON ALL SEQUENCES IN SCHEMA …")
    seen = [{name: value for name, value in row.items() if name != "seen"} for row in rows if row["seen"]]
    filled = [
        key.model_copy(update={"used": key.last_value / key.largest if key.largest else 0.0})
        for key in typed(d.KeyColumn, seen)
    ]
    return d.KeySpace(keys=tuple(sorted(filled, key=lambda key: (-key.used, key.db_schema, key.sequence))))


def settings(inquiry: Inquiry) -> d.ServerSettings:
    """Settings that are not the default, that wait for a restart, or that cannot be applied."""
    rows = inquiry.rows(_SETTINGS, _ALWAYS)
    shown = dict(redacted_pairs((str(row["name"]), str(row["value"])) for row in rows))
    known = [{**row, "value": shown[str(row["name"])]} for row in rows]
    if inquiry.one(_MAY_READ_FILES)["may"]:
        wrong = [{**row, "error": redacted(str(row["error"]))} for row in inquiry.rows(_FILE_ERRORS)]
    else:
        wrong = []
        inquiry.notes.append(
            "errors in the configuration files are not seen: GRANT SELECT ON pg_file_settings,"
            " EXECUTE ON FUNCTION pg_show_all_file_settings() to the role"
        )
    return d.ServerSettings(**inquiry.one(_SERVER), settings=typed(d.Setting, [*known, *wrong]))


def versions(inquiry: Inquiry) -> d.VersionMismatches:
    """Extensions that were not updated, and collations whose library has changed under their indexes."""
    collations = [*inquiry.rows(_COLLATIONS)]
    if inquiry.version >= 15:
        collations += inquiry.rows(_DATABASE_COLLATION)
    return d.VersionMismatches(mismatches=typed(d.VersionMismatch, [*inquiry.rows(_EXTENSIONS), *collations]))
