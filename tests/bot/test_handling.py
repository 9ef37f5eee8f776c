"""What one delivery does to a real desk: pagers begin, join and end incidents, people ask and answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.desk import Delivery, DeliveryKind, Desked, IncidentState, JobKind
from bot.handling import Scene, TooEarlyError, handle
from bot.service_map import ServiceMap, Told, resolved
from bot.store.desk import StoredDesk
from bot.storms import Rules
from playbooks.callgraph import call_graph
from tests.bot.pagers import NOW, alertmanager, pagerduty, person

SERVICES: ServiceMap = resolved(
    [
        Told("checkout", "written", {"aliases": ("PCHECK", "Checkout (prod)")}),
        Told("payments", "written", {}),
        Told("search", "written", {}),
    ]
)
SCENE = Scene(SERVICES, call_graph([("checkout", "payments")]), Rules(timedelta(minutes=10), 1))


class Counter:
    """A desk that handles deliveries as a worker does."""

    def __init__(self, desk: StoredDesk) -> None:
        self.desk = desk

    def take(self, *deliveries: Delivery, now: datetime = NOW) -> None:
        for each in deliveries:
            with self.desk.begin() as within:
                within.inbox.keep(each)
                handle(within, each, SCENE, now)

    def incidents(self) -> Sequence[Desked]:
        with self.desk.begin() as within:
            return within.incidents.recent(100)

    def only(self) -> Desked:
        (incident,) = self.incidents()
        return incident

    def jobs(self, kind: JobKind) -> list[str]:
        found = []
        while lease := self.desk.claim("test", NOW + timedelta(days=1), 60, 9, (kind,)):
            found.append(lease.job.subject)
        return found

    def said(self) -> list[dict[str, JsonValue]]:
        found = []
        while sent := self.desk.outgoing(("slack.respond",), NOW + timedelta(days=1), 60):
            found.append(sent.message.payload)
        return found

    def put(self, incident: Desked, **update: object) -> None:
        with self.desk.begin() as within:
            within.incidents.put(incident.model_copy(update=update))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    desk = StoredDesk(tmp_path / "store.db")
    yield Counter(desk)
    desk.close()


def test_a_triggered_incident_is_opened_investigated_and_shown(counter: Counter) -> None:
    counter.take(pagerduty("incident.triggered", service="Checkout (prod)"))
    opened = counter.only()
    assert (opened.service, opened.state) == ("checkout", IncidentState.OPEN)
    assert opened.refs == {"pagerduty": "Q1"}
    assert counter.jobs(JobKind.INVESTIGATE) == [opened.id]
    assert counter.jobs(JobKind.SHOW) == [opened.id]


def test_a_pager_that_repeats_itself_for_a_day_has_one_incident(counter: Counter) -> None:
    for hour in range(24):
        counter.take(pagerduty("incident.triggered", after=hour * 3600.0))
    assert counter.only().joined == 24
    assert counter.jobs(JobKind.INVESTIGATE) == [counter.only().id]


def test_what_a_pager_calls_resolved_is_written_down_and_confirms_nothing(counter: Counter) -> None:
    counter.take(
        pagerduty("incident.triggered"),
        pagerduty("incident.resolved", after=300, resolved_at="2026-03-01T12:05:00Z"),
    )
    incident = counter.only()
    assert incident.resolved_at == NOW + timedelta(minutes=5)
    assert incident.state is IncidentState.OPEN
    assert incident.answers == ()


def test_a_priority_that_is_updated_shows_and_an_acknowledgement_changes_nothing(counter: Counter) -> None:
    counter.take(pagerduty("incident.triggered"))
    before = counter.only()
    counter.take(pagerduty("incident.acknowledged", after=5), pagerduty("incident.escalated", after=9))
    assert counter.only() == before
    counter.take(pagerduty("incident.priority_updated", priority={"summary": "P1"}))
    assert counter.only().priority == "P1"


def test_the_end_of_an_incident_that_is_not_known_yet_is_tried_again_and_then_kept_as_it_is(
    counter: Counter,
) -> None:
    early = pagerduty("incident.resolved")
    with pytest.raises(TooEarlyError), counter.desk.begin() as within:
        handle(within, early, SCENE, NOW, last=False)
    counter.take(early)
    assert counter.incidents() == []


def test_a_group_that_is_resolved_and_fires_again_within_the_window_is_the_same_incident(
    counter: Counter,
) -> None:
    counter.take(alertmanager("checkout"), alertmanager("checkout", status="resolved", after=60))
    assert counter.only().resolved_at is not None
    counter.take(alertmanager("checkout", after=120))
    assert counter.only().resolved_at is None


def test_a_neighbour_joins_and_a_stranger_does_not(counter: Counter) -> None:
    counter.take(
        alertmanager("checkout", group="a"),
        alertmanager("payments", group="b", after=5),
        alertmanager("search", group="c", after=6, alertname="Other"),
    )
    assert [(each.service, each.services, each.joined) for each in counter.incidents()] == [
        ("search", ("search",), 1),
        ("checkout", ("checkout", "payments"), 2),
    ]


def test_a_callee_that_alerts_later_has_the_incident_looked_at_once_more(counter: Counter) -> None:
    counter.take(alertmanager("checkout", group="a"))
    assert len(counter.jobs(JobKind.INVESTIGATE)) == 1
    counter.put(counter.only(), state=IncidentState.AWAITING_CONFIRMATION, rounds=1)
    counter.take(alertmanager("payments", group="b", after=5))
    assert counter.only().again
    counter.put(counter.only(), again=False, rounds=2)
    counter.take(alertmanager("payments", group="b", after=9))
    assert not counter.only().again


def test_a_service_that_nobody_knows_is_an_incident_all_the_same(counter: Counter) -> None:
    counter.take(alertmanager("brand-new"))
    assert counter.only().service == "brand-new"


def test_somebody_who_asks_is_told_which_incident_looks_into_it(counter: Counter) -> None:
    counter.take(person(do="diagnose", service="payments", text="slow since the deploy", since_seconds=600))
    incident = counter.only()
    assert (incident.asked_by, incident.since_seconds, incident.place) == ("U1", 600, {"channel": "C1"})
    assert counter.said() == [], "the card is the answer"
    counter.take(person(do="diagnose", service="payments"))
    assert counter.only() == incident
    assert counter.said()[0]["text"] == f"{incident.id} is looking at payments already."


def test_an_incident_can_be_cancelled_once_by_its_number_in_any_case(counter: Counter) -> None:
    counter.take(pagerduty("incident.triggered"))
    name = counter.only().id
    counter.take(person(do="cancel", incident=name.lower()))
    assert counter.only().state is IncidentState.CANCELLED
    counter.take(person(do="cancel", incident=name), person(do="cancel", incident="INC-99"))
    assert [each["text"] for each in counter.said()] == [
        f"{name} is cancelled.",
        f"{name} is cancelled already.",
        "There is no incident INC-99.",
    ]


def test_a_click_is_kept_and_becomes_work_and_asking_again_another_investigation(counter: Counter) -> None:
    counter.take(pagerduty("incident.triggered"))
    incident = counter.only()
    counter.jobs(JobKind.INVESTIGATE)
    click = person(DeliveryKind.SLACK_ACTION, decision="confirm", incident=incident.id, weighing="w")
    counter.take(click)
    assert counter.jobs(JobKind.DECIDE) == [click.key]
    counter.put(counter.only(), state=IncidentState.AWAITING_CONFIRMATION, rounds=1)
    counter.take(person(DeliveryKind.SLACK_ACTION, decision="ask_again", incident=incident.id))
    assert (counter.only().state, counter.only().again) == (IncidentState.OPEN, True)


@pytest.mark.parametrize("state", [IncidentState.CLOSED, IncidentState.CANCELLED])
def test_asking_again_from_an_old_card_does_not_undo_what_was_decided(
    counter: Counter, state: IncidentState
) -> None:
    counter.take(pagerduty("incident.triggered"))
    counter.jobs(JobKind.INVESTIGATE)
    counter.put(counter.only(), state=state)
    counter.take(person(DeliveryKind.SLACK_ACTION, decision="ask_again", incident="INC-1"))
    assert counter.only().state is state
    assert counter.jobs(JobKind.INVESTIGATE) == []
    (told,) = counter.said()
    assert f"INC-1 is {state.value} already" in str(told["text"])


def test_an_incident_that_its_pager_reopens_after_it_was_decided_is_investigated_anew(
    counter: Counter,
) -> None:
    counter.take(pagerduty("incident.triggered"), pagerduty("incident.resolved"))
    counter.jobs(JobKind.INVESTIGATE)
    counter.put(counter.only(), state=IncidentState.CLOSED, rounds=1)
    counter.take(pagerduty("incident.reopened", after=7200))
    reopened = counter.only()
    assert (reopened.state, reopened.again, reopened.resolved_at) == (IncidentState.OPEN, True, None)
    with counter.desk.begin() as within:
        assert not within.jobs.put(JobKind.INVESTIGATE, "INC-1", NOW, "checkout"), "it is begun once more"


def test_a_service_that_joins_a_decided_group_is_an_incident_of_its_own(counter: Counter) -> None:
    counter.take(alertmanager("checkout"))
    counter.put(counter.only(), state=IncidentState.CLOSED)
    counter.take(alertmanager("checkout", after=7200))
    assert counter.only().joined == 2, "the same trouble, repeated, is no new one"
    counter.take(alertmanager("checkout", "search", after=7260))
    new, old = counter.incidents()
    assert (new.service, new.state, new.title) == ("search", IncidentState.OPEN, "p99 of search is high")
    assert (old.state, old.services) == (IncidentState.CLOSED, ("checkout",))


def test_an_incident_that_names_ever_more_services_and_labels_does_not_grow_without_end(
    counter: Counter,
) -> None:
    crowded: dict[str, JsonValue] = {f"l{n}": "x" for n in range(500)}
    for n in range(4):
        told = alertmanager(*(f"svc-{n}-{k}" for k in range(100)))
        counter.take(told.model_copy(update={"body": {**told.body, "commonLabels": crowded}}))
    incident = counter.only()
    assert incident.joined == 4
    assert len(incident.services) <= 200
    assert len(incident.labels) <= 400


def test_a_delivery_that_cannot_be_understood_changes_nothing_and_raises_nothing(counter: Counter) -> None:
    counter.take(
        person(DeliveryKind.SLACK_ACTION, decision="explode"),
        Delivery(key="pagerduty:x", kind=DeliveryKind.PAGERDUTY, received_at=NOW, body={"event": [1]}),
        Delivery(key="alertmanager:x", kind=DeliveryKind.ALERTMANAGER, received_at=NOW, body={"alerts": 5}),
    )
    assert [each.service for each in counter.incidents()] == [""]


def test_a_pagers_incident_that_was_folded_is_known_by_its_name_later(counter: Counter) -> None:
    counter.take(pagerduty("incident.triggered", "Q1"), pagerduty("incident.triggered", "Q2"))
    counter.put(counter.only(), state=IncidentState.AWAITING_CONFIRMATION)
    counter.take(pagerduty("incident.unacknowledged", "Q2", after=7200))
    assert (counter.only().joined, counter.only().refs) == (3, {"pagerduty": "Q1"})
    counter.take(pagerduty("incident.resolved", "Q2", after=7300))
    assert counter.only().resolved_at is None, "the other one goes on"
    counter.take(pagerduty("incident.resolved", "Q1", after=7400))
    assert counter.only().resolved_at is not None
