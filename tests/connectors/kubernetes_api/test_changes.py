"""What a cluster tells of changes: rollbacks, scaling, settings, and what Helm, Argo CD and Flux brought."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.answers import Change, Rollout, Timeline
from connectors.contract import Reading, Window
from connectors.governor import SourceFailedError
from connectors.kubernetes_api import KubernetesConnector, KubernetesOptions
from connectors.kubernetes_api.changes import changes
from connectors.kubernetes_api.gitops import carried
from connectors.kubernetes_api.helm import decoded
from connectors.kubernetes_objects import read_cluster
from connectors.kubernetes_owners import Objects
from connectors.questions import ChangeTimeline
from tests.doubles.kube.access import Rule
from tests.doubles.kube.kinds import CUSTOM, KINDS
from tests.doubles.kube.server import TOKEN, KubeServer
from tests.doubles.kube.shop import (
    NEW,
    NOW,
    OLD,
    deployment,
    event,
    meta,
    owner,
    replica_set,
    shop,
    stamp,
    template,
    wrote,
)
from tests.doubles.kube.store import Store

HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
Object = dict[str, Any]


def told(*items: Object) -> list[Change]:
    objects = Objects(items, NOW)
    return list(changes(objects, HOUR, carried(objects)))


def rollouts(*items: Object) -> dict[str, Rollout]:
    return {each.revision: each for each in read_cluster(items, NOW).rollouts}


def minutes_ago(change: Change | Rollout) -> float:
    assert change.at is not None
    return (NOW - change.at).total_seconds() / 60


def scaled(ago: float, said: str) -> Object:
    return event(f"scaled{ago}", ago, ("Deployment", "checkout"), "ScalingReplicaSet", said)


# --- rollouts -------------------------------------------------------------------------------------------
def rolled_back(*more: Object, **notes: Any) -> list[Object]:
    """Revision 1 came back as revision 3: its ReplicaSet is as old as ever."""
    return [
        deployment("checkout", 6000, OLD, **notes),
        replica_set("checkout", "old", 6000, OLD, revision=3, replicas=2),
        replica_set("checkout", "new", 30, NEW, revision=2, replicas=0),
        *more,
    ]


def test_a_rollback_is_dated_by_the_event_that_brought_it_back() -> None:
    again = event(
        "e",
        5,
        ("Deployment", "checkout"),
        "ScalingReplicaSet",
        "Scaled up replica set checkout-old from 0 to 1",
    )
    (_, back) = told(*rolled_back(again))
    assert (back.id, minutes_ago(back)) == ("shop/deployment/checkout@3", 5)
    assert back.summary.startswith("deployment/checkout: image shop/checkout:2.0.0 -> shop/checkout:1.9.0")


def test_a_rollback_is_dated_by_who_wrote_the_template_where_events_are_gone() -> None:
    written = wrote("argocd-controller", 7, {"f:spec": {"f:template": {"f:spec": {}}}})
    found = rollouts(*rolled_back(managedFields=[written]))["3"]
    assert (minutes_ago(found), found.author) == (7, "argocd-controller")


def test_a_rollback_without_any_trace_is_no_older_than_what_it_replaced() -> None:
    assert minutes_ago(rollouts(*rolled_back())["3"]) == 30


def test_a_change_cause_names_the_author() -> None:
    cause = {"kubernetes.io/change-cause": "release 42, see mail@example.com"}
    found = rollouts(
        deployment("checkout", 6000, NEW),
        replica_set("checkout", "new", 10, NEW, revision=2, replicas=1, **cause),
    )
    assert found["2"].author == "release 42, see [e-mail]"


def test_a_writer_of_long_after_the_rollout_is_not_its_author() -> None:
    later = wrote("kubectl-edit", 2, {"f:spec": {"f:template": {"f:spec": {}}}})
    found = rollouts(
        deployment("checkout", 6000, NEW, managedFields=[later]),
        replica_set("checkout", "new", 10, NEW, revision=2, replicas=1),
    )
    assert found["2"].author == ""


@pytest.mark.parametrize(
    ("after", "kind", "line"),
    [
        (
            template("checkout", "shop/checkout:1.9.1"),
            "deploy",
            "image shop/checkout:1.9.0 -> shop/checkout:1.9.1",
        ),
        (
            template("checkout", "shop/checkout:1.9.0", args=["--workers=2"]),
            "config",
            "args added: --workers=2",
        ),
        (
            template("checkout", "shop/checkout:1.9.0", resources={"limits": {"memory": "64Mi"}}),
            "config",
            "limits.memory added: 64Mi",
        ),
        (
            template(
                "checkout", "shop/checkout:1.9.0", readinessProbe={"httpGet": {"path": "/x", "port": 80}}
            ),
            "config",
            "readinessProbe added: httpGet :80/x timeout 1s every 10s failures 3",
        ),
    ],
)
def test_what_differs_says_what_kind_of_change_it_was(after: Object, kind: str, line: str) -> None:
    before = template("checkout", "shop/checkout:1.9.0")
    (change,) = told(
        deployment("checkout", 6000, after),
        replica_set("checkout", "a", 6000, before, revision=1, replicas=0),
        replica_set("checkout", "b", 10, after, revision=2, replicas=1),
    )
    assert (change.kind, line in change.summary) == (kind, True)


def test_a_restart_is_no_deploy() -> None:
    before = template("checkout", "shop/checkout:1.9.0")
    after = json.loads(json.dumps(before))
    after["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": stamp(10)}
    (change,) = told(
        deployment("checkout", 6000, after),
        replica_set("checkout", "a", 6000, before, revision=1, replicas=0),
        replica_set("checkout", "b", 10, after, revision=2, replicas=1),
    )
    assert (change.kind, change.service) == ("other", "checkout")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_revisions_of_sets_are_read_from_controller_revisions(kind: str) -> None:
    def revision(number: int, ago: float, made: Object) -> Object:
        return {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": meta(f"db-{number}", ago, labels={"app": "db"}, ownerReferences=owner(kind, "db")),
            "revision": number,
            "data": {"spec": {"template": {"$patch": "replace", **made}}},
        }

    old, new = template("db", "postgres:15.4"), template("db", "postgres:15.5")
    member = {
        "kind": "Pod",
        "metadata": meta(
            "db-0",
            9,
            labels={"app": "db", "controller-revision-hash": "db-2"},
            ownerReferences=owner(kind, "db"),
        ),
    }
    above = {"kind": kind, "metadata": meta("db", 6000), "spec": {"template": new}}
    (change,) = told(revision(1, 6000, old), revision(2, 10, new), member, above)
    assert (change.id, change.service, change.pods) == (f"shop/{kind.lower()}/db@2", "db", ("db-0",))
    assert change.version == "15.5"


# --- scaling, migrations, nodes ---------------------------------------------------------------------------
def test_an_autoscalers_step_is_one_change_and_not_two() -> None:
    standing = [
        deployment("checkout", 6000, NEW),
        replica_set("checkout", "new", 6000, NEW, revision=1, replicas=4),
        event(
            "hpa",
            20,
            ("HorizontalPodAutoscaler", "checkout"),
            "SuccessfulRescale",
            "New size: 4",
        ),
        event(
            "rs",
            20,
            ("Deployment", "checkout"),
            "ScalingReplicaSet",
            "Scaled up replica set checkout-new from 2 to 4",
        ),
    ]
    (change,) = told(*standing)
    assert (change.kind, change.service) == ("scale", "checkout")
    assert change.summary == "autoscaler checkout: New size: 4"


def test_scaling_by_hand_is_a_change_and_a_rollouts_own_scaling_is_none() -> None:
    found = told(
        deployment("checkout", 6000, NEW),
        replica_set("checkout", "new", 50, NEW, revision=2, replicas=1),
        scaled(49, "Scaled up replica set checkout-new from 0 to 3"),
        scaled(5, "Scaled down replica set checkout-new from 3 to 1"),
    )
    assert [(each.kind, minutes_ago(each)) for each in found] == [("deploy", 50), ("scale", 5)]


def test_a_job_that_migrates_is_a_migration_and_another_is_none() -> None:
    def job(name: str, command: list[str]) -> Object:
        made = template("checkout", "shop/checkout:2.0.0", command=command)
        return {
            "kind": "Job",
            "metadata": meta(name, 12),
            "spec": {"template": made},
            "status": {"failed": 2},
        }

    (change,) = told(
        job("checkout-17", ["python", "manage.py", "migrate"]), job("report", ["python", "report.py"])
    )
    assert (change.kind, change.service, change.version) == ("migration", "checkout", "2.0.0")
    assert change.summary.endswith("failed 2 times")


def test_a_node_that_joined_or_was_cordoned_is_infrastructure() -> None:
    node = {"kind": "Node", "metadata": meta("worker-9", 20, namespace=None)}
    cordoned = event(
        "n", 10, ("Node", "worker-1"), "NodeNotSchedulable", "Node worker-1 status is now: NodeNotSchedulable"
    )
    assert [(each.kind, each.summary) for each in told(node, cordoned)] == [
        ("infrastructure", "node worker-9 joined"),
        ("infrastructure", "node worker-1 cordoned"),
    ]


def test_a_value_edited_since_it_was_applied_is_told_with_what_it_was() -> None:
    applied = json.dumps({"data": {"POOL_SIZE": "20", "DB_PASSWORD": "hunter1"}})
    edited = {
        "kind": "ConfigMap",
        "metadata": meta(
            "checkout",
            6000,
            annotations={"kubectl.kubernetes.io/last-applied-configuration": applied},
            managedFields=[wrote("kubectl-edit", 8, {"f:data": {"f:POOL_SIZE": {}, "f:DB_PASSWORD": {}}})],
        ),
        "data": {"POOL_SIZE": "5", "DB_PASSWORD": "hunter2"},
    }
    (change,) = told(edited)
    assert change.summary == (
        "configmap shop/checkout: DB_PASSWORD (redacted) -> (redacted); POOL_SIZE 20 -> 5 (by kubectl-edit)"
    )


def test_a_controllers_own_writes_are_no_changes() -> None:
    def scaler(manager: str) -> Object:
        fields: Object = {"f:spec": {"f:maxReplicas": {}}}
        return {
            "kind": "HorizontalPodAutoscaler",
            "metadata": meta("checkout", 6000, managedFields=[wrote(manager, 8, fields)]),
        }

    assert told(scaler("kube-controller-manager")) == []
    assert [each.kind for each in told(scaler("kubectl-patch"))] == ["config"]


# --- Argo CD and Flux -------------------------------------------------------------------------------------
SHA = "0123456789abcdef0123456789abcdef01234567"


def application(*history: Object) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": meta("shop-checkout", 6000, namespace="argocd"),
        "spec": {"destination": {"namespace": "shop"}},
        "status": {"history": list(history)},
    }


def test_a_rollout_that_argo_cd_brought_is_one_change() -> None:
    entry = {"id": 7, "revision": SHA, "deployedAt": stamp(11), "initiatedBy": {"username": "ana"}}
    tracked = {"argocd.argoproj.io/tracking-id": "shop-checkout:apps/Deployment:shop/checkout"}
    (change,) = told(
        application(entry),
        deployment("checkout", 6000, NEW, annotations=tracked),
        replica_set("checkout", "old", 6000, OLD, revision=1, replicas=0),
        replica_set("checkout", "new", 10, NEW, revision=2, replicas=2),
    )
    assert change.id == "shop/deployment/checkout@2"
    assert change.summary.endswith(f"brought by argo cd application shop-checkout: {SHA} (by ana)")


def test_what_argo_cd_synchronised_without_a_rollout_is_a_change_of_its_own() -> None:
    first = {"id": 6, "revision": "a" * 40, "deployedAt": stamp(600)}
    (change,) = told(application(first, {"id": 7, "revision": SHA, "deployedAt": stamp(11)}))
    assert (change.id, change.commit) == ("argocd/argocd/shop-checkout@7", SHA)
    assert change.summary == f"argo cd application shop-checkout: {'a' * 40} -> {SHA}"


def test_flux_tells_of_kustomizations_and_helm_releases() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp(15)}
    kustomization = {
        "kind": "Kustomization",
        "metadata": meta("apps", 6000, namespace="flux-system"),
        "status": {"lastAppliedRevision": f"main@sha1:{SHA}", "conditions": [ready]},
    }
    snapshots = [
        {"name": "shop", "namespace": "shop", "version": n, "chartName": "shop", "chartVersion": f"1.{n}.0",
         "status": status, "lastDeployed": stamp(ago)}
        for n, ago, status in ((3, 900, "superseded"), (4, 12, "failed"))
    ]  # fmt: skip
    release = {"kind": "HelmRelease", "metadata": meta("shop", 6000), "status": {"history": snapshots}}
    found = told(kustomization, release)
    assert [(each.id, each.commit, minutes_ago(each)) for each in found] == [
        (f"flux-system/flux/apps@main@sha1:{SHA}", SHA, 15),
        ("shop/flux-helm/shop@4", None, 12),
    ]
    assert found[1].summary == "flux helm release shop: shop-1.3.0 -> shop-1.4.0, failed"


# --- Helm ---------------------------------------------------------------------------------------
def packed(document: Object) -> str:
    inner = base64.b64encode(gzip.compress(json.dumps(document).encode()))
    return base64.b64encode(inner).decode()


def release(version: int, ago: float, status: str, values: Object) -> Object:
    chart = {
        "metadata": {"name": "shop", "version": f"1.{version}.0", "appVersion": f"2.{version}"},
        "values": {"replicas": 1, "image": {"tag": "x"}},
    }
    document = {"name": "shop", "version": version, "chart": chart, "config": values, "info": {}}
    labels = {"owner": "helm", "name": "shop", "version": str(version), "status": status}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": meta(f"sh.helm.release.v1.shop.v{version}", ago, labels=labels),
        "data": {"release": packed(document)},
    }


SECRET_VALUES = {"db": {"password": "hunter2"}, "license": "k3y0fThe1icense7hatIs5ecret", "pool": 5}
OTHER_VALUES = {"db": {"password": "hunter1"}, "license": "an0therK3yOfTheLicense12345", "pool": 20}


@contextmanager
def helmed(folder: Path, mode: Any) -> Iterator[tuple[KubeServer, KubernetesConnector]]:
    store = Store()
    store.put(release(3, 900, "superseded", OTHER_VALUES), release(4, 10, "deployed", SECRET_VALUES))
    store.put(
        deployment("checkout", 6000, NEW), replica_set("checkout", "a", 6000, NEW, revision=1, replicas=1)
    )
    store.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta("other", 5), "data": {"x": "c2VjcmV0"}})
    with KubeServer(store=store).running() as server:
        options = KubernetesOptions(helm=mode)
        connector = KubernetesConnector("k", server.kubeconfig(folder), namespaces=("shop",), options=options)
        yield server, connector
        connector.close()


def asked(connector: KubernetesConnector) -> tuple[Reading, list[Change]]:
    reading = connector.ask(ChangeTimeline(window=HOUR), now=NOW)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, Timeline)
    return reading, [each for each in reading.answer.changes if "/helm/" in each.id]


def test_helms_labels_alone_tell_when_a_release_came(tmp_path: Path) -> None:
    with helmed(tmp_path, "metadata") as (server, connector):
        _, (change,) = asked(connector)
        read = [each for each in server.requests if "secrets" in each.path]
    assert (change.id, change.summary) == ("shop/helm/shop@4", "helm release shop revision 4")
    assert minutes_ago(change) == 10
    assert [each.path for each in read] == ["/api/v1/namespaces/shop/secrets"]
    assert all("as=PartialObjectMetadataList" in each.accept for each in read)


def test_helms_values_are_told_where_they_changed_and_no_secret_among_them(tmp_path: Path) -> None:
    with helmed(tmp_path, "values") as (_, connector):
        reading, (change,) = asked(connector)
    assert change.summary == (
        "helm release shop revision 4: chart shop-1.3.0 -> shop-1.4.0; db.password changed; license changed;"
        " pool 20 -> 5"
    )
    assert change.version == "2.4"
    assert not any(secret in repr(reading) for secret in ("hunter", "k3y0f", "an0therK3y"))


def test_secrets_that_may_not_be_read_leave_the_rest_of_the_timeline(tmp_path: Path) -> None:
    with helmed(tmp_path, "metadata") as (server, connector):
        server.accounts[TOKEN].without = [Rule(("list",), ("",), ("secrets",))]
        reading, found = asked(connector)
    assert found == []
    assert any("may not list secrets in namespace shop" in note for note in reading.notes)


@pytest.mark.parametrize(
    "data", ["", "!", "AAAA", base64.b64encode(b"AAAA").decode(), base64.b64encode(b"H4sIAAAA").decode()]
)
def test_a_release_that_is_none_is_a_reason(data: str) -> None:
    with pytest.raises(SourceFailedError, match="cannot be read"):
        decoded(data)


def test_a_release_that_would_fill_the_memory_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 40_000_000)
    with pytest.raises(SourceFailedError, match="larger than is read"):
        decoded(base64.b64encode(base64.b64encode(bomb)).decode())


def test_the_kinds_of_argo_cd_and_flux_are_asked_only_where_they_are(tmp_path: Path) -> None:
    for kinds, expected in ((KINDS, 0), ((*KINDS, *CUSTOM), 3)):
        store = Store(kinds)
        store.put(*shop()[:3])
        with KubeServer(store=store).running() as server:
            connector = KubernetesConnector("k", server.kubeconfig(tmp_path), namespaces=("shop",))
            assert isinstance(connector.ask(ChangeTimeline(window=HOUR), now=NOW), Reading)
            connector.close()
            groups = [
                each.path for each in server.requests if "argoproj" in each.path or "fluxcd" in each.path
            ]
        assert len(groups) == expected
