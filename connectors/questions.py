"""The question vocabulary, one group per kind of source.

Each question can be answered natively by the live system it is meant for (PromQL, TraceQL, the
Kubernetes API, SQL over the catalogue) and by a recorded case.
"""

from __future__ import annotations

from typing import ClassVar

from connectors.contract import Question, Source, Window


# --- metrics: Prometheus and its kin -------------------------------------------------------------
class SeriesSweep(Question):
    """Every series known about some services (all, when none is named), as range vectors.

    Answered by `SeriesSet`. Prometheus: a few wide `query_range` calls over discovered names.
    """

    source: ClassVar[Source] = Source.METRICS
    cost_seconds: ClassVar[float] = 2.0
    window: Window
    services: tuple[str, ...] = ()


class SeriesNamed(Question):
    """The series of one metric name whose labels match. Answered by `SeriesSet`."""

    source: ClassVar[Source] = Source.METRICS
    window: Window
    metric: str
    labels: tuple[tuple[str, str], ...] = ()


# --- traces: Tempo, Jaeger ------------------------------------------------------------------------
class SpanSample(Question):
    """A sample of whole traces from the window. Answered by `SpanSet`.

    A live source draws a sample balanced over baseline and incident; counts are then not rates.
    """

    source: ClassVar[Source] = Source.TRACES
    cost_seconds: ClassVar[float] = 3.0
    window: Window
    services: tuple[str, ...] = ()
    most_traces: int = 500


# --- logs: Loki, pod logs --------------------------------------------------------------------------
class LogSample(Question):
    """Log records of the window, at most so many. Answered by `LogSet`."""

    source: ClassVar[Source] = Source.LOGS
    cost_seconds: ClassVar[float] = 2.0
    window: Window
    services: tuple[str, ...] = ()
    most_lines: int = 50_000


class LogPatterns(Question):
    """How often each pattern of messages came, against its baseline. Answered by `PatternCounts`."""

    source: ClassVar[Source] = Source.LOGS
    window: Window


# --- cluster: the Kubernetes API -------------------------------------------------------------------
class ClusterSnapshot(Question):
    """Workloads, pods, nodes, rollouts and events as they stand. Answered by `ClusterState`."""

    source: ClassVar[Source] = Source.CLUSTER
    cost_seconds: ClassVar[float] = 1.5
    window: Window
    namespaces: tuple[str, ...] = ()


# --- changes: deploys, flags, configuration, commits ------------------------------------------------
class ChangeTimeline(Question):
    """What was changed in the window, of every kind. Answered by `Timeline`."""

    source: ClassVar[Source] = Source.CHANGES
    window: Window


class CommitLog(Question):
    """Commits with their diffs that may be behind the changes. Answered by `Commits`."""

    source: ClassVar[Source] = Source.CHANGES
    window: Window


# --- topology ---------------------------------------------------------------------------------------
class CallEdges(Question):
    """Which service calls which, where something other than traces knows. Answered by `CallGraphEdges`."""

    source: ClassVar[Source] = Source.TOPOLOGY


# --- status pages -----------------------------------------------------------------------------------
class ProviderStatus(Question):
    """What providers and platforms said about themselves. Answered by `StatusFeeds`."""

    source: ClassVar[Source] = Source.STATUS
    window: Window


# --- database: the PostgreSQL catalogue and statistics ------------------------------------------------
class DatabaseQuestion(Question):
    """A question to one database, by the name its series carry as `datname`."""

    source: ClassVar[Source] = Source.DATABASE
    database: str


class StatementStatistics(DatabaseQuestion):
    """pg_stat_statements, every snapshot known in the window. Answered by `StatementSnapshots`."""

    cost_seconds: ClassVar[float] = 2.5

    window: Window


class TableStatistics(DatabaseQuestion):
    """pg_stat_user_tables with sizes, every snapshot in the window. Answered by `TableSnapshots`."""

    window: Window


class IndexList(DatabaseQuestion):
    """The indexes that exist, and whether they are valid. Answered by `Indexes`."""


class Activity(DatabaseQuestion):
    """pg_stat_activity by state and wait event, every snapshot. Answered by `ActivitySnapshots`."""

    cost_seconds: ClassVar[float] = 1.5

    window: Window


class LockChain(DatabaseQuestion):
    """Who waits for whom, down to the root blocker. Answered by `Locks`."""

    window: Window


class StatementPlan(DatabaseQuestion):
    """The generic plan of one normalised statement. Answered by `Plan`."""

    queryid: str


class HypotheticalIndexes(DatabaseQuestion):
    """What the planner would gain from indexes that do not exist. Answered by `IndexGains`.

    With a statement named, only for that one.
    """

    queryid: str | None = None


class ConnectionsInUse(DatabaseQuestion):
    """How full the server is and who holds its connections. Answered by `ConnectionUse`."""


class LongTransactions(DatabaseQuestion):
    """Who holds back vacuum by an old transaction. Answered by `OldTransactions`."""


class VacuumState(DatabaseQuestion):
    """Dead rows, stale statistics and transaction ids near their end. Answered by `VacuumHealth`."""


class CheckpointsAndWal(DatabaseQuestion):
    """How often the server checkpoints, writes and archives. Answered by `WriteAhead`."""


class ReplicationLag(DatabaseQuestion):
    """Standbys and slots that are behind. Answered by `ReplicationState`."""


class DatabaseTotals(DatabaseQuestion):
    """Size, deadlocks, temporary files, rollbacks. Answered by `DatabaseCounters`."""


class KeysLeft(DatabaseQuestion):
    """Sequences and integer keys that run out. Answered by `KeySpace`."""


class SettingsInForce(DatabaseQuestion):
    """Settings changed or waiting for a restart. Answered by `ServerSettings`."""


class IndexCondition(DatabaseQuestion):
    """Invalid, unused, duplicate, bloated and missing indexes. Answered by `IndexProblems`."""

    cost_seconds: ClassVar[float] = 1.0


class VersionChecks(DatabaseQuestion):
    """Extensions and collations that do not match what is installed. Answered by `VersionMismatches`."""


# --- repository ---------------------------------------------------------------------------------------
class MigrationFiles(Question):
    """The schema and migration files of the deployed revision, in order. Answered by `SourceFiles`."""

    source: ClassVar[Source] = Source.REPOSITORY
    service: str | None = None


class SchemaDump(DatabaseQuestion):
    """The schema as the database itself prints it, plain SQL. Answered by `SourceFiles`."""
