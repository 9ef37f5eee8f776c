"""Kubernetes objects out of the cluster's bookkeeping, as `kubectl get … -A -o json` prints them.

Pure: state in, documents out. Only what a reader of an incident looks at is filled in.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.lab.cluster import (
    ADDRESSES,
    NAMESPACE,
    NODES,
    PORT,
    Cluster,
    Happened,
    Object,
    Pod,
    Revision,
    container,
    metadata,
    stamp,
    uid,
    word,
)

VERSION = "v1.31.4"
EVENT_LIFETIME = timedelta(hours=1)


def snapshot(cluster: Cluster, now: datetime) -> Object:
    """Everything, as one v1 List."""
    items: list[Object] = [node(name, cluster.born) for name in NODES]
    for service, past in sorted(cluster.revisions.items()):
        items.append(deployment(service, past))
        items.extend(replica_set(revision) for revision in past)
        live = [pod for pod in past[-1].pods if pod.deleted is None]
        items.append(service_object(service, past[0].created))
        items.append(endpoints(service, live, past[0].created))
    by_name = {
        pod.name: revision
        for past in cluster.revisions.values()
        for revision in past
        for pod in revision.pods
    }
    items.extend(pod_object(pod, by_name[pod.name]) for pod in cluster.pods())
    recent = [told for told in cluster.events if now - told.at < EVENT_LIFETIME]
    items.extend(event(told, number) for number, told in enumerate(recent))
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}


def labels(revision: Revision) -> dict[str, str]:
    return {"app": revision.service, "app.kubernetes.io/version": revision.version}


def image_origin(revision: Revision) -> dict[str, str]:
    return {"org.opencontainers.image.revision": revision.commit}


def condition(kind: str, since: datetime, reason: str, message: str = "", updated: bool = False) -> Object:
    document: Object = {"type": kind, "status": "True", "lastTransitionTime": stamp(since), "reason": reason}
    if message:
        document["message"] = message
    if updated:
        document["lastUpdateTime"] = stamp(since)
    return document


def template(revision: Revision, with_hash: bool) -> Object:
    marks = labels(revision) | ({"pod-template-hash": revision.hash} if with_hash else {})
    return {
        "metadata": {"labels": marks, "annotations": image_origin(revision)},
        "spec": {
            "containers": [container(revision.service, revision.image)],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
        },
    }


def progress(revision: Revision) -> list[Object]:
    """A rollout that came to its end, as a Deployment's conditions tell it."""
    since = revision.pods[-1].ready or revision.created
    done = f'ReplicaSet "{revision.name}" has successfully progressed.'
    return [
        condition("Available", since, "MinimumReplicasAvailable", updated=True),
        condition("Progressing", since, "NewReplicaSetAvailable", done, updated=True),
    ]


def deployment(service: str, past: list[Revision]) -> Object:
    revision = past[-1]
    ready = sum(pod.ready is not None for pod in revision.pods if pod.deleted is None)
    marks = {"deployment.kubernetes.io/revision": str(revision.number)} | image_origin(revision)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(
            "Deployment",
            service,
            past[0].created,
            labels=labels(revision),
            annotations=marks,
            generation=revision.number,
        ),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": service}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template(revision, with_hash=False),
        },
        "status": {
            "observedGeneration": revision.number,
            "replicas": 1,
            "updatedReplicas": 1,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": progress(revision),
        },
    }


def owner(kind: str, name: str) -> list[Object]:
    return [
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "name": name,
            "uid": uid(f"{kind}/{name}"),
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def replica_set(revision: Revision) -> Object:
    live = sum(pod.deleted is None for pod in revision.pods)
    ready = sum(pod.deleted is None and pod.ready is not None for pod in revision.pods)
    status: Object = {"replicas": live, "observedGeneration": 1 if live else 2}
    if live:
        status |= {"readyReplicas": ready, "availableReplicas": ready, "fullyLabeledReplicas": live}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata(
            "ReplicaSet",
            revision.name,
            revision.created,
            labels=labels(revision) | {"pod-template-hash": revision.hash},
            annotations={"deployment.kubernetes.io/revision": str(revision.number)} | image_origin(revision),
            ownerReferences=owner("Deployment", revision.service),
        ),
        "spec": {
            "replicas": live,
            "selector": {"matchLabels": {"app": revision.service, "pod-template-hash": revision.hash}},
            "template": template(revision, with_hash=True),
        },
        "status": status,
    }


