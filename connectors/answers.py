"""What an answer may be: one closed set of types, parsed at the edge and typed from there on.

Bulk answers (series, spans, logs) are columns, because a case may hold 100,000 of them; the rest are
small frozen records. Nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from connectors.cluster_facts import (
    Autoscaler,
    Condition,
    Configuration,
    NetworkRule,
    PlaneCheck,
    Probe,
    Quota,
    ServiceEndpoints,
    VolumeClaim,
    Workload,
)
from connectors.contract import Frozen, Instant
from connectors.database_answers import DatabaseAnswer
from connectors.exemplars import Exemplars

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# --- metrics --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A series' identity: metric name and labels, as Prometheus has them."""

    metric: str
    labels: tuple[tuple[str, str], ...]

    def get(self, label: str) -> str | None:
        """The label's value, or None."""
        for name, value in self.labels:
            if name == label:
                return value
        return None

    def __str__(self) -> str:
        inner = ",".join([f'{name}="{value}"' for name, value in self.labels])
        if "\\" in inner or "\n" in inner or inner.count('"') != 2 * len(self.labels):
            inner = ",".join([f'{name}="{_escaped(value)}"' for name, value in self.labels])
        return f"{self.metric}{{{inner}}}" if inner else self.metric


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """Series on one time axis.

    `times`: (n,) seconds since the epoch, strictly rising. `values`: (len(keys), n); NaN is "no sample".
    """

    keys: tuple[SeriesKey, ...]
    times: Floats
    values: Floats


# --- traces ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SpanSet:
    """Spans as columns, one row a span, ordered by start time then id.

    `parent` is the row of the parent span or -1 (none, or not in the sample: then `has_parent` is true).
    `start`, `end`: seconds since the epoch. `kind`: OTLP number (1 internal, 2 server, 3 client,
    4 producer, 5 consumer, 0 unknown). `status`: 0 unknown, 1 ok, 2 error. `weight`: adjusted count of
    the sampling, 1 where unknown. `attributes`: span attributes as text, resource attributes included under
    their own names; `events`: exception types and messages. `intervals`: when the source was recorded
    at all (empty: throughout).
    """

    trace: tuple[str, ...]
    span: tuple[str, ...]
    parent: Ints
    has_parent: npt.NDArray[np.bool_]
    service: tuple[str, ...]
    name: tuple[str, ...]
    kind: Ints
    start: Floats
    end: Floats
    status: Ints
    weight: Floats
    attributes: tuple[dict[str, str], ...]
    events: tuple[tuple[str, ...], ...]
    intervals: tuple[tuple[float, float], ...] = ()


# --- logs -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line. `logger` is the statement that wrote it, where known."""

    at: float
    service: str
    severity: str
    body: str
    logger: str = ""
    trace: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogSet:
    """Log records by time; `truncated` when the source held more. `intervals` as with spans."""

    records: tuple[LogRecord, ...]
    truncated: bool = False
    intervals: tuple[tuple[float, float], ...] = ()


class PatternCount(Frozen):
    """How often a message pattern came in the incident, and how many more that is than usual."""

    pattern: str
    service: str
    count: float
    more: float
    negative: bool | None = None


class PatternCounts(Frozen):
    """Pattern counts against a baseline, made by the log store itself."""

    patterns: tuple[PatternCount, ...]


# --- changes --------------------------------------------------------------------------------------
ChangeKind = Literal["deploy", "config", "flag", "migration", "scale", "infrastructure", "other"]


class Change(Frozen):
    """One change. A rollout in several steps is one change with several `steps`."""

    id: str
    at: Instant
    kind: ChangeKind
    service: str | None = None
    summary: str = ""
    version: str | None = None
    commit: str | None = None
    pods: tuple[str, ...] = ()
    link: str | None = None
    steps: tuple[Instant, ...] = ()


class Timeline(Frozen):
    """Changes by time."""

    changes: tuple[Change, ...]


