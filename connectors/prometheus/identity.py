"""The labels of a live series in the words a case uses: `service`, `pod`, `node`, `namespace` … Pure.

Exporters speak of others: the `pod` of a kube-state-metrics series is the pod it describes, while its
`service` may be kube-state-metrics' own. Each convention's own words are told apart here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from connectors.answers import SeriesKey
from connectors.prometheus.owners import Owners, host, job_service
from connectors.redaction import SECRET_NAME, redacted

Labels = Mapping[str, str]


class ServiceMapping(Protocol):
    """What the service map knows better than labels do."""

    def service_of(self, labels: Mapping[str, str]) -> str | None:
        """The service of these labels (`service`, `namespace`, `workload`, `pod` …), None where unknown."""
        ...


_EXPORTER = re.compile(
    r"exporter|kubelet|cadvisor|kube-state-metrics|(?:^|-)ksm(?:-|$)|prometheus|collector|pushgateway|apiserver"
    r"|metrics-generator|^tempo|^node$|alloy|grafana-agent|vmagent"
)
"""Names of what tells about others."""
_EXPORTED_FAMILY = re.compile(r"(?:kube|container|node|pg|mysql|redis|mongodb|kafka|rabbitmq|nginx|aws)_")

_RENAMED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("namespace", ("k8s_namespace_name", "kubernetes_namespace", "namespace_name")),
    ("pod", ("k8s_pod_name", "kubernetes_pod_name", "pod_name")),
    ("container", ("k8s_container_name", "container_name")),
    ("node", ("k8s_node_name", "kubernetes_node", "node_name", "kubernetes_io_hostname")),
    ("version", ("service_version", "app_kubernetes_io_version", "app_version")),
)
_NAMED_SERVICE = ("app_kubernetes_io_name", "app", "k8s_app", "application")
_WORKLOAD = (
    "workload",
    "deployment",
    "statefulset",
    "daemonset",
    "k8s_deployment_name",
    "k8s_statefulset_name",
    "k8s_daemonset_name",
    "horizontalpodautoscaler",
)
# What the scrape or the collector adds about itself, and what follows from the labels that stay.
_DROPPED = frozenset(
    "__name__ job instance endpoint metrics_path uid container_id id image host_ip pod_ip host_network "
    "pod_template_hash controller_revision_hash service_instance_id service_namespace priority_class "
    "otel_scope_name otel_scope_version otel_scope_schema_url telemetry_sdk_language telemetry_sdk_name "
    "telemetry_sdk_version source_app source_principal source_version source_canonical_service "
    "source_canonical_revision source_cluster source_workload_namespace destination_app "
    "destination_principal destination_canonical_service destination_canonical_revision "
    "destination_cluster destination_workload_namespace destination_service_namespace destination_service "
    "connection_security_policy created_by_kind created_by_name".split()
)
_REPLICA = frozenset(
    "prometheus_replica prometheus __replica__ thanos_ruler_replica ruler_replica rule_replica "
    "receive_replica".split()
)
_PREFIXED = ("app_kubernetes_io_", "beta_kubernetes_io_", "helm_sh_", "security_istio_io_", "exported_")
_ABOUT_ITSELF = ("service", "container", "pod")
_TELLING = frozenset(
    {
        *(name for name, _ in _RENAMED),
        *(other for _, others in _RENAMED for other in others),
        *_NAMED_SERVICE,
        *_WORKLOAD,
        *_DROPPED,
        *_REPLICA,
        *"service service_name datname cluster source_workload destination_workload destination_service_name "
        "reporter client server nodename name".split(),
    }
)
"""Labels that say whose a series is; all others are kept as they are."""
_NOBODY = frozenset({"", "unknown", "none", "<none>", "user", "-"})


@dataclass(slots=True)
class _Part:
    """The labels that tell whose a series is, in a case's words; and as shown, once somebody asked."""

    told: dict[str, str]
    brief: tuple[tuple[str, str], ...] | None = None
    full: tuple[tuple[str, str], ...] | None = None


