"""Pod logs as log records: bounded, of the window, from containers in trouble first, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from connectors.answers import LogSet
from connectors.contract import Reading, Unavailable, Window
from connectors.kubernetes_api import KubernetesConnector, KubernetesOptions
from connectors.kubernetes_api.podlogs import LogLimits
from connectors.questions import LogSample
from tests.connectors.kubernetes_api.conftest import Connect
from tests.doubles.kube.access import Rule
from tests.doubles.kube.server import TOKEN, KubeServer
from tests.doubles.kube.shop import NOW
from tests.doubles.kube.store import Store

HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
WELL, ILL = "checkout-7c8d9e6f5-q8r7s", "checkout-7c8d9e6f5-x2k4p"
JSON_LINE = (
    '{"level": "error", "message": "no route for ana@example.com", "logger": "shop.cart", "trace_id": "abc"}'
)


def logs(reply: Reading | Unavailable | None) -> LogSet:
    assert isinstance(reply, Reading), reply
    assert isinstance(reply.answer, LogSet)
    return reply.answer


@pytest.fixture
def written(shop_store: Store) -> Iterator[Store]:
    def at(minutes: float, line: str) -> tuple[datetime, str]:
        return NOW - timedelta(minutes=minutes), line

    shop_store.logs = {
        ("shop", WELL, "app", False): [
            at(90, "too early"),
            at(20, "2026 WARNING pool is low"),
            at(5, JSON_LINE),
            at(-3, "of the future"),
        ],
        ("shop", ILL, "app", True): [at(6, "E1123 12:00:00 main.go:1] password=hunter2 refused")],
        ("shop", ILL, "app", False): [at(2, "starting")],
    }
    yield shop_store
    shop_store.logs = {}


@pytest.fixture
def connector(connect: Connect, written: Store) -> KubernetesConnector:
    del written
    return connect(KubernetesOptions(logs=True))


def test_lines_come_by_time_and_from_the_container_before_too(
    connector: KubernetesConnector,
) -> None:
    found = logs(connector.ask(LogSample(window=HOUR), now=NOW)).records
    assert [(each.severity, each.body[:12]) for each in found] == [
        ("WARN", "2026 WARNING"),
        ("ERROR", "E1123 12:00:"),
        ("ERROR", "no route for"),
        ("", "starting"),
    ]
    assert {each.service for each in found} == {"checkout"}
    assert [each.attributes.get("k8s.container.previous") for each in found] == [None, "true", None, None]


def test_a_line_of_json_is_taken_apart(connector: KubernetesConnector) -> None:
    (line,) = [e for e in logs(connector.ask(LogSample(window=HOUR), now=NOW)).records if e.trace]
    assert (line.logger, line.trace, line.severity) == ("shop.cart", "abc", "ERROR")


def test_no_secret_and_no_address_is_passed_on(connector: KubernetesConnector) -> None:
    told = repr(connector.ask(LogSample(window=HOUR), now=NOW))
    assert "hunter2" not in told
    assert "ana@example.com" not in told


def test_only_the_services_asked_about_are_read(connector: KubernetesConnector, server: KubeServer) -> None:
    assert logs(connector.ask(LogSample(window=HOUR, services=("cart",)), now=NOW)).records == ()
    assert not [each.path for each in server.requests if each.path.endswith("/log")]


def test_each_log_is_asked_for_within_bounds(connector: KubernetesConnector, server: KubeServer) -> None:
    connector.ask(LogSample(window=HOUR), now=NOW)
    asked = [each.query for each in server.requests if each.path.endswith("/log")]
    assert len(asked) == 3
    assert all({"tailLines", "limitBytes", "sinceTime", "container"} <= query.keys() for query in asked)


def test_a_log_longer_than_is_read_is_called_truncated(connect: Connect, written: Store) -> None:
    del written
    options = KubernetesOptions(logs=True, log_limits=LogLimits(lines=1))
    found = logs(connect(options).ask(LogSample(window=HOUR), now=NOW))
    assert found.truncated
    assert len(found.records) <= 3
    cut = logs(connect(KubernetesOptions(logs=True)).ask(LogSample(window=HOUR, most_lines=2), now=NOW))
    assert (cut.truncated, [each.body[:8] for each in cut.records]) == (True, ["no route", "starting"])


def test_a_line_that_a_limit_cut_in_the_middle_is_still_a_line(connect: Connect, written: Store) -> None:
    del written
    options = KubernetesOptions(logs=True, log_limits=LogLimits(bytes=45))
    found = logs(connect(options).ask(LogSample(window=HOUR), now=NOW))
    assert found.truncated
    assert all(each.at for each in found.records)


def test_logs_that_may_not_be_read_are_named_with_their_rule(
    connector: KubernetesConnector, server: KubeServer
) -> None:
    server.accounts[TOKEN].without = [Rule(("get",), ("",), ("pods/log",))]
    reply = connector.ask(LogSample(window=HOUR), now=NOW)
    assert isinstance(reply, Unavailable)
    assert 'resources: ["pods/log"], verbs: ["get"]' in reply.reason