class Commit(Frozen):
    """One commit; `diff` is unified text, None where the source does not give it."""

    sha: str
    at: Instant
    author: str = ""
    message: str = ""
    files: tuple[str, ...] = ()
    diff: str | None = None


class Commits(Frozen):
    """Commits by time."""

    commits: tuple[Commit, ...]


# --- topology and status -----------------------------------------------------------------------------
class CallGraphEdges(Frozen):
    """Caller and callee, each a service."""

    edges: tuple[tuple[str, str], ...]


class StatusEvent(Frozen):
    """One line of a status page."""

    at: Instant
    provider: str
    component: str
    status: str
    detail: str = ""


class StatusFeeds(Frozen):
    """Status events by time."""

    events: tuple[StatusEvent, ...]


# --- cluster -----------------------------------------------------------------------------------------
class Container(Frozen):
    """A container's spec and state, in Kubernetes' words; memory in bytes, cpu in cores."""

    name: str
    image: str = ""
    restarts: int = 0
    ready: bool | None = None
    waiting_reason: str | None = None
    last_exit_reason: str | None = None
    last_exit_at: Instant | None = None
    memory_limit_bytes: float | None = None
    cpu_limit_cores: float | None = None
    memory_request_bytes: float | None = None
    cpu_request_cores: float | None = None
    waiting_message: str = ""
    last_exit_code: int | None = None
    probes: tuple[Probe, ...] = ()


class Pod(Frozen):
    """A pod and the workload it belongs to (through its ReplicaSet where one stands between)."""

    namespace: str
    name: str
    workload: str | None = None
    service: str | None = None
    node: str | None = None
    phase: str = ""
    ready: bool | None = None
    version: str | None = None
    commit: str | None = None
    started_at: Instant | None = None
    containers: tuple[Container, ...] = ()
    conditions: tuple[Condition, ...] = ()
    reason: str = ""


class Node(Frozen):
    """A node and its conditions that are not as they should be (MemoryPressure, NotReady …)."""

    name: str
    troubles: tuple[str, ...] = ()
    unschedulable: bool = False
    conditions: tuple[Condition, ...] = ()


class Rollout(Frozen):
    """One revision of a workload: what it runs, when it came, who brought it and what it changed.

    `at` is when the revision last became the current one, as far as is known. `differences` are against
    the revision before: "image 1.9.0 -> 2.0.0", "POOL_SIZE 20 -> 5"; secrets are named without values.
    """

    namespace: str
    workload: str
    service: str | None = None
    revision: str = ""
    at: Instant | None = None
    images: tuple[str, ...] = ()
    commit: str | None = None
    replicas: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    author: str = ""
    differences: tuple[str, ...] = ()


class ClusterEvent(Frozen):
    """A Kubernetes event: what happened to which object."""

    at: Instant
    type: str = "Normal"
    reason: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    message: str = ""
    count: int = 1


