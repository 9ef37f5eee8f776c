"""From a request to an incident: window, trigger, service, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bot import incidents, live_incident
from bot.errors import BadInputError
from bot.live_incident import Request
from bot.service_map import ServiceMap, Told, resolved
from playbooks.model import Symptom

AT = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
USUAL = timedelta(minutes=30)
KNOWN = resolved(
    [
        Told("checkout", "written", {"databases": ("shop",), "aliases": ("PCHECK1", "Checkout (prod)")}),
        Told("cart", "written", {"namespace": ("shop",)}),
    ]
)


def alertmanager(**labels: str) -> bytes:
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": "p99 above 400 ms"},
             "startsAt": "2026-06-18T14:50:00Z"}  # fmt: skip
    return json.dumps({"version": "4", "alerts": [alert]}).encode()


def test_the_window_begins_well_before_the_trouble_so_that_the_usual_is_seen() -> None:
    incident = live_incident.begun(Request(AT, "checkout", timedelta(minutes=30)), KNOWN, USUAL).incident
    assert incident.started_at == AT - timedelta(minutes=30)
    assert incident.window.start == AT - timedelta(minutes=90)
    assert incident.window.end == incident.at == AT
    longer = live_incident.begun(Request(AT, "checkout", timedelta(hours=3)), KNOWN, USUAL).incident
    assert longer.window.start == AT - timedelta(hours=9)
    chosen = Request(AT, "checkout", timedelta(hours=3), baseline=timedelta(hours=1))
    assert live_incident.begun(chosen, KNOWN, USUAL).incident.window.start == AT - timedelta(hours=4)


def test_an_alert_that_fires_for_weeks_is_not_looked_at_for_weeks() -> None:
    old = alertmanager(service="cart").replace(b"2026-06-18T14:50", b"2026-05-18T14:50")
    incident = live_incident.begun(Request(AT, alert=old), KNOWN, USUAL).incident
    assert AT - incident.window.start == timedelta(days=6)


def test_the_same_request_at_the_same_time_is_the_same_incident_and_a_later_one_is_not() -> None:
    first, again = (live_incident.begun(Request(AT, "cart"), KNOWN, USUAL).incident for _ in range(2))
    assert first == again
    later = live_incident.begun(Request(AT + timedelta(seconds=1), "cart"), KNOWN, USUAL).incident
    assert later.id != first.id


def test_what_is_typed_is_a_trigger_that_a_saved_case_reads_again() -> None:
    request = Request(AT, "checkout", timedelta(minutes=5), about="p99 latency above 800 ms")
    begun = live_incident.begun(request, KNOWN, USUAL)
    assert begun.incident.symptom is Symptom.LATENCY
    assert begun.incident.title == "p99 latency above 800 ms"
    assert incidents.of_case(begun.manifest, begun.trigger) == begun.incident
    assert {entry.name: entry.database for entry in begun.incident.services}["checkout"] == "shop"


@pytest.mark.parametrize(
    "labels",
    [{"service": "checkout"}, {"service": "CHECKOUT"}, {"service": "Checkout (prod)"}, {"pager": "PCHECK1"}],
)
def test_an_alert_finds_its_service_by_name_alias_or_any_label(labels: dict[str, str]) -> None:
    begun = live_incident.begun(Request(AT, alert=alertmanager(**labels)), KNOWN, USUAL)
    assert begun.incident.service == "checkout"
    assert begun.incident.caveats == ()
    assert begun.incident.started_at == datetime(2026, 6, 18, 14, 50, tzinfo=UTC)


def test_an_alert_about_an_unknown_service_is_investigated_with_a_caveat() -> None:
    request = Request(AT, alert=alertmanager(service="ledger"))
    live_incident.refuse_unknown(request, KNOWN)
    begun = live_incident.begun(request, KNOWN, USUAL)
    assert begun.incident.service == "ledger"
    assert "no source knows a service called ledger" in begun.incident.caveats[0]
    assert "`aliases`" in begun.incident.caveats[0]


def test_a_mistyped_service_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(BadInputError, match="no service is called chekout; nearest: checkout"):
        live_incident.refuse_unknown(Request(AT, "chekout"), KNOWN)
    with pytest.raises(BadInputError, match="known: cart, checkout"):
        live_incident.refuse_unknown(Request(AT, "zzz"), KNOWN)


def test_a_service_is_not_refused_while_a_source_that_might_know_it_is_silent() -> None:
    silent = ServiceMap(KNOWN.services, ("metrics: not reachable",), KNOWN.spellings)
    request = Request(AT, "ledger")
    live_incident.refuse_unknown(request, silent)
    assert "metrics: not reachable" in live_incident.begun(request, silent, USUAL).incident.caveats[0]
    live_incident.refuse_unknown(request, ServiceMap({}))


def test_an_alert_that_names_no_service_needs_one_to_be_named() -> None:
    with pytest.raises(BadInputError, match="add --service NAME"):
        live_incident.begun(Request(AT, alert=alertmanager(alertname="Watchdog")), KNOWN, USUAL)
    named = live_incident.begun(Request(AT, "cart", alert=alertmanager(alertname="Watchdog")), KNOWN, USUAL)
    assert named.incident.service == "cart"


def test_the_only_database_that_nobody_claims_is_taken_for_that_of_the_service_and_a_caveat_says_so() -> None:
    taken = live_incident.begun(Request(AT, "cart"), KNOWN, USUAL, ["shop", "baskets"]).incident
    assert {entry.name: entry.database for entry in taken.services}["cart"] == "baskets"
    assert "taken for that of cart" in taken.caveats[0]
    several = live_incident.begun(Request(AT, "cart"), KNOWN, USUAL, ["a", "b"]).incident
    assert {entry.name: entry.database for entry in several.services}["cart"] is None
    assert "a, b: they are not asked" in several.caveats[0]
    known = live_incident.begun(Request(AT, "checkout"), KNOWN, USUAL, ["shop", "baskets"]).incident
    assert {entry.name: entry.database for entry in known.services}["checkout"] == "shop"
    assert known.caveats == ()
