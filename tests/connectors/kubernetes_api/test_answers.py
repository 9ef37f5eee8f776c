"""What a live cluster answers: the same as a recorded one, and plainly less where less may be read."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.answers import ClusterState, Timeline
from connectors.case.sources import open_case
from connectors.cluster_facts import Autoscaler, NetworkRule, Quota, ServiceEndpoints, VolumeClaim
from connectors.contract import Reading, Source, Unavailable, Window
from connectors.questions import ChangeTimeline, ClusterSnapshot, CommitLog, LogSample
from tests.connectors.kubernetes_api.conftest import Connect
from tests.doubles.kube.access import Account, Rule
from tests.doubles.kube.server import TOKEN, Fault, KubeServer
from tests.doubles.kube.shop import NOW, shop, stamp

HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
SNAPSHOT = ClusterSnapshot(window=HOUR)


def state(reply: Reading | Unavailable | None) -> ClusterState:
    assert isinstance(reply, Reading), reply
    assert isinstance(reply.answer, ClusterState)
    return reply.answer


def test_the_live_cluster_and_the_recorded_one_are_the_same(connect: Connect, tmp_path: Path) -> None:
    live = state(connect().ask(SNAPSHOT, now=NOW))
    case = tmp_path / "case"
    case.mkdir()
    window = f"window: {{start: {stamp(120)}, end: {stamp(0)}}}"
    incident = f"incident: {{service: checkout, at: {stamp(0)}}}"
    (case / "case.yaml").write_text(f"format: 1\nid: lab/shop\ntitle: shop\n{incident}\n{window}\n")
    (case / "kubernetes.json").write_text(json.dumps({"kind": "List", "items": shop()}))
    recorded = state(open_case(case).ask(SNAPSHOT, now=NOW))
    assert live.model_copy(update={"plane": ()}) == recorded
    assert len(live.pods) == 2


def test_a_rollout_says_what_it_changed_and_who_brought_it(connect: Connect) -> None:
    last = state(connect().ask(SNAPSHOT, now=NOW)).rollouts[-1]
    assert (last.workload, last.revision, last.author) == ("deployment/checkout", "2", "kubectl-set")
    assert last.differences == (
        "image shop/checkout:1.9.0 -> shop/checkout:2.0.0",
        "POOL_SIZE 20 -> 5",
        "DB_PASSWORD added: (redacted)",
        "envFrom configMapRef checkout added: set",
    )


def test_what_stands_around_the_pods_is_told(connect: Connect) -> None:
    found = state(connect().ask(SNAPSHOT, now=NOW))
    assert found.services == (
        ServiceEndpoints(
            namespace="shop",
            name="checkout",
            type="ClusterIP",
            selector=(("app", "chekout"),),
            selected=0,
            ready=0,
            not_ready=0,
        ),
    )
    assert found.quotas == (
        Quota(namespace="shop", name="limits", resource="limits.memory", used=1000 * 2**20, hard=2**30),
    )
    (scaler,) = found.autoscalers
    assert isinstance(scaler, Autoscaler)
    assert (scaler.current, scaler.most, scaler.metrics) == (2, 2, ("cpu 92% of 60%",))
    assert [each.reason for each in scaler.conditions] == ["TooManyReplicas"]
    (claim,) = found.volume_claims
    assert isinstance(claim, VolumeClaim)
    assert (claim.phase, claim.requested_bytes) == ("Pending", 10 * 2**30)
    (rule,) = found.network_rules
    assert isinstance(rule, NetworkRule)
    assert (rule.denies_all, rule.covers) == (("Ingress",), 2)
    assert (found.workloads[0].ready, found.workloads[0].desired) == (1, 2)


def test_a_configmap_is_told_by_keys_and_hashes_and_no_secret(connect: Connect, server: KubeServer) -> None:
    reading = connect().ask(SNAPSHOT, now=NOW)
    (found,) = state(reading).configurations
    entries = dict(found.entries)
    assert (entries["API_TOKEN"], len(entries["LOG_LEVEL"])) == ("(redacted)", 12)
    assert (found.changed_by, found.used_by) == ("kubectl-edit", ("deployment/checkout",))
    told = repr(reading) + repr(connect().ask(ChangeTimeline(window=HOUR), now=NOW))
    assert "s3cr3t" not in told
    assert "hunter2" not in told
    assert any("configmaps" in each.path for each in server.requests)


def test_secrets_are_never_asked_for_unless_helm_is_on(connect: Connect, server: KubeServer) -> None:
    connector = connect()
    for question in (SNAPSHOT, ChangeTimeline(window=HOUR)):
        connector.ask(question, now=NOW)
    connector.check(now=NOW)
    assert not [each.path for each in server.requests if "secrets" in each.path]


def test_the_timeline_tells_the_rollout_with_its_steps_and_pods(connect: Connect) -> None:
    reading = connect().ask(ChangeTimeline(window=HOUR), now=NOW)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, Timeline)
    told = {change.id: change for change in reading.answer.changes}
    assert sorted(told) == [
        "shop/configmap/checkout@2026-11-23T11:45:00Z",
        "shop/deployment/checkout@2",
        "shop/networkpolicy/deny@2026-11-23T11:48:00Z",
    ]
    deploy = told["shop/deployment/checkout@2"]
    assert (deploy.kind, deploy.service, deploy.version) == ("deploy", "checkout", "2.0.0")
    assert deploy.at == NOW - timedelta(minutes=10)
    assert deploy.steps == (NOW - timedelta(minutes=10), NOW - timedelta(minutes=8))
    assert len(deploy.pods) == 2
    edited = told["shop/configmap/checkout@2026-11-23T11:45:00Z"]
    assert (edited.kind, edited.service) == ("config", "checkout")
    assert edited.summary.startswith("configmap shop/checkout: API_TOKEN=(redacted); LOG_LEVEL=debug")
    assert edited.summary.endswith("(by kubectl-edit)")


def test_nothing_of_after_now_is_told(connect: Connect) -> None:
    before = NOW - timedelta(minutes=9, seconds=30)
    connector = connect()
    found = state(connector.ask(SNAPSHOT, now=before))
    assert [pod.name[-5:] for pod in found.pods] == ["q8r7s"]
    assert all(event.at <= before for event in found.events)
    reading = connector.ask(ChangeTimeline(window=HOUR), now=before)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, Timeline)
    assert max(max((each.at, *each.steps)) for each in reading.answer.changes) <= before
    assert reading.at == before


def test_a_cluster_seen_long_after_the_incident_says_so(connect: Connect) -> None:
    reading = connect().ask(SNAPSHOT, now=NOW)
    assert isinstance(reading, Reading)
    assert any(note.startswith("the cluster is seen as it stood at") for note in reading.notes)


@pytest.mark.parametrize(
    ("group", "plural", "kind"),
    [
        ("", "events", "Event"),
        ("", "nodes", "Node"),
        ("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ],
)
def test_a_kind_that_may_not_be_listed_is_named_with_its_rule(
    connect: Connect, server: KubeServer, group: str, plural: str, kind: str
) -> None:
    server.accounts[TOKEN].without = [Rule(("list",), (group,), (plural,))]
    reading = connect().ask(SNAPSHOT, now=NOW)
    assert state(reading).unread == (kind,)
    assert len(state(reading).pods) == 2
    assert isinstance(reading, Reading)
    (note,) = [each for each in reading.notes if each.startswith("partly:")]
    assert f'{{apiGroups: ["{group}"], resources: ["{plural}"], verbs: ["list"]}}' in note


def test_without_pods_there_is_no_snapshot_and_the_reason_names_the_rule(
    connect: Connect, server: KubeServer
) -> None:
    server.accounts[TOKEN].without = [Rule(("list",), ("",), ("pods",))]
    reply = connect().ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert (reply.source, reply.retry) == (Source.CLUSTER, False)
    assert reply.reason.startswith("may not list pods in namespace shop; grant it: {apiGroups")


def test_pods_that_are_not_known_leave_the_selector_unjudged(connect: Connect, server: KubeServer) -> None:
    server.accounts[TOKEN].without = [Rule(("list",), ("",), ("pods",), ("other",))]
    reading = connect(namespaces=("shop", "other")).ask(SNAPSHOT, now=NOW)
    assert "Pod" in state(reading).unread
    assert [each.selected for each in state(reading).services] == [None]


def test_a_question_about_someone_elses_namespace_is_not_ours(connect: Connect) -> None:
    connector = connect(namespaces=("other",))
    assert connector.ask(ClusterSnapshot(window=HOUR, namespaces=("shop",)), now=NOW) is None
    assert connector.ask(CommitLog(window=HOUR), now=NOW) is None
    assert connector.ask(LogSample(window=HOUR), now=NOW) is None


def test_the_whole_cluster_is_read_where_no_namespace_is_named(connect: Connect, server: KubeServer) -> None:
    found = state(connect(namespaces=()).ask(SNAPSHOT, now=NOW))
    assert len(found.pods) == 2
    assert "/api/v1/pods" in {each.path for each in server.requests}


def test_connections_are_kept(connect: Connect, server: KubeServer) -> None:
    connector = connect()
    for _ in range(3):
        connector.ask(SNAPSHOT, now=NOW)
    assert len(server.requests) >= 19
    assert server.connections <= connector.api.limits.concurrent


def test_an_api_server_says_which_of_its_checks_failed(connect: Connect, server: KubeServer) -> None:
    server.answering.unready = {"etcd"}
    found = state(connect().ask(SNAPSHOT, now=NOW))
    assert [(each.name, each.healthy) for each in found.plane if not each.healthy] == [("readyz/etcd", False)]


def test_a_list_that_expires_between_its_pages_is_read_again(connect: Connect, server: KubeServer) -> None:
    server.faults = [Fault("status", r"/pods\?", times=1, code=410)]
    assert len(state(connect().ask(SNAPSHOT, now=NOW)).pods) == 2


def test_an_account_without_any_right_gets_reasons(connect: Connect, server: KubeServer) -> None:
    server.accounts["nothing"] = Account("nothing", rules=[])
    connector = connect(token="nothing")
    for question in (SNAPSHOT, ChangeTimeline(window=HOUR)):
        reply = connector.ask(question, now=NOW)
        assert isinstance(reply, Unavailable)
        assert "may not list" in reply.reason