class ClusterState(Frozen):
    """The cluster as it stands, with the events still kept.

    `unread`: the kinds ("Event") that could not be read, wholly or in part: their absence says nothing.
    """

    pods: tuple[Pod, ...] = ()
    nodes: tuple[Node, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    events: tuple[ClusterEvent, ...] = ()
    workloads: tuple[Workload, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    quotas: tuple[Quota, ...] = ()
    services: tuple[ServiceEndpoints, ...] = ()
    volume_claims: tuple[VolumeClaim, ...] = ()
    network_rules: tuple[NetworkRule, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    plane: tuple[PlaneCheck, ...] = ()
    unread: tuple[str, ...] = ()


Dialect = Literal["postgresql", "mysql"]


# --- database ------------------------------------------------------------------------------------------
class Statement(Frozen):
    """One row of pg_stat_statements; literals are parameters already. Milliseconds and blocks are totals."""

    queryid: str
    query: str
    calls: float
    total_exec_time_ms: float
    rows: float = 0.0
    shared_blks_hit: float = 0.0
    shared_blks_read: float = 0.0


class StatementSnapshot(Frozen):
    """The statements' counters at one instant."""

    at: Instant
    statements: tuple[Statement, ...]


class StatementSnapshots(Frozen):
    """Snapshots by time: two or more make a delta."""

    snapshots: tuple[StatementSnapshot, ...]


class Table(Frozen):
    """One row of pg_stat_user_tables with its size."""

    table: str
    db_schema: str = "public"
    live_rows: float = 0.0
    total_bytes: float = 0.0
    seq_scan: float = 0.0
    seq_tup_read: float = 0.0
    idx_scan: float = 0.0
    n_mod_since_analyze: float = 0.0
    last_analyze: Instant | None = None
    last_autovacuum: Instant | None = None


class TableSnapshot(Frozen):
    """The tables' counters at one instant."""

    at: Instant
    tables: tuple[Table, ...]


class TableSnapshots(Frozen):
    """Snapshots by time."""

    snapshots: tuple[TableSnapshot, ...]


class Index(Frozen):
    """An index as the catalogue knows it. `dialect`: whose SQL the database speaks."""

    table: str
    index: str
    columns: tuple[str, ...] = ()
    definition: str = ""
    db_schema: str = "public"
    valid: bool = True
    unique: bool = False
    size_bytes: float = 0.0
    scans: float = 0.0
    dialect: Dialect = "postgresql"


class Indexes(Frozen):
    """The indexes of one database."""

    indexes: tuple[Index, ...]


class ActivityGroup(Frozen):
    """Sessions that share state, wait event and application."""

    state: str = ""
    wait_event_type: str = ""
    wait_event: str = ""
    application: str = ""
    count: int = 0
    oldest_seconds: float = 0.0


class ActivitySnapshot(Frozen):
    """pg_stat_activity at one instant, grouped."""

    at: Instant
    groups: tuple[ActivityGroup, ...]


class ActivitySnapshots(Frozen):
    """Snapshots by time."""

    snapshots: tuple[ActivitySnapshot, ...]


class Lock(Frozen):
    """One session that waits, and the session it waits for."""

    blocked_pid: int
    blocked_query: str = ""
    blocked_seconds: float = 0.0
    blocker_pid: int
    blocker_query: str = ""
    blocker_state: str = ""
    blocker_application: str = ""
    blocker_seconds: float = 0.0


class Locks(Frozen):
    """Everyone who waits, at the last instant known."""

    locks: tuple[Lock, ...]


class PlanNode(Frozen):
    """One node of a plan, as EXPLAIN (FORMAT JSON) names it."""

    node_type: str
    relation: str | None = None
    filter: str | None = None
    index: str | None = None
    total_cost: float = 0.0
    rows: float = 0.0
    children: tuple[PlanNode, ...] = ()


class Plan(Frozen):
    """A statement's generic plan."""

    queryid: str
    query: str
    root: PlanNode


class IndexGain(Frozen):
    """The planner's cost of a statement without and with an index that does not exist yet."""

    queryid: str
    table: str
    columns: tuple[str, ...]
    definition: str
    cost_before: float
    cost_after: float
    bytes_estimate: float | None = None
    build_seconds_estimate: float | None = None


class IndexGains(Frozen):
    """Every hypothetical index that was tried."""

    gains: tuple[IndexGain, ...]


# --- repository -------------------------------------------------------------------------------------------
class SourceFile(Frozen):
    """One file of the repository, by its path there."""

    path: str
    text: str


class SourceFiles(Frozen):
    """Files in the order in which they apply."""

    files: tuple[SourceFile, ...]


Answer = (
    SeriesSet
    | SpanSet
    | LogSet
    | PatternCounts
    | Timeline
    | Commits
    | CallGraphEdges
    | StatusFeeds
    | ClusterState
    | StatementSnapshots
    | TableSnapshots
    | Indexes
    | ActivitySnapshots
    | Locks
    | Plan
    | IndexGains
    | SourceFiles
    | Exemplars
    | DatabaseAnswer
)
