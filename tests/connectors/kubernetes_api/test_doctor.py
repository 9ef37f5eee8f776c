"""The doctor names each right that is missing, each that is too much, and the rule that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml

from connectors.kubernetes_api import KubernetesConnector, KubernetesOptions
from connectors.kubernetes_api.resources import CHANGES, GITOPS, SNAPSHOT
from connectors.live import Check
from tests.connectors.kubernetes_api.conftest import Connect
from tests.doubles.kube.access import Account, Rule
from tests.doubles.kube.server import TOKEN, KubeServer
from tests.doubles.kube.store import VALIDATED

MANIFEST = Path(__file__).parents[3] / "docs" / "sources" / "kubernetes-rbac.yaml"


def manifest() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def granted() -> list[Rule]:
    return [
        Rule(tuple(rule["verbs"]), tuple(rule["apiGroups"]), tuple(rule["resources"]))
        for item in manifest()
        if item["kind"] == "ClusterRole"
        for rule in item["rules"]
    ]


def checked(connector: KubernetesConnector, **skew: float) -> dict[str, Check]:
    checks: Sequence[Check] = connector.check(now=datetime.now(UTC) + timedelta(**skew))
    return {check.about: check for check in checks}


def test_the_manifest_is_valid_and_grants_reads_only() -> None:
    for item in manifest():
        kubernetes_validate.validate(item, VALIDATED, strict=True)
    assert {verb for rule in granted() for verb in rule.verbs} == {"list", "get"}
    assert not [rule for rule in granted() if "secrets" in rule.resources or "*" in rule.resources]


def test_the_manifest_grants_exactly_what_is_read() -> None:
    lists = {
        (group, resource)
        for rule in granted()
        if rule.verbs == ("list",)
        for group in rule.groups
        for resource in rule.resources
    }
    assert lists == {(each.group, each.plural) for each in (*SNAPSHOT, *CHANGES, *GITOPS)}
    gets = [rule for rule in granted() if "get" in rule.verbs]
    assert gets == [Rule(("get",), ("",), ("pods/log",))]


@pytest.mark.parametrize("namespaces", [("shop",), ()])
def test_the_manifest_is_enough(connect: Connect, server: KubeServer, namespaces: tuple[str, ...]) -> None:
    server.accounts[TOKEN] = Account("firstcause", granted())
    found = checked(connect(KubernetesOptions(logs=True), namespaces=namespaces))
    assert {about: check.found for about, check in found.items() if check.state != "ok"} == {}
    assert found["reachable"].found == "Kubernetes v1.36.0"
    assert found["rights"].found == "17 of 17 granted"
    assert found["snapshot"].found.startswith("2 pods")
    assert server.writes == []


def test_a_missing_right_is_named_with_the_rule_that_gives_it(connect: Connect, server: KubeServer) -> None:
    server.accounts[TOKEN] = Account("firstcause", granted(), [Rule(("list",), ("apps",), ("replicasets",))])
    checks = checked(connect())
    assert (checks["rights"].state, checks["rights"].found) == ("ok", "15 of 16 granted")
    found = checks["may list replicasets.apps in namespace shop"]
    assert found.state == "failed"
    rule = '{apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list"]}'
    assert found.fix.startswith(f"add to the Role in namespace shop: {rule}")


def test_a_right_that_could_do_harm_is_named(connect: Connect) -> None:
    checks = connect().check(now=datetime.now(UTC))
    excess = [check for check in checks if check.about == "least privilege"]
    assert {check.found for check in excess} == {
        "may delete pods in namespace shop",
        "may create pods/exec in namespace shop",
        "may patch deployments.apps in namespace shop",
        "may list secrets in namespace shop",
    }
    assert all(check.state == "warning" and check.fix for check in excess)


def test_clocks_that_differ_are_named(connect: Connect, server: KubeServer) -> None:
    server.skew_seconds = 90
    found = checked(connect())["clock"]
    assert (found.state, found.found.split()[0] in {"+89", "+90", "+91"}) == ("warning", True)
    server.skew_seconds = 0
    assert checked(connect())["clock"].state == "ok"


def test_a_cluster_that_cannot_be_reached_is_asked_nothing_more(connect: Connect, server: KubeServer) -> None:
    (only,) = connect(token="expired").check(now=datetime.now(UTC))
    assert (only.about, only.state) == ("reachable", "failed")
    assert "credentials were refused" in only.found
    assert {each.path for each in server.requests} == {"/version"}
