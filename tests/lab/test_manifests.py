from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml

from tests.lab.cluster import Cluster, manifest
from tests.lab.conformance import KUBERNETES
from tests.lab.manifests import snapshot

SHA = "0123456789abcdef0123456789abcdef01234567"


class Clock:
    """Moves on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 18, 14, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(Clock(), seed=1)
    for version in ("1.8.2", "1.9.0"):
        cluster.mark_ready(cluster.roll_out("checkout", version, SHA))
    cluster.retire_old("checkout")
    return cluster


@pytest.fixture
def items(cluster: Cluster) -> list[dict[str, Any]]:
    # Through JSON, as a reader of a case would see it.
    document = json.loads(json.dumps(snapshot(cluster, datetime(2026, 6, 18, 14, 5, tzinfo=UTC))))
    found: list[dict[str, Any]] = document["items"]
    return found


def of_kind(items: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in items if item["kind"] == kind]


def test_every_object_satisfies_kubernetes_own_schema(items: list[dict[str, Any]]) -> None:
    for item in items:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)


def test_the_manifest_in_the_repository_is_valid() -> None:
    kubernetes_validate.validate(yaml.safe_load(manifest("checkout")), KUBERNETES, strict=True)


def test_a_rollout_leaves_the_old_replica_set_without_pods(items: list[dict[str, Any]]) -> None:
    replicas = {
        item["metadata"]["labels"]["app.kubernetes.io/version"]: item["spec"]["replicas"]
        for item in of_kind(items, "ReplicaSet")
    }
    assert replicas == {"1.8.2": 0, "1.9.0": 1}


def test_only_the_new_pod_is_listed_and_it_is_ready(items: list[dict[str, Any]]) -> None:
    (pod,) = of_kind(items, "Pod")
    assert pod["status"]["containerStatuses"][0]["image"].endswith("checkout:1.9.0")
    assert {"Ready", "ContainersReady"} <= {item["type"] for item in pod["status"]["conditions"]}


def test_the_deployment_carries_its_revision_and_commit(items: list[dict[str, Any]]) -> None:
    (deployment,) = of_kind(items, "Deployment")
    assert deployment["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "2",
        "org.opencontainers.image.revision": SHA,
    }


def test_events_tell_the_rollout_in_order(items: list[dict[str, Any]]) -> None:
    events = sorted(of_kind(items, "Event"), key=lambda event: event["firstTimestamp"])
    scaling = [event["message"] for event in events if event["reason"] == "ScalingReplicaSet"]
    assert [message.split(" replica set")[0] for message in scaling] == [
        "Scaled up",
        "Scaled up",
        "Scaled down",
    ]
    assert events[-1]["reason"] == "Killing"


def test_owners_lead_from_the_pod_to_the_deployment(items: list[dict[str, Any]]) -> None:
    by_uid = {item["metadata"]["uid"]: item for item in items}
    (pod,) = of_kind(items, "Pod")
    replica_set = by_uid[pod["metadata"]["ownerReferences"][0]["uid"]]
    deployment = by_uid[replica_set["metadata"]["ownerReferences"][0]["uid"]]
    assert (replica_set["kind"], deployment["kind"]) == ("ReplicaSet", "Deployment")


def test_events_older_than_an_hour_are_gone(cluster: Cluster) -> None:
    later = snapshot(cluster, datetime(2026, 6, 18, 16, 0, tzinfo=UTC))
    items = later["items"]
    assert isinstance(items, list)
    assert not of_kind(items, "Event")


def test_a_container_killed_for_its_memory_says_so_and_counts_its_restart(cluster: Cluster) -> None:
    (pod,) = cluster.pods()
    cluster.out_of_memory(pod)
    cluster.mark_ready(pod)
    document = json.loads(json.dumps(snapshot(cluster, datetime(2026, 6, 18, 14, 5, tzinfo=UTC))))
    (shown,) = of_kind(document["items"], "Pod")
    kubernetes_validate.validate(shown, KUBERNETES, strict=True)
    (status,) = shown["status"]["containerStatuses"]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert status["state"]["running"]["startedAt"] > shown["metadata"]["creationTimestamp"]
