"""Kubernetes objects of a small shop, as the API prints them."""

from __future__ import annotations

from tests.connectors.small_case import iso


def owned_by(kind: str, name: str) -> list[object]:
    return [{"kind": kind, "name": name, "controller": True}]


def thing(kind: str, name: str, /, *, at: float = 0, **more: object) -> dict[str, object]:
    meta = {"name": name, "namespace": "shop", "creationTimestamp": iso(at)}
    meta.update({k: more.pop(k) for k in ("labels", "annotations", "ownerReferences") if k in more})  # type: ignore[misc]
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **more}


def deployment() -> dict[str, object]:
    return thing("Deployment", "checkout", annotations={"org.opencontainers.image.revision": "c0ffee"})


def replica_set(name: str = "checkout-7c8", *, revision: str = "2", at: float = 50) -> dict[str, object]:
    container = {
        "name": "app",
        "image": f"shop/checkout:{revision}",
        "env": [{"name": "POOL_SIZE", "value": "20"}],
    }
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [container]}}
    return thing(
        "ReplicaSet",
        name,
        at=at,
        annotations={"deployment.kubernetes.io/revision": revision},
        ownerReferences=owned_by("Deployment", "checkout"),
        spec={"replicas": 3, "template": template},
    )


def pod(name: str = "checkout-7c8-x", **more: object) -> dict[str, object]:
    spec = {
        "nodeName": "n1",
        "containers": [
            {
                "name": "app",
                "image": "shop/checkout:2",
                "resources": {"limits": {"memory": "256Mi", "cpu": "500m"}},
            }
        ],
    }
    status = {
        "phase": "Running",
        "startTime": iso(51),
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [
            {
                "name": "app",
                "restartCount": 3,
                "ready": False,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": iso(60)}},
            }
        ],
    }
    labels = {"app": "checkout", "version": "v2"}
    owner = owned_by("ReplicaSet", "checkout-7c8")
    return thing(
        "Pod",
        name,
        at=51,
        **{"labels": labels, "ownerReferences": owner, "spec": spec, "status": status, **more},
    )


def event(name: str, first: float, last: float | None, **more: object) -> dict[str, object]:
    about = {"kind": "Pod", "name": name, "namespace": "shop"}
    times = {"firstTimestamp": iso(first), "lastTimestamp": iso(last) if last is not None else None}
    return thing(
        "Event", f"{name}.1", at=first, involvedObject=about, reason="BackOff", count=7, **times, **more
    )
