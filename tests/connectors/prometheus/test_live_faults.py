from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.answers import SeriesSet
from connectors.contract import Reading, Unavailable
from connectors.governor import Limits
from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from connectors.prometheus.selection import Room
from connectors.questions import CallEdges, SeriesSweep
from tests.connectors.prometheus import faulty
from tests.connectors.prometheus.conventions import WINDOW
from tests.connectors.prometheus.faulty import Behaviour, served

pytestmark = pytest.mark.live

LIMITS = Limits(timeout_seconds=0.7, attempts=2)


def asked(url: str, **more: object) -> Reading | Unavailable:
    connector = PrometheusConnector(Endpoint("prometheus/main", url, limits=LIMITS, **more))  # type: ignore[arg-type] # of the endpoint
    try:
        found = connector.ask(SeriesSweep(window=WINDOW), now=WINDOW.end)
    finally:
        connector.close()
    assert found is not None
    return found


FAULTS: dict[str, tuple[Callable[[faulty.Handler], bool], str]] = {
    "slow": (faulty.slow, "no whole answer within 0.7 s"),
    "trickle": (faulty.trickle, "no whole answer within 0.7 s"),
    "half": (faulty.half, "not reachable"),
    "reset": (faulty.reset, "not reachable"),
    "500": (faulty.broken, "status 500: panic: runtime error"),
    "page": (faulty.page, "not one of the Prometheus API"),
    "expired": (faulty.expired, "the credentials were refused (401)"),
    "malformed": (faulty.malformed, "not one of the Prometheus API"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_server_that_fails_is_a_value_in_time(prometheus_url: str, fault: str) -> None:
    break_it, reason = FAULTS[fault]
    began = time.monotonic()
    with served(Behaviour(prometheus_url, fault=break_it)) as url:
        found = asked(url)
        took = time.monotonic() - began
    assert isinstance(found, Unavailable)
    assert reason in found.reason
    assert "abcdefghijklmnop" not in found.reason
    assert took < 4.0


@pytest.mark.parametrize("fault", ["slow", "reset", "malformed"])
def test_queries_that_all_fail_after_the_discovery_are_a_value_in_time(
    prometheus_url: str, fault: str
) -> None:
    with served(Behaviour(prometheus_url, fault=faulty.only("query_range", FAULTS[fault][0]))) as url:
        began = time.monotonic()
        found = asked(url)
        took = time.monotonic() - began
    assert isinstance(found, Unavailable)
    assert took < 8.0


def test_a_busy_server_is_asked_again_after_the_time_it_named(prometheus_url: str) -> None:
    with served(Behaviour(prometheus_url, fault=faulty.busy(1))) as url:
        connector = PrometheusConnector(Endpoint("prometheus/main", url))
        began = time.monotonic()
        found = connector.ask(CallEdges(), now=WINDOW.end)
        connector.close()
    assert isinstance(found, Reading)
    assert time.monotonic() - began >= 1.0


def test_a_server_that_names_a_long_time_is_left_alone(prometheus_url: str) -> None:
    behaviour = Behaviour(prometheus_url, fault=faulty.busy(3600))
    with served(behaviour) as url:
        found = asked(url)
    assert isinstance(found, Unavailable)
    assert found.retry
    assert len(behaviour.asked) == 1


def test_what_the_server_warns_of_is_noted(prometheus_url: str) -> None:
    with served(Behaviour(prometheus_url, fault=faulty.warning)) as url:
        found = asked(url)
    assert isinstance(found, Reading)
    assert "warning of the server: store 10.0.0.7:10901 did not reply" in found.notes


def test_what_could_be_had_is_answered_and_the_rest_is_noted(prometheus_url: str) -> None:
    fault = faulty.only("kube_pod_container_status", faulty.broken)
    with served(Behaviour(prometheus_url, fault=fault)) as url:
        limits = Limits(timeout_seconds=5.0, failures=50)
        small = Room(most_samples=2_000)
        connector = PrometheusConnector(Endpoint("prometheus/main", url, limits=limits), room=small)
        found = connector.ask(SeriesSweep(window=WINDOW), now=WINDOW.end)
        connector.close()
    assert isinstance(found, Reading)
    assert isinstance(found.answer, SeriesSet)
    assert found.answer.keys
    assert any(note.startswith("partly:") and "status 500" in note for note in found.notes)


def test_a_clock_five_minutes_off_is_noted_and_checked(prometheus_url: str) -> None:
    with served(Behaviour(prometheus_url, seconds_ahead=300)) as url:
        connector = PrometheusConnector(Endpoint("prometheus/main", url))
        found = connector.ask(CallEdges(), now=WINDOW.end)
        connector.close()
    assert isinstance(found, Reading)
    assert any("clock is 300 s ahead" in note or "clock is 299 s ahead" in note for note in found.notes)


def test_tls_credentials_and_tenant_open_the_door(prometheus_url: str, tmp_path: Path) -> None:
    certificate = faulty.self_signed(tmp_path)
    behaviour = Behaviour(prometheus_url, credentials=("reader", "s3cret"), tenant="shop")
    with served(behaviour, certificate) as url:
        found = asked(
            url,
            ca_file=str(certificate),
            basic=("reader", "s3cret"),
            headers={"X-Scope-OrgID": "shop"},
        )
    assert isinstance(found, Reading)
    assert behaviour.refused == []
    assert "s3cret" not in found.query


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"basic": ("reader", "wrong")}, "refused (401)"),
        ({"headers": {}}, "refused (401): no org id"),
        ({"ca_file": None}, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_each_key_to_the_door_is_needed(
    prometheus_url: str, tmp_path: Path, changed: dict[str, object], reason: str
) -> None:
    certificate = faulty.self_signed(tmp_path)
    behaviour = Behaviour(prometheus_url, credentials=("reader", "s3cret"), tenant="shop")
    keys: dict[str, object] = {
        "ca_file": str(certificate),
        "basic": ("reader", "s3cret"),
        "headers": {"X-Scope-OrgID": "shop"},
    }
    with served(behaviour, certificate) as url:
        found = asked(url, **(keys | changed))
    assert isinstance(found, Unavailable)
    assert reason in found.reason


def test_nobody_there_is_a_value_at_once() -> None:
    found = asked("http://127.0.0.1:9")
    assert isinstance(found, Unavailable)
    assert found.retry


def test_the_check_says_what_is_missing_and_how_to_mend_it(prometheus_url: str) -> None:
    connector = PrometheusConnector(Endpoint("prometheus/main", prometheus_url))
    checks = {each.about: each for each in connector.check(now=WINDOW.end)}
    connector.close()
    assert checks["reachable"].state == "ok"
    assert checks["kube-state-metrics"].state == "ok"
    assert checks["fresh"].state == "warning"
    assert checks["exemplars"].state == "warning"
    assert "--enable-feature=exemplar-storage" in checks["exemplars"].fix


def test_the_check_finds_the_clock_that_is_off(prometheus_url: str) -> None:
    with served(Behaviour(prometheus_url, fault=_ahead)) as url:
        connector = PrometheusConnector(Endpoint("prometheus/main", url))
        checks = {each.about: each for each in connector.check(now=datetime.now(UTC))}
        connector.close()
    assert checks["clock"].state == "failed"
    assert "ahead" in checks["clock"].found
    assert "NTP" in checks["clock"].fix


def test_the_check_names_the_credentials_when_they_are_refused(prometheus_url: str) -> None:
    with served(Behaviour(prometheus_url, credentials=("reader", "s3cret"))) as url:
        connector = PrometheusConnector(Endpoint("prometheus/main", url))
        (check,) = connector.check(now=WINDOW.end)
        connector.close()
    assert check.state == "failed"
    assert "token" in check.fix


def _ahead(handler: faulty.Handler) -> bool:
    """A server whose own time is five minutes ahead in all it says."""
    handler.behaviour.seconds_ahead = 300
    if "query=time" not in handler.path:
        return False
    at = time.time() + 300
    handler.send(
        200, f'{{"status":"success","data":{{"resultType":"scalar","result":[{at},"{at}"]}}}}'.encode()
    )
    return True
