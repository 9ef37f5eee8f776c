"""Which series are worth asking for, and in how few queries. Pure.

A cluster's Prometheus holds a hundred thousand series and more; most are histogram buckets, or tell of the
monitoring itself. What is left out here is what cannot speak of an incident, and it is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from connectors.prometheus.matrix import Grid

_PLUMBING = re.compile(
    r"ALERTS(?:_FOR_STATE)?$|scrape_|prometheus_|promhttp_|net_conntrack_|go_|python_(?:info|gc_objects)|jvm_info"
    r"|process_(?:open|max|virtual)|target_info$|alertmanager_|grafana_|thanos_|cortex_|loki_|vm_|vmagent_"
    r"|apiserver_|etcd_|kubelet_|kubeproxy_|rest_client_|workqueue_|storage_operation_|volume_manager_"
    r"|authentication_|authorization_|aggregator_|scheduler_|cronjob_controller_|endpoint_slice_|coredns_plugin"
    r"|otelcol_|tempo_|opencost_|machine_|pilot_|citadel_|galley_|envoy_|istio_agent_|cert_manager_|leader_election"
    r"|kube_(?:secret|configmap|role|clusterrole|serviceaccount|lease|ingress|networkpolicy|certificatesigning)"
)
_ENDINGS = re.compile(r"(?:_bucket|_info|_created|_labels|_annotations|_metadata_\w+|_build_info)$")

_CHOSEN: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "container_",
        re.compile(
            r"container_(?:cpu_(?:usage_seconds|cfs_throttled_(?:periods|seconds)|cfs_periods)_total"
            r"|memory_(?:working_set_bytes|rss|failcnt)|oom_events_total|spec_(?:memory_limit_bytes|cpu_quota)"
            r"|network_(?:receive|transmit)_(?:bytes|errors|packets_dropped)_total"
            r"|fs_(?:usage_bytes|limit_bytes|(?:reads|writes)(?:_bytes)?_total)|threads|sockets|restarts?_\w+)$"
        ),
    ),
    (
        "kube_",
        re.compile(
            r"kube_(?:pod_status_(?:ready|phase|reason)|pod_container_status_(?:restarts_total|ready|waiting_reason"
            r"|last_terminated_reason)|pod_container_resource_(?:limits|requests)"
            r"|(?:deployment|statefulset|daemonset|replicaset)_(?:spec_replicas|status_replicas\w*"
            r"|status_(?:desired|number|current)\w*|replicas)"
            r"|horizontalpodautoscaler_(?:status_\w+|spec_(?:max|min)_replicas)|node_(?:status_condition|spec_\w+)"
            r"|persistentvolumeclaim_status_phase|job_(?:failed|status_failed)|resourcequota)$"
        ),
    ),
    (
        "kubelet_",
        re.compile(
            r"kubelet_volume_stats_(?:used|available|capacity)_bytes$|kubelet_volume_stats_inodes_\w+$"
        ),
    ),
    (
        "node_",
        re.compile(
            r"node_(?:load[15]|memory_(?:MemAvailable|MemTotal|SwapFree)_bytes"
            r"|vmstat_(?:oom_kill|pgmajfault)|disk_(?:io_time_seconds|(?:read|write)_time_seconds"
            r"|(?:reads|writes)_completed|io_time_weighted_seconds)_total"
            r"|filesystem_(?:avail_bytes|size_bytes|files_free|readonly)"
            r"|network_(?:receive|transmit)_(?:bytes|drop|errs)_total|pressure_\w+|nf_conntrack_entries\w*"
            r"|netstat_(?:Tcp_RetransSegs|TcpExt_ListenDrops)|sockstat_TCP_(?:inuse|tw|alloc)|filefd_allocated)$"
        ),
    ),
)
# Families whose series tell the same twice, or of what is nobody's.
_NARROWED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"container_network_"), 'interface!~"veth.*|cali.*|lo|tunl.*"'),
    (re.compile(r"container_"), 'container!="",container!="POD"'),
    (re.compile(r"node_network_"), 'device!~"veth.*|cali.*|lo|docker.*|cni.*|br-.*|flannel.*|tunl.*"'),
    (re.compile(r"node_filesystem_"), 'fstype!~"tmpfs|overlay|squashfs|ramfs|nsfs|proc|sysfs"'),
    (re.compile(r"kube_pod_status_(?:ready|phase)$"), 'condition!~"false|unknown",phase!="Succeeded"'),
    (re.compile(r"kube_node_status_condition$"), 'status="true"'),
    (
        re.compile(r"(?:traces_span_?metrics_|calls_total$|span_metrics_|duration_milliseconds_)"),
        'span_kind!~"(SPAN_KIND_)?(INTERNAL|CLIENT|PRODUCER|internal|client|producer)"',
    ),
)
_TELLING = re.compile(
    r"request|latency|duration|error|fail|timeout|pool|connection|queue|lag|throttl|memory|cpu|restart|pg_|db_"
    r"|calls|:|up$|cache|disk|ready|replicas|http|grpc|rpc",
    re.IGNORECASE,
)
PROCESSORS = "node_cpu_seconds_total"
_HISTOGRAM_OF_TIME = re.compile(r"(?:duration|latency|time|seconds|milliseconds|_ms)(?:_|$)")
MOST_QUERY_CHARACTERS = 5_000
"""Of a query as it stands in a URL: proxies take eight kilobytes, and only GET is sure to change nothing."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Names that are asked for together: a PromQL selector."""

    names: tuple[str, ...]
    matchers: str = ""

    def __str__(self) -> str:
        return selector(self.names, self.matchers)


