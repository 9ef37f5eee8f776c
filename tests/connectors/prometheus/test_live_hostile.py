from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from connectors.contract import Question, Reading, Unavailable
from connectors.exemplars import AlertExpression, ExemplarTraces
from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from connectors.questions import CallEdges, SeriesNamed, SeriesSweep
from tests.connectors.prometheus.conventions import WINDOW
from tests.connectors.prometheus.faulty import Behaviour, Handler, served

QUESTIONS: tuple[Question, ...] = (
    SeriesSweep(window=WINDOW),
    SeriesNamed(window=WINDOW, metric="up"),
    CallEdges(),
    ExemplarTraces(window=WINDOW),
    AlertExpression(window=WINDOW, alert="A"),
)
DATA: tuple[object, ...] = (
    None,
    1,
    "text",
    [],
    [None, 1, {}],
    ["up", 'a"} or vector(1) #', "istio_requests_total", "x_seconds_bucket", "target_info", "\ud800"],
    {},
    {"result": None},
    {"result": [1]},
    {"result": [{"metric": {"__name__": 1}, "value": [1, "1"], "values": [[1, "1"]]}]},
    {"result": [{"metric": [], "value": "x"}]},
    {"result": [{"metric": {"job": "a", "firstcause_span": "x"}, "value": [1, "4"]}]},
    {"result": [{"metric": {"__name__": "target_info"}, "value": [1, "NaN"]}, {"metric": {}, "value": []}]},
    {"result": [{"metric": {"source_workload": "a" * 9999}, "value": [1, "1e999"]}]},
    {"groups": [{"rules": 1}, {"rules": [{"type": "alerting", "name": "A", "query": 5}]}]},
    {
        "groups": [
            {"rules": [{"type": "alerting", "name": "A", "query": "((((", "duration": "x", "labels": 1}]}
        ]
    },
    [{"seriesLabels": {"a": 1}, "exemplars": 1}, {"seriesLabels": {}, "exemplars": [1, {"labels": []}]}],
    [{"seriesLabels": {}, "exemplars": [{"labels": {"trace_id": 1}, "value": "x", "timestamp": 1e300}]}],
)


@pytest.fixture
def hostile() -> Iterator[tuple[Behaviour, PrometheusConnector]]:
    behaviour = Behaviour()
    with served(behaviour) as url:
        connector = PrometheusConnector(Endpoint("prometheus/main", url))
        yield behaviour, connector
        connector.close()


@pytest.mark.parametrize("place", range(len(DATA)))
def test_whatever_a_server_says_the_answer_is_a_value(
    hostile: tuple[Behaviour, PrometheusConnector], place: int
) -> None:
    behaviour, connector = hostile
    body = json.dumps(
        {"status": "success", "data": DATA[place], "warnings": 1}, separators=(",", ":")
    ).encode()

    def says(handler: Handler) -> bool:
        names = b'{"status":"success","data":["up","istio_requests_total","x_seconds_bucket","target_info"]}'
        listing = "/label/" in handler.path and not isinstance(DATA[place], list)
        handler.send(200, names if listing else body)
        return True

    behaviour.fault = says
    for question in QUESTIONS:
        found = connector.ask(question, now=WINDOW.end)
        assert isinstance(found, Reading | Unavailable)
        if isinstance(found, Reading):
            assert found.at <= WINDOW.end
    assert all(check.state in ("ok", "warning", "failed") for check in connector.check(now=WINDOW.end))
