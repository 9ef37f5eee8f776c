from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.ranking import rank_services
from graph.traits import KINDS, Traits, traits_of
from playbooks.callgraph import call_graph
from playbooks.observations import Observations
from playbooks.suspects import FEATURES, Suspects, examine
from tests.playbooks.judged import NOW, Shop

SHOP = Shop(traces=(4, 4))
BASE = examine(SHOP.incident(), Observations(SHOP.readings("metrics edges")))


def _suspects(table: object, names: tuple[str, ...] = ("a", "b", "c")) -> Suspects:
    measured = replace(BASE.measured, graph=call_graph(()))
    return Suspects(names, np.array(table, dtype=np.float64), {}, measured)


def _traits(
    loud: dict[tuple[str, str], float], service: str | None = "a", also: tuple[str, ...] = ()
) -> Traits:
    table = np.zeros((3, len(FEATURES)))
    for (name, feature), value in loud.items():
        table["abc".index(name), FEATURES.index(feature)] = value
    suspects = _suspects(table)
    return traits_of(suspects, rank_services(suspects), service, also)


def test_every_kind_of_evidence_is_made_of_features_that_exist() -> None:
    assert {name for names in KINDS.values() for name in names} == set(FEATURES) - {"alerted"}


def test_kinds_that_accuse_the_service_agree_and_kinds_that_accuse_another_oppose() -> None:
    found = _traits({("a", "cpu"): 3.0, ("a", "latency"): 2.0, ("b", "log_mix"): 4.0, ("a", "errors"): 0.1})
    assert (found.agreeing, found.opposing) == (2, 1)


def test_what_judges_of_changes_and_databases_say_counts_as_a_kind_each() -> None:
    assert _traits({("a", "cpu"): 3.0}, also=("changes", "database", "changes")).agreeing == 3


def test_a_service_behind_another_is_ahead_by_less_than_nothing() -> None:
    assert _traits({("b", "cpu"): 3.0}).ahead < 0 < _traits({("a", "cpu"): 3.0}).ahead


def test_the_share_is_the_largest_part_it_explains() -> None:
    assert _traits({("a", "gap_share"): 0.3, ("a", "latency_share"): 0.6}).share == pytest.approx(0.6)


@pytest.mark.parametrize("service", [None, "unheard-of"])
def test_a_service_that_was_not_measured_has_no_evidence(service: str | None) -> None:
    found = _traits({("a", "cpu"): 3.0}, service)
    assert (found.ahead, found.agreeing, found.share) == (0.0, 0, 0.0)


def test_one_service_alone_is_ahead_of_nothing() -> None:
    suspects = _suspects(np.ones((1, len(FEATURES))), ("a",))
    odds = rank_services(suspects)
    assert traits_of(suspects, odds, "a").ahead == pytest.approx(odds.scores["a"])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(st.floats(0, 5), min_size=len(FEATURES), max_size=len(FEATURES)), min_size=3, max_size=3
    )
)
def test_other_names_in_another_order_have_the_same_traits(table: list[list[float]]) -> None:
    one, two = _suspects(table), _suspects(table[::-1], ("x", "y", "z"))
    first, last = traits_of(one, rank_services(one), "a"), traits_of(two, rank_services(two), "z")
    assert (first.agreeing, first.opposing, first.share) == (last.agreeing, last.opposing, last.share)
    assert first.ahead == pytest.approx(last.ahead, abs=1e-9)
    assert first.strength == pytest.approx(last.strength, abs=1e-9)


def test_an_incident_a_year_earlier_has_the_same_traits() -> None:
    found = []
    for now in (NOW, NOW - timedelta(days=365)):
        shop = Shop(traces=(4, 4), now=now)
        suspects = examine(shop.incident(), Observations(shop.readings("metrics edges")))
        found.append(traits_of(suspects, rank_services(suspects), "checkout"))
    assert found[0] == found[1]


def test_a_symptom_that_is_not_visible_has_no_excess() -> None:
    quiet = replace(BASE.measured.symptom, visible=False)
    suspects = replace(BASE, measured=replace(BASE.measured, symptom=quiet))
    found = traits_of(suspects, rank_services(suspects), "checkout")
    assert (found.visible, found.excess) == (False, 0.0)
