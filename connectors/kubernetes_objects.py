"""Kubernetes objects, as the API and kubectl print them, turned into ClusterState.

Read from files by a case, from the API later. Nothing here does I/O, and no secret leaves: environment
values that look like one are replaced before anything else sees them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.answers import ClusterEvent, ClusterState, Container, Node, Pod, Rollout

Object = dict[str, object]

_SERVICE_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")
_VERSION_LABELS = ("app.kubernetes.io/version", "version")
_COMMIT = "org.opencontainers.image.revision"
_REVISION = "deployment.kubernetes.io/revision"
_SECRET = re.compile(
    r"secret|token|passw|passphrase|pwd|credential|private|cookie|dsn|salt|api_?key|(?:^|_)key(?:$|_id$)",
    re.IGNORECASE,
)
# Bounded and anchored, so that no value makes it quadratic.
_USERINFO = re.compile(
    r"(?P<scheme>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}):[^\s@]{1,500}@", re.IGNORECASE
)
_LONGEST_VALUE = 4_096
_QUANTITY = re.compile(r"^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})$")
_UNITS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
REDACTED = "(redacted)"

ServiceOf = Callable[[str, str | None], str | None]
"""Which service of the catalogue a namespace's workload is, if any."""


def no_catalogue(namespace: str, workload: str | None) -> str | None:  # noqa: ARG001 - the signature is the contract
    """Where no catalogue is given."""
    return None


def read_cluster(
    items: Iterable[Object], now: datetime, service_of: ServiceOf = no_catalogue
) -> ClusterState:
    """The cluster as far as it was known by now."""
    listed = list(items)
    view = _View(listed, {_identity(item): item for item in listed}, now, service_of)
    return ClusterState(
        pods=tuple(sorted((view.pod(o) for o in view.of("Pod")), key=lambda p: (p.namespace, p.name))),
        nodes=tuple(sorted((_node(o, now) for o in view.of("Node")), key=lambda n: n.name)),
        rollouts=tuple(sorted((view.rollout(o) for o in view.of("ReplicaSet")), key=_rollout_order)),
        events=tuple(
            sorted(
                (event for o in view.of("Event") if (event := _event(o, now)) is not None),
                key=lambda e: (e.at, e.namespace, e.name, e.reason, e.message),
            )
        ),
    )


def _rollout_order(rollout: Rollout) -> tuple[object, ...]:
    digits = rollout.revision.isdigit()
    at = rollout.at.timestamp() if rollout.at is not None else 0.0
    return (rollout.namespace, rollout.workload, int(rollout.revision) if digits else 0, at, rollout.images)


