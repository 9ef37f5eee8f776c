from __future__ import annotations

import json

import pytest

from connectors.answers import ClusterState, Container, Rollout
from connectors.kubernetes_json import quantity
from connectors.kubernetes_templates import REDACTED, environment
from connectors.questions import ClusterSnapshot
from tests.connectors.small_case import MANIFEST, WIDE, SmallCase, answered, iso, minute, refused, window
from tests.connectors.small_cluster import deployment, event, owned_by, pod, replica_set, thing


def cluster(case: SmallCase, *items: object, now: float = 66) -> ClusterState:
    case.text("kubernetes.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return answered(case.open().ask(ClusterSnapshot(window=WIDE), now=minute(now)), ClusterState)


def test_a_pod_belongs_to_the_workload_above_its_replica_set(case: SmallCase) -> None:
    (found,) = cluster(case, pod(), replica_set(), deployment()).pods
    assert (found.workload, found.service, found.version) == ("deployment/checkout", "checkout", "v2")
    assert (found.commit, found.node, found.ready, found.started_at) == ("c0ffee", "n1", False, minute(51))


@pytest.mark.parametrize(
    ("labels", "owner", "workload"),
    [
        ({"pod-template-hash": "7c8"}, owned_by("ReplicaSet", "checkout-7c8"), "deployment/checkout"),
        ({}, owned_by("ReplicaSet", "checkout-7c8"), "replicaset/checkout-7c8"),
        ({}, owned_by("StatefulSet", "db"), "statefulset/db"),
        ({}, [], None),
    ],
)
def test_an_owner_that_was_not_recorded_is_named_all_the_same(
    case: SmallCase, labels: object, owner: object, workload: str | None
) -> None:
    (found,) = cluster(case, pod(labels=labels, ownerReferences=owner)).pods
    assert found.workload == workload


def test_owners_in_a_circle_end(case: SmallCase) -> None:
    one = thing("ReplicaSet", "checkout-7c8", ownerReferences=owned_by("ReplicaSet", "checkout-7c8"))
    assert cluster(case, pod(), one).pods[0].workload == "replicaset/checkout-7c8"


def test_a_container_says_how_it_ended(case: SmallCase) -> None:
    assert cluster(case, pod()).pods[0].containers == (
        Container(
            name="app",
            image="shop/checkout:2",
            restarts=3,
            ready=False,
            waiting_reason="CrashLoopBackOff",
            last_exit_reason="OOMKilled",
            last_exit_at=minute(60),
            memory_limit_bytes=256 * 2**20,
            cpu_limit_cores=0.5,
        ),
    )


def test_an_exit_after_now_has_not_happened(case: SmallCase) -> None:
    container = cluster(case, pod(), now=59).pods[0].containers[0]
    assert (container.last_exit_reason, container.last_exit_at) == (None, None)


def test_init_containers_show_when_they_are_in_trouble(case: SmallCase) -> None:
    spec = {"containers": [], "initContainers": [{"name": "migrate"}, {"name": "fine"}]}
    status = {"initContainerStatuses": [{"name": "migrate", "restartCount": 4, "state": {}}]}
    assert [c.name for c in cluster(case, pod(spec=spec, status=status)).pods[0].containers] == ["migrate"]


def test_what_was_created_after_now_does_not_exist(case: SmallCase) -> None:
    state = cluster(case, pod(), replica_set(at=50), replica_set("checkout-9", at=52), now=50)
    assert state.pods == ()
    assert len(state.rollouts) == 1


def test_the_catalogue_names_the_service_of_a_workload(case: SmallCase) -> None:
    case.manifest(MANIFEST + "services: {till: {namespace: shop, workload: Deployment/checkout}}\n")
    state = cluster(case, pod(), replica_set(), deployment())
    assert (state.pods[0].service, state.rollouts[0].service) == ("till", "till")


def test_rollouts_come_by_revision(case: SmallCase) -> None:
    revisions = [replica_set(f"checkout-{r}", revision=r, at=m) for r, m in (("10", 50), ("9", 40))]
    rollouts = cluster(case, *revisions, deployment()).rollouts
    assert [r.revision for r in rollouts] == ["9", "10"]
    assert rollouts[1] == Rollout(
        namespace="shop",
        workload="deployment/checkout",
        service="checkout",
        revision="10",
        at=minute(50),
        images=("shop/checkout:10",),
        commit="c0ffee",
        replicas=3,
        environment=(("POOL_SIZE", "20"),),
        differences=("image shop/checkout:9 -> shop/checkout:10",),
    )


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("POOL_SIZE", "20", "20"),
        ("DB_PASSWORD", "hunter2", REDACTED),
        ("GITHUB_TOKEN", "x", REDACTED),
        ("ACCESS_KEY_ID", "x", REDACTED),
        ("SIGNING_KEY", "x", REDACTED),
        ("stripeApiKey", "x", REDACTED),
        ("SESSION_SECRET", "", ""),
        ("KEYSPACE", "orders", "orders"),
        ("DATABASE_URL", "postgres://shop:hunter2@db:5432/shop", f"postgres://shop:{REDACTED}@db:5432/shop"),
        ("REDIS_URL", "redis://:hunter2@cache", f"redis://:{REDACTED}@cache"),
    ],
)
def test_secrets_in_the_environment_do_not_leave(name: str, value: str, shown: str) -> None:
    assert environment({"env": [{"name": name, "value": value}]}) == ((name, shown),)


