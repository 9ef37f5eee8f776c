"""Who stands behind pods, addresses and scrape targets, as info metrics tell it. Pure.

kube-state-metrics says which workload owns a pod and which node it runs on; `target_info` says which service
an OpenTelemetry target is. Where neither is known, a pod's own name still ends in what Kubernetes generated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

INFO_METRICS = (
    "kube_pod_info",
    "kube_pod_owner",
    "kube_replicaset_owner",
    "kube_job_owner",
    "kube_node_info",
    "node_uname_info",
    "target_info",
)
"""Metrics whose labels are the answer; their value is always 1."""

# The letters and digits Kubernetes draws names from: no vowels, nothing that looks like another.
_DRAWN = "[bcdfghjklmnpqrstvwxz2456789]"
_GENERATED = re.compile(
    rf"(?:-{_DRAWN}{{6,10}})?-{_DRAWN}{{5}}$|-[a-f0-9]{{8,10}}-[a-z0-9]{{5}}$|-\d{{1,3}}$"
)
_HASHED = re.compile(rf"-{_DRAWN}{{6,10}}$|-[a-f0-9]{{8,10}}$")
_TIMED = re.compile(r"-\d{8,10}$")


@dataclass(frozen=True, slots=True)
class Target:
    """What `target_info` says of one scrape target."""

    service: str | None = None
    namespace: str | None = None
    pod: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Owners:
    """Workload and node of a pod by (namespace, pod); node by its address; target by (job, instance)."""

    workloads: Mapping[tuple[str, str], str] = field(default_factory=dict)
    nodes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[tuple[str, str], Target] = field(default_factory=dict)

    def workload(self, namespace: str, pod: str) -> str:
        """The workload behind a pod: as told, else the pod's name less what was generated."""
        return self.workloads.get((namespace, pod)) or _GENERATED.sub("", pod)


def host(instance: str) -> str:
    """A scrape target's address less its port; an IPv6 address less its brackets."""
    name, colon, port = instance.rpartition(":")
    return (name if colon and port.isdigit() else instance).strip("[]")


def own(labels: Mapping[str, str], name: str) -> str:
    """A label of the exporter's own telling: Prometheus renames it where the target has one of that name."""
    return labels.get(f"exported_{name}") or labels.get(name, "")


def read_owners(rows: Iterable[Mapping[str, str]]) -> Owners:
    """The owners that the rows of INFO_METRICS tell."""
    by_metric: dict[str, list[Mapping[str, str]]] = {}
    for labels in rows:
        by_metric.setdefault(labels.get("__name__", ""), []).append(labels)
    controllers = _controllers(by_metric)
    return Owners(
        workloads=_workloads(by_metric, controllers),
        nodes={
            (own(each, "namespace"), own(each, "pod")): own(each, "node")
            for each in by_metric.get("kube_pod_info", ())
            if own(each, "node")
        },
        addresses=_addresses(by_metric),
        targets={
            (own(each, "job"), own(each, "instance")): _target(each)
            for each in by_metric.get("target_info", ())
        },
    )


def _controllers(rows: Mapping[str, list[Mapping[str, str]]]) -> dict[tuple[str, str, str], str]:
    """The owner of a ReplicaSet or Job, by kind, namespace and name."""
    found = {}
    for metric, kind, label in (
        ("kube_replicaset_owner", "ReplicaSet", "replicaset"),
        ("kube_job_owner", "Job", "job_name"),
    ):
        for each in rows.get(metric, ()):
            owner = own(each, "owner_name")
            if owner and owner != "<none>":
                found[(kind, own(each, "namespace"), own(each, label))] = owner
    return found


def _workloads(
    rows: Mapping[str, list[Mapping[str, str]]], controllers: Mapping[tuple[str, str, str], str]
) -> dict[tuple[str, str], str]:
    found = {}
    for metric, prefix in (("kube_pod_info", "created_by"), ("kube_pod_owner", "owner")):
        for each in rows.get(metric, ()):
            kind, name = own(each, f"{prefix}_kind"), own(each, f"{prefix}_name")
            namespace, pod = own(each, "namespace"), own(each, "pod")
            if name and name != "<none>" and kind != "Node":
                owner = controllers.get((kind, namespace, name)) or _unhashed(kind, name)
                found[(namespace, pod)] = owner
    return found


def _unhashed(kind: str, name: str) -> str:
    """A controller's name less what its own controller added to it."""
    if kind == "ReplicaSet":
        return _HASHED.sub("", name)
    return _TIMED.sub("", name) if kind == "Job" else name


def _addresses(rows: Mapping[str, list[Mapping[str, str]]]) -> dict[str, str]:
    found = {}
    for each in rows.get("node_uname_info", ()):
        if each.get("nodename"):
            found[host(own(each, "instance"))] = each["nodename"]
    for each in rows.get("kube_node_info", ()):
        if each.get("internal_ip"):
            found[each["internal_ip"]] = own(each, "node")
    return found


def _target(labels: Mapping[str, str]) -> Target:
    return Target(
        service=labels.get("service_name") or job_service(own(labels, "job")),
        namespace=labels.get("k8s_namespace_name") or labels.get("service_namespace"),
        pod=labels.get("k8s_pod_name"),
        version=labels.get("service_version"),
    )


def job_service(job: str) -> str:
    """OpenTelemetry writes a job as namespace/service."""
    return job.rpartition("/")[2]