@dataclass(frozen=True)
class _View:
    """The objects, and who owns whom among them."""

    items: list[Object]
    by_identity: Mapping[tuple[str, str, str], Object]
    now: datetime
    service_of: ServiceOf

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind that existed by now."""
        return [o for o in self.items if o.get("kind") == kind and not _later(_created(o), self.now)]

    def pod(self, pod: Object) -> Pod:
        meta, status = _map(pod, "metadata"), _map(pod, "status")
        labels = _texts(meta, "labels")
        owners = self._owners(pod)
        workload = _workload_name(pod, owners)
        namespace = _text(meta, "namespace")
        started = _time(status.get("startTime"))
        return Pod(
            namespace=namespace,
            name=_text(meta, "name"),
            workload=workload,
            service=self.service_of(namespace, workload) or _first(labels, _SERVICE_LABELS),
            node=_text(_map(pod, "spec"), "nodeName") or None,
            phase=_text(status, "phase"),
            ready=_ready(status, self.now),
            version=_first(labels, _VERSION_LABELS),
            commit=_commit([pod, *owners]),
            started_at=None if _later(started, self.now) else started,
            containers=_containers(pod, self.now),
        )

    def rollout(self, replica_set: Object) -> Rollout:
        meta, spec = _map(replica_set, "metadata"), _map(replica_set, "spec")
        owners = self._owners(replica_set)
        workload = _workload_name(replica_set, owners) or f"replicaset/{_text(meta, 'name')}"
        namespace = _text(meta, "namespace")
        template = _map(spec, "template")
        labels = {**_texts(meta, "labels"), **_texts(_map(template, "metadata"), "labels")}
        containers = _list(_map(template, "spec"), "containers")
        replicas = spec.get("replicas")
        return Rollout(
            namespace=namespace,
            workload=workload,
            service=self.service_of(namespace, workload) or _first(labels, _SERVICE_LABELS),
            revision=_texts(meta, "annotations").get(_REVISION, ""),
            at=_created(replica_set),
            images=tuple(_text(container, "image") for container in containers),
            commit=_commit([template, replica_set, *owners]),
            replicas=replicas if isinstance(replicas, int) else None,
            environment=environment(containers[0]) if containers else (),
        )

    def _owners(self, child: Object) -> list[Object]:
        """The chain of controllers above an object; one that is not in the list ends it as a stub."""
        chain: list[Object] = []
        while len(chain) < 5:
            meta = _map(chain[-1] if chain else child, "metadata")
            reference = _controller(meta)
            if reference is None:
                break
            chain.append(
                self._find(reference, _text(meta, "namespace") or _text(_map(child, "metadata"), "namespace"))
            )
        return chain

    def _find(self, reference: Object, namespace: str) -> Object:
        kind, name = _text(reference, "kind"), _text(reference, "name")
        found = self.by_identity.get((kind, namespace, name))
        return found or {"kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _identity(item: Object) -> tuple[str, str, str]:
    meta = _map(item, "metadata")
    return (_text(item, "kind"), _text(meta, "namespace"), _text(meta, "name"))


def _workload_name(child: Object, owners: list[Object]) -> str | None:
    """`deployment/checkout`: the topmost controller, or what a ReplicaSet's name says of an absent one."""
    if not owners:
        return None
    kind, name = _text(owners[-1], "kind"), _text(_map(owners[-1], "metadata"), "name")
    hash_ = _texts(_map(child, "metadata"), "labels").get("pod-template-hash", "")
    if kind == "ReplicaSet" and hash_ and name.endswith(f"-{hash_}"):
        return f"deployment/{name.removesuffix(f'-{hash_}')}"
    return f"{kind.lower()}/{name}"


def _controller(meta: Object) -> Object | None:
    references = _list(meta, "ownerReferences")
    return next((r for r in references if r.get("controller")), references[0] if references else None)


def _commit(objects: Iterable[Object]) -> str | None:
    for item in objects:
        meta = _map(item, "metadata")
        found = _texts(meta, "annotations").get(_COMMIT) or _texts(meta, "labels").get(_COMMIT)
        if found:
            return found
    return None


def _ready(status: Object, now: datetime) -> bool | None:
    condition = next((c for c in _list(status, "conditions") if c.get("type") == "Ready"), None)
    if condition is None or _later(_time(condition.get("lastTransitionTime")), now):
        return None
    return condition.get("status") == "True"


def _containers(pod: Object, now: datetime) -> tuple[Container, ...]:
    """The containers, and of the init containers those in trouble."""
    spec, status = _map(pod, "spec"), _map(pod, "status")
    states = {_text(s, "name"): s for s in _list(status, "containerStatuses")}
    init_states = {_text(s, "name"): s for s in _list(status, "initContainerStatuses")}
    usual = [_container(c, states.get(_text(c, "name"), {}), now) for c in _list(spec, "containers")]
    init = [_container(c, init_states.get(_text(c, "name"), {}), now) for c in _list(spec, "initContainers")]
    return (*usual, *(c for c in init if c.restarts or c.waiting_reason))


