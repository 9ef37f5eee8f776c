"""A small shop as Kubernetes objects, complete enough for an API server to accept: what the tests look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def stamp(minutes: float) -> str:
    """So many minutes before now."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def meta(name: str, ago: float, *, namespace: str | None = "shop", **more: Any) -> Object:
    spaced = {"namespace": namespace} if namespace else {}
    return {"name": name, **spaced, "uid": f"uid-{name}", "creationTimestamp": stamp(ago), **more}


def owner(kind: str, name: str, version: str = "apps/v1") -> list[Object]:
    return [{"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}]


def wrote(manager: str, ago: float, fields: Object, **more: Any) -> Object:
    return {
        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": stamp(ago),
        "fieldsType": "FieldsV1", "fieldsV1": fields, **more,
    }  # fmt: skip


def template(name: str, image: str, **container: Any) -> Object:
    made = {"name": "app", "image": image, **container}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [made]}}


def deployment(name: str, ago: float, made: Object, *, replicas: int = 2, **more: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name, ago, labels={"app": name}, **more),
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": made},
        "status": {
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": 1,
            "availableReplicas": 1,
        },
    }


def replica_set(
    name: str, suffix: str, ago: float, made: Object, *, revision: int, replicas: int, **notes: str
) -> Object:
    labels = {"app": name, "pod-template-hash": suffix}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta(
            f"{name}-{suffix}",
            ago,
            labels=labels,
            annotations={"deployment.kubernetes.io/revision": str(revision), **notes},
            ownerReferences=owner("Deployment", name),
        ),
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": made},
        "status": {"replicas": replicas, "readyReplicas": replicas},
    }


def pod(
    name: str, suffix: str, end: str, ago: float, image: str, *, ready: bool = True, **state: Any
) -> Object:
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "lastTransitionTime": stamp(ago - 1),
    }
    running = {"state": {"running": {"startedAt": stamp(ago)}}, "lastState": {}, "restartCount": 0}
    container = {"name": "app", "image": image, "imageID": "sha256:ab", "ready": ready, **running, **state}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(
            f"{name}-{suffix}-{end}",
            ago,
            labels={"app": name, "pod-template-hash": suffix},
            ownerReferences=owner("ReplicaSet", f"{name}-{suffix}"),
        ),
        "spec": {
            "nodeName": "worker-1",
            "containers": [{"name": "app", "image": image, "resources": {"limits": {"memory": "256Mi"}}}],
        },
        "status": {
            "phase": "Running",
            "startTime": stamp(ago),
            "conditions": [condition],
            "containerStatuses": [container],
        },
    }


def event(name: str, ago: float, about: tuple[str, str], reason: str, message: str, **more: Any) -> Object:
    kind, subject = about
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta(name, ago),
        "involvedObject": {"kind": kind, "name": subject, "namespace": "shop"},
        "reason": reason,
        "message": message,
        "type": "Normal",
        "source": {"component": "kubelet"},
        "firstTimestamp": stamp(ago),
        "lastTimestamp": stamp(ago),
        "count": 1,
        **more,
    }


OLD = template("checkout", "shop/checkout:1.9.0", env=[{"name": "POOL_SIZE", "value": "20"}])
NEW = template(
    "checkout",
    "shop/checkout:2.0.0",
    env=[{"name": "POOL_SIZE", "value": "5"}, {"name": "DB_PASSWORD", "value": "hunter2"}],
    envFrom=[{"configMapRef": {"name": "checkout"}}],
)
_KILLED = {
    "state": {
        "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
    },
    "lastState": {
        "terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": stamp(9), "finishedAt": stamp(4)}
    },
    "restartCount": 3,
}


def workloads() -> list[Object]:
    """One Deployment that was rolled out ten minutes ago, with its pods."""
    rolled_out: Object = {"f:spec": {"f:template": {"f:spec": {}}}}
    return [
        deployment("checkout", 6000, NEW, managedFields=[wrote("kubectl-set", 10, rolled_out)]),
        replica_set("checkout", "5d9f7c6b8", 6000, OLD, revision=1, replicas=0),
        replica_set("checkout", "7c8d9e6f5", 10, NEW, revision=2, replicas=2),
        pod("checkout", "7c8d9e6f5", "q8r7s", 10, "shop/checkout:2.0.0"),
        pod("checkout", "7c8d9e6f5", "x2k4p", 9, "shop/checkout:2.0.0", ready=False, **_KILLED),
        event(
            "checkout.1", 10, ("Deployment", "checkout"), "ScalingReplicaSet",
            "Scaled up replica set checkout-7c8d9e6f5 from 0 to 1",
        ),
        event(
            "checkout.2", 8, ("Deployment", "checkout"), "ScalingReplicaSet",
            "Scaled up replica set checkout-7c8d9e6f5 from 1 to 2",
        ),
        event(
            "checkout.3", 3, ("Pod", "checkout-7c8d9e6f5-x2k4p"), "BackOff",
            "Back-off restarting failed container app", type="Warning", count=4,
        ),
    ]  # fmt: skip


def surroundings() -> list[Object]:
    """A node, a service without anyone behind it, an autoscaler at its ceiling, and the rest."""
    data = {"LOG_LEVEL": "debug", "API_TOKEN": "s3cr3t-value", "FEATURES": "a,b"}
    owned: Object = {"f:data": {"f:LOG_LEVEL": {}, "f:API_TOKEN": {}}}
    ceiling = {
        "type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas",
        "lastTransitionTime": stamp(20),
        "message": "the desired replica count is more than the maximum replica count",
    }  # fmt: skip
    return [
        {
            "apiVersion": "v1", "kind": "Node", "metadata": meta("worker-1", 9000, namespace=None),
            "status": {"conditions": [
                {"type": "MemoryPressure", "status": "True", "reason": "KubeletHasInsufficientMemory",
                 "lastTransitionTime": stamp(5)},
                {"type": "DiskPressure", "status": "Unknown", "lastTransitionTime": stamp(5)},
                {"type": "Ready", "status": "True", "lastTransitionTime": stamp(9000)},
            ]},
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": meta("checkout", 6000),
            "spec": {"selector": {"app": "chekout"}, "ports": [{"port": 80}], "type": "ClusterIP"},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": meta("checkout-abc", 6000, labels={"kubernetes.io/service-name": "checkout"}),
            "endpoints": [],
        },
        {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": meta("checkout", 6000),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
                "minReplicas": 1, "maxReplicas": 2,
                "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
            },
            "status": {
                "currentReplicas": 2, "desiredReplicas": 2, "conditions": [ceiling],
                "currentMetrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "current": {"averageUtilization": 92, "averageValue": "920m"}}}],
            },
        },
        {
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta("limits", 6000),
            "spec": {"hard": {"limits.memory": "1Gi"}},
            "status": {"hard": {"limits.memory": "1Gi"}, "used": {"limits.memory": "1000Mi"}},
        },
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("data-db-0", 6000),
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                     "resources": {"requests": {"storage": "10Gi"}}},
            "status": {"phase": "Pending"},
        },
        {
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": meta("deny", 12, managedFields=[
                wrote("kubectl-create", 12, {"f:spec": {"f:podSelector": {}}}),
            ]),
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{}]},
        },
        {
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": meta("checkout", 6000, managedFields=[
                wrote("helm", 6000, {"f:data": {"f:FEATURES": {}}}), wrote("kubectl-edit", 15, owned),
            ]),
        },
    ]  # fmt: skip


def shop() -> list[Object]:
    return [*workloads(), *surroundings()]
