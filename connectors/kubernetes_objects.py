"""Kubernetes objects, as the API and kubectl print them, turned into ClusterState.

Read from files by a case and from the API by a live cluster, so that both give one answer. Nothing here does
I/O, and no secret leaves: environment values and messages that look like one are replaced before anything
else sees them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connectors.answers import ClusterEvent, ClusterState, Container, Node, Pod
from connectors.cluster_facts import Probe
from connectors.contract import Window
from connectors.kubernetes_json import (
    Object,
    created,
    first,
    instant,
    later,
    listed,
    mapping,
    number,
    quantity,
    text,
    texts,
)
from connectors.kubernetes_owners import (
    VERSION_LABELS,
    Objects,
    ServiceOf,
    commit,
    no_catalogue,
)
from connectors.kubernetes_revisions import rollouts
from connectors.kubernetes_standing import (
    autoscalers,
    configurations,
    network_rules,
    quotas,
    services,
    troubles,
    volume_claims,
    workloads,
)
from connectors.kubernetes_templates import handler
from connectors.redaction import redacted

_PROBES = (("liveness", "livenessProbe"), ("readiness", "readinessProbe"), ("startup", "startupProbe"))


def read_cluster(
    items: Iterable[Object],
    now: datetime,
    service_of: ServiceOf = no_catalogue,
    unread: Iterable[str] = (),
) -> ClusterState:
    """The cluster as far as it was known by now; `unread` are the kinds that could not be read."""
    objects = Objects(items, now, service_of)
    missing = tuple(sorted(set(unread)))
    pods_known = "Pod" not in missing
    pods = [_pod(objects, each) for each in objects.of("Pod")]
    return ClusterState(
        pods=tuple(sorted(pods, key=lambda each: (each.namespace, each.name))),
        nodes=tuple(sorted((_node(o, now) for o in objects.of("Node")), key=lambda n: n.name)),
        rollouts=rollouts(objects),
        events=tuple(
            sorted(
                (event for o in objects.of("Event") if (event := _event(o, now)) is not None),
                key=lambda e: (e.at, e.namespace, e.name, e.reason, e.message),
            )
        ),
        workloads=workloads(objects),
        autoscalers=autoscalers(objects),
        quotas=quotas(objects),
        services=services(objects, pods_known=pods_known),
        volume_claims=volume_claims(objects),
        network_rules=network_rules(objects, pods_known=pods_known),
        configurations=configurations(objects),
        unread=missing,
    )


def narrowed(state: ClusterState, namespaces: Iterable[str], window: Window, now: datetime) -> ClusterState:
    """What a question asks for: its namespaces (all, when it names none), and of the events its window."""
    spaces = frozenset(namespaces)
    start, end = window.start, min(window.end, now)

    def wanted(namespace: str) -> bool:
        return not spaces or namespace in spaces

    spaced = (
        "pods", "rollouts", "workloads", "autoscalers", "quotas", "services", "volume_claims",
        "network_rules", "configurations",
    )  # fmt: skip
    chosen = {part: tuple(o for o in getattr(state, part) if wanted(o.namespace)) for part in spaced}
    events = tuple(
        e for e in state.events if start <= e.at <= end and (wanted(e.namespace) or e.kind == "Node")
    )
    return state.model_copy(update={**chosen, "events": events})


def _pod(objects: Objects, pod: Object) -> Pod:
    meta, status = mapping(pod, "metadata"), mapping(pod, "status")
    labels = texts(meta, "labels")
    workload = objects.workload(pod)
    namespace = text(meta, "namespace")
    started = instant(status.get("startTime"))
    return Pod(
        namespace=namespace,
        name=text(meta, "name"),
        workload=workload,
        service=objects.service(namespace, workload, labels),
        node=text(mapping(pod, "spec"), "nodeName") or None,
        phase=text(status, "phase"),
        ready=_ready(status, objects.now),
        version=first(labels, VERSION_LABELS),
        commit=commit([pod, *objects.owners(pod)]),
        started_at=None if later(started, objects.now) else started,
        containers=_containers(pod, objects.now),
        # A Job's pod that ended well is not ready, and should not be.
        conditions=() if status.get("phase") == "Succeeded" else troubles(pod, objects.now),
        reason=text(status, "reason"),
    )


def _ready(status: Object, now: datetime) -> bool | None:
    condition = next((c for c in listed(status, "conditions") if c.get("type") == "Ready"), None)
    if condition is None or later(instant(condition.get("lastTransitionTime")), now):
        return None
    return condition.get("status") == "True"


def _containers(pod: Object, now: datetime) -> tuple[Container, ...]:
    """The containers, and of the init containers those in trouble."""
    spec, status = mapping(pod, "spec"), mapping(pod, "status")
    states = {text(s, "name"): s for s in listed(status, "containerStatuses")}
    init_states = {text(s, "name"): s for s in listed(status, "initContainerStatuses")}
    usual = [_container(c, states.get(text(c, "name"), {}), now) for c in listed(spec, "containers")]
    init = [_container(c, init_states.get(text(c, "name"), {}), now) for c in listed(spec, "initContainers")]
    return (*usual, *(c for c in init if c.restarts or c.waiting_reason))


def _container(spec: Object, status: Object, now: datetime) -> Container:
    state = mapping(status, "state")
    ended = mapping(status, "lastState", "terminated") or mapping(state, "terminated")
    ended_at = instant(ended.get("finishedAt"))
    known = not later(ended_at, now)
    limits, requests = mapping(spec, "resources", "limits"), mapping(spec, "resources", "requests")
    waiting = mapping(state, "waiting") if known else {}
    restarts, ready = status.get("restartCount"), status.get("ready")
    return Container(
        name=text(spec, "name"),
        image=text(spec, "image"),
        # A container that ended after now was in a state by now that this snapshot no longer tells.
        restarts=restarts if known and isinstance(restarts, int) else 0,
        ready=ready if known and isinstance(ready, bool) else None,
        waiting_reason=text(waiting, "reason") or None,
        last_exit_reason=(text(ended, "reason") or None) if known else None,
        last_exit_at=ended_at if known else None,
        memory_limit_bytes=quantity(limits.get("memory")),
        cpu_limit_cores=quantity(limits.get("cpu")),
        memory_request_bytes=quantity(requests.get("memory")),
        cpu_request_cores=quantity(requests.get("cpu")),
        waiting_message=redacted(text(waiting, "message"))[:500],
        last_exit_code=number(ended, "exitCode") if known else None,
        probes=tuple(_probe(kind, mapping(spec, name)) for kind, name in _PROBES if mapping(spec, name)),
    )


def _probe(kind: str, probe: Object) -> Probe:
    usual = Probe(kind=kind)
    return Probe(
        kind=kind,
        handler=handler(probe),
        timeout_seconds=number(probe, "timeoutSeconds") or usual.timeout_seconds,
        period_seconds=number(probe, "periodSeconds") or usual.period_seconds,
        failure_threshold=number(probe, "failureThreshold") or usual.failure_threshold,
    )


def _node(node: Object, now: datetime) -> Node:
    """A node with its conditions that are not as they should be, and were so by now."""
    conditions = troubles(node, now)
    return Node(
        name=text(mapping(node, "metadata"), "name"),
        troubles=tuple("NotReady" if each.type == "Ready" else each.type for each in conditions),
        unschedulable=mapping(node, "spec").get("unschedulable") is True,
        conditions=conditions,
    )


def _event(event: Object, now: datetime) -> ClusterEvent | None:
    """The event as it was known by now: a series that went on is cut back to its first occurrence."""
    series = mapping(event, "series")
    began = instant(event.get("firstTimestamp")) or instant(event.get("eventTime")) or created(event)
    last = instant(series.get("lastObservedTime")) or instant(event.get("lastTimestamp")) or began
    counted = series.get("count") or event.get("count")
    count = counted if isinstance(counted, int) else 1
    if later(last, now):
        last, count = began, 1
    if last is None or later(last, now):
        return None
    about = mapping(event, "involvedObject") or mapping(event, "regarding")
    return ClusterEvent(
        at=last,
        type=text(event, "type") or "Normal",
        reason=text(event, "reason"),
        kind=text(about, "kind"),
        name=text(about, "name"),
        namespace=text(about, "namespace") or text(mapping(event, "metadata"), "namespace"),
        message=redacted(text(event, "message") or text(event, "note")),
        count=count,
    )
