"""Which incident an alert belongs to: nothing is lost, nothing unrelated is folded, a storm is a handful."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.desk import Desked, IncidentState
from bot.storms import CROWD, MOST, Alarm, Fold, Placed, Rules, alerting, joined, place
from playbooks.callgraph import CallGraph, call_graph

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RULES = Rules(timedelta(minutes=10), 1)
SHOP = call_graph([("web", "checkout"), ("checkout", "payments"), ("checkout", "cart"), ("cart", "stock")])
NOBODY = call_graph([])


def alarm(*services: str, seconds: float = 0, **labels: str) -> Alarm:
    return Alarm(NOW + timedelta(seconds=seconds), services, labels)


def incident(service: str, name: str = "INC-1", **fields: object) -> Desked:
    return Desked.model_validate(
        {
            "id": name,
            "service": service,
            "title": "",
            "started_at": NOW,
            "opened_at": NOW,
            "last_alert_at": NOW,
            **fields,
        }
    )


def taken(desk: list[Desked], each: Alarm, graph: CallGraph) -> Placed:
    """Have the desk take one alarm, and say where it went."""
    found = place(each, desk, graph, RULES)
    if found.incident is not None:
        desk[desk.index(found.incident)] = joined(found.incident, each, found)
        return found
    desk.append(
        incident(
            each.services[0] if each.services else "",
            f"INC-{len(desk) + 1}",
            opened_at=each.at,
            last_alert_at=each.at,
            labels=dict(each.labels),
        )
    )
    return found


def folded(alarms: Sequence[Alarm], graph: CallGraph) -> list[Desked]:
    """All alarms in their order, as the desk would have them."""
    desk: list[Desked] = []
    for each in alarms:
        taken(desk, each, graph)
    return desk


def test_an_alert_of_the_same_service_joins_and_is_counted() -> None:
    found = place(alarm("checkout", seconds=60), [incident("checkout")], NOBODY, RULES)
    assert found.fold is Fold.SERVICE
    assert found.incident is not None
    after = joined(found.incident, alarm("checkout", seconds=60), found)
    assert (after.joined, after.last_alert_at) == (2, NOW + timedelta(seconds=60))


def test_an_alert_after_the_window_begins_another_incident() -> None:
    late = alarm("checkout", seconds=601)
    assert place(late, [incident("checkout")], NOBODY, RULES).incident is None
    decided = incident("checkout", state=IncidentState.CLOSED)
    assert place(alarm("checkout"), [decided], NOBODY, RULES).incident is None


@pytest.mark.parametrize(("service", "fold"), [("payments", Fold.NEIGHBOUR), ("stock", Fold.NEW)])
def test_a_neighbour_in_the_call_graph_joins_and_one_two_calls_away_does_not(
    service: str, fold: Fold
) -> None:
    assert place(alarm(service), [incident("checkout")], SHOP, RULES).fold is fold


def test_no_steps_allowed_means_that_neighbours_do_not_join() -> None:
    assert place(alarm("payments"), [incident("checkout")], SHOP, Rules(RULES.window, 0)).fold is Fold.NEW


def test_who_reads_the_card_is_told_why_a_neighbour_was_folded() -> None:
    assert place(alarm("web"), [incident("checkout")], SHOP, RULES).why == "web calls checkout"
    assert place(alarm("cart"), [incident("checkout")], SHOP, RULES).why == "checkout calls cart"


def test_a_callee_that_alerts_later_is_worth_one_more_investigation_and_a_caller_is_not() -> None:
    begun = incident("checkout", state=IncidentState.AWAITING_CONFIRMATION, rounds=1)
    assert place(alarm("payments"), [begun], SHOP, RULES).again
    assert not place(alarm("web"), [begun], SHOP, RULES).again
    assert not place(alarm("checkout"), [begun], SHOP, RULES).again
    twice = begun.model_copy(update={"rounds": 2})
    assert not place(alarm("payments"), [twice], SHOP, RULES).again
    waits = incident("checkout")
    assert not place(alarm("payments"), [waits], SHOP, RULES).again, "it has not been looked at yet"


def test_the_pagers_own_incident_is_the_same_one_whatever_its_state_or_age() -> None:
    old = incident("cart", state=IncidentState.CLOSED, refs={"pagerduty": "Q1"})
    late = Alarm(NOW + timedelta(days=1), ("payments",), refs={"pagerduty": "Q1"})
    found = place(late, [old], NOBODY, RULES)
    assert (found.fold, found.incident) == (Fold.SAME, old)


def test_a_group_that_fires_anew_is_another_incident_and_one_that_repeats_itself_is_not() -> None:
    old = incident("cart", state=IncidentState.CLOSED, refs={"alertmanager": "{}:{a}"})
    later = NOW + timedelta(hours=4)
    still = Alarm(later, ("cart",), refs={"alertmanager": "{}:{a}"}, started_at=NOW - timedelta(minutes=1))
    anew = Alarm(later, ("cart",), refs={"alertmanager": "{}:{a}"}, started_at=later)
    assert place(still, [old], NOBODY, RULES).fold is Fold.SAME
    assert place(anew, [old], NOBODY, RULES).fold is Fold.NEW


def test_the_same_rule_in_one_namespace_folds_but_not_what_the_call_graph_keeps_apart() -> None:
    labels = {"alertname": "Crash", "namespace": "shop"}
    first = incident("a", labels=labels)
    assert place(Alarm(NOW, ("b",), labels), [first], NOBODY, RULES).fold is Fold.LABELS
    assert place(Alarm(NOW, ("b",), labels | {"namespace": "x"}), [first], NOBODY, RULES).fold is Fold.NEW
    far = call_graph([("a", "x"), ("x", "y"), ("y", "b")])
    assert place(Alarm(NOW, ("b",), labels), [first], far, RULES).fold is Fold.NEW


def test_an_alert_of_a_node_joins_the_one_of_a_service_on_that_node() -> None:
    first = incident("cart", labels={"node": "n-3", "alertname": "SlowCart"})
    found = place(Alarm(NOW, (), {"node": "n-3", "alertname": "DiskFull"}), [first], NOBODY, RULES)
    assert (found.fold, found.why) == (Fold.LABELS, "the same node n-3")


def test_a_thousand_alerts_of_sixty_services_are_a_handful_of_incidents() -> None:
    chance = random.Random(7)
    names = [f"s{n}" for n in range(60)]
    graph = call_graph([(names[chance.randrange(n)], names[n]) for n in range(1, 60)])
    alarms = [alarm(chance.choice(names), seconds=n * 0.06) for n in range(1000)]
    desk = folded(alarms, graph)
    assert len(desk) <= CROWD
    assert sum(each.joined for each in desk) == 1000
    assert {name for each in desk for name in alerting(each)} == {each.services[0] for each in alarms}


def test_what_was_folded_for_the_crowd_alone_is_said_with_its_number() -> None:
    desk = folded([alarm(f"s{n}") for n in range(MOST + 40)], NOBODY)
    assert len(desk) == MOST
    assert desk[-1].note.startswith("storm: 40 further alerts folded: ")
    assert alerting(desk[-1]) == (f"s{MOST - 1}",), "services that may be unrelated are not made its own"


SERVICES = st.sampled_from([f"s{n}" for n in range(30)])
GRAPHS = st.lists(st.tuples(SERVICES, SERVICES), max_size=40).map(call_graph)
ALARMS = st.lists(
    st.builds(
        alarm,
        SERVICES,
        seconds=st.floats(0, 500),
        namespace=st.sampled_from(["", "shop", "pay"]),
        alertname=st.sampled_from(["", "Slow", "Crash"]),
        node=st.sampled_from(["", "n-1"]),
    ),
    max_size=60,
)


def component(service: str, graph: CallGraph) -> frozenset[str]:
    seen, todo = {service}, [service]
    while todo:
        at = todo.pop()
        for other in (*graph.callees.get(at, ()), *graph.callers.get(at, ())):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return frozenset(seen)


@settings(max_examples=60, deadline=None)
@given(ALARMS, GRAPHS, st.randoms(use_true_random=False))
def test_in_whatever_order_alerts_come_none_is_lost_and_the_incidents_stay_few(
    alarms: list[Alarm], graph: CallGraph, chance: random.Random
) -> None:
    chance.shuffle(alarms)
    desk = folded(alarms, graph)
    assert sum(each.joined for each in desk) == len(alarms)
    assert len(desk) <= MOST
    for each in {component(one.service, graph) for one in desk}:
        assert sum(one.service in each for one in desk) <= CROWD or len(each) == 1


@settings(max_examples=60, deadline=None)
@given(ALARMS, GRAPHS)
def test_what_shares_nothing_is_never_folded_while_there_is_room(
    alarms: list[Alarm], graph: CallGraph
) -> None:
    desk: list[Desked] = []
    for each in alarms:
        found = taken(desk, each, graph)
        if found.incident is None or found.fold is Fold.OVERFLOW:
            continue
        into = found.incident
        calls = any(name in component(other, graph) for name in each.services for other in alerting(into))
        labels = {(key, value) for key, value in each.labels.items() if value} & set(into.labels.items())
        assert calls or labels


@settings(max_examples=60, deadline=None)
@given(st.lists(SERVICES, max_size=40), GRAPHS)
def test_an_incident_is_investigated_twice_at_most_however_many_alerts_join(
    services: list[str], graph: CallGraph
) -> None:
    one = incident("s0", state=IncidentState.AWAITING_CONFIRMATION, rounds=1)
    for service in services:
        found = place(alarm(service), [one], graph, Rules(RULES.window, 3))
        if found.incident is None:
            continue
        one = joined(one, alarm(service), found)
        if found.again:
            one = one.model_copy(update={"rounds": one.rounds + 1, "again": False})
    assert one.rounds <= 2
