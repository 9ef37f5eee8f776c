"""What services share: a node whose pods moved together, a queue and whose doing its lag is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.answers import Floats, SeriesKey
from connectors.questions import SeriesSweep
from playbooks.facts import DetailedFinding, Scene
from playbooks.mechanisms import Mechanism, judge_mechanisms
from playbooks.model import Entity
from playbooks.neighbours import judge_neighbours
from playbooks.observations import Observations
from playbooks.signals import ServiceSignals
from tests.playbooks.judged import NOW, Shop, key, noisy, read, series, stepped

ONSET = datetime.fromtimestamp(Shop().onset, UTC)
WINDOW = Shop().incident().window


def told(rows: dict[SeriesKey, Floats], service: str = "checkout") -> dict[str, DetailedFinding]:
    seen = Observations([read(SeriesSweep(window=WINDOW), series(rows), NOW)])
    scene = Scene(now=NOW, onset=ONSET, service=service)
    return {f.judge: f for f in judge_neighbours(seen, scene)}


def pods(moved: set[tuple[str, str]]) -> dict[SeriesKey, Floats]:
    """Latency of three services with a pod on each of three nodes."""
    rows = {}
    for service in ("checkout", "cart", "search"):
        for node in ("n1", "n2", "n3"):
            name = f"{service}-{node}"
            level = noisy(0.1, name)
            named = key("http_request_duration_seconds:avg", service=service, pod=name, node=node)
            rows[named] = stepped(level, 0.3) if (service, node) in moved else level
    return rows


EVERYONE = {(service, "n2") for service in ("checkout", "cart", "search")}


def test_a_node_whose_pods_of_several_services_moved_together_is_named() -> None:
    found = told(pods(EVERYONE))["node_moved_together"]
    assert (found.state, found.entity) == ("yes", Entity(kind="node", name="n2"))
    assert "3 of 3 services" in found.why


@pytest.mark.parametrize(
    ("moved", "state"),
    [
        ({("checkout", "n2")}, "no"),
        ({("checkout", n) for n in ("n1", "n2", "n3")} | EVERYONE, "unknown"),
        (set(), "unknown"),
    ],
    ids=["one pod alone", "the service everywhere too", "nothing"],
)
def test_a_node_is_not_blamed_for_what_one_service_does(moved: set[tuple[str, str]], state: str) -> None:
    assert told(pods(moved))["node_moved_together"].state == state


def test_where_pods_have_no_node_nothing_is_known() -> None:
    rows = {key("http_request_duration_seconds:avg", service="checkout", pod="a"): noisy(0.1, "a")}
    assert told(rows)["node_moved_together"].state == "unknown"


def queue(taken: float, given: float, lag: float = 900.0) -> dict[SeriesKey, Floats]:
    return {
        key("kafka_consumergroup_lag", topic="orders", consumergroup="checkout"): stepped(
            noisy(20.0, "l"), lag
        ),
        key("messages_consumed:rate1m", topic="orders", service="checkout"): stepped(noisy(50.0, "c"), taken),
        key("messages_published:rate1m", topic="orders", service="cart"): stepped(noisy(50.0, "p"), given),
    }


@pytest.mark.parametrize(
    ("taken", "given", "slow"),
    [(-45.0, 0.0, "yes"), (0.0, 200.0, "no"), (-45.0, 200.0, "unknown"), (0.0, 0.0, "unknown")],
    ids=["consumer", "producer", "both", "neither"],
)
def test_a_lag_is_the_consumers_doing_or_the_producers(taken: float, given: float, slow: str) -> None:
    found = told(queue(taken, given))
    assert found["queue_lag"].entity == Entity(kind="queue", name="orders")
    assert found["queue_consumer_slow"].state == slow


def test_a_queue_of_others_and_a_lag_as_usual_say_nothing_of_a_service() -> None:
    assert told(queue(-45.0, 0.0), "search")["queue_lag"].state == "unknown"
    assert told(queue(0.0, 0.0, lag=0.0))["queue_lag"].state == "no"


def _first(rows: dict[SeriesKey, Floats], said: ServiceSignals) -> Mechanism:
    return judge_mechanisms(said, tuple(told(rows).values()))[0]


BEHIND = ServiceSignals(service="checkout", queue_up=9.0)
CROWDED = ServiceSignals(service="checkout", latency_up=9.0, node_busy=5.0)


def test_a_slow_consumer_is_a_backlog_of_that_queue_and_a_flood_is_less_so() -> None:
    slow, flooded = _first(queue(-45.0, 0.0), BEHIND), _first(queue(0.0, 200.0), BEHIND)
    assert (slow.cause, slow.entity) == ("queue_backlog", Entity(kind="queue", name="orders"))
    assert slow.probability > 0.6
    assert flooded.cause != "queue_backlog" or flooded.probability < slow.probability - 0.2


def test_pods_that_move_together_are_pressure_on_their_node() -> None:
    found = _first(pods(EVERYONE), CROWDED)
    assert (found.cause, found.entity) == ("node_pressure", Entity(kind="node", name="n2"))
