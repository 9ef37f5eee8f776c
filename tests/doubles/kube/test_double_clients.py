"""The double holds against independent clients: the official one, and kubectl itself."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.kube.access import Account, Rule
from tests.doubles.kube.server import TOKEN, KubeServer
from tests.doubles.kube.shop import NOW, shop
from tests.doubles.kube.store import Store
from tests.doubles.kube.tls import certificate

KUBECTL = shutil.which("kubectl")


@pytest.fixture(scope="module")
def store() -> Store:
    made = Store()
    made.put(*shop())
    made.logs[("shop", "checkout-7c8d9e6f5-q8r7s", "app", False)] = [(NOW, "ready"), (NOW, "serving")]
    return made


@pytest.fixture
def server(store: Store) -> Iterator[KubeServer]:
    with KubeServer(store=store, bookmark_seconds=0.1).running() as running:
        yield running


@pytest.fixture(scope="module")
def secure(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    """With TLS: kubectl sends no token without it."""
    if KUBECTL is None:
        pytest.skip("kubectl is not installed here")
    pair = certificate(tmp_path_factory.mktemp("tls"))
    if pair is None:
        pytest.skip("openssl is not installed here: no certificate for kubectl")
    with KubeServer(store=store, tls=pair).running() as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[KubeServer]:
    """A server with a store that the test may change."""
    own = Store()
    own.put(*shop()[:5])
    with KubeServer(store=own, bookmark_seconds=0.1).running() as running:
        yield running


@pytest.fixture
def api(server: KubeServer, tmp_path: Path) -> Iterator[Any]:
    with client(server, tmp_path) as opened:
        yield opened


def client(server: KubeServer, folder: Path) -> Any:
    """The official client, without any wall."""
    from kubernetes import config

    load: Any = config
    return load.new_client_from_config(str(server.kubeconfig(folder)), persist_config=False)


def core_v1(opened: Any) -> Any:
    from kubernetes.client import CoreV1Api

    return CoreV1Api(opened)


# --- the official client ------------------------------------------------------------------------------
def test_the_official_client_reads_typed_objects(api: Any) -> None:
    from kubernetes.client import AppsV1Api

    pods = core_v1(api).list_namespaced_pod("shop").items
    assert {pod.metadata.name[-5:]: pod.status.container_statuses[0].restart_count for pod in pods} == {
        "q8r7s": 0,
        "x2k4p": 3,
    }
    apps: Any = AppsV1Api(api)
    found = apps.read_namespaced_deployment("checkout", "shop")
    assert found.spec.template.spec.containers[0].image == "shop/checkout:2.0.0"


def test_the_official_client_pages_to_the_same_list(api: Any, server: KubeServer) -> None:
    core, names, token = core_v1(api), [], ""
    while True:
        page = core.list_event_for_all_namespaces(limit=1, _continue=token)
        names += [event.metadata.name for event in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == ["checkout.1", "checkout.2", "checkout.3"]
    assert sum("limit=1" in each.url for each in server.requests) == 3


def test_a_paged_list_shows_one_moment_and_expires_with_it(fresh: KubeServer, tmp_path: Path) -> None:
    from kubernetes.client.exceptions import ApiException

    with client(fresh, tmp_path) as opened:
        core = core_v1(opened)
        page = core.list_namespaced_pod("shop", limit=1)
        core.delete_namespaced_pod("checkout-7c8d9e6f5-x2k4p", "shop")
        rest = core.list_namespaced_pod("shop", limit=1, _continue=page.metadata._continue)
        assert [pod.metadata.name[-5:] for pod in rest.items] == ["x2k4p"]
        fresh.store.compact()
        with pytest.raises(ApiException) as caught:
            core.list_namespaced_pod("shop", limit=1, _continue=page.metadata._continue)
        assert (caught.value.status, "Expired" in str(caught.value.body)) == (410, True)


def test_the_official_client_watches_from_a_version(fresh: KubeServer, tmp_path: Path) -> None:
    from kubernetes import watch

    with client(fresh, tmp_path) as opened:
        core = core_v1(opened)
        start = core.list_namespaced_pod("shop").metadata.resource_version
        gone = threading.Timer(
            0.2, fresh.store.delete, (fresh.store.kinds[5], "shop", "checkout-7c8d9e6f5-x2k4p")
        )
        gone.start()
        make: Any = watch.Watch
        watching = make()
        seen = [
            (event["type"], event["raw_object"]["metadata"].get("name"))
            for event in watching.stream(
                core.list_namespaced_pod,
                "shop",
                resource_version=start,
                timeout_seconds=1,
                allow_watch_bookmarks=True,
            )
        ]
        gone.join()
    assert ("DELETED", "checkout-7c8d9e6f5-x2k4p") in seen
    assert "BOOKMARK" in {kind for kind, _ in seen}


def test_a_watch_from_a_forgotten_version_ends_with_410(fresh: KubeServer, tmp_path: Path) -> None:
    from kubernetes import watch
    from kubernetes.client.exceptions import ApiException

    fresh.store.compact()
    make: Any = watch.Watch
    watching = make()
    with client(fresh, tmp_path) as opened, pytest.raises(ApiException) as caught:
        list(
            watching.stream(
                core_v1(opened).list_namespaced_pod, "shop", resource_version="1", timeout_seconds=1
            )
        )
    assert caught.value.status == 410


def test_selectors_choose_as_the_api_server_does(api: Any) -> None:
    core = core_v1(api)

    def count(**selectors: str) -> int:
        return len(core.list_namespaced_pod("shop", **selectors).items)

    assert count(label_selector="app=checkout,pod-template-hash notin (x)") == 2
    assert count(label_selector="!app") == 0
    assert count(field_selector="metadata.name=checkout-7c8d9e6f5-q8r7s") == 1
    assert count(field_selector="status.phase!=Running") == 0


def test_what_is_not_valid_is_not_taken() -> None:
    import kubernetes_validate  # type: ignore[import-untyped] # it ships no types

    with pytest.raises(kubernetes_validate.ValidationError):
        Store().put(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containerz": []}}
        )


# --- kubectl -------------------------------------------------------------------------------------------
def kubectl(
    secure: KubeServer, folder: Path, *arguments: str, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    assert KUBECTL is not None
    file = secure.kubeconfig(folder, token)
    command = [
        KUBECTL,
        "--kubeconfig",
        str(file),
        "--cache-dir",
        str(folder / "cache"),
        "-n",
        "shop",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_kubectl_prints_the_tables(secure: KubeServer, tmp_path: Path) -> None:
    printed = kubectl(secure, tmp_path, "get", "deploy,rs,events")
    assert printed.returncode == 0, printed.stderr
    rows = [line.split() for line in printed.stdout.splitlines() if line]
    assert rows[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert rows[1][:4] == ["deployment.apps/checkout", "1/2", "2", "1"]
    assert ["replicaset.apps/checkout-7c8d9e6f5", "2", "2", "2"] in [row[:4] for row in rows]
    assert any(row[1:4] == ["Warning", "BackOff", "pod/checkout-7c8d9e6f5-x2k4p"] for row in rows)


def test_kubectl_tells_the_history_of_a_rollout(secure: KubeServer, tmp_path: Path) -> None:
    printed = kubectl(secure, tmp_path, "rollout", "history", "deployment/checkout", "--revision=1")
    assert printed.returncode == 0, printed.stderr
    assert "shop/checkout:1.9.0" in printed.stdout
    every = kubectl(secure, tmp_path, "rollout", "history", "deployment/checkout")
    assert [line.split()[0] for line in every.stdout.splitlines() if line[:1].isdigit()] == ["1", "2"]


def test_kubectl_reads_a_log(secure: KubeServer, tmp_path: Path) -> None:
    printed = kubectl(secure, tmp_path, "logs", "checkout-7c8d9e6f5-q8r7s", "--tail=1", "--timestamps")
    assert printed.stdout == "2026-11-23T12:00:00.000000000Z serving\n", printed.stderr


def test_kubectl_asks_what_it_may(secure: KubeServer, tmp_path: Path) -> None:
    secure.accounts["little"] = Account("little", [Rule(("list",), ("",), ("pods",), ("shop",))])
    assert kubectl(secure, tmp_path, "auth", "can-i", "list", "pods", token="little").stdout.strip() == "yes"
    assert kubectl(secure, tmp_path, "auth", "can-i", "delete", "pods", token="little").stdout.strip() == "no"
    refused = kubectl(secure, tmp_path, "get", "deploy", token="little")
    assert 'cannot list resource "deployments" in API group "apps"' in refused.stderr
