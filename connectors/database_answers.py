"""Further answers of a database: connections, old transactions, vacuum, WAL, replication, keys, settings.

Ages are seconds before the answer's own instant, so that nothing here can be later than it. Counters
run since the server's statistics were last reset.
"""

from __future__ import annotations

from typing import Literal

from connectors.contract import Frozen


class ConnectionGroup(Frozen):
    """Sessions of one database that share application and state."""

    application: str = ""
    state: str = ""
    count: int = 0
    oldest_seconds: float = 0.0


class ConnectionUse(Frozen):
    """How many connections there are, and who holds those of this database.

    `used` counts all databases; `reserved` of `most` are kept for administrators; `database_limit` is -1
    where the database has none.
    """

    most: int
    reserved: int = 0
    used: int = 0
    database_limit: int = -1
    groups: tuple[ConnectionGroup, ...] = ()


class OldTransaction(Frozen):
    """What keeps old row versions alive. `xid_age` is in transactions, `seconds` since it began."""

    holder: Literal["session", "prepared", "slot", "standby"] = "session"
    name: str = ""
    pid: int = 0
    state: str = ""
    application: str = ""
    query: str = ""
    seconds: float = 0.0
    xid_age: float = 0.0


class OldTransactions(Frozen):
    """The holders of the oldest transactions, the oldest first."""

    transactions: tuple[OldTransaction, ...]


class VacuumTable(Frozen):
    """What autovacuum and the planner know of a table.

    `estimated_rows` is the planner's figure; `changed_rows` are those modified since it was analysed, and
    `analyze_after` how many of them make autovacuum analyse; `vacuum_after` likewise for `dead_rows`.
    """

    db_schema: str = "public"
    table: str
    live_rows: float = 0.0
    dead_rows: float = 0.0
    vacuum_after: float = 0.0
    estimated_rows: float = 0.0
    changed_rows: float = 0.0
    analyze_after: float = 0.0
    analyzed_seconds: float | None = None
    vacuumed_seconds: float | None = None
    xid_age: float = 0.0
    autovacuum: bool = True


class VacuumRun(Frozen):
    """A vacuum that is under way."""

    pid: int
    table: str
    phase: str = ""
    done: float = 0.0
    seconds: float = 0.0


class VacuumHealth(Frozen):
    """How far vacuum is behind, and how near the transaction ids are to their end (2 thousand million)."""

    enabled: bool = True
    xid_age: float = 0.0
    multixact_age: float = 0.0
    freeze_max_age: float = 0.0
    tables: tuple[VacuumTable, ...] = ()
    running: tuple[VacuumRun, ...] = ()


class WriteAhead(Frozen):
    """Checkpoints and WAL since the statistics were reset `since_seconds` ago."""

    since_seconds: float | None = None
    checkpoints_timed: float = 0.0
    checkpoints_requested: float = 0.0
    write_seconds: float = 0.0
    sync_seconds: float = 0.0
    wal_bytes: float | None = None
    max_wal_size_bytes: float = 0.0
    checkpoint_timeout_seconds: float = 0.0
    archived: float = 0.0
    archive_failures: float = 0.0
    archive_failed_seconds: float | None = None


class Standby(Frozen):
    """A standby as its sender sees it. `lag_bytes` is what it has not replayed."""

    application: str = ""
    state: str = ""
    sync_state: str = ""
    lag_bytes: float = 0.0
    replay_lag_seconds: float | None = None


class Slot(Frozen):
    """A replication slot, and the WAL it keeps from being removed."""

    slot: str
    kind: str = ""
    active: bool = False
    retained_bytes: float = 0.0
    wal_status: str = ""


class ReplicationState(Frozen):
    """Standbys and slots of this server. On a standby itself, how far it is behind."""

    in_recovery: bool = False
    replay_delay_seconds: float | None = None
    standbys: tuple[Standby, ...] = ()
    slots: tuple[Slot, ...] = ()


class DatabaseCounters(Frozen):
    """One row of pg_stat_database with the database's size."""

    since_seconds: float | None = None
    size_bytes: float = 0.0
    commits: float = 0.0
    rollbacks: float = 0.0
    deadlocks: float = 0.0
    conflicts: float = 0.0
    temp_files: float = 0.0
    temp_bytes: float = 0.0
    blks_hit: float = 0.0
    blks_read: float = 0.0


class KeyColumn(Frozen):
    """A sequence, the column it fills, and how much of what fits into both is used up (1 is all)."""

    db_schema: str = "public"
    sequence: str
    table: str = ""
    column: str = ""
    kind: str = ""
    last_value: float = 0.0
    largest: float = 0.0
    used: float = 0.0


class KeySpace(Frozen):
    """Sequences and the keys they fill, the fullest first."""

    keys: tuple[KeyColumn, ...]


class Setting(Frozen):
    """A setting that is not the default, or waits for a restart, or cannot be applied (`error`)."""

    name: str
    value: str = ""
    unit: str = ""
    origin: str = ""
    pending_restart: bool = False
    error: str = ""


class ServerSettings(Frozen):
    """The settings that matter to an incident; `loaded_seconds` since the files were last read."""

    version: str = ""
    loaded_seconds: float | None = None
    started_seconds: float | None = None
    settings: tuple[Setting, ...] = ()


class IndexProblem(Frozen):
    """An index that is of no use, or one that is missing behind a foreign key.

    `other` is the index that does the same, or the constraint that wants one.
    """

    kind: Literal["invalid", "unused", "duplicate", "bloated", "foreign_key"]
    db_schema: str = "public"
    table: str
    index: str = ""
    columns: tuple[str, ...] = ()
    size_bytes: float = 0.0
    wasted_bytes: float = 0.0
    other: str = ""


class IndexProblems(Frozen):
    """All index problems of a database, the largest first."""

    problems: tuple[IndexProblem, ...]


class VersionMismatch(Frozen):
    """An extension or a collation whose installed version is not the one it was made with."""

    kind: Literal["extension", "collation"]
    name: str
    recorded: str = ""
    actual: str = ""


class VersionMismatches(Frozen):
    """Mismatches; none is an answer too."""

    mismatches: tuple[VersionMismatch, ...]


DatabaseAnswer = (
    ConnectionUse
    | OldTransactions
    | VacuumHealth
    | WriteAhead
    | ReplicationState
    | DatabaseCounters
    | KeySpace
    | ServerSettings
    | IndexProblems
    | VersionMismatches
)
