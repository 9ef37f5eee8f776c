"""What a metric means, by its name, unit and labels: the RED and USE signals, in the field's conventions.

Knows Prometheus' naming, OpenTelemetry's semantic conventions, cAdvisor, kube-state-metrics, istio and
postgres_exporter by their words, not by their spelling. Never looks at values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from connectors.answers import SeriesKey


class Signal(StrEnum):
    """What a series measures."""

    LATENCY = "latency"
    ERRORS = "errors"
    SUCCESS = "success"
    TRAFFIC = "traffic"
    CPU = "cpu"
    THROTTLING = "throttling"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK = "network"
    POOL = "pool"
    QUEUE = "queue"
    RESTARTS = "restarts"
    CACHE = "cache"
    OTHER = "other"


class Scope(StrEnum):
    """Whose behaviour a series shows."""

    SERVICE = "service"
    CLIENT = "client"
    EDGE = "edge"
    NODE = "node"
    DATABASE = "database"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The reading of one series' name.

    `bad`: +1 when more is worse, -1 when less is worse, 0 when either may be. `counter`: a cumulative count.
    `tail`: a high quantile or maximum. `service`: whom it speaks of, None for a node or nobody.
    """

    signal: Signal
    scope: Scope
    bad: int
    counter: bool
    tail: bool
    service: str | None


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_ERROR = frozenset(
    "error errors err failed failure failures fail exception exceptions rejected unauthorized denied fault "
    "faults servfail 5xx 500 502 503 504 timeout timeouts dropped aborted reset crash unavailable".split()
)
_SUCCESS = frozenset("success availability available uptime successful ok".split())
_LATENCY = frozenset("latency duration elapsed rtt responsetime delay took wait handling".split())
_QUANTILE = frozenset("p50 p75 p90 p95 p99 p999 avg mean median max quantile".split())
_THROTTLE = frozenset("throttle throttled throttling".split())
_MEMORY = frozenset("memory mem rss heap workingset memstats".split())
_DISK = frozenset("disk diskio fs filesystem io iops syscalls volume blks inodes".split())
_NETWORK = frozenset(
    "network receive transmit received transmitted packets socket sockets retransmits tcp net".split()
)
_POOL = frozenset(
    "pool connection connections pending semaphore threads workers inflight flight conns backends "
    "activity".split()
)
_QUEUE = frozenset("queue lag backlog oldest depth unacked offset age".split())
_RESTART = frozenset("restart restarts restarted oom killed evicted crashloop".split())
_CACHE = frozenset("cache hit hits miss misses evictions".split())
_TRAFFIC = frozenset(
    "requests request calls rps qps throughput workload rate traffic hits messages reqs operations "
    "handled".split()
)
_COUNTED = frozenset("per rate sum count total rps qps".split())
_TIME = frozenset("seconds ms milliseconds us ns microseconds second time".split())
_PROCESSOR = frozenset("cpu processor load".split())
_HEADROOM = frozenset("available avail free idle remaining".split())

# The order is the decision: the first set that meets the name's words wins.
_ORDER: tuple[tuple[frozenset[str], Signal, int], ...] = (
    (_THROTTLE, Signal.THROTTLING, 1),
    (_RESTART, Signal.RESTARTS, 1),
    (_ERROR, Signal.ERRORS, 1),
    (_SUCCESS, Signal.SUCCESS, -1),
    (_CACHE, Signal.CACHE, 0),
    (_QUEUE, Signal.QUEUE, 1),
    (_LATENCY, Signal.LATENCY, 1),
    (_PROCESSOR, Signal.CPU, 1),
    (_MEMORY, Signal.MEMORY, 1),
    (_POOL, Signal.POOL, 1),
    (_NETWORK, Signal.NETWORK, 0),
    (_DISK, Signal.DISK, 1),
)
# What can run out: less of what is free is worse.
_FILLING: tuple[tuple[frozenset[str], Signal], ...] = (
    (_MEMORY, Signal.MEMORY),
    (_DISK, Signal.DISK),
    (_POOL, Signal.POOL),
)
# Words that together mean something else than either alone.
_TOGETHER: tuple[tuple[frozenset[str], tuple[Signal, int]], ...] = (
    (frozenset({"gc"}), (Signal.OTHER, 0)),
    (frozenset({"memory", "failures"}), (Signal.MEMORY, 1)),
    (frozenset({"response", "time"}), (Signal.LATENCY, 1)),
    (frozenset({"active", "requests"}), (Signal.POOL, 1)),
)
_COUNT = re.compile(r"_count(?::|$)")


def words(text: str) -> tuple[str, ...]:
    """Split a name into lower-case words: snake_case, camelCase, punctuation; `p99` and `5xx` stay whole."""
    whole = re.findall(r"\bp\d{2,3}\b|\b[1-5]xx\b", text.replace("_", " ").replace(":", " ").lower())
    return tuple(whole) + tuple(part.lower() for part in _WORDS.findall(text))


