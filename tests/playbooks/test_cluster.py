"""The cluster's judges: each kind of trouble, a rollout's own noise, silence, and innocence."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from connectors import answers as a
from connectors.cluster_facts import Autoscaler, Condition
from connectors.questions import ClusterSnapshot
from playbooks.cluster import judge_cluster
from playbooks.model import Finding
from tests.playbooks.test_database_kit import ONSET, SCENE, WINDOW, by_judge, observed, reading

LATER = ONSET + timedelta(minutes=2)
EARLIER = ONSET - timedelta(minutes=20)


def pod(**container: object) -> a.Pod:
    return a.Pod(
        namespace="shop",
        name="checkout-7f-x1",
        workload="deployment/checkout",
        service="checkout",
        node="node-a",
        ready=True,
        containers=(a.Container.model_validate({"name": "app", **container}),),
    )


def event(
    reason: str, message: str = "", name: str = "checkout-7f-x1", at: datetime = LATER, count: int = 1
) -> a.ClusterEvent:
    return a.ClusterEvent(
        at=at, type="Warning", reason=reason, kind="Pod", name=name, message=message, count=count
    )


def told(
    *pods: a.Pod, events: tuple[a.ClusterEvent, ...] = (), troubles: tuple[str, ...] = ()
) -> dict[str, Finding]:
    state = a.ClusterState(pods=pods, events=events, nodes=(a.Node(name="node-a", troubles=troubles),))
    return by_judge(judge_cluster(observed(reading(ClusterSnapshot(window=WINDOW), state)), SCENE))


def yes(found: dict[str, Finding]) -> set[str]:
    return {name for name, f in found.items() if f.state == "yes"}


def test_a_quiet_cluster_is_innocent() -> None:
    found = told(pod())
    assert yes(found) == {"cluster_innocent"}
    assert found["pod_oom_killed"].state == found["node_pressure"].state == "no"


@pytest.mark.parametrize("kind", ["Event", "Pod"])
def test_a_cluster_that_was_not_wholly_read_is_not_called_quiet(kind: str) -> None:
    state = a.ClusterState(pods=(pod(),), nodes=(a.Node(name="node-a"),), unread=(kind,))
    found = by_judge(judge_cluster(observed(reading(ClusterSnapshot(window=WINDOW), state)), SCENE))
    assert {found[judge].state for judge in ("cluster_innocent", "pod_oom_killed", "probe_failures")} == {
        "unknown"
    }


def test_an_autoscaler_that_wants_more_than_it_may_is_at_its_ceiling() -> None:
    limited = Condition(type="ScalingLimited", status="True", reason="TooManyReplicas")
    scaler = Autoscaler(
        namespace="shop", name="checkout", workload="deployment/checkout", most=4, conditions=(limited,)
    )
    state = a.ClusterState(pods=(pod(),), autoscalers=(scaler,))
    found = by_judge(judge_cluster(observed(reading(ClusterSnapshot(window=WINDOW), state)), SCENE))
    assert found["replicas_at_most"].state == "yes"
    other = state.model_copy(
        update={"autoscalers": (scaler.model_copy(update={"workload": "deployment/cart"}),)}
    )
    found = by_judge(judge_cluster(observed(reading(ClusterSnapshot(window=WINDOW), other)), SCENE))
    assert found["replicas_at_most"].state == "unknown"


def test_a_cluster_not_asked_or_without_the_service_is_unknown() -> None:
    assert {f.state for f in judge_cluster(observed(), SCENE)} == {"unknown"}
    assert {
        f.state for f in told(pod().model_copy(update={"service": "cart", "workload": "cart"})).values()
    } == {"unknown"}


@pytest.mark.parametrize(
    ("container", "judges"),
    [
        (
            {"restarts": 3, "last_exit_reason": "OOMKilled", "last_exit_at": LATER},
            {"pod_oom_killed", "pod_restarted"},
        ),
        ({"restarts": 3, "last_exit_reason": "Error", "last_exit_at": LATER}, {"pod_restarted"}),
        ({"waiting_reason": "CrashLoopBackOff"}, {"pod_crash_loop"}),
        ({"waiting_reason": "ImagePullBackOff"}, {"image_pull_failed"}),
        ({"waiting_reason": "CreateContainerConfigError"}, {"container_config_error"}),
        ({"restarts": 3, "last_exit_reason": "OOMKilled", "last_exit_at": EARLIER}, {"cluster_innocent"}),
    ],
)
def test_a_containers_state_is_told(container: dict[str, object], judges: set[str]) -> None:
    assert yes(told(pod(**container))) == judges


@pytest.mark.parametrize(
    ("happened", "judge"),
    [
        (event("Evicted", "The node was low on resource: memory"), "pod_evicted"),
        (event("FailedScheduling", "0/3 nodes are available", count=4), "pod_unschedulable"),
        (event("Unhealthy", "Readiness probe failed", count=5), "probe_failures"),
        (event("BackOff", "Back-off restarting failed container"), "pod_crash_loop"),
        (event("Failed", "Failed to pull image x"), "image_pull_failed"),
        (event("FailedMount", 'MountVolume.SetUp failed: secret "db" not found'), "container_config_error"),
        (event("CPUThrottlingHigh", "quota enforced"), "cpu_throttled_event"),
        (event("OOMKilling", "Killed process 71"), "pod_oom_killed"),
    ],
)
def test_an_event_is_told(happened: a.ClusterEvent, judge: str) -> None:
    assert yes(told(pod(), events=(happened,))) == {judge}


def test_a_probe_that_fails_once_while_a_pod_starts_is_no_trouble() -> None:
    found = told(pod(), events=(event("Unhealthy", "Readiness probe failed", count=1),))
    assert found["probe_failures"].state == "unknown"
    assert "probe_failures" not in yes(found)


def test_events_before_the_onset_or_of_another_service_are_left_out() -> None:
    events = (event("Evicted", at=EARLIER), event("Evicted", name="cart-55-zz"))
    assert yes(told(pod(), events=events)) == {"cluster_innocent"}


def test_an_event_of_a_pod_that_is_gone_still_counts() -> None:
    found = told(pod(), events=(event("Evicted", name="checkout-6c9d-q8z7p"),))
    assert "pod_evicted" in yes(found)


def test_a_node_under_pressure_is_named() -> None:
    found = told(pod(), troubles=("MemoryPressure",))["node_pressure"]
    assert found.state == "yes"
    assert found.entity is not None
    assert found.entity.name == "node-a"


def test_a_kill_names_pod_and_limit() -> None:
    found = told(pod(last_exit_reason="OOMKilled", last_exit_at=LATER, memory_limit_bytes=512 * 2**20))[
        "pod_oom_killed"
    ]
    assert "512 MiB" in found.why
    assert found.evidence
