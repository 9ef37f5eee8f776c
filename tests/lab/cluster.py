"""The shop's cluster as Kubernetes would describe it: what each rollout of the lab leaves behind as objects.

Pure bookkeeping with real times: it must not start or stop anything. `manifests` gives it Kubernetes' shapes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import yaml

NAMESPACE = "shop"
NODES = ("node-a", "node-b", "node-c")
REGISTRY = "registry.shop.example/shop"
# Kubernetes leaves out the characters that could form words.
SAFE = "bcdfghjklmnpqrstvwxz2456789"
MEMORY_LIMIT_BYTES = 256 * 1024 * 1024
PORT = 8080
ADDRESSES = {"node-a": 11, "node-b": 12, "node-c": 13}

Object = dict[str, object]


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def word(seed: str, length: int) -> str:
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(SAFE[byte % len(SAFE)] for byte in digest[:length])


def uid(seed: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://shop.example/{seed}"))


@dataclass(frozen=True)
class Killed:
    """The end of a container that outgrew its memory limit."""

    started: datetime
    at: datetime


@dataclass
class Pod:
    """One pod of one revision."""

    name: str
    service: str
    node: str
    ip: str
    created: datetime
    image: str
    ready: datetime | None = None
    restarts: int = 0
    started: datetime | None = None
    killed: Killed | None = None
    deleted: datetime | None = None


@dataclass
class Revision:
    """One ReplicaSet: what a rollout created."""

    number: int
    service: str
    version: str
    commit: str
    hash: str
    created: datetime
    pods: list[Pod] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.service}-{self.hash}"

    @property
    def image(self) -> str:
        return f"{REGISTRY}/{self.service}:{self.version}"


@dataclass(frozen=True)
class Happened:
    """What a v1 Event tells."""

    at: datetime
    kind: str
    name: str
    reason: str
    message: str
    type: str = "Normal"


class Cluster:
    """Deployments and all that follows from them."""

    def __init__(self, clock: Callable[[], datetime], seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self.born = clock()
        self.revisions: dict[str, list[Revision]] = {}
        self.events: list[Happened] = []
        self._pods = 0

    def roll_out(self, service: str, version: str, commit: str) -> Pod:
        """A new revision with one pod, not ready yet; the old one keeps running."""
        past = self.revisions.setdefault(service, [])
        now = self._clock()
        digest = word(f"{self._seed}/{service}/{version}/{commit}", 10)
        revision = Revision(len(past) + 1, service, version, commit, digest, now)
        past.append(revision)
        self._tell("Deployment", service, "ScalingReplicaSet", f"Scaled up replica set {revision.name} to 1")
        return self._add_pod(revision)

    def _add_pod(self, revision: Revision) -> Pod:
        self._pods += 1
        node = NODES[self._pods % len(NODES)]
        name = f"{revision.name}-{word(f'{self._seed}/{revision.name}/{self._pods}', 5)}"
        ip = f"10.42.{ADDRESSES[node]}.{20 + self._pods}"
        pod = Pod(name, revision.service, node, ip, self._clock(), revision.image)
        revision.pods.append(pod)
        self._tell("ReplicaSet", revision.name, "SuccessfulCreate", f"Created pod: {name}")
        self._tell("Pod", name, "Scheduled", f"Successfully assigned {NAMESPACE}/{name} to {node}")
        self._tell("Pod", name, "Pulled", f'Container image "{pod.image}" already present on machine')
        self._tell("Pod", name, "Created", f"Created container {revision.service}")
        self._tell("Pod", name, "Started", f"Started container {revision.service}")
        return pod

    def mark_ready(self, pod: Pod) -> None:
        pod.ready = self._clock()

    def out_of_memory(self, pod: Pod) -> None:
        """The container was killed for its memory and starts again in the same pod."""
        now = self._clock()
        pod.killed = Killed(pod.started or pod.created, now)
        pod.restarts += 1
        pod.started, pod.ready = now, None
        self._tell("Pod", pod.name, "Pulled", f'Container image "{pod.image}" already present on machine')
        self._tell("Pod", pod.name, "Created", f"Created container {pod.service}")
        self._tell("Pod", pod.name, "Started", f"Started container {pod.service}")

    def retire_old(self, service: str) -> None:
        """Scale every revision but the newest down to nothing."""
        for revision in self.revisions[service][:-1]:
            for pod in revision.pods:
                if pod.deleted is None:
                    pod.deleted = self._clock()
                    message = f"Scaled down replica set {revision.name} to 0 from 1"
                    self._tell("Deployment", service, "ScalingReplicaSet", message)
                    self._tell("ReplicaSet", revision.name, "SuccessfulDelete", f"Deleted pod: {pod.name}")
                    self._tell("Pod", pod.name, "Killing", f"Stopping container {service}")

    def current(self, service: str) -> Revision:
        return self.revisions[service][-1]

    def _tell(self, kind: str, name: str, reason: str, message: str) -> None:
        self.events.append(Happened(self._clock(), kind, name, reason, message))

    def pods(self) -> list[Pod]:
        every = [pod for past in self.revisions.values() for revision in past for pod in revision.pods]
        return [pod for pod in every if pod.deleted is None]


def metadata(kind: str, name: str, created: datetime, **more: object) -> Object:
    document: Object = {"name": name, "uid": uid(f"{kind}/{name}"), "creationTimestamp": stamp(created)}
    if kind != "Node":
        document["namespace"] = NAMESPACE
    return document | more


def container(service: str, image: str) -> Object:
    return {
        "name": service,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": "250m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": f"{MEMORY_LIMIT_BYTES >> 20}Mi"},
        },
    }


def manifest(service: str) -> str:
    """The Deployment as the shop's repository keeps it; the pipeline fills in the image's tag."""
    document: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": service, "namespace": NAMESPACE, "labels": {"app": service}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": service}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": service}},
                "spec": {"containers": [container(service, f"{REGISTRY}/{service}")]},
            },
        },
    }
    return yaml.safe_dump(document, sort_keys=False)
