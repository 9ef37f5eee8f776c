"""What else stands in a cluster besides pods, nodes, rollouts and events: the parts of a `ClusterState`.

Words and units are Kubernetes' own. A fact that was not told is None or empty. Nothing here computes.
"""

from __future__ import annotations

from connectors.contract import Frozen, Instant


class Condition(Frozen):
    """A condition that is not as it should be, and since when."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    since: Instant | None = None


class Probe(Frozen):
    """A liveness, readiness or startup probe; `handler` as in "httpGet :8080/healthz"."""

    kind: str
    handler: str = ""
    timeout_seconds: int = 1
    period_seconds: int = 10
    failure_threshold: int = 3


class Workload(Frozen):
    """A Deployment, StatefulSet or DaemonSet: how many pods it wants, and how many serve."""

    namespace: str
    name: str
    service: str | None = None
    desired: int | None = None
    updated: int | None = None
    ready: int | None = None
    paused: bool = False
    conditions: tuple[Condition, ...] = ()


class Autoscaler(Frozen):
    """A HorizontalPodAutoscaler; `metrics` as in "cpu 92% of 60%"."""

    namespace: str
    name: str
    workload: str
    least: int | None = None
    most: int | None = None
    current: int | None = None
    desired: int | None = None
    metrics: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Quota(Frozen):
    """One resource of a ResourceQuota, in its base unit (bytes, cores, objects)."""

    namespace: str
    name: str
    resource: str
    used: float
    hard: float


class ServiceEndpoints(Frozen):
    """A Service: whom it selects, and who is ready behind it.

    `selected` counts the pods the selector matches; None where the Service has no selector or the pods
    are not known. `ready` and `not_ready` count endpoints; None where they are not known.
    """

    namespace: str
    name: str
    type: str = ""
    selector: tuple[tuple[str, str], ...] = ()
    selected: int | None = None
    ready: int | None = None
    not_ready: int | None = None


class VolumeClaim(Frozen):
    """A PersistentVolumeClaim."""

    namespace: str
    name: str
    phase: str = ""
    storage_class: str = ""
    requested_bytes: float | None = None
    capacity_bytes: float | None = None


class NetworkRule(Frozen):
    """A NetworkPolicy: whom it covers, and in which directions it lets nothing through at all."""

    namespace: str
    name: str
    selector: str = ""
    directions: tuple[str, ...] = ()
    denies_all: tuple[str, ...] = ()
    covers: int | None = None
    created_at: Instant | None = None


class Configuration(Frozen):
    """A ConfigMap: its keys with the beginning of each value's SHA-256; a secret's value has none."""

    namespace: str
    name: str
    changed_at: Instant | None = None
    changed_by: str = ""
    entries: tuple[tuple[str, str], ...] = ()
    used_by: tuple[str, ...] = ()


class PlaneCheck(Frozen):
    """One check of the cluster's own services: "readyz/etcd", "dns"."""

    name: str
    healthy: bool
    detail: str = ""
