from __future__ import annotations

import numpy as np
import pytest

from connectors.answers import SeriesSet
from playbooks.look import FaultLook
from playbooks.observations import Observations
from playbooks.portrait import fault_look, series_onset, service_signals, statement_spans, uniform_load
from playbooks.signals import ServiceSignals
from playbooks.suspects import Suspects, examine
from tests.playbooks.judged import CALM, SELECT, Shop, Trouble, key, noisy, series, with_series

EVERYTHING = "metrics traces logs edges"


def _examined(shop: Shop, kinds: str = EVERYTHING) -> tuple[Suspects, Observations]:
    seen = Observations(shop.readings(kinds))
    return examine(shop.incident(), seen), seen


def _signals(trouble: Trouble, service: str, kinds: str = EVERYTHING) -> ServiceSignals:
    return service_signals(_examined(Shop(trouble), kinds)[0], service, None, None)


def _look(shop: Shop, kinds: str = EVERYTHING) -> FaultLook:
    suspects, seen = _examined(shop, kinds)
    return fault_look(shop.incident(), suspects, seen, {"payments": 0.9})


@pytest.mark.parametrize(
    ("trouble", "service", "name"),
    [
        (Trouble(own={"payments": 0.2}), "payments", "own_latency"),
        (Trouble(own={"payments": 0.2}), "payments", "latency_up"),
        (Trouble(network={"catalogue": 0.1}), "catalogue", "network_gap"),
        (Trouble(failing={"payments": 0.4}), "payments", "error_origin"),
        (Trouble(failing={"payments": 0.4}), "gateway", "errors_up"),
        (Trouble(waits={"checkout": 0.2}), "checkout", "db_time"),
        (Trouble(cpu={"catalogue": 3.0}), "catalogue", "cpu_up"),
        (Trouble(leak={"catalogue": 1.0}), "catalogue", "memory_up"),
        (Trouble(leak={"catalogue": 1.0}), "catalogue", "memory_ramp"),
        (Trouble(raising={"catalogue": 0.6}), "catalogue", "log_new_errors"),
        (Trouble(traffic=2.0), "catalogue", "traffic_up"),
        (Trouble(traffic=2.0), "payments", "uniform_load"),
        (Trouble(traffic=0.2), "payments", "traffic_down"),
    ],
)
def test_a_fault_shows_in_the_score_that_is_named_after_it(trouble: Trouble, service: str, name: str) -> None:
    score = getattr(_signals(trouble, service), name)
    assert score is not None
    assert score > 2.5


@pytest.mark.parametrize(
    "name", ["own_latency", "network_gap", "error_origin", "cpu_up", "memory_ramp", "db_time"]
)
def test_a_calm_service_has_no_loud_score(name: str) -> None:
    scores = [
        getattr(service_signals(_examined(Shop(CALM, noise=n))[0], "checkout", None, None), name)
        for n in range(5)
    ]
    assert all(score is not None for score in scores)
    assert sum(score > 2.5 for score in scores) <= 1


def test_what_nobody_measured_is_unknown_and_not_zero() -> None:
    without_traces = _signals(CALM, "payments", "metrics")
    assert without_traces.own_latency is None
    assert without_traces.log_mix is None
    assert without_traces.queue_up is None
    assert without_traces.node_busy is None
    without_metrics = _signals(CALM, "payments", "traces")
    assert without_metrics.cpu_up is None
    assert without_metrics.traffic_up is None
    assert without_metrics.memory_ramp is None


def test_the_changes_word_is_passed_on_as_it_is() -> None:
    suspects, _ = _examined(Shop())
    said = service_signals(suspects, "payments", "slow_query", 0.7)
    assert (said.change_mechanism, said.change_probability) == ("slow_query", 0.7)


def test_the_callees_of_a_service_are_those_of_the_call_graph() -> None:
    said = _signals(Trouble(own={"payments": 0.2}), "checkout")
    assert [(c.name, c.monitored) for c in said.callees] == [("payments", True)]
    assert said.callees[0].score is not None
    assert said.callees[0].score > 2.5


def test_load_is_uniform_only_where_all_services_have_it() -> None:
    alike, _ = _examined(Shop(Trouble(traffic=2.0)))
    calm, _ = _examined(Shop())
    rose, usual = uniform_load(alike), uniform_load(calm)
    assert rose is not None
    assert usual is not None
    assert rose > 3.0
    assert abs(usual) < 3.0


def test_database_spans_are_told_by_statement_before_and_since() -> None:
    suspects, seen = _examined(Shop(Trouble(waits={"checkout": 0.2})))
    (told,) = statement_spans(suspects, seen, "checkout")
    assert told.statement == SELECT
    assert np.median(told.incident) > 10 * np.median(told.baseline)
    assert statement_spans(suspects, seen, "payments") == ()


# --- the fault from outside ---------------------------------------------------------------------------
def test_the_look_knows_when_it_began_and_who_was_alerted() -> None:
    shop = Shop(Trouble(own={"gateway": 0.3}))
    look = _look(shop)
    assert look.alerted == "gateway"
    assert look.onset is not None
    assert abs(look.onset - shop.onset) <= 30.0
    assert look.shape == "step"
    assert look.now == shop.now.timestamp()
    assert ("checkout", "payments") in look.edges


def test_every_source_has_its_word_about_what_moved() -> None:
    look = _look(Shop(Trouble(own={"payments": 0.2}, failing={"payments": 0.3}, raising={"payments": 0.5})))
    mine = {m.signal for m in look.moved if m.service == "payments" and m.direction > 0}
    assert {"latency", "errors", "log"} <= mine
    assert all(0.0 < m.size <= 40.0 for m in look.moved)
    assert all(m.onset is None or m.onset <= look.now for m in look.moved)


def test_success_that_fell_is_errors_that_rose() -> None:
    shop = Shop()

    def more(told: SeriesSet) -> SeriesSet:
        values = noisy(0.99, "success", 0.002)
        values[-20:] -= 0.4
        added = series({key("success_rate", service="payments"): values})
        return SeriesSet(told.keys + added.keys, told.times, np.vstack((told.values, added.values)))

    seen = Observations(with_series(shop.readings("metrics"), more))
    look = fault_look(shop.incident(), examine(shop.incident(), seen), seen, {})
    assert [(m.signal, m.direction) for m in look.moved if "success_rate" in m.text] == [("errors", 1)]


def test_nothing_much_moved_in_a_calm_shop() -> None:
    assert sum(m.size >= 6.0 for m in _look(Shop(CALM)).moved) == 0


STEP_UP = [0.0] * 50 + [10.0] * 10
UNKNOWN = float("nan")


@pytest.mark.parametrize(
    ("values", "index"),
    [
        (STEP_UP, 50),
        ([0.0] * 40 + [10.0] * 20, 40),
        ([0.0] * 60, None),
        ([UNKNOWN] * 60, None),
        ([*STEP_UP[:52], 0.0, *STEP_UP[53:]], 50),
    ],
)
def test_a_series_onset_is_where_it_left_its_usual_range(values: list[float], index: int | None) -> None:
    assert series_onset(np.array(values), 0.0, 1.0, 45) == index


@pytest.mark.parametrize(("usual", "scale"), [(float("nan"), 1.0), (0.0, float("nan")), (0.0, 0.0)])
def test_without_a_usual_level_no_series_has_an_onset(usual: float, scale: float) -> None:
    assert series_onset(np.array(STEP_UP), usual, scale, 45) is None
