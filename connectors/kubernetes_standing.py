"""What stands in a cluster besides pods, nodes and events: workloads, services and the rest. Pure.

Read from the same objects as everything else, so that a recorded case and a live cluster give one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from connectors.cluster_facts import (
    Autoscaler,
    Condition,
    Configuration,
    NetworkRule,
    Quota,
    ServiceEndpoints,
    VolumeClaim,
    Workload,
)
from connectors.kubernetes_json import (
    Object,
    instant,
    later,
    listed,
    mapping,
    number,
    quantity,
    selects,
    text,
    texts,
)
from connectors.kubernetes_owners import Objects
from connectors.kubernetes_revisions import writers
from connectors.kubernetes_templates import REDACTED, configuration_references, plain
from connectors.redaction import redacted

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_WELL_WHEN_FALSE = frozenset({"ReplicaFailure", "ScalingLimited", "DisruptionTarget"})
_MOST_METRICS = 20


def troubles(item: Object, now: datetime) -> tuple[Condition, ...]:
    """The conditions that are not as they should be, and were so by now."""
    found = []
    for condition in listed(mapping(item, "status"), "conditions"):
        kind, status = text(condition, "type"), text(condition, "status")
        since = instant(condition.get("lastTransitionTime"))
        # Of a node, only readiness is well when it holds; what else it tells of is trouble.
        inverse = kind in _WELL_WHEN_FALSE or (item.get("kind") == "Node" and kind != "Ready")
        if (status != "True") == inverse or not kind or later(since, now):
            continue
        found.append(
            Condition(
                type=kind,
                status=status,
                reason=text(condition, "reason"),
                message=redacted(text(condition, "message"))[:500],
                since=since,
            )
        )
    return tuple(found)


def workloads(objects: Objects) -> tuple[Workload, ...]:
    """Deployments, StatefulSets and DaemonSets."""
    found = [_workload(objects, item) for item in objects.of(*WORKLOADS)]
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))


def _workload(objects: Objects, item: Object) -> Workload:
    meta, spec, status = mapping(item, "metadata"), mapping(item, "spec"), mapping(item, "status")
    name, namespace = f"{text(item, 'kind').lower()}/{text(meta, 'name')}", text(meta, "namespace")
    # A DaemonSet's fields have names of their own; absent counts are zero once a controller has spoken.
    seen = bool(status)
    desired = number(spec, "replicas") if "replicas" in spec else number(status, "desiredNumberScheduled")
    updated = number(status, "updatedReplicas") or number(status, "updatedNumberScheduled")
    ready = number(status, "readyReplicas") or number(status, "numberReady")
    labels = {**texts(mapping(spec, "template", "metadata"), "labels"), **texts(meta, "labels")}
    return Workload(
        namespace=namespace,
        name=name,
        service=objects.service(namespace, name, labels),
        desired=desired,
        updated=updated or 0 if seen else None,
        ready=ready or 0 if seen else None,
        paused=spec.get("paused") is True,
        conditions=troubles(item, objects.now),
    )


def autoscalers(objects: Objects) -> tuple[Autoscaler, ...]:
    """Autoscalers with what they measure."""
    found = []
    for item in objects.of("HorizontalPodAutoscaler"):
        meta, spec, status = mapping(item, "metadata"), mapping(item, "spec"), mapping(item, "status")
        target = mapping(spec, "scaleTargetRef")
        found.append(
            Autoscaler(
                namespace=text(meta, "namespace"),
                name=text(meta, "name"),
                workload=f"{text(target, 'kind').lower()}/{text(target, 'name')}",
                least=number(spec, "minReplicas"),
                most=number(spec, "maxReplicas"),
                current=number(status, "currentReplicas"),
                desired=number(status, "desiredReplicas"),
                metrics=tuple(_metrics(spec, status))[:_MOST_METRICS],
                conditions=troubles(item, objects.now),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))


def _metrics(spec: Object, status: Object) -> Iterator[str]:
    """Each resource metric as "cpu 92% of 60%", of the kinds whose target is a share of the request."""
    targets = {
        text(mapping(each, "resource"), "name"): number(
            mapping(each, "resource", "target"), "averageUtilization"
        )
        for each in listed(spec, "metrics")
    }
    for each in listed(status, "currentMetrics"):
        name = text(mapping(each, "resource"), "name")
        seen = number(mapping(each, "resource", "current"), "averageUtilization")
        if name and seen is not None:
            target = targets.get(name)
            yield f"{name} {seen}%" + (f" of {target}%" if target is not None else "")


def quotas(objects: Objects) -> tuple[Quota, ...]:
    """Every resource of every quota."""
    found = []
    for item in objects.of("ResourceQuota"):
        meta, status = mapping(item, "metadata"), mapping(item, "status")
        used = mapping(status, "used")
        for resource, bound in sorted(mapping(status, "hard").items()):
            hard, taken = quantity(bound), quantity(used.get(resource))
            if hard is not None and taken is not None:
                found.append(
                    Quota(
                        namespace=text(meta, "namespace"),
                        name=text(meta, "name"),
                        resource=resource,
                        used=taken,
                        hard=hard,
                    )
                )
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name, each.resource)))


def services(objects: Objects, *, pods_known: bool) -> tuple[ServiceEndpoints, ...]:
    """Services with whom they select and who is ready; `pods_known`: whether the pods were read."""
    labels: dict[str, list[dict[str, str]]] = {}
    for pod in objects.of("Pod"):
        meta = mapping(pod, "metadata")
        labels.setdefault(text(meta, "namespace"), []).append(texts(meta, "labels"))
    slices = _slices(objects.of("EndpointSlice"))
    found = []
    for item in objects.of("Service"):
        meta, spec = mapping(item, "metadata"), mapping(item, "spec")
        namespace, name = text(meta, "namespace"), text(meta, "name")
        selector = texts(spec, "selector")
        among = labels.get(namespace, [])
        chosen = sum(selector.items() <= each.items() for each in among)
        ready, waiting = slices.get((namespace, name), (None, None))
        found.append(
            ServiceEndpoints(
                namespace=namespace,
                name=name,
                type=text(spec, "type"),
                selector=tuple(sorted(selector.items())),
                selected=chosen if selector and pods_known else None,
                ready=ready,
                not_ready=waiting,
            )
        )
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))


def _slices(items: Iterable[Object]) -> dict[tuple[str, str], tuple[int, int]]:
    """Ready and not-ready endpoints by the service's namespace and name; an unknown readiness is ready."""
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for item in items:
        meta = mapping(item, "metadata")
        name = texts(meta, "labels").get("kubernetes.io/service-name", "")
        ready, waiting = found.setdefault((text(meta, "namespace"), name), (set(), set()))
        for endpoint in listed(item, "endpoints"):
            addresses = endpoint.get("addresses")
            who = text(mapping(endpoint, "targetRef"), "name") or str(addresses)
            (waiting if mapping(endpoint, "conditions").get("ready") is False else ready).add(who)
    return {key: (len(ready), len(waiting - ready)) for key, (ready, waiting) in found.items()}


