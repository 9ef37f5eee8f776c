from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from connectors.answers import CallGraphEdges, SeriesSet
from connectors.contract import Reading, Unavailable, Window
from connectors.http import Endpoint
from connectors.prometheus.connector import PrometheusConnector
from connectors.prometheus.selection import Room
from connectors.questions import CallEdges, SeriesNamed, SeriesSweep
from tests.connectors.prometheus.recorded import recorded

pytestmark = pytest.mark.live


def answered(reading: object) -> SeriesSet:
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, SeriesSet)
    return reading.answer


def same(live: SeriesSet, case: SeriesSet) -> None:
    """The same series under the same names.

    A live server fills a gap with the sample before it, and VictoriaMetrics keeps some twelve digits.
    """
    rows = {str(key): n for n, key in enumerate(case.keys)}
    assert {str(key) for key in live.keys} == set(rows)
    assert live.times.tolist() == case.times.tolist()
    ordered = case.values[[rows[str(key)] for key in live.keys]]
    known = np.isfinite(ordered)
    assert np.allclose(live.values[known], ordered[known], rtol=1e-10, atol=0)


def test_a_live_server_gives_the_series_that_the_lab_records_of_it(connector: PrometheusConnector) -> None:
    _, window, case = recorded()
    reading = connector.ask(SeriesSweep(window=window), now=window.end)
    same(answered(reading), case)
    assert isinstance(reading, Reading)
    assert reading.notes == ()


def test_few_wide_queries_replace_one_for_each_series(connector: PrometheusConnector) -> None:
    _, window, case = recorded()
    answered(connector.ask(SeriesSweep(window=window), now=window.end))
    assert connector.api.governor.traffic.requests <= 10
    assert len(case.keys) > 500


def test_a_window_asked_for_in_parts_gives_the_same_series(metrics_url: str) -> None:
    _, window, case = recorded()
    small = PrometheusConnector(Endpoint("prometheus/main", metrics_url), room=Room(most_samples=3_000))
    same(answered(small.ask(SeriesSweep(window=window), now=window.end)), case)
    small.close()


def test_nothing_later_than_now_is_answered(connector: PrometheusConnector) -> None:
    _, window, _ = recorded()
    now = window.end - timedelta(minutes=3)
    reading = connector.ask(SeriesSweep(window=window), now=now)
    assert answered(reading).times[-1] <= now.timestamp()
    assert isinstance(reading, Reading)
    assert reading.at == now


def test_a_window_after_now_is_unavailable(connector: PrometheusConnector) -> None:
    _, window, _ = recorded()
    reading = connector.ask(SeriesSweep(window=window), now=window.start)
    assert isinstance(reading, Unavailable)


def test_a_service_gets_its_own_series_and_those_of_its_nodes(connector: PrometheusConnector) -> None:
    _, window, _ = recorded()
    series = answered(connector.ask(SeriesSweep(window=window, services=("cart",)), now=window.end))
    assert {key.get("service") for key in series.keys} == {"cart"}


def test_one_metric_is_found_by_its_labels(connector: PrometheusConnector) -> None:
    _, window, case = recorded()
    question = SeriesNamed(
        window=window, metric="service:http_server_latency_seconds:p99_1m", labels=(("service", "checkout"),)
    )
    live = answered(connector.ask(question, now=window.end))
    assert [str(key) for key in live.keys] == [
        str(key) for key in case.keys if key.metric == question.metric and key.get("service") == "checkout"
    ]


def test_clients_metrics_tell_who_calls_whom(connector: PrometheusConnector) -> None:
    _, window, _ = recorded()
    reading = connector.ask(CallEdges(), now=window.end)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, CallGraphEdges)
    assert {("gateway", "checkout"), ("checkout", "cart"), ("checkout", "payments")} <= set(
        reading.answer.edges
    )
    assert all(callee != "api" for _, callee in reading.answer.edges)


def test_more_series_than_there_is_room_for_are_summed_or_named_as_left_out(metrics_url: str) -> None:
    _, window, _ = recorded()
    room = Room(most_series=60, most_of_a_name=10)
    tight = PrometheusConnector(Endpoint("prometheus/main", metrics_url), room=room)
    reading = tight.ask(SeriesSweep(window=window), now=window.end)
    assert isinstance(reading, Reading)
    assert len(answered(reading).keys) <= 200
    assert any(note.startswith("left out:") for note in reading.notes)
    assert any(note.startswith("summed over labels:") for note in reading.notes)
    tight.close()


def test_a_window_that_holds_nothing_is_said_to_hold_nothing(connector: PrometheusConnector) -> None:
    _, window, _ = recorded()
    early = Window(start=window.start - timedelta(days=9), end=window.start - timedelta(days=8))
    reading = connector.ask(SeriesSweep(window=early), now=window.end)
    assert isinstance(reading, Reading)
    assert "no sample in the window" in reading.notes
