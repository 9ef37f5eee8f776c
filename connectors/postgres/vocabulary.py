"""Everything that a statement of ours may name: functions, operators, types, relations. Each was read about.

A name that is not here is refused, whatever the catalogue thinks of it. None of the relations holds a
row of a table, nor a copy of one: pg_stats and pg_statistic (most common values), pg_largeobject, password
hashes and connection strings are left out on purpose.
"""

from __future__ import annotations

FUNCTIONS = frozenset(
    """
    count sum min max avg bool_or bool_and array_agg row_number
    abs round floor ceil least greatest coalesce nullif unnest array_length cardinality array_position
    lower upper left length split_part extract date_part justify_interval
    now statement_timestamp clock_timestamp to_timestamp age mxid_age
    current_database current_schema version
    pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_database_size pg_size_bytes
    pg_backend_pid pg_blocking_pids pg_is_in_recovery pg_postmaster_start_time pg_conf_load_time
    pg_get_indexdef pg_get_expr pg_get_constraintdef pg_get_viewdef pg_get_triggerdef pg_get_partkeydef
    pg_get_serial_sequence pg_get_userbyid format_type obj_description
    pg_current_wal_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
    pg_wal_lsn_diff pg_index_column_has_property pg_database_collation_actual_version
    pg_collation_actual_version pg_has_role has_database_privilege has_schema_privilege has_table_privilege
    has_any_column_privilege has_sequence_privilege has_function_privilege pg_sequence_last_value
    pg_stat_get_snapshot_timestamp
    """.split()
)
"""Names in pg_catalog. They read, in bounded time, and give back no more than they are given."""

REVIEWED_VOLATILE = frozenset(
    """
    clock_timestamp pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_database_size
    pg_blocking_pids pg_is_in_recovery pg_current_wal_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn
    pg_last_xact_replay_timestamp pg_database_collation_actual_version pg_collation_actual_version
    pg_sequence_last_value
    hypopg_create_index hypopg_relation_size hypopg_reset hypopg_drop_index
    """.split()
)
"""Volatile because what they look at changes by itself, not because they change it."""

EXTENSION_FUNCTIONS = frozenset({"hypopg_create_index", "hypopg_relation_size", "hypopg_reset"})
"""Functions of hypopg: they act on the memory of our own session alone."""

EXTENSIONS = frozenset({"pg_stat_statements", "hypopg"})
"""Extensions whose objects may be named outside of pg_catalog."""

EXTENSION_RELATIONS = frozenset({"pg_stat_statements", "pg_stat_statements_info", "hypopg_list_indexes"})

OPERATORS = frozenset(
    ["=", "<>", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "~~", "!~~", "&", "->>"]
)

TYPES = frozenset(
    """
    int2 int4 int8 float4 float8 numeric bool text name oid regclass regtype regproc char interval timestamptz
    timestamp pg_lsn xid int2vector oidvector
    """.split()
)

RELATIONS = frozenset(
    """
    pg_stat_activity pg_stat_database pg_stat_database_conflicts pg_stat_user_tables pg_stat_all_tables
    pg_stat_user_indexes pg_stat_all_indexes pg_statio_user_tables pg_statio_user_indexes pg_locks
    pg_stat_bgwriter pg_stat_checkpointer pg_stat_wal pg_stat_archiver pg_stat_io pg_stat_slru
    pg_stat_replication pg_stat_wal_receiver pg_replication_slots pg_stat_subscription
    pg_stat_progress_vacuum pg_stat_progress_create_index pg_stat_progress_analyze pg_stat_progress_cluster
    pg_stat_progress_basebackup pg_stat_progress_copy
    pg_class pg_namespace pg_attribute pg_attrdef pg_index pg_constraint pg_type pg_enum pg_am pg_opclass
    pg_operator pg_proc pg_inherits pg_partitioned_table pg_sequence pg_sequences pg_depend pg_collation
    pg_trigger pg_language pg_tablespace pg_database pg_roles pg_auth_members pg_extension
    pg_available_extensions pg_available_extension_versions pg_prepared_xacts pg_settings pg_file_settings
    pg_policy pg_rewrite
    """.split()
)

PLANNABLE_KINDS = frozenset("rpm")
"""pg_class.relkind of what a foreign statement may be planned over: tables, partitions, stored views.

A view or a foreign table would bring functions along that the statement does not name.
"""

DECEPTIVE = frozenset(
    """
    repeat lpad rpad array_fill numeric_power pow power exp factorial numeric_fac xmlconcat xmlagg
    query_to_xml table_to_xml cursor_to_xml database_to_xml schema_to_xml table_to_xmlschema
    query_to_xmlschema query_to_xml_and_xmlschema table_to_xml_and_xmlschema ts_stat ts_rewrite
    database_to_xmlschema schema_to_xmlschema database_to_xml_and_xmlschema schema_to_xml_and_xmlschema
    current_setting pg_show_all_settings txid_current pg_current_xact_id
    """.split()
)
"""Functions that are not volatile by the catalogue, and yet make much of little, run a text, tell a secret
or use up a transaction id: the catalogue's layer refuses them by name, even where one is only planned."""

SWELLING = DECEPTIVE | frozenset(
    """
    generate_series generate_subscripts string_agg array_cat array_append array_prepend textcat textanycat
    anytextcat byteacat jsonb_concat replace translate regexp_replace regexp_matches regexp_split_to_table
    regexp_split_to_array regexp_match concat concat_ws format json_agg jsonb_agg json_object_agg
    jsonb_object_agg overlay to_char convert_from convert_to convert decode encode set_bit set_byte
    """.split()
)
"""These grow what they are given: no statement of ours needs them. The application's may, and are not run."""

UNFOLDED = frozenset("random gen_random_uuid clock_timestamp timeofday now".split())
"""Volatile functions that the application uses freely; the planner never evaluates one."""
