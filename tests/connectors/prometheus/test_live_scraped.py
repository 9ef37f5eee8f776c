from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics import exposition

from connectors.answers import SeriesSet
from connectors.codec import decode, encode
from connectors.contract import Reading, Unavailable, Window
from connectors.exemplars import AlertExpression, Exemplars, ExemplarTraces
from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from connectors.questions import SeriesSweep
from tests.connectors.prometheus import servers
from tests.connectors.prometheus.faulty import Behaviour, Handler, served
from tests.lab.supervisor import Supervisor, wait_until

pytestmark = pytest.mark.live

SLOW, QUICK = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b700f067aa0ba902b7"
RULES = {
    "groups": [
        {
            "name": "pages",
            "interval": "1s",
            "rules": [
                {
                    "alert": "CheckoutSlow",
                    "expr": "sum by (service) (rate(http_server_request_duration_seconds_sum[5s])) > 0.4",
                    "for": "30s",
                    "labels": {"severity": "page"},
                }
            ],
        }
    ]
}


class Shop:
    """A process with a histogram that remembers traces, scraped for real."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "http_server_request_duration_seconds", "served", ["route"], registry=self.registry
        )

    def __call__(self, handler: Handler) -> bool:
        served = self.seconds.labels(route="/orders")
        served.observe(0.004, {"trace_id": QUICK})
        served.observe(3.0, {"trace_id": SLOW})
        handler.send_response_only(200)
        body = exposition.generate_latest(self.registry)  # type: ignore[no-untyped-call] # as published
        handler.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True


@pytest.fixture(scope="module")
def scraping(
    supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusConnector]:
    folder = tmp_path_factory.mktemp("scraped")
    (folder / "rules.yml").write_text(yaml.safe_dump(RULES))
    with served(Behaviour(fault=Shop())) as target:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [
                {
                    "job_name": "checkout",
                    "static_configs": [{"targets": [target.removeprefix("http://")]}],
                }
            ],
        }
        url = servers.start_prometheus(folder / "root", supervisor, [], config)
        connector = PrometheusConnector(Endpoint("prometheus/main", url))
        wait_until(lambda: _scraped(connector) >= 6, "six scrapes", 15)
        yield connector
        connector.close()


def _scraped(connector: PrometheusConnector) -> float:
    return connector.api.scalar('sum(count_over_time(up{job="checkout"}[1m]))') or 0.0


def _window(seconds: float = 120.0) -> Window:
    now = datetime.now(UTC)
    return Window(start=now - timedelta(seconds=seconds), end=now)


def test_a_metric_leads_to_the_traces_it_remembers_the_slowest_first(scraping: PrometheusConnector) -> None:
    window = _window()
    reading = scraping.ask(ExemplarTraces(window=window), now=window.end)
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, Exemplars)
    found = reading.answer.exemplars
    assert [(each.trace, each.value) for each in found] == [(SLOW, 3.0), (QUICK, 0.004)]
    assert {each.metric for each in found} == {"http_server_request_duration_seconds"}
    assert {each.service for each in found} == {"checkout"}
    assert all(window.start <= each.at <= window.end for each in found)


def test_exemplars_come_back_from_the_store_as_they_were(scraping: PrometheusConnector) -> None:
    window = _window()
    reading = scraping.ask(ExemplarTraces(window=window), now=window.end)
    assert isinstance(reading, Reading)
    assert decode(encode(reading.answer)) == reading.answer


def test_exemplars_of_another_service_are_not_answered(scraping: PrometheusConnector) -> None:
    window = _window()
    reading = scraping.ask(ExemplarTraces(window=window, services=("cart",)), now=window.end)
    assert isinstance(reading, Reading)
    assert reading.answer == Exemplars(exemplars=())


def test_an_alerts_own_rule_is_read_and_what_it_compares_is_measured(scraping: PrometheusConnector) -> None:
    window = _window(8)
    question = AlertExpression(window=window, alert="CheckoutSlow", labels=(("severity", "page"),))
    reading = scraping.ask(question, now=window.end)
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, SeriesSet)
    assert [key.metric for key in reading.answer.keys] == ["alert:CheckoutSlow"]
    measured = reading.answer.values[0]
    # Three seconds a scrape; a busy machine scrapes late, and the first samples know of one request only.
    assert 0.4 < np.nanmax(measured) < 10.0
    assert "fires when > 0.4" in reading.notes
    assert "> 0.4" not in reading.query


def test_an_alert_without_a_rule_is_unavailable(scraping: PrometheusConnector) -> None:
    window = _window()
    reading = scraping.ask(AlertExpression(window=window, alert="Nobody"), now=window.end)
    assert isinstance(reading, Unavailable)
    assert "no alerting rule is called Nobody" in reading.reason


def test_a_service_without_labels_is_named_by_its_job(scraping: PrometheusConnector) -> None:
    window = _window(8)
    reading = scraping.ask(SeriesSweep(window=window, services=("checkout",)), now=window.end)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, SeriesSet)
    metrics = {key.metric for key in reading.answer.keys}
    assert {
        "http_server_request_duration_seconds_count",
        "http_server_request_duration_seconds:p99",
        "up",
    } <= metrics


def test_the_check_is_content_with_a_fresh_server(scraping: PrometheusConnector) -> None:
    checks = {each.about: each for each in scraping.check(now=datetime.now(UTC))}
    assert [checks[about].state for about in ("reachable", "fresh", "clock", "exemplars", "rules")] == [
        "ok"
    ] * 5


def test_data_that_comes_while_we_ask_is_not_later_than_now(scraping: PrometheusConnector) -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    time.sleep(0.5)
    window = Window(start=now - timedelta(seconds=30), end=now + timedelta(minutes=5))
    reading = scraping.ask(SeriesSweep(window=window), now=now)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, SeriesSet)
    assert reading.answer.times[-1] <= now.timestamp()
