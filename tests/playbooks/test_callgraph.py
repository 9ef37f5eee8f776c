from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.callgraph import CallGraph, call_graph, own_part

SHOP = call_graph([("web", "cart"), ("web", "list"), ("cart", "pay"), ("list", "pay")])
NAMES = st.sampled_from("abcdef")
EDGES = st.lists(st.tuples(NAMES, NAMES), max_size=14)


def test_callees_and_callers_are_each_others_mirror() -> None:
    assert SHOP.callees == {"cart": ("pay",), "list": ("pay",), "web": ("cart", "list")}
    assert SHOP.callers == {"cart": ("web",), "list": ("web",), "pay": ("cart", "list")}


def test_a_service_that_calls_itself_is_no_edge() -> None:
    assert call_graph([("web", "web")]) == CallGraph({}, {})


def test_what_a_call_can_reach_is_known_with_its_hops() -> None:
    assert SHOP.reachable("web") == {"web": 0, "cart": 1, "list": 1, "pay": 2}
    assert SHOP.reachable("pay") == {"pay": 0}
    assert SHOP.reachable("nobody") == {}
    assert SHOP.reachable(None) == {}


def test_a_cycle_is_walked_once() -> None:
    assert call_graph([("a", "b"), ("b", "c"), ("c", "a")]).reachable("b") == {"b": 0, "c": 1, "a": 2}


def test_a_caller_keeps_only_what_its_callees_do_not_explain() -> None:
    own = own_part(SHOP, {"web": 10.0, "cart": 10.0, "pay": 8.0})
    assert own == {"web": 0.0, "cart": pytest.approx(2.0), "pay": 8.0}


def test_a_shared_callee_is_charged_to_its_callers_by_their_own_trouble() -> None:
    own = own_part(SHOP, {"cart": 6.0, "list": 2.0, "pay": 8.0})
    assert own == {"cart": pytest.approx(0.0), "list": pytest.approx(0.0), "pay": 8.0}
    own = own_part(SHOP, {"cart": 9.0, "list": 3.0, "pay": 8.0})
    assert own["cart"] == pytest.approx(3.0)
    assert own["list"] == pytest.approx(1.0)


def test_a_callee_without_numbers_explains_nothing() -> None:
    assert own_part(SHOP, {"cart": 5.0}) == {"cart": 5.0}


def test_a_callee_that_became_faster_does_not_accuse_its_caller() -> None:
    assert own_part(SHOP, {"cart": 5.0, "pay": -3.0}) == {"cart": 5.0, "pay": 0.0}


def test_trouble_in_a_cycle_stays_finite() -> None:
    own = own_part(call_graph([("a", "b"), ("b", "a")]), {"a": 3.0, "b": 3.0})
    assert own == {"a": 0.0, "b": 0.0}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(EDGES, st.dictionaries(NAMES, st.floats(-10, 1e6)))
def test_nobodys_own_part_is_negative_or_more_than_all_of_it(
    edges: list[tuple[str, str]], excess: dict[str, float]
) -> None:
    own = own_part(call_graph(edges), excess)
    assert set(own) == set(excess)
    assert all(0.0 <= own[name] <= max(excess[name], 0.0) for name in excess)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(EDGES, st.randoms(use_true_random=False))
def test_the_order_in_which_edges_are_found_does_not_show(
    edges: list[tuple[str, str]], random: object
) -> None:
    other = edges + edges[:3]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert call_graph(other) == call_graph(edges)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(EDGES, NAMES)
def test_hops_rise_by_one_along_an_edge_at_most(edges: list[tuple[str, str]], start: str) -> None:
    graph = call_graph(edges)
    hops = graph.reachable(start)
    for caller, callees in graph.callees.items():
        for callee in callees:
            assert caller not in hops or hops[callee] <= hops[caller] + 1