def last_state(pod: Pod) -> Object:
    """How the container before this one ended."""
    if pod.killed is None:
        return {}
    return {
        "terminated": {
            "reason": "OOMKilled",
            "exitCode": 137,
            "startedAt": stamp(pod.killed.started),
            "finishedAt": stamp(pod.killed.at),
            "containerID": f"containerd://{uid(f'{pod.name}/{pod.restarts}').replace('-', '') * 2}",
        }
    }


def container_status(pod: Pod, revision: Revision) -> Object:
    return {
        "name": revision.service,
        "image": revision.image,
        "imageID": f"{revision.image.rsplit(':', 1)[0]}@sha256:{uid(revision.image).replace('-', '') * 2}",
        "containerID": f"containerd://{uid(pod.name).replace('-', '') * 2}",
        "ready": pod.ready is not None,
        "started": pod.ready is not None,
        "restartCount": pod.restarts,
        "state": {"running": {"startedAt": stamp(pod.started or pod.created)}},
        "lastState": last_state(pod),
    }


def pod_object(pod: Pod, revision: Revision) -> Object:
    up = pod.ready or pod.created
    conditions: list[Object] = [
        {"type": kind, "status": "True", "lastTransitionTime": stamp(since), "lastProbeTime": None}
        for kind, since in (
            ("PodScheduled", pod.created),
            ("Initialized", pod.created),
            ("ContainersReady", up),
            ("Ready", up),
        )
    ]
    body = template(revision, with_hash=True)["spec"]
    assert isinstance(body, dict)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(
            "Pod",
            pod.name,
            pod.created,
            labels=labels(revision) | {"pod-template-hash": revision.hash},
            annotations=image_origin(revision),
            ownerReferences=owner("ReplicaSet", revision.name),
        ),
        "spec": body | {"nodeName": pod.node},
        "status": {
            "phase": "Running",
            "podIP": pod.ip,
            "podIPs": [{"ip": pod.ip}],
            "hostIP": f"10.0.0.{ADDRESSES[pod.node]}",
            "qosClass": "Burstable",
            "startTime": stamp(pod.created),
            "conditions": conditions,
            "containerStatuses": [container_status(pod, revision)],
        },
    }


def node(name: str, born: datetime) -> Object:
    since = born - timedelta(days=30)
    capacity = {"cpu": "4", "memory": "16384Mi", "pods": "110"}
    healthy: list[Object] = [
        {"type": kind, "status": "False", "reason": reason, "lastTransitionTime": stamp(since)}
        for kind, reason in (
            ("MemoryPressure", "KubeletHasSufficientMemory"),
            ("DiskPressure", "KubeletHasNoDiskPressure"),
            ("PIDPressure", "KubeletHasSufficientPID"),
        )
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata("Node", name, since, labels={"kubernetes.io/hostname": name}),
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [{"type": "InternalIP", "address": f"10.0.0.{ADDRESSES[name]}"}],
            "conditions": [*healthy, condition("Ready", since, "KubeletReady")],
        },
    }


def service_object(name: str, created: datetime) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata("Service", name, created, labels={"app": name}),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": f"10.43.0.{20 + sum(name.encode()) % 200}",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def endpoints(service: str, pods: list[Pod], created: datetime) -> Object:
    slices = [
        {
            "addresses": [pod.ip],
            "conditions": {"ready": pod.ready is not None, "serving": True, "terminating": False},
            "nodeName": pod.node,
            "targetRef": {
                "kind": "Pod",
                "namespace": NAMESPACE,
                "name": pod.name,
                "uid": uid(f"Pod/{pod.name}"),
            },
        }
        for pod in pods
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(
            "EndpointSlice",
            f"{service}-{word(service, 5)}",
            created,
            labels={"kubernetes.io/service-name": service},
        ),
        "addressType": "IPv4",
        "endpoints": slices,
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
    }


def event(told: Happened, number: int) -> Object:
    source = (
        "kubelet" if told.kind == "Pod" and told.reason != "Scheduled" else f"{told.kind.lower()}-controller"
    )
    if told.reason == "Scheduled":
        source = "default-scheduler"
    name = f"{told.name}.{uid(f'{number}/{told.name}').replace('-', '')[:16]}"
    api = "v1" if told.kind == "Pod" else "apps/v1"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata("Event", name, told.at),
        "involvedObject": {
            "apiVersion": api,
            "kind": told.kind,
            "name": told.name,
            "namespace": NAMESPACE,
            "uid": uid(f"{told.kind}/{told.name}"),
        },
        "reason": told.reason,
        "message": told.message,
        "type": told.type,
        "count": 1,
        "firstTimestamp": stamp(told.at),
        "lastTimestamp": stamp(told.at),
        "source": {"component": source},
        "reportingComponent": source,
        "reportingInstance": "",
    }