def _signal(metric: str, name: frozenset[str]) -> tuple[Signal, int]:
    if name == frozenset({"up"}):
        return Signal.SUCCESS, -1
    for together, told in _TOGETHER:
        if together <= name:
            return told
    if _COUNT.search(metric) and name & (_LATENCY | _TRAFFIC):
        return Signal.TRAFFIC, 0
    if name & _HEADROOM:
        for vocabulary, signal in _FILLING:
            if name & vocabulary:
                return signal, -1
    return _by_words(name)


def _by_words(name: frozenset[str]) -> tuple[Signal, int]:
    for vocabulary, signal, bad in _ORDER:
        if name & vocabulary:
            return signal, bad
    if name & _TRAFFIC:
        timed = not name & _COUNTED and bool(name & (_TIME | _QUANTILE))
        # A sum of seconds over requests is their time; a sum of requests is their number.
        timed = timed or ("sum" in name and bool(name & _TIME))
        return (Signal.LATENCY, 1) if timed else (Signal.TRAFFIC, 0)
    if name & _QUANTILE and name & _TIME:
        return Signal.LATENCY, 1
    return Signal.OTHER, 0


_CODES = ("code", "status", "status_code", "http_response_status_code", "response_code", "grpc_code")
_FAILED = frozenset({"unavailable", "internal", "deadlineexceeded", "unknown", "dataloss"})


def _by_code(signal: Signal, bad: int, labels: Mapping[str, str]) -> tuple[Signal, int]:
    """A count of requests that carries a failing status is a count of errors."""
    if signal is not Signal.TRAFFIC:
        return signal, bad
    for label in _CODES:
        value = labels.get(label, "").lower()
        if value[:1] == "5" or value.endswith("error") or value in _FAILED:
            return Signal.ERRORS, 1
    return signal, bad


_SERVICE_LABELS = (
    "service",
    "service_name",
    "destination_workload",
    "destination_service_name",
    "app",
    "workload",
    "deployment",
)
_EXPORTERS = re.compile(r"exporter|kubelet|cadvisor|kube-state-metrics|node|apiserver")
_POD_SUFFIX = re.compile(r"(?:-[a-f0-9]{6,10})?-[a-z0-9]{5}$|-\d+$")


def _service(labels: Mapping[str, str]) -> str | None:
    """The service a series names: by its label, its pod less the generated endings, its container or job."""
    for label in _SERVICE_LABELS:
        if labels.get(label):
            return labels[label]
    if labels.get("pod"):
        return _POD_SUFFIX.sub("", labels["pod"])
    job = labels.get("job", "")
    return labels.get("container") or (job if job and not _EXPORTERS.search(job) else None)


def _scope(name: frozenset[str], labels: Mapping[str, str]) -> tuple[Scope, str | None]:
    service = _service(labels)
    if "source_workload" in labels and service:
        return Scope.EDGE, service
    if labels.get("datname") and "client" not in name:
        return Scope.DATABASE, labels.get("service")
    if "node" in name:
        return Scope.NODE, service
    if not service:
        return (Scope.NODE if "node" in labels else Scope.NONE), None
    if name & {"client", "outbound", "upstream", "downstream", "egress"}:
        return Scope.CLIENT, service
    return Scope.SERVICE, service


@dataclass(frozen=True, slots=True)
class _Named:
    """What a metric's name alone tells; read once for its many series."""

    words: frozenset[str]
    signal: Signal
    bad: int
    counts: bool
    counter: bool
    tail: bool


@lru_cache(maxsize=8192)
def _named(metric: str) -> _Named:
    name = frozenset(words(metric))
    signal, bad = _signal(metric, name)
    last = metric.rsplit(":", 1)[0]
    counter = last.endswith(("_total", "_count", "_sum", "_bucket")) and ":" not in metric
    tail = bool(name & {"p90", "p95", "p99", "p999", "max"})
    return _Named(name, signal, bad, last.endswith("_count"), counter, tail)


@lru_cache(maxsize=65536)
def meaning(key: SeriesKey) -> Meaning:
    """Read a series' name and labels.

    Sources: Prometheus "Metric and label naming"; OpenTelemetry semantic conventions for HTTP, RPC and
    database metrics; Gregg, the USE method; Wilkie, the RED method.
    """
    said = _named(key.metric)
    labels = dict(key.labels)
    signal, bad = _by_code(said.signal, said.bad, labels)
    scope, service = _scope(said.words, labels)
    counter = said.counter and not (scope is Scope.DATABASE and said.counts)
    return Meaning(signal, scope, bad, counter, said.tail, service)