def _container(spec: Object, status: Object, now: datetime) -> Container:
    state = _map(status, "state")
    ended = _map(_map(status, "lastState"), "terminated") or _map(state, "terminated")
    ended_at = _time(ended.get("finishedAt"))
    known = not _later(ended_at, now)
    limits = _map(_map(spec, "resources"), "limits")
    restarts, ready = status.get("restartCount"), status.get("ready")
    return Container(
        name=_text(spec, "name"),
        image=_text(spec, "image"),
        # A container that ended after now was in a state by now that this snapshot no longer tells.
        restarts=restarts if known and isinstance(restarts, int) else 0,
        ready=ready if known and isinstance(ready, bool) else None,
        waiting_reason=(_text(_map(state, "waiting"), "reason") or None) if known else None,
        last_exit_reason=(_text(ended, "reason") or None) if known else None,
        last_exit_at=ended_at if known else None,
        memory_limit_bytes=quantity(limits.get("memory")),
        cpu_limit_cores=quantity(limits.get("cpu")),
    )


def _node(node: Object, now: datetime) -> Node:
    """A node with its conditions that are not as they should be, and were so by now."""
    troubles = []
    for condition in _list(_map(node, "status"), "conditions"):
        kind, holds = _text(condition, "type"), condition.get("status") == "True"
        if holds == (kind == "Ready") or _later(_time(condition.get("lastTransitionTime")), now):
            continue
        troubles.append("NotReady" if kind == "Ready" else kind)
    return Node(name=_text(_map(node, "metadata"), "name"), troubles=tuple(troubles))


def _event(event: Object, now: datetime) -> ClusterEvent | None:
    """The event as it was known by now: a series that went on is cut back to its first occurrence."""
    series = _map(event, "series")
    first = _time(event.get("firstTimestamp")) or _time(event.get("eventTime")) or _created(event)
    last = _time(series.get("lastObservedTime")) or _time(event.get("lastTimestamp")) or first
    counted = series.get("count") or event.get("count")
    count = counted if isinstance(counted, int) else 1
    if _later(last, now):
        last, count = first, 1
    if last is None or _later(last, now):
        return None
    about = _map(event, "involvedObject") or _map(event, "regarding")
    return ClusterEvent(
        at=last,
        type=_text(event, "type") or "Normal",
        reason=_text(event, "reason"),
        kind=_text(about, "kind"),
        name=_text(about, "name"),
        namespace=_text(about, "namespace") or _text(_map(event, "metadata"), "namespace"),
        message=_text(event, "message") or _text(event, "note"),
        count=count,
    )


def environment(container: Object) -> tuple[tuple[str, str], ...]:
    """Names and plain values of a container's environment; what looks like a secret is not passed on."""
    return tuple((_text(item, "name"), _value(item)) for item in _list(container, "env"))


def _value(item: Object) -> str:
    origin = _map(item, "valueFrom")
    if origin:
        kind, reference = next(iter(origin.items()))
        name = _text(reference, "name") if isinstance(reference, dict) else ""
        return f"(from {kind} {name})" if name else f"(from {kind})"
    value = _text(item, "value")
    if value and _SECRET.search(_text(item, "name")):
        return REDACTED
    value = value[:_LONGEST_VALUE]
    return _USERINFO.sub(rf"\g<scheme>:{REDACTED}@", value) if "://" in value else value


def quantity(value: object) -> float | None:
    """A Kubernetes quantity (`500m`, `128Mi`) as a number; None where it is none."""
    found = _QUANTITY.match(str(value)) if isinstance(value, str | int | float) else None
    if found is None or found[2] not in _UNITS:
        return None
    try:
        return float(found[1]) * _UNITS[found[2]]
    except ValueError:
        return None


def _created(item: Object) -> datetime | None:
    return _time(_map(item, "metadata").get("creationTimestamp"))


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _later(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now


def _map(item: Object, name: str) -> Object:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _list(item: Object, name: str) -> list[Object]:
    value = item.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(item: Object, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _texts(item: Object, name: str) -> dict[str, str]:
    return {key: value for key, value in _map(item, name).items() if isinstance(value, str)}


def _first(labels: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((labels[name] for name in names if labels.get(name)), None)