def test_a_value_from_elsewhere_is_named_by_its_origin() -> None:
    origin = {"secretKeyRef": {"name": "shop-db", "key": "password"}}
    assert environment({"env": [{"name": "X", "valueFrom": origin}]}) == (
        ("X", "(from secretKeyRef shop-db)"),
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("256Mi", 256 * 2**20),
        ("1Gi", 2**30),
        ("500m", 0.5),
        ("2", 2),
        (2, 2),
        ("1.5G", 1.5e9),
        ("128974848", 128974848),
        ("1e3", 1000),
        ("12E", 12e18),
        ("100k", 1e5),
        ("ten", None),
        ("1Zi", None),
        ("1.2.3", None),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_a_quantity_is_a_number(text: object, number: float | None) -> None:
    assert quantity(text) == number


def test_a_node_shows_only_what_is_wrong_by_now(case: SmallCase) -> None:
    def condition(kind: str, status: str, at: float = 10) -> dict[str, str]:
        return {"type": kind, "status": status, "lastTransitionTime": iso(at)}

    conditions = [
        condition("MemoryPressure", "True"),
        condition("DiskPressure", "False"),
        condition("PIDPressure", "True", 70),
        condition("Ready", "Unknown"),
    ]
    well = thing("Node", "n0", status={"conditions": [condition("Ready", "True")]})
    state = cluster(case, thing("Node", "n1", status={"conditions": conditions}), well)
    assert [(n.name, n.troubles) for n in state.nodes] == [("n0", ()), ("n1", ("MemoryPressure", "NotReady"))]


def test_an_event_that_went_on_after_now_is_known_by_its_first_time(case: SmallCase) -> None:
    events = cluster(case, event("a", 20, 30), event("b", 40, 70), event("c", 70, 80)).events
    assert [(e.name, e.at, e.count) for e in events] == [("a", minute(30), 7), ("b", minute(40), 1)]


def test_an_event_of_the_newer_api_is_read(case: SmallCase) -> None:
    newer = thing(
        "Event",
        "x",
        regarding={"kind": "Node", "name": "n1"},
        eventTime=iso(30),
        note="gone",
        series={"count": 4, "lastObservedTime": iso(35)},
    )
    (found,) = cluster(case, newer).events
    assert (found.at, found.count, found.kind, found.message) == (minute(35), 4, "Node", "gone")


def test_namespaces_and_window_narrow_the_answer(case: SmallCase) -> None:
    listed = {"kind": "List", "items": [pod(), replica_set(), event("a", 20, 30), event("b", 40, 50)]}
    case.text("kubernetes.json", json.dumps(listed))
    elsewhere = answered(case.ask(ClusterSnapshot(window=WIDE, namespaces=("other",))), ClusterState)
    assert (elsewhere.pods, elsewhere.rollouts, elsewhere.events) == ((), (), ())
    narrow = answered(case.ask(ClusterSnapshot(window=window(25, 35))), ClusterState)
    assert [e.name for e in narrow.events] == ["a"]


def test_a_list_of_one_kind_is_read(case: SmallCase) -> None:
    bare = {key: value for key, value in pod().items() if key != "kind"}
    case.text("kubernetes.json", json.dumps({"kind": "PodList", "items": [bare]}))
    assert len(answered(case.ask(ClusterSnapshot(window=WIDE)), ClusterState).pods) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "List"}', "\x00"])
def test_a_file_that_is_no_list_is_unavailable(case: SmallCase, content: str) -> None:
    case.text("kubernetes.json", content)
    assert "not a list of Kubernetes objects" in refused(case.ask(ClusterSnapshot(window=WIDE)))


def test_objects_of_odd_shape_break_nothing(case: SmallCase) -> None:
    odd = [
        3,
        {},
        {"kind": "Pod"},
        {"kind": "Pod", "metadata": [], "spec": 1, "status": "x"},
        {"kind": "Node", "status": {"conditions": [None, {}]}},
        {"kind": "ReplicaSet", "spec": {"template": {"spec": {"containers": ["x"]}}}},
        {"kind": "Event", "firstTimestamp": "noon"},
    ]
    state = cluster(case, *odd)
    assert (len(state.pods), len(state.nodes), len(state.rollouts), len(state.events)) == (2, 1, 1, 0)