class Identities:
    """Names the series of one server. Keeps what it worked out: the same labels come often."""

    def __init__(self, owners: Owners, mapping: ServiceMapping | None = None) -> None:
        self._owners = owners
        self._mapping = mapping
        self._shown: dict[tuple[str, str], str] = {}
        self._shapes: dict[tuple[str, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._known: dict[tuple[str, tuple[tuple[str, str], ...]], _Part] = {}

    def keys(self, series: Sequence[Labels]) -> list[SeriesKey | None]:
        """A key a series, each once: None for the copy that another replica holds.

        Labels that only tell how a series was scraped are left out; where series differ in nothing else,
        they stay.
        """
        parts = [self._part(labels) for labels in series]
        _name_by_job(series, parts)
        short = [self._key(labels, part, full=False) for labels, part in zip(series, parts, strict=True)]
        if len(frozenset(short)) == len(short):
            return list(short)
        often: dict[SeriesKey, int] = {}
        for key in short:
            often[key] = often.get(key, 0) + 1
        seen: set[SeriesKey] = set()
        keys: list[SeriesKey | None] = []
        for labels, part, brief in zip(series, parts, short, strict=True):
            key = brief if often[brief] == 1 else self._key(labels, part, full=True)
            keys.append(None if key in seen else key)
            seen.add(key)
        return keys

    def service(self, labels: Labels) -> str | None:
        """The service that labels speak of."""
        return self._part(labels).told.get("service")

    def of_workload(self, workload: str, namespace: str = "") -> str:
        """The service of a workload."""
        return self._mapped({"workload": workload, "namespace": namespace}) or workload

    def _key(self, labels: Labels, part: _Part, *, full: bool) -> SeriesKey:
        rest = [(name, self._show(name, labels[name])) for name in self._split(labels)[1]]
        shown = [*self._pairs(part, full=full), *[pair for pair in rest if pair[1]]]
        return SeriesKey(labels.get("__name__", ""), tuple(sorted(shown)))

    def _split(self, labels: Labels) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the labels that tell whose a series is, and of the others."""
        names = tuple(labels)
        known = self._shapes.get(names)
        if known is None:
            telling = tuple(name for name in names if _tells(name) and name != "__name__")
            known = telling, tuple(name for name in names if not _tells(name))
            self._shapes[names] = known
        return known

    def _pairs(self, part: _Part, *, full: bool) -> tuple[tuple[str, str], ...]:
        """What the labels that tell the identity come to, as shown."""
        kept = part.full if full else part.brief
        if kept is None:
            told = ((name, value) for name, value in part.told.items() if value)
            kept = tuple(
                (name, self._show(name, value)) for name, value in told if full or not _scraped(name)
            )
            if full:
                part.full = kept
            else:
                part.brief = kept
        return kept

    def _show(self, name: str, value: str) -> str:
        """The value as it may be kept: labels hold what strangers wrote, secrets too."""
        shown = self._shown.get((name, value))
        if shown is None:
            shown = self._shown[name, value] = _without_secrets(name, value)
        return shown

    def _part(self, labels: Labels) -> _Part:
        """What a series' own name and labels tell of whose it is; thousands of series tell the same."""
        family = _family(labels.get("__name__", ""))
        telling = tuple([(name, labels[name]) for name in self._split(labels)[0]])
        known = self._known.get((family, telling))
        if known is None:
            known = self._known[(family, telling)] = _Part(self._told(family, telling))
        return known

    def _told(self, metric: str, telling: Iterable[tuple[str, str]]) -> dict[str, str]:
        """The labels less the replicas', the well-known ones under their names in a case."""
        told = {name: value for name, value in telling if name not in _REPLICA}
        _speak_for_others(metric, told)
        for name, others in _RENAMED:
            for other in others:
                value = told.pop(other, "")
                if value and not told.get(name):
                    told[name] = value
        self._join_target(told)
        self._join_owner(metric, told)
        if _edge(metric, told):
            self._name_edge(told)
        service = self._service(told)
        for name in ("service", "service_name", *_NAMED_SERVICE):
            if told.get(name) == service or name in ("service", "service_name"):
                told.pop(name, None)
        if service:
            told["service"] = service
        return told

    def _join_target(self, told: dict[str, str]) -> None:
        target = self._owners.targets.get((told.get("job", ""), told.get("instance", "")))
        if target is None:
            return
        joined = {
            "service_name": target.service,
            "namespace": target.namespace,
            "pod": target.pod,
            "version": target.version,
        }
        for name, value in joined.items():
            if value:
                told.setdefault(name, value)

    def _join_owner(self, metric: str, told: dict[str, str]) -> None:
        """The node of a pod; the node behind an address."""
        if told.get("pod") and not told.get("node"):
            node = self._owners.nodes.get((told.get("namespace", ""), told["pod"]))
            if node:
                told["node"] = node
        if metric.startswith("node_"):
            at = host(told.get("instance", ""))
            told["node"] = told.get("nodename") or told.get("node") or self._owners.addresses.get(at, at)

    def _name_edge(self, told: dict[str, str]) -> None:
        """Both ends of a call as services; the series speaks of the one that is called."""
        for end in ("source", "destination"):
            name, namespace = f"{end}_workload", told.get(f"{end}_workload_namespace", "")
            workload = told.get(name, "")
            if workload in _NOBODY:
                told.pop(name, None)
            else:
                told[name] = self.of_workload(workload, namespace)
        called = told.get("destination_workload") or told.get("destination_service_name", "")
        if called not in _NOBODY:
            told["service"] = called
            told.setdefault("namespace", told.get("destination_workload_namespace", ""))

    def _service(self, told: Labels) -> str | None:
        mapped = self._mapped(told)
        if mapped:
            return mapped
        if told.get("destination_workload") or told.get("source_workload"):
            return told.get("service")
        for name in self._candidates(told):
            if name and name not in _NOBODY and not _is_exporter(name):
                return name
        return None

    def _candidates(self, told: Labels) -> Iterable[str]:
        """Names for the service, the surest first."""
        pod, namespace = told.get("pod", ""), told.get("namespace", "")
        yield told.get("service_name", "")
        if "endpoint" in told and (namespace, pod) in self._owners.workloads:
            # The Prometheus Operator's `service` is a Kubernetes Service, "cart-metrics" as often as "cart".
            yield self._owners.workload(namespace, pod)
        yield told.get("service", "")
        for name in (*_NAMED_SERVICE, *_WORKLOAD):
            yield told.get(name, "")
        if pod:
            yield self._owners.workload(namespace, pod)
        yield told.get("container", "")

    def _mapped(self, told: Labels) -> str | None:
        if self._mapping is None:
            return None
        pod = told.get("pod")
        if pod and "workload" not in told:
            told = {**told, "workload": self._owners.workload(told.get("namespace", ""), pod)}
        return self._mapping.service_of(told)


@lru_cache(maxsize=65536)
def _is_exporter(name: str) -> bool:
    return _EXPORTER.search(name) is not None


def _name_by_job(series: Sequence[Labels], parts: Sequence[_Part]) -> None:
    """Without any other name, a job is its service's; one that scrapes several services names none."""
    scraped: dict[str, set[str]] = {}
    nameless = []
    for labels, part in zip(series, parts, strict=True):
        if "service" in part.told:
            scraped.setdefault(part.told.get("job", ""), set()).add(part.told["service"])
        elif not _EXPORTED_FAMILY.match(labels.get("__name__", "")):
            nameless.append(part)
    for part in nameless:
        name = job_service(part.told.get("job", ""))
        if name and scraped.get(part.told["job"], {name}) == {name} and not _is_exporter(name):
            part.told["service"] = name
            part.brief = part.full = None


@lru_cache(maxsize=65536)
def _family(metric: str) -> str:
    """As much of a name as decides how labels are read."""
    if metric.startswith(("kube_", "traces_service_graph_")):
        return metric
    found = _EXPORTED_FAMILY.match(metric)
    return found.group() if found else ""


@lru_cache(maxsize=65536)
def _tells(name: str) -> bool:
    """Whether a label may say whose a series is."""
    return name in _TELLING or name.startswith(_PREFIXED)


@lru_cache(maxsize=65536)
def _scraped(name: str) -> bool:
    return name in _DROPPED or name.startswith(_PREFIXED)


def _without_secrets(name: str, value: str) -> str:
    """The value as it may be kept; a statement's number is long enough to pass for a card's."""
    if name == "queryid" and value.lstrip("-").isdigit():
        return value
    return "[secret]" if SECRET_NAME.search(name) else redacted(value)[:512]


def _speak_for_others(metric: str, told: dict[str, str]) -> None:
    """Where an exporter tells of others, its own name, pod and container are not theirs."""
    if metric.startswith("kube_"):
        _of_cluster(metric, told)
    elif metric.startswith("node_"):
        for name in ("service", "container", "pod", "namespace"):
            told.pop(name, None)
    elif metric.startswith("container_"):
        told.pop("name", None)
        if not _numbered(told.get("instance", "")):
            told.setdefault("node", host(told.get("instance", "")))
    else:
        _of_exporter(told)
    if _is_exporter(told.get("service", "")):
        del told["service"]


def _of_exporter(told: dict[str, str]) -> None:
    if _is_exporter(told.get("service", "")) and told.get("exported_service"):
        told["service"] = told.pop("exported_service")
    for name in _ABOUT_ITSELF:
        if _is_exporter(told.get(name, "")):
            del told[name]


def _of_cluster(metric: str, told: dict[str, str]) -> None:
    for name in [name for name in told if name.startswith("exported_")]:
        told[name.removeprefix("exported_")] = told.pop(name)
    if not metric.startswith("kube_pod_"):
        told.pop("pod", None)
    if not metric.startswith("kube_pod_") or _is_exporter(told.get("container", "")):
        told.pop("container", None)


def _numbered(instance: str) -> bool:
    """Whether the address of a kubelet is a number, which names no node."""
    return not instance or re.fullmatch(r"[\d.:a-f\[\]]+", host(instance)) is not None


def _edge(metric: str, told: dict[str, str]) -> bool:
    """Whether the series is one of a call between two; those of service graphs get Istio's words."""
    if metric.startswith("traces_service_graph_") and "server" in told:
        told["source_workload"] = told.pop("client", "")
        told["destination_workload"] = told.pop("server")
        if "_client_seconds" in metric or "_server_seconds" in metric:
            told["reporter"] = "source" if "_client_seconds" in metric else "destination"
    return "source_workload" in told or "destination_workload" in told
