"""Ways into a cluster: from inside with TLS, page by page, and without loading the client too early."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.answers import ClusterState
from connectors.contract import Reading, Unavailable, Window
from connectors.kubernetes_api import KubernetesConnector, api
from connectors.questions import ClusterSnapshot
from tests.connectors.kubernetes_api.conftest import Connect
from tests.doubles.kube.server import TOKEN, Fault, KubeServer
from tests.doubles.kube.shop import NOW
from tests.doubles.kube.store import Store
from tests.doubles.kube.tls import certificate

SNAPSHOT = ClusterSnapshot(window=Window(start=NOW - timedelta(hours=1), end=NOW))


def pods(reply: Reading | Unavailable | None) -> list[str]:
    assert isinstance(reply, Reading), reply
    assert isinstance(reply.answer, ClusterState)
    return [pod.name[-5:] for pod in reply.answer.pods]


def test_from_inside_of_a_cluster_the_service_account_is_the_way_in(
    shop_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    pair = certificate(tmp_path)
    if pair is None:
        pytest.skip("openssl is not installed here: no certificate for the double")
    (tmp_path / "token").write_text(TOKEN)
    with KubeServer(store=shop_store, tls=pair).running() as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(pair[0]))
        connector = KubernetesConnector("kubernetes/inside", namespaces=("shop",))
        assert pods(connector.ask(SNAPSHOT, now=NOW)) == ["q8r7s", "x2k4p"]
        connector.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(shop_store: Store, tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    if pair is None:
        pytest.skip("openssl is not installed here: no certificate for the double")
    with KubeServer(store=shop_store, tls=pair).running() as server:
        file = server.kubeconfig(tmp_path)
        file.write_text(file.read_text().replace(f"certificate-authority: {pair[0]}", ""))
        connector = KubernetesConnector("kubernetes/stranger", file)
        reply = connector.ask(SNAPSHOT, now=NOW)
        connector.close()
        assert server.requests == []
    assert isinstance(reply, Unavailable)
    assert "certificate" in reply.reason.lower()


def test_pages_make_the_same_answer(
    connect: Connect, server: KubeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = connect().ask(SNAPSHOT, now=NOW)
    monkeypatch.setattr(api, "_PAGE", 1)
    paged = connect().ask(SNAPSHOT, now=NOW)
    assert isinstance(whole, Reading)
    assert isinstance(paged, Reading)
    assert paged.sha256 == whole.sha256
    assert sum("continue=" in each.url for each in server.requests) >= 4


def test_a_list_that_expires_between_two_pages_is_read_from_its_start(
    connect: Connect, server: KubeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_PAGE", 1)
    server.faults = [Fault("status", r"/pods\?.*continue=", times=1, code=410)]
    assert pods(connect().ask(SNAPSHOT, now=NOW)) == ["q8r7s", "x2k4p"]


def test_a_list_that_always_expires_is_named_and_not_empty(
    connect: Connect, server: KubeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_PAGE", 1)
    server.faults = [Fault("status", r"/events\?.*continue=", code=410)]
    reading = connect().ask(SNAPSHOT, now=NOW)
    assert isinstance(reading, Reading)
    assert getattr(reading.answer, "unread", None) == ("Event",)


def test_the_client_is_not_loaded_before_it_is_needed() -> None:
    program = "import sys, connectors.kubernetes_api; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
