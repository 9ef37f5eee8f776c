"""What a proposal names: a table once for all services, one pod where it is that pod's, else the service."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from connectors.answers import Floats, Lock, Locks, SeriesKey
from connectors.contract import Reading
from connectors.questions import LockChain, SeriesSweep
from graph.entities import entity_of
from graph.hypotheses import Hypothesis, Place, claim
from graph.judgement import weigh
from playbooks.changes import JudgedChange
from playbooks.facts import DetailedFinding
from playbooks.mechanisms import UNKNOWN_MECHANISM, Mechanism
from playbooks.model import Entity, Finding, Incident, ServiceEntry
from playbooks.observations import Observations
from tests.playbooks.judged import CALLS, NOW, Shop, Trouble, key, noisy, read, series, stepped

SERVICE = Entity(kind="service", name="checkout")
WINDOW = Shop().incident().window
INCIDENT = Shop().incident()


def hypothesis(cause: str, *findings: Finding, guilty: bool = False) -> Hypothesis:
    change = JudgedChange("c", None, None, "checkout", cause, 0.0, 0.9, (), "", "") if guilty else None
    place = Place("checkout", change, 0.9)
    return Hypothesis(place, Mechanism(cause, 0.9, None, (), ()), (), findings, 0.9)


def seen(rows: dict[SeriesKey, Floats]) -> Observations:
    return Observations([read(SeriesSweep(window=WINDOW), series(rows), NOW)])


def cpu(pods: dict[str, float]) -> dict[SeriesKey, Floats]:
    return {
        key("container_cpu_usage_cores", service="checkout", pod=pod): stepped(noisy(0.2, pod), by)
        for pod, by in pods.items()
    }


@pytest.mark.parametrize("cause", ["cpu_saturation", "network_delay", "exception_in_code", UNKNOWN_MECHANISM])
def test_the_only_pod_of_a_service_is_named(cause: str) -> None:
    named = entity_of(hypothesis(cause), INCIDENT, seen(cpu({"checkout-7f-a": 0.0})))
    assert named == Entity(kind="pod", name="checkout-7f-a")


def test_of_several_pods_the_one_that_alone_left_its_range_is_named() -> None:
    rows = cpu({"checkout-7f-a": 0.0, "checkout-7f-b": 3.0, "checkout-7f-c": 0.0})
    assert entity_of(hypothesis("cpu_saturation"), INCIDENT, seen(rows)).name == "checkout-7f-b"


@pytest.mark.parametrize("loud", [(0.0, 0.0, 0.0), (3.0, 3.0, 0.0), (3.0, 3.0, 3.0)])
def test_several_pods_alike_are_their_service(loud: tuple[float, ...]) -> None:
    rows = cpu(dict(zip(("checkout-7f-a", "checkout-7f-b", "checkout-7f-c"), loud, strict=True)))
    assert entity_of(hypothesis("cpu_saturation"), INCIDENT, seen(rows)) == SERVICE


def test_a_guilty_change_and_a_cause_of_the_whole_service_name_the_service() -> None:
    rows = cpu({"checkout-7f-a": 0.0})
    assert entity_of(hypothesis("cpu_saturation", guilty=True), INCIDENT, seen(rows)) == SERVICE
    assert entity_of(hypothesis("traffic_surge"), INCIDENT, seen(rows)) == SERVICE


def test_a_pod_that_ran_before_and_is_gone_is_not_counted() -> None:
    rows = cpu({"checkout-7f-a": 0.0, "checkout-6e-z": 0.0})
    gone = next(k for k in rows if k.get("pod") == "checkout-6e-z")
    rows[gone][-60:] = np.nan
    assert entity_of(hypothesis("cpu_saturation"), INCIDENT, seen(rows)).name == "checkout-7f-a"


def test_a_pod_that_spans_accuse_is_named_and_one_that_merely_came_is_not() -> None:
    for strength, kind in ((9.0, "pod"), (3.0, "service")):
        lift = Finding(
            judge="spans.lift",
            state="yes",
            strength=strength,
            entity=Entity(kind="pod", name="checkout-7f-b"),
        )
        rows = cpu({"checkout-7f-a": 0.0, "checkout-7f-b": 0.0})
        assert entity_of(hypothesis("exception_in_code", lift), INCIDENT, seen(rows)).kind == kind


def test_a_lock_without_a_table_is_at_the_services_database() -> None:
    entries = tuple(ServiceEntry(name=s, database="shop") for s in CALLS)
    named = entity_of(hypothesis("lock_contention"), Shop().incident(services=entries), seen({}))
    assert named == Entity(kind="database", name="shop")


# --- a database that several services share -----------------------------------------------------------
def _at(database: str) -> Mechanism:
    finding = DetailedFinding(judge="lock_chain", state="yes", facts=(("database", database), ("pid", "7")))
    return Mechanism("lock_contention", 0.9, Entity(kind="table", name="orders"), (finding,), ())


def test_what_lies_in_one_database_is_one_claim_and_in_two_it_is_two() -> None:
    shop = _at("shop")
    assert claim(shop, "checkout", None) == claim(shop, "payments", None)
    assert claim(shop, "checkout", None) != claim(_at("crm"), "payments", None)
    assert claim(shop, "checkout", None) != claim(shop, "payments", "c1")
    nameless = replace(shop, findings=())
    assert claim(nameless, "checkout", None) != claim(nameless, "payments", None)


def _shared() -> tuple[Incident, tuple[Reading, ...]]:
    entries = tuple(
        ServiceEntry(name=s, namespace="shop", database="shop" if s != "gateway" else None) for s in CALLS
    )
    held = Lock(
        blocked_pid=2, blocker_pid=71, blocked_seconds=240.0, blocked_query="UPDATE orders SET a = 1",
        blocker_state="idle in transaction", blocker_seconds=300.0,
    )  # fmt: skip
    shop = Shop(Trouble(waits={"checkout": 0.4}, own={"payments": 0.3}), traces=(40, 30))
    locks = read(LockChain(database="shop", window=shop.incident().window), Locks(locks=(held,)), NOW)
    return shop.incident(services=entries), (*shop.readings("metrics traces edges"), locks)


def test_a_finding_of_a_shared_database_is_one_proposal_at_the_table() -> None:
    incident, readings = _shared()
    locked = [p for p in weigh(incident, readings).proposals if p.cause == "lock_contention"]
    assert [p.entity for p in locked] == [Entity(kind="table", name="orders")]
    assert locked[0].rank == 1


# --- silence -------------------------------------------------------------------------------------------
def test_a_service_whose_numbers_fell_to_zero_is_not_proposed_first() -> None:
    shop = Shop(Trouble(own={"payments": 0.2}, idle=("catalogue",)), traces=(30, 24))
    found = weigh(shop.incident(), shop.readings("metrics edges")).proposals
    assert found[0].service != "catalogue"
    assert all(p.confidence < 0.2 for p in found if p.service == "catalogue")