def volume_claims(objects: Objects) -> tuple[VolumeClaim, ...]:
    """Claims on volumes."""
    found = []
    for item in objects.of("PersistentVolumeClaim"):
        meta, spec, status = mapping(item, "metadata"), mapping(item, "spec"), mapping(item, "status")
        found.append(
            VolumeClaim(
                namespace=text(meta, "namespace"),
                name=text(meta, "name"),
                phase=text(status, "phase"),
                storage_class=text(spec, "storageClassName"),
                requested_bytes=quantity(mapping(spec, "resources", "requests").get("storage")),
                capacity_bytes=quantity(mapping(status, "capacity").get("storage")),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))


def network_rules(objects: Objects, *, pods_known: bool) -> tuple[NetworkRule, ...]:
    """Network policies, and the directions in which they let nothing through."""
    pods = [mapping(pod, "metadata") for pod in objects.of("Pod")]
    found = []
    for item in objects.of("NetworkPolicy"):
        meta, spec = mapping(item, "metadata"), mapping(item, "spec")
        namespace, selector = text(meta, "namespace"), mapping(spec, "podSelector")
        types = spec.get("policyTypes")
        directions = tuple(sorted(str(each) for each in types)) if isinstance(types, list) else ("Ingress",)
        covered = sum(
            text(pod, "namespace") == namespace and selects(selector, texts(pod, "labels")) for pod in pods
        )
        found.append(
            NetworkRule(
                namespace=namespace,
                name=text(meta, "name"),
                selector=",".join(f"{k}={v}" for k, v in sorted(texts(selector, "matchLabels").items())),
                directions=directions,
                denies_all=tuple(each for each in directions if not listed(spec, each.lower())),
                covers=covered if pods_known else None,
                created_at=instant(meta.get("creationTimestamp")),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))


def configurations(objects: Objects) -> tuple[Configuration, ...]:
    """ConfigMaps: keys and hashes of values, and the workloads whose pods take them."""
    users = configuration_users(objects)
    found = []
    for item in objects.of("ConfigMap"):
        meta = mapping(item, "metadata")
        namespace, name = text(meta, "namespace"), text(meta, "name")
        wrote = [each for each in writers(item) if each.at <= objects.now]
        found.append(
            Configuration(
                namespace=namespace,
                name=name,
                changed_at=wrote[-1].at if wrote else instant(meta.get("creationTimestamp")),
                changed_by=redacted(wrote[-1].manager)[:100] if wrote else "",
                entries=tuple((key, fingerprint(key, value)) for key, value in sorted(values(item).items())),
                used_by=tuple(sorted(users.get((namespace, name), ()))),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))


def configuration_users(objects: Objects) -> dict[tuple[str, str], set[str]]:
    """The workloads that take their settings from each ConfigMap (namespace, name)."""
    users: dict[tuple[str, str], set[str]] = {}
    for item in objects.of(*WORKLOADS):
        meta = mapping(item, "metadata")
        namespace = text(meta, "namespace")
        for name in configuration_references(mapping(item, "spec", "template")):
            workload = f"{text(item, 'kind').lower()}/{text(meta, 'name')}"
            users.setdefault((namespace, name), set()).add(workload)
    return users


def values(item: Object) -> dict[str, str]:
    """The entries of a ConfigMap, binary ones as the API spells them."""
    return {**texts(item, "binaryData"), **texts(item, "data")}


def fingerprint(key: str, value: str) -> str:
    """The beginning of the value's SHA-256; none of a secret, whose hash could be guessed from."""
    if plain(key, value) == REDACTED or redacted(value[:4_096]) != value[:4_096]:
        return REDACTED
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:12]
