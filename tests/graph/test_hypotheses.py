from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.hypotheses import Hypothesis, Place, identity, normalised, places, settle
from graph.ranking import ServiceOdds
from playbooks.changes import ChangeJudgement, JudgedChange, NoChange
from playbooks.mechanisms import UNKNOWN_MECHANISM, Mechanism
from playbooks.model import Entity

ODDS = ServiceOdds({"cart": 0.6, "web": 0.3}, 0.1, {"cart": 3.0, "web": 2.0})
SHARES = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6)


def _change(name: str, service: str | None, probability: float) -> JudgedChange:
    return JudgedChange(name, None, None, service, "bad_deploy", 0.0, probability, (), "deployed", "")


def _judged(none: float, *changes: JudgedChange) -> ChangeJudgement:
    return ChangeJudgement(changes, NoChange(None, None, 0.0, none, (), ""))


def _mechanism(cause: str, probability: float, entity: Entity | None = None) -> Mechanism:
    return Mechanism(cause, probability, entity, (), ())


def _ruled(place: Place, *causes: str) -> set[str]:
    change = place.change.change_id if place.change else None
    return {identity(cause, place.service, None, change) for cause in causes}


CART = Place("cart", None, 0.5)
THREE = (
    _mechanism("slow_query", 0.6),
    _mechanism("lock_contention", 0.3),
    _mechanism(UNKNOWN_MECHANISM, 0.1),
)


# --- places -------------------------------------------------------------------------------------------
def test_where_no_change_is_guilty_places_are_services() -> None:
    found = places(ODDS, _judged(1.0))
    assert [(p.service, p.change, p.probability) for p in found] == [("cart", None, 0.6), ("web", None, 0.3)]


def test_a_guilty_change_brings_its_own_service() -> None:
    found = places(ODDS, _judged(0.2, _change("c1", "web", 0.8)))
    assert found[0].service == "web"
    assert found[0].change is not None
    assert found[0].probability == pytest.approx(0.8 * 0.9)


def test_a_change_of_no_service_is_as_likely_everywhere_as_its_place() -> None:
    found = [p for p in places(ODDS, _judged(0.0, _change("c1", None, 1.0))) if p.change is not None]
    assert [(p.service, p.probability) for p in found] == [("cart", 0.6), ("web", 0.3)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SHARES, SHARES, st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_places_and_none_never_add_up_to_more_than_one(
    services: list[float], changes: list[float], none: float, innocent: float
) -> None:
    total = sum(services) + none
    odds = ServiceOdds({f"s{n}": p / total for n, p in enumerate(services)}, none / total, {})
    whole = sum(changes) + innocent
    judged = _judged(
        innocent / whole,
        *(_change(f"c{n}", f"s{n}" if n % 2 else None, p / whole) for n, p in enumerate(changes)),
    )
    found = places(odds, judged)
    assert sum(p.probability for p in found) <= 1.0 - odds.none + 1e-9
    assert len(found) <= 14
    assert [p.probability for p in found] == sorted((p.probability for p in found), reverse=True)


# --- mechanisms ---------------------------------------------------------------------------------------
def test_the_likeliest_mechanism_is_proposed_and_the_others_kept_beside_it() -> None:
    settled = settle(CART, THREE, (), ())
    assert settled is not None
    assert settled.mechanism.cause == "slow_query"
    assert [m.cause for m in settled.others] == ["lock_contention", UNKNOWN_MECHANISM]
    assert settled.probability == pytest.approx(0.5)


def test_ruling_a_mechanism_out_takes_its_part_of_the_place_along() -> None:
    settled = settle(CART, THREE, (), _ruled(CART, "slow_query"))
    assert settled is not None
    assert settled.mechanism.cause == "lock_contention"
    assert settled.probability == pytest.approx(0.5 * 0.4)


def test_a_place_whose_mechanisms_are_all_ruled_out_is_gone() -> None:
    every = _ruled(CART, "slow_query", "lock_contention", UNKNOWN_MECHANISM)
    assert settle(CART, THREE, (), every) is None
    assert settle(CART, (), (), ()) is None


def test_a_mechanism_that_is_a_guess_is_called_unknown() -> None:
    faint = (
        _mechanism("slow_query", 0.1),
        _mechanism("dns_failure", 0.1),
        _mechanism(UNKNOWN_MECHANISM, 0.8),
    )
    settled = settle(CART, faint, (), ())
    assert settled is not None
    assert settled.mechanism.cause == UNKNOWN_MECHANISM


def test_a_bad_deploy_needs_a_deploy() -> None:
    told = (_mechanism("bad_deploy", 0.7), _mechanism("slow_query", 0.2), _mechanism(UNKNOWN_MECHANISM, 0.1))
    without, with_one = (
        settle(CART, told, (), ()),
        settle(Place("cart", _change("c", "cart", 1.0), 0.5), told, (), ()),
    )
    assert without is not None
    assert with_one is not None
    assert without.mechanism.cause == "slow_query"
    assert without.probability == pytest.approx(0.5)
    # That a new version is at fault is what the place's change says already: the mechanism says how.
    assert with_one.mechanism.cause == "slow_query"


def test_a_bad_deploy_is_named_where_no_mechanism_tells_more() -> None:
    told = (
        _mechanism("bad_deploy", 0.6),
        _mechanism("slow_query", 0.05),
        _mechanism(UNKNOWN_MECHANISM, 0.35),
    )
    settled = settle(Place("cart", _change("c", "cart", 1.0), 0.5), told, (), ())
    assert settled is not None
    assert settled.mechanism.cause == "bad_deploy"


# --- identities ---------------------------------------------------------------------------------------
def test_an_id_is_that_of_what_is_claimed() -> None:
    table = Entity(kind="table", name="orders")
    claims = [
        ("slow_query", "cart", None, None),
        ("slow_query", "web", None, None),
        ("slow_query", "cart", table, None),
        ("slow_query", "cart", table, "c1"),
        ("lock_contention", "cart", None, None),
    ]
    assert len({identity(*claim) for claim in claims}) == len(claims)
    assert identity(*claims[2]) == identity("slow_query", "cart", Entity(kind="table", name="orders"), None)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 1.0)), max_size=6), st.floats(0.0, 1.0))
def test_probabilities_and_none_add_up_to_one(parts: list[tuple[str, float]], none: float) -> None:
    hypotheses = [Hypothesis(Place(s, None, p), THREE[0], (), (), p) for s, p in parts]
    confidence, rest = normalised(hypotheses, none)
    assert sum(confidence.values()) + rest == pytest.approx(1.0)


def test_the_same_claim_twice_is_one_with_both_probabilities() -> None:
    twice = [Hypothesis(CART, THREE[0], (), (), 0.25), Hypothesis(CART, THREE[0], (), (), 0.25)]
    confidence, rest = normalised(twice, 0.5)
    assert list(confidence.values()) == [0.5]
    assert rest == 0.5
