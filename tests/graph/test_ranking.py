from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.ranking import WEIGHTS, ServiceOdds, Weights, load_weights, rank_services
from playbooks.callgraph import call_graph
from playbooks.observations import Observations
from playbooks.suspects import FEATURES, Suspects, examine
from tests.playbooks.judged import Shop

BASE = examine(Shop().incident(), Observations(Shop(traces=(4, 4)).readings("metrics edges")))
SIZES = st.lists(
    st.lists(st.floats(0.0, 5.0), min_size=len(FEATURES), max_size=len(FEATURES)), min_size=4, max_size=4
)
FLAT = {"none": 1.0, "unseen": 0.0, "explained": 0.0, "temperature": 1.0}
PLAIN = Weights.model_validate(
    {"format": 1, "version": "t", "features": {"latency": 1.0}, "provenance": {}, **FLAT}
)


def _suspects(features: object, edges: tuple[tuple[str, str], ...] = ()) -> Suspects:
    measured = replace(BASE.measured, graph=call_graph(edges))
    return Suspects(("a", "b", "c", "d"), np.array(features, dtype=np.float64), {}, measured)


def _rank(
    loud: dict[str, float], weights: Weights = PLAIN, edges: tuple[tuple[str, str], ...] = ()
) -> ServiceOdds:
    table = np.zeros((4, len(FEATURES)))
    for service, value in loud.items():
        table["abcd".index(service), FEATURES.index("latency")] = value
    return rank_services(_suspects(table, edges), weights)


def test_the_fitted_weights_can_be_read_and_say_where_they_come_from() -> None:
    weights = load_weights(WEIGHTS)
    assert set(weights.features) <= set(FEATURES)
    assert weights.provenance
    assert weights.temperature > 0.0


def test_every_feature_that_is_measured_has_a_weight() -> None:
    assert set(load_weights(WEIGHTS).features) == set(FEATURES)


def test_probabilities_are_those_of_the_conditional_logit() -> None:
    odds = _rank({"a": 2.0})
    total = np.exp(2.0) + 3.0 + np.exp(1.0)
    assert odds.probability["a"] == pytest.approx(np.exp(2.0) / total)
    assert odds.none == pytest.approx(np.exp(1.0) / total)


def test_where_nothing_is_loud_none_of_these_is_likeliest() -> None:
    odds = _rank({})
    assert odds.none > max(odds.probability.values())


def test_a_higher_temperature_is_less_sure() -> None:
    cold, warm = _rank({"a": 4.0}), _rank({"a": 4.0}, PLAIN.model_copy(update={"temperature": 3.0}))
    assert cold.probability["a"] > warm.probability["a"] > 0.25


def test_a_loud_callee_takes_a_part_of_its_callers_score_and_never_more_than_that() -> None:
    weights = PLAIN.model_copy(update={"explained": 0.5})
    edges = (("a", "b"),)
    assert _rank({"a": 2.0, "b": 4.0}, weights, edges).scores == {"a": 1.0, "b": 4.0, "c": 0.0, "d": 0.0}
    assert _rank({"a": 2.0}, weights, edges).scores["a"] == 2.0
    assert _rank({"a": 4.0, "b": 2.0}, weights, edges).scores["a"] == 3.0


def test_a_feature_without_a_weight_weighs_nothing() -> None:
    table = np.zeros((4, len(FEATURES)))
    table[0, FEATURES.index("cpu")] = 9.0
    assert set(rank_services(_suspects(table), PLAIN).scores.values()) == {0.0}


def test_nobody_to_suspect_leaves_none_of_these() -> None:
    nobody = Suspects((), np.zeros((0, len(FEATURES))), {}, BASE.measured)
    assert rank_services(nobody) == ServiceOdds({}, 1.0, {})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SIZES)
def test_probabilities_and_none_add_up_to_one(table: list[list[float]]) -> None:
    odds = rank_services(_suspects(table, (("a", "b"), ("b", "a"), ("c", "d"))))
    assert sum(odds.probability.values()) + odds.none == pytest.approx(1.0)
    assert all(0.0 <= p <= 1.0 for p in odds.probability.values())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SIZES, st.integers(0, 3), st.sampled_from(FEATURES), st.floats(0.0, 5.0))
def test_a_louder_sign_of_a_service_never_makes_it_less_likely(
    table: list[list[float]], row: int, feature: str, more: float
) -> None:
    before, louder = np.array(table), np.array(table)
    louder[row, FEATURES.index(feature)] += more
    edges = (("a", "b"), ("b", "c"), ("c", "a"))
    one, two = rank_services(_suspects(before, edges)), rank_services(_suspects(louder, edges))
    assert two.probability["abcd"[row]] >= one.probability["abcd"[row]] - 1e-12


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SIZES)
def test_enormous_scores_do_not_overflow(table: list[list[float]]) -> None:
    odds = rank_services(_suspects(np.array(table) * 1e6))
    assert np.isfinite([*odds.probability.values(), odds.none]).all()
