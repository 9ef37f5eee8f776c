"""Workers at a real desk: what they begin they end, whoever dies, answers, cancels or comes second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot import crew, investigating, worker
from bot.answering import decision_of
from bot.desk import Delivery, DeliveryKind, IncidentState, JobKind
from bot.investigating import MOST_ATTEMPTS
from bot.slack.heard import Chosen
from bot.worker import do
from connectors.contract import Question
from graph.record import weighing_bytes, weighing_id
from playbooks.callgraph import call_graph
from tests.bot import pagers
from tests.bot.stations import FIELDS, NOW, Post, click, page, post

LONG = JobKind.INVESTIGATE


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Post]:
    made = post(tmp_path)
    yield made
    made.database.close()


def other(one: Post, tmp_path: Path) -> Post:
    """Another process at the same store."""
    return post(tmp_path, "two", one.database, one.clock)


def weighing(one: Post) -> str:
    outcome = one.station.outcome(one.incident())
    assert outcome is not None
    return weighing_id(weighing_bytes(outcome.weighing))


def first(one: Post) -> str:
    outcome = one.station.outcome(one.incident())
    assert outcome is not None
    return outcome.weighing.proposals[0].id


def labels(one: Post) -> list[str]:
    return [each.decision for each in one.record().labels(one.incident().thread)]


def asked(do: str, **body: JsonValue) -> Delivery:
    whole: dict[str, JsonValue] = {"do": do, "back": {"user": "U1", "channel": "C1"}, **body}
    return Delivery(key=f"slack:{do}-{body}", kind=DeliveryKind.SLACK_COMMAND, received_at=NOW, body=whole)


class Gate:
    """Holds the sources at a question until it is opened."""

    def __init__(self, name: str = "ChangeTimeline") -> None:
        self.name = name
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, question: Question) -> None:
        if question.name.startswith(self.name):
            self.reached.set()
            assert self.opened.wait(60)


def test_a_page_becomes_a_card_with_the_cause_and_one_note(one: Post) -> None:
    one.take(page())
    one.work()
    incident = one.incident()
    assert (incident.state, incident.rounds) == (IncidentState.AWAITING_CONFIRMATION, 1)
    sent = one.send()
    assert [each.operation for each in sent].count("slack.post") >= 1
    notes = [each for each in sent if each.operation == "pagerduty.note"]
    assert len(notes) == 1
    assert "cause found" in str(notes[0].payload["content"])
    one.clock.move(seconds=5)
    one.work()
    assert one.incident().place["ts"]
    assert [each["event"] for each in one.wrote("incident")] == ["opened", "investigating", "proposed"]


def test_a_page_that_joins_what_was_found_out_already_gets_its_note_too(one: Post) -> None:
    told = pagers.alertmanager("checkout").model_copy(update={"received_at": NOW})
    one.take(told)
    one.work()
    assert not [each for each in one.send() if each.operation == "pagerduty.note"]
    one.clock.move(seconds=5)
    one.take(page())
    one.work()
    one.clock.move(seconds=5)
    one.work()
    events = [each["event"] for each in one.wrote("incident")]
    assert events == ["opened", "investigating", "proposed", "joined"]
    notes = [each for each in one.send() if each.operation == "pagerduty.note"]
    assert [each.payload["incident"] for each in notes] == ["Q1"]
    one.clock.move(seconds=5)
    one.take(page(event="incident.priority_updated"))
    one.work()
    one.clock.move(seconds=5)
    one.work()
    assert not [each for each in one.send() if each.operation == "pagerduty.note"]


def test_a_worker_that_dies_is_followed_by_another_that_asks_nothing_twice(one: Post, tmp_path: Path) -> None:
    one.take(page())
    one.work(JobKind.HANDLE)
    gate = one.sources.before = Gate()
    lease = one.claim(LONG, seconds=5.0)
    assert lease is not None
    thread = threading.Thread(target=do, args=(one.station, lease), daemon=True)
    thread.start()
    assert gate.reached.wait(60)
    one.station.ended.set()  # as a process that is stopped while a source hangs
    gate.opened.set()
    thread.join(60)
    assert one.incident().state is IncidentState.INVESTIGATING
    before = {each.question.key() for each in one.record().asked(one.incident().thread)}
    two = other(one, tmp_path)
    assert two.work(LONG) == 1
    assert two.incident().state is IncidentState.AWAITING_CONFIRMATION
    assert not before & set(two.sources.asked)
    assert [each["event"] for each in two.wrote("incident")][-2:] == ["taken over", "proposed"]


def test_who_lost_the_lease_stops_and_writes_nothing_more(one: Post, tmp_path: Path) -> None:
    one.take(page())
    one.work(JobKind.HANDLE)
    gate = one.sources.before = Gate()
    lease = one.claim(LONG, seconds=5.0)
    assert lease is not None
    thread = threading.Thread(target=do, args=(one.station, lease), daemon=True)
    thread.start()
    assert gate.reached.wait(60)
    one.clock.move(minutes=10)  # it gave no sign of life for so long, as a process that was suspended
    two = other(one, tmp_path)
    assert two.work(LONG) == 1, "the investigation itself is still held: the job waits"
    assert two.incident().state is IncidentState.INVESTIGATING
    gate.opened.set()
    thread.join(60)
    assert "proposed" not in [each["event"] for each in one.wrote("incident")]
    one.clock.move(seconds=30)
    two.work(LONG)
    events = [each["event"] for each in two.wrote("incident")]
    assert events.count("proposed") == 1
    assert two.incident().state is IncidentState.AWAITING_CONFIRMATION


def test_cancelling_halts_a_running_investigation_between_two_questions(
    one: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed, beat = threading.Event(), investigating.Watch.beat

    def watched(watch: investigating.Watch) -> None:
        beat(watch)
        if watch.cancelled.is_set():
            noticed.set()

    monkeypatch.setattr(investigating.Watch, "beat", watched)
    one.take(page())
    one.work(JobKind.HANDLE)
    gate = one.sources.before = Gate("")
    lease = one.claim(LONG)
    assert lease is not None
    thread = threading.Thread(target=do, args=(one.station, lease), daemon=True)
    thread.start()
    assert gate.reached.wait(60)
    one.take(asked("cancel", incident="INC-1"))
    one.work(JobKind.HANDLE)
    assert noticed.wait(60)
    begun = len(one.sources.asked)
    gate.opened.set()
    thread.join(60)
    assert len(one.sources.asked) == begun
    assert one.incident().state is IncidentState.CANCELLED
    assert "proposed" not in [each["event"] for each in one.wrote("incident")]
    assert one.work(LONG) == 0


def test_an_alert_that_names_no_service_is_a_card_that_says_how_to_begin(one: Post) -> None:
    nameless = page().model_copy(
        update={"body": {"event": {"event_type": "incident.triggered", "data": {"id": "Q9"}}}}
    )
    one.take(nameless)
    one.work()
    assert "names no service" in one.incident().failed
    assert "/diagnose" in one.incident().failed
    assert "names no service" in str([each.payload["text"] for each in one.send()])


def test_an_investigation_that_never_ends_well_is_given_up_and_says_so(one: Post) -> None:
    one.take(page())
    one.work(JobKind.HANDLE)
    one.station.around.configuration = None  # type: ignore[assignment]  # a defect in the very middle
    for _ in range(MOST_ATTEMPTS + 2):
        one.work(LONG)
        one.clock.move(seconds=60)
    failed = one.incident().failed
    assert "unexpectedly" in failed or "never came to its end" in failed
    assert "/diagnose checkout" in failed
    assert one.work(LONG) == 0


def test_who_confirms_closes_the_incident_and_leaves_a_label(one: Post) -> None:
    one.take(page())
    one.work()
    one.take(click("confirm", weighing=weighing(one), proposal=first(one)))
    one.work()
    incident = one.incident()
    assert incident.state is IncidentState.CLOSED
    assert labels(one) == ["confirm"]
    assert [each["by"] for each in incident.answers] == ["U1"]
    assert [(each["decision"], each["by"]) for each in one.wrote("decision")] == [("confirm", "U1")]
    assert [each["decision"] for each in one.wrote("click")] == ["confirm"]


def test_who_comes_second_is_told_who_was_first(one: Post) -> None:
    one.take(page())
    one.work()
    shown, proposal = weighing(one), first(one)
    one.take(
        click("confirm", "U1", weighing=shown, proposal=proposal),
        click("rule_out", "U2", weighing=shown, proposal=proposal),
    )
    one.work()
    assert labels(one) == ["confirm"]
    told = [each.payload for each in one.send() if each.operation == "slack.respond"]
    assert [(each["user"], "<@U1> answered first (confirm)" in str(each["text"])) for each in told] == [
        ("U2", True)
    ]


def test_ruling_out_weighs_again_and_a_click_on_the_old_card_is_refused(one: Post) -> None:
    one.take(page())
    one.work()
    shown, proposal = weighing(one), first(one)
    one.take(click("rule_out", weighing=shown, proposal=proposal))
    one.work()
    assert one.incident().state is IncidentState.AWAITING_CONFIRMATION
    assert weighing(one) != shown
    assert first(one) != proposal
    one.take(click("confirm", "U2", weighing=shown, proposal=proposal))
    one.work()
    assert labels(one) == ["rule_out"]
    told = [each.payload["text"] for each in one.send() if each.operation == "slack.respond"]
    assert any("has changed" in str(each) for each in told)


@pytest.mark.parametrize("decision", ["confirm", "rule_out"])
def test_an_answer_whose_worker_died_before_it_could_say_so_is_shown_by_the_next(
    one: Post, decision: str
) -> None:
    one.take(page())
    one.work()
    shown, proposal = weighing(one), first(one)
    one.take(click(decision, weighing=shown, proposal=proposal))
    one.work(JobKind.HANDLE)
    lease = one.claim(JobKind.DECIDE, seconds=5.0)
    assert lease is not None
    investigator = one.station.investigator()
    said = decision_of(Chosen.model_validate(click(decision, proposal=proposal).body))
    investigator.answer(one.incident().thread, said)  # and here the worker dies
    one.clock.move(seconds=10)
    one.work()
    assert labels(one) == [decision]
    assert len(one.incident().answers) == 1
    closed = decision == "confirm"
    assert one.incident().state is (IncidentState.CLOSED if closed else IncidentState.AWAITING_CONFIRMATION)


def test_asking_again_investigates_anew_at_a_new_moment(one: Post) -> None:
    one.take(page())
    one.work()
    before = one.incident().thread
    one.clock.move(minutes=1)
    one.take(click("ask_again"))
    one.work()
    incident = one.incident()
    assert (incident.state, incident.rounds) == (IncidentState.AWAITING_CONFIRMATION, 2)
    assert incident.thread != before
    again = one.record().incident(incident.thread)
    assert again is not None
    assert again.at == one.clock().replace(microsecond=0)


@pytest.mark.parametrize("hours", [-3, 3, 24 * 400])
def test_a_clock_that_jumps_loses_nothing_and_doubles_nothing(one: Post, hours: int) -> None:
    one.take(page())
    one.work(JobKind.HANDLE)
    one.clock.move(hours=hours)
    one.take(page(key="again"))
    one.work()
    one.clock.move(hours=-hours)
    one.work()
    assert one.incident().state is IncidentState.AWAITING_CONFIRMATION
    assert [each.key for each in one.send()].count("card:INC-1") == 1
    with one.station.desk.begin() as within:
        assert len(within.incidents.recent(10)) == 1


def test_somebody_asks_to_see_an_incident_and_is_shown_its_card(one: Post) -> None:
    one.take(page())
    one.work()
    one.take(asked("show", incident="inc-1"))
    one.work()
    (shown,) = [each for each in one.send() if each.operation == "slack.respond"]
    assert "INC-1" in str(shown.payload)
    assert shown.payload["user"] == "U1"


def test_what_there_is_for_the_post_mortem_names_times_proposals_and_who_decided(one: Post) -> None:
    one.take(page())
    one.work()
    one.take(click("confirm", weighing=weighing(one), proposal=first(one)))
    one.work()
    one.send()
    one.take(asked("postmortem", incident="INC-1"))
    one.work()
    (shown,) = [each.payload for each in one.send() if each.operation == "slack.respond"]
    text = str(shown["text"])
    assert "INC-1: checkout" in text
    assert "<@U1>" in text
    assert "confirm" in text
    assert "firstcause audit export --incident INC-1" in text
    assert shown["mentions"] == ["U1"]


def test_an_investigation_that_takes_every_process_with_it_is_given_up_and_says_so(one: Post) -> None:
    one.take(page())
    one.work(JobKind.HANDLE)
    one.put(state=IncidentState.INVESTIGATING, rounds=1, begun=MOST_ATTEMPTS, thread="INC-1.1")
    assert one.work(LONG) == 1
    assert "never came to its end; `/diagnose checkout` begins again" in one.incident().failed
    assert one.sources.asked == []


def test_waiting_for_another_process_is_no_attempt_and_giving_back_is_none(one: Post) -> None:
    one.take(page())
    one.work(JobKind.HANDLE)
    one.station.ended.set()
    for _ in range(MOST_ATTEMPTS + 2):
        assert one.claim_and_do(LONG)
    assert (one.incident().state, one.incident().begun) == (IncidentState.INVESTIGATING, 0)
    one.station.ended.clear()
    thread = one.incident().thread
    with one.record().alone(thread):
        for _ in range(MOST_ATTEMPTS + 2):
            assert one.claim_and_do(LONG)
            one.clock.move(seconds=5)
    assert one.incident().failed == ""
    one.work(LONG)
    assert one.incident().state is IncidentState.AWAITING_CONFIRMATION


def test_a_callee_that_alerts_while_its_caller_is_looked_into_has_it_done_once_more_and_only_once(
    one: Post,
) -> None:
    one.station.around._calls = call_graph([("checkout", "payments")])
    one.take(page())
    one.work(JobKind.HANDLE)
    gate = one.sources.before = Gate()
    lease = one.claim(LONG)
    assert lease is not None
    thread = threading.Thread(target=do, args=(one.station, lease), daemon=True)
    thread.start()
    assert gate.reached.wait(60)
    for n in range(3):
        about: JsonValue = {"id": f"Q{n + 2}", "title": "payments", "service": {"summary": "payments"}}
        body: dict[str, JsonValue] = {"event": {"event_type": "incident.triggered", "data": about}}
        one.take(page(f"Q{n + 2}").model_copy(update={"body": body}))
    one.work(JobKind.HANDLE)
    gate.opened.set()
    thread.join(60)
    one.work()
    incident = one.incident()
    assert (incident.rounds, incident.joined, incident.services) == (2, 4, ("checkout", "payments"))
    assert [each["event"] for each in one.wrote("incident")].count("proposed") == 2
    assert incident.state is IncidentState.AWAITING_CONFIRMATION


def test_who_asked_for_what_could_not_be_done_is_told_so(one: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(worker, "handle", broken)
    paged = page()
    paged = paged.model_copy(update={"body": {**paged.body, "back": {"forged": "by a stranger"}}})
    one.take(asked("show", incident="INC-1"), paged)
    for _ in range(6):
        one.work(JobKind.HANDLE)
        one.clock.move(seconds=60)
    (told,) = [each.payload for each in one.send() if each.operation == "slack.respond"]
    assert "could not be done" in str(told["text"])
    assert told["user"] == "U1"
    assert len([each for each in one.wrote("incident") if each["event"] == "given up"]) == 2


def test_a_store_that_fails_for_long_costs_no_delivery(one: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("the store cannot be used: database or disk is full")

    one.take(page())
    with monkeypatch.context() as within:
        within.setattr(worker, "handle", full)
        for _ in range(8):
            one.work(JobKind.HANDLE)
            one.clock.move(seconds=60)
    one.work(JobKind.HANDLE)
    assert one.incident().service == "checkout"


def test_a_defect_in_erasing_does_not_end_retention_for_ever(
    one: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, twice = [], threading.Event()

    def erase(*_: object) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("a row that nobody can read")
        twice.set()
        return 0

    monkeypatch.setattr(crew, "_TIDY_SECONDS", 0.01)
    monkeypatch.setattr(one.station.desk, "erase", erase)
    tidying = crew.Crew(one.station, (), FIELDS)
    tidying.start()
    try:
        assert twice.wait(30)
    finally:
        tidying.stop(5)