def selector(names: Sequence[str], matchers: str = "") -> str:
    """A PromQL selector of metric names. A name may hold anything: it is quoted, and no pattern."""
    several = len(names) > 1
    quoted = ("|".join(map(re.escape, names)) if several else names[0]).replace("\\", "\\\\")
    quoted = quoted.replace('"', '\\"').replace("\n", "\\n")
    inner = f'__name__{"=~" if several else "="}"{quoted}"'
    return "{" + ",".join(filter(None, (inner, matchers))) + "}"


def wanted(name: str) -> bool:
    """Whether series of this name can tell of an incident, and have a value of their own."""
    for prefix, chosen in _CHOSEN:
        if name.startswith(prefix):
            return chosen.match(name) is not None
    return _PLUMBING.match(name) is None and _ENDINGS.search(name) is None


def ranked(names: Iterable[str]) -> list[str]:
    """The names by what they can tell: signals before all else, then by name."""
    return sorted(names, key=lambda name: (_TELLING.search(name) is None, name))


def narrowed(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by the matchers that their families need."""
    groups: dict[str, list[str]] = {}
    for name in names:
        matchers = next((matchers for family, matchers in _NARROWED if family.match(name)), "")
        groups.setdefault(matchers, []).append(name)
    return groups


@dataclass(frozen=True, slots=True)
class Room:
    """How much is asked for: series in all and of one name, and samples in one answer."""

    most_series: int = 40_000
    most_of_a_name: int = 8_000
    most_samples: int = 600_000


@dataclass(frozen=True, slots=True)
class Query:
    """A range query over a part of the grid; `name`: what its series are called, where a sum has no name."""

    expression: str
    start: int
    count: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Selected:
    """What will be asked, and what will not: whole names left out, and names that are asked for in sums."""

    raw: Mapping[str, int]
    summed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def select(counts: Mapping[str, int], room: Room) -> Selected:
    """The names to ask for; `counts` holds the number of series of each name."""
    raw: dict[str, int] = {}
    summed, left_out = [], []
    total = 0
    for name in ranked(name for name in counts if wanted(name)):
        count = counts[name]
        cost = min(count, room.most_of_a_name)
        if total + cost > room.most_series:
            left_out.append(name)
            continue
        total += cost
        if count > room.most_of_a_name:
            summed.append(name)
        else:
            raw[name] = count
    return Selected(raw, tuple(summed), tuple(left_out))


def range_queries(raw: Mapping[str, int], grid: Grid, room: Room, extra: str = "") -> list[Query]:
    """Few queries for many names: as many names in each as its URL and its answer have room for.

    A name with more samples than one answer holds is asked for in parts of the window.
    """
    queries: list[Query] = []
    for matchers, names in narrowed(sorted(raw)).items():
        conditions = ",".join(filter(None, (matchers, extra)))
        for together in _batches(names, raw, grid.count, room):
            samples = sum(raw[name] for name in together) * grid.count
            queries += _in_parts(str(Selector(tuple(together), conditions)), samples, grid, room)
    return queries


def _batches(names: Sequence[str], raw: Mapping[str, int], points: int, room: Room) -> Iterable[list[str]]:
    batch: list[str] = []
    samples = length = 0
    for name in names:
        size, long = raw[name] * points, len(quote(re.escape(name), safe="")) + 3
        if batch and (samples + size > room.most_samples or length + long > MOST_QUERY_CHARACTERS):
            yield batch
            batch, samples, length = [], 0, 0
        batch.append(name)
        samples, length = samples + size, length + long
    if batch:
        yield batch


def _in_parts(expression: str, samples: int, grid: Grid, room: Room, name: str = "") -> list[Query]:
    parts = min(max(-(-samples // room.most_samples), 1), grid.count)
    length = -(-grid.count // parts)
    return [
        Query(expression, start, min(length, grid.count - start), name)
        for start in range(0, grid.count, length)
    ]


IDENTITY = (
    "service service_name app app_kubernetes_io_name job namespace workload deployment container datname "
    "version source_workload source_workload_namespace destination_workload destination_workload_namespace "
    "destination_service_name reporter client server "
    "code status status_code http_status_code http_response_status_code response_code grpc_code "
    "k8s_deployment_name k8s_namespace_name peer".split()
)
"""Labels that stay when a name has too many series: whose it is, and how calls ended."""


def summed_queries(
    summed: Mapping[str, Sequence[str]], grid: Grid, seconds: float, extra: str = ""
) -> list[Query]:
    """Sums on the server's side of names that have too many series; `seconds` is the span of a rate.

    `summed` says by which labels each is told apart. Sums and counts of a histogram become its mean.
    """
    queries = []
    for name, labels in summed.items():
        of, by = _one(name, extra), f"by ({','.join(labels)})"
        base = name.removesuffix("_sum")
        if base != name and f"{base}_count" in summed:
            count = f"sum {by} (rate({_one(f'{base}_count', extra)}[{seconds:.0f}s]))"
            mean = f"sum {by} (rate({of}[{seconds:.0f}s])) / ({count} > 0)"
            queries.append(Query(mean, 0, grid.count, f"{base}:avg"))
        elif name.endswith(("_total", "_count", "_sum")):
            expression = f"sum {by} (rate({of}[{seconds:.0f}s]))"
            queries.append(Query(expression, 0, grid.count, f"{name}:rate"))
        else:
            queries.append(Query(f"avg {by} ({of})", 0, grid.count, name))
    return queries


def node_queries(names: Iterable[str], grid: Grid, seconds: float, extra: str = "") -> list[Query]:
    """How busy nodes' processors are: one series a node, where each core has one for each of eight modes."""
    if PROCESSORS not in set(names):
        return []
    of = selector([PROCESSORS], ",".join(filter(None, ('mode="idle"', extra))))
    idle = f"avg by (instance,node,nodename,job) (rate({of}[{seconds:.0f}s]))"
    return [Query(f"1 - {idle}", 0, grid.count, "node_cpu_utilisation:ratio")]


def _one(name: str, extra: str) -> str:
    return selector([name], ",".join(filter(None, (next(iter(narrowed([name]))), extra))))


def timed_histograms(names: Iterable[str]) -> list[str]:
    """Bucket names of durations whose high quantile no recording rule tells yet."""
    listed = list(names)
    told = {name for name in listed if re.search(r":.*(?:p9\d|quantile|99)", name)}
    found = []
    for name in listed:
        base = name.removesuffix("_bucket")
        if name == base or not wanted(base) or not _HISTOGRAM_OF_TIME.search(base):
            continue
        stem = re.sub(r"_?(?:request_)?(?:duration|latency)?_?(?:milli)?seconds$", "", base)
        if not any(stem and stem in rule for rule in told):
            found.append(name)
    return found


def quantile_queries(
    buckets: Mapping[str, Sequence[str]], grid: Grid, seconds: float, extra: str = ""
) -> list[Query]:
    """The 99th percentile of histograms: one series where a hundred buckets would have to be sent.

    `buckets` says by which labels each is told apart.
    """
    queries = []
    for name, by in buckets.items():
        of = _one(name, extra)
        inner = f"sum by ({','.join(('le', *by))}) (rate({of}[{seconds:.0f}s]))"
        expression = f"histogram_quantile(0.99, {inner})"
        queries.append(Query(expression, 0, grid.count, f"{name.removesuffix('_bucket')}:p99"))
    return queries
