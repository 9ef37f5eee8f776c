"""Whatever goes wrong on the way, a value comes back, and in time."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.contract import Question, Reading, Unavailable, Window
from connectors.governor import Limits
from connectors.kubernetes_api import KubernetesConnector, KubernetesOptions
from connectors.questions import ChangeTimeline, ClusterSnapshot, LogSample
from tests.connectors.kubernetes_api.conftest import Connect
from tests.doubles.kube.server import TOKEN, Fault, KubeServer
from tests.doubles.kube.shop import NOW

HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
SNAPSHOT = ClusterSnapshot(window=HOUR)
HURRIED = Limits(timeout_seconds=0.25, rest_seconds=5.0)
IN_TIME_SECONDS = 4.0
"""Three time-outs, and what a busy machine adds."""


@pytest.mark.parametrize("question", [SNAPSHOT, ChangeTimeline(window=HOUR), LogSample(window=HOUR)])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("slow"), "no answer within 0.25 s"),
        (Fault("drip"), "half an answer after 0.25 s"),
        (Fault("half"), "broke off"),
        (Fault("reset"), "not reachable"),
        (Fault("malformed"), "not JSON"),
        (Fault("status", code=500), "status 500"),
        (Fault("status", code=429), "status 429"),
        (Fault("status", code=401), "credentials were refused (401)"),
        (Fault("status", code=410), "expired"),
        (Fault("redirect", to="http://127.0.0.1:1/"), "redirected (307)"),
    ],
    ids=lambda value: value.trouble + str(value.code) if isinstance(value, Fault) else "",
)
def test_a_broken_api_server_is_a_value_in_time(
    connect: Connect, server: KubeServer, question: Question, fault: Fault, reason: str
) -> None:
    server.faults = [Fault(fault.trouble, code=fault.code, to=fault.to)]
    began = time.monotonic()
    reply = connect(KubernetesOptions(logs=True), limits=HURRIED).ask(question, now=NOW)
    assert time.monotonic() - began < IN_TIME_SECONDS
    assert isinstance(reply, Unavailable)
    assert reason in reply.reason
    assert reply.source is question.source


def test_a_kind_that_hangs_costs_that_kind_only(connect: Connect, server: KubeServer) -> None:
    server.faults = [Fault("slow", "horizontalpodautoscalers")]
    reading = connect(limits=HURRIED).ask(SNAPSHOT, now=NOW)
    assert isinstance(reading, Reading)
    assert getattr(reading.answer, "unread", None) == ("HorizontalPodAutoscaler",)
    assert "partly: HorizontalPodAutoscaler: no answer within 0.25 s" in reading.notes


def test_a_busy_api_server_is_asked_again_when_it_says(connect: Connect, server: KubeServer) -> None:
    server.faults = [Fault("status", r"/pods\?", times=1, code=429, retry_after=1)]
    began = time.monotonic()
    reading = connect().ask(SNAPSHOT, now=NOW)
    assert isinstance(reading, Reading)
    assert time.monotonic() - began >= 1.0
    assert getattr(reading.answer, "unread", None) == ()


def test_an_answer_too_large_is_refused(connect: Connect, server: KubeServer) -> None:
    server.faults = [Fault("huge", r"/pods\?")]
    reply = connect(limits=Limits(most_bytes=1_000_000)).ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert "larger than" in reply.reason


def test_a_token_that_was_renewed_meanwhile_is_read_anew(
    connect: Connect, server: KubeServer, tmp_path: Path
) -> None:
    connector = connect(token="expired")
    assert isinstance(connector.ask(SNAPSHOT, now=NOW), Unavailable)
    server.kubeconfig(tmp_path, TOKEN)
    assert isinstance(connector.ask(SNAPSHOT, now=NOW), Reading)


def test_a_rest_after_failures_spares_the_server(connect: Connect, server: KubeServer) -> None:
    server.faults = [Fault("status", code=500)]
    connector = connect(limits=Limits(timeout_seconds=1.0, rest_seconds=60))
    connector.ask(SNAPSHOT, now=NOW)
    before = len(server.requests)
    reply = connector.ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert "left alone" in reply.reason
    assert len(server.requests) == before


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "clusters: 3", "current-context: gone", "\x00", "users: [{name: 1}]"],
)
def test_a_kubeconfig_that_is_none_is_a_reason(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    reply = KubernetesConnector("k", file).ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert "the cluster's configuration cannot be used" in reply.reason


def test_a_context_that_does_not_exist_is_a_reason(server: KubeServer, tmp_path: Path) -> None:
    reply = KubernetesConnector("k", server.kubeconfig(tmp_path), "elsewhere").ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert "elsewhere" in reply.reason


def test_outside_of_a_cluster_the_inside_is_a_reason() -> None:
    reply = KubernetesConnector("k").ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert "configuration cannot be used" in reply.reason


def test_a_server_that_is_gone_is_a_reason(tmp_path: Path, server: KubeServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = server.kubeconfig(tmp_path)
    file.write_text(file.read_text().replace(server.url, f"http://127.0.0.1:{port}"))
    reply = KubernetesConnector("k", file, limits=HURRIED).ask(SNAPSHOT, now=NOW)
    assert isinstance(reply, Unavailable)
    assert "not reachable" in reply.reason
    assert reply.retry
