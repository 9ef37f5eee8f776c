"""Jobs and outbox: what each call does, and that in any order they behave like a small model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.desk import Body, JobKind, Later, Lease, LostLeaseError, Message, Never, Outgoing, Sent
from bot.store import Where
from bot.store.desk import StoredDesk
from bot.store.outbox import GIVE_UP_SECONDS, delay
from bot.store.trail import entries, verify

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CARD = Message(key="card", incident="INC-1", operation="slack.post", payload={})
STATE = Message(
    key="state", incident="INC-1", operation="slack.update", payload={"n": 1}, after="card", latest=True
)
OPERATIONS = ("slack.post", "slack.update")


@pytest.fixture
def desk(where: Where) -> Iterator[StoredDesk]:
    opened = StoredDesk(where)
    yield opened
    opened.close()


def put(desk: StoredDesk, message: Message, now: datetime = NOW) -> bool:
    with desk.begin() as within:
        return within.outbox.put(message, now)


def put_job(desk: StoredDesk, subject: str, group: str = "", now: datetime = NOW) -> bool:
    with desk.begin() as within:
        return within.jobs.put(JobKind.INVESTIGATE, subject, now, group)


def claimed(desk: StoredDesk, now: datetime = NOW, seconds: float = 30, per_group: int = 1) -> Lease:
    lease = desk.claim("worker", now, seconds, per_group)
    assert lease is not None
    return lease


def due(desk: StoredDesk, now: datetime = NOW, seconds: float = 30) -> Outgoing:
    outgoing = desk.outgoing(OPERATIONS, now, seconds)
    assert outgoing is not None
    return outgoing


# --- jobs ---------------------------------------------------------------------------------------------------
def test_a_job_that_is_wanted_again_while_it_runs_is_done_again_afterwards(desk: StoredDesk) -> None:
    assert put_job(desk, "INC-1")
    assert not put_job(desk, "INC-1")
    first = claimed(desk)
    assert put_job(desk, "INC-1")
    assert not put_job(desk, "INC-1")
    assert desk.claim("other", NOW, 30) is None
    with desk.begin() as within:
        within.jobs.done(first)
    second = claimed(desk)
    assert (second.job.id, second.job.attempts) == (first.job.id, 1)
    with desk.begin() as within:
        within.jobs.done(second)
    assert desk.claim("other", NOW, 30) is None


def test_a_group_that_is_busy_waits_and_the_others_do_not(desk: StoredDesk) -> None:
    for subject, group in (("INC-1", "cart"), ("INC-2", "cart"), ("INC-3", "orders"), ("INC-4", "")):
        put_job(desk, subject, group)
    assert [claimed(desk).job.subject for _ in range(3)] == ["INC-1", "INC-3", "INC-4"]
    assert desk.claim("other", NOW, 30) is None
    assert claimed(desk, per_group=2).job.subject == "INC-2"


def test_what_is_quick_comes_before_what_takes_minutes_and_kinds_can_be_chosen(desk: StoredDesk) -> None:
    put_job(desk, "INC-1")
    with desk.begin() as within:
        within.jobs.put(JobKind.DECIDE, "slack:1", NOW)
    assert desk.claim("other", NOW, 30, 1, [JobKind.HANDLE]) is None
    assert claimed(desk).job.kind is JobKind.DECIDE


def test_a_job_that_failed_waits_for_its_time(desk: StoredDesk) -> None:
    put_job(desk, "INC-1")
    lease = claimed(desk)
    later = NOW + timedelta(seconds=60)
    with desk.begin() as within:
        within.jobs.again(lease, later, "a source is away")
    assert desk.claim("other", later - timedelta(seconds=1), 30) is None
    assert claimed(desk, later).job.attempts == 2


def test_a_lost_lease_can_do_nothing_and_a_renewed_one_goes_on(desk: StoredDesk) -> None:
    put_job(desk, "INC-1")
    old = claimed(desk, seconds=0)
    new = desk.renew(claimed(desk), NOW, 600)
    with pytest.raises(LostLeaseError):
        desk.renew(old, NOW, 30)
    with desk.begin() as within:
        for write in (within.jobs.done, within.jobs.held):
            with pytest.raises(LostLeaseError):
                write(old)
        with pytest.raises(LostLeaseError):
            within.jobs.again(old, NOW, "")
        within.jobs.held(new)
        within.jobs.done(new)


def test_a_lease_of_a_job_that_is_over_does_not_fit_the_next_job(desk: StoredDesk) -> None:
    put_job(desk, "INC-1")
    old = claimed(desk)
    with desk.begin() as within:
        within.jobs.done(old)
    put_job(desk, "INC-2")
    assert claimed(desk).job.id != old.job.id
    with pytest.raises(LostLeaseError), desk.begin() as within:
        within.jobs.held(old)


def test_a_clock_that_goes_back_an_hour_neither_keeps_a_dead_workers_job_nor_a_waiting_one(
    tmp_path: Path,
) -> None:
    desk = StoredDesk(tmp_path / "store.db")
    earlier = NOW - timedelta(hours=1)
    put_job(desk, "INC-1")
    put_job(desk, "INC-2")
    dead = claimed(desk)
    assert {claimed(desk, earlier).job.subject, claimed(desk, earlier).job.subject} == {"INC-1", "INC-2"}
    with pytest.raises(LostLeaseError):
        desk.renew(dead, NOW, 30)
    desk.close()


def test_a_clock_that_leaps_an_hour_ahead_costs_a_take_over_and_no_write_twice(tmp_path: Path) -> None:
    desk = StoredDesk(tmp_path / "store.db")
    put_job(desk, "INC-1")
    slow = claimed(desk)
    quick = claimed(desk, NOW + timedelta(hours=1))
    with pytest.raises(LostLeaseError), desk.begin() as within:
        within.jobs.done(slow)
    with desk.begin() as within:
        within.jobs.done(quick)
    desk.close()


# --- outbox -------------------------------------------------------------------------------------------------
def test_a_message_waits_for_the_result_it_needs_and_is_given_it(desk: StoredDesk) -> None:
    put(desk, STATE)
    assert desk.outgoing(OPERATIONS, NOW, 30) is None
    put(desk, CARD)
    card = due(desk)
    assert card.message == CARD
    assert desk.outgoing(OPERATIONS, NOW, 30) is None
    desk.settle(card, Sent({"ts": "7"}), NOW)
    assert due(desk).known == {"ts": "7"}
    with desk.begin() as within:
        assert within.outbox.result("card") == {"ts": "7"}
        assert within.outbox.result("state") is None


def test_a_key_is_sent_once(desk: StoredDesk) -> None:
    assert put(desk, CARD)
    assert not put(desk, CARD.model_copy(update={"payload": {"other": 1}}))
    desk.settle(due(desk), Sent(), NOW)
    assert not put(desk, CARD)
    assert desk.outgoing(OPERATIONS, NOW, 30) is None


def test_only_the_newest_state_is_sent_and_what_changed_meanwhile_is_sent_again(desk: StoredDesk) -> None:
    put(desk, CARD)
    desk.settle(due(desk), Sent({"ts": "7"}), NOW)
    for n in (1, 2):
        assert put(desk, STATE.model_copy(update={"payload": {"n": n}}))
    sending = due(desk)
    assert sending.message.payload == {"n": 2}
    assert put(desk, STATE.model_copy(update={"payload": {"n": 3}}))
    desk.settle(sending, Sent(), NOW)
    again = due(desk)
    assert again.message.payload == {"n": 3}
    desk.settle(again, Sent(), NOW)
    assert not put(desk, STATE.model_copy(update={"payload": {"n": 3}})), "it says nothing new"
    assert desk.outgoing(OPERATIONS, NOW, 30) is None


def test_it_is_tried_for_a_day_and_then_is_dead_on_record(tmp_path: Path) -> None:
    desk = StoredDesk(tmp_path / "store.db")
    put(desk, CARD)
    now, tried = NOW, 0
    while (outgoing := desk.outgoing(OPERATIONS, now, 30)) is not None:
        tried += 1
        assert outgoing.attempts == tried
        assert desk.outgoing(OPERATIONS, now, 30) is None, "nobody else sends it meanwhile"
        desk.settle(outgoing, Later("not there"), now)
        now += timedelta(seconds=delay(tried))
    assert now - NOW >= timedelta(hours=24)
    assert now - NOW <= timedelta(seconds=GIVE_UP_SECONDS + 1800)
    assert desk.counts(now)["messages_dead"] == 1
    *_, last = entries(desk.database)
    assert isinstance(last["body"], dict)
    assert (last["body"]["outcome"], last["body"]["why"]) == ("dead", "given up: not there")
    desk.close()


def test_what_waits_for_something_refused_is_refused_too_until_it_is_put_anew(desk: StoredDesk) -> None:
    put(desk, CARD)
    put(desk, STATE)
    desk.settle(due(desk), Never("channel_not_found"), NOW)
    assert desk.counts(NOW)["messages_dead"] == 2
    assert not put(desk, CARD)
    assert put(desk, STATE.model_copy(update={"key": "another"}))
    assert desk.counts(NOW)["messages_dead"] == 3


def test_a_sender_that_comes_too_late_changes_nothing_and_is_told_of(desk: StoredDesk) -> None:
    put(desk, CARD)
    late = due(desk, seconds=0)
    quick = due(desk)
    assert quick.token > late.token
    desk.settle(quick, Later("busy", 60), NOW)
    desk.settle(late, Sent({"ts": "1"}), NOW)
    with desk.begin() as within:
        assert within.outbox.result("card") is None
    assert [str(each["body"]).count("lost") for each in entries(desk.database)] == [0, 1]
    assert desk.outgoing(OPERATIONS, NOW + timedelta(seconds=59), 30) is None
    assert due(desk, NOW + timedelta(seconds=60)).first_tried_at == NOW


# --- in any order -------------------------------------------------------------------------------------------
@dataclass
class Kept:
    """What the model knows of one message."""

    payload: Body
    state: str = "waiting"
    version: int = 1
    attempts: int = 0
    due: datetime = NOW
    sent: list[Body] = field(default_factory=list)


class Desks(RuleBasedStateMachine):
    """A desk on SQLite beside dictionaries that should agree with it; the clock only goes forward."""

    subjects = st.sampled_from(["INC-1", "INC-2", "INC-3"])
    keys = st.sampled_from(["a", "b", "c"])

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.desk = StoredDesk(Path(self._directory.name) / "store.db")
        self.now = NOW
        self.waiting: dict[str, datetime] = {}
        self.running: dict[str, Lease] = {}
        self.lost: list[Lease] = []
        self.wanted_again: set[str] = set()
        self.messages: dict[str, Kept] = {}
        self.sending: Outgoing | None = None
        self.told = 0

    def teardown(self) -> None:
        self.desk.close()
        self._directory.cleanup()

    @rule(seconds=st.integers(1, 400))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(subject=subjects)
    def want(self, subject: str) -> None:
        new = put_job(self.desk, subject, now=self.now)
        assert new is (subject not in self.waiting and subject not in self.wanted_again)
        if subject in self.running:
            self.wanted_again.add(subject)
        else:
            self.waiting.setdefault(subject, self.now)

    @rule(seconds=st.sampled_from([0, 60, 600]))
    def take(self, seconds: int) -> None:
        ready = {subject for subject, at in self.waiting.items() if at <= self.now}
        ready |= {subject for subject, lease in self.running.items() if lease.until <= self.now}
        lease = self.desk.claim("worker", self.now, seconds)
        assert (lease is not None) == bool(ready)
        if lease is not None:
            assert lease.job.subject in ready
            self.waiting.pop(lease.job.subject, None)
            if (old := self.running.get(lease.job.subject)) is not None:
                assert lease.token > old.token
                self.lost.append(old)
            self.running[lease.job.subject] = lease

    @precondition(lambda self: self.running)
    @rule(data=st.data(), again=st.integers(-1, 300))
    def finish(self, data: st.DataObject, again: int) -> None:
        subject = data.draw(st.sampled_from(sorted(self.running)))
        lease = self.running.pop(subject)
        at = self.now + timedelta(seconds=again)
        with self.desk.begin() as within:
            if again < 0:
                within.jobs.done(lease)
            else:
                within.jobs.again(lease, at, "why")
        self.lost.append(lease)
        if again >= 0:
            self.waiting[subject] = at
        elif subject in self.wanted_again:
            self.waiting[subject] = self.now
        self.wanted_again.discard(subject)

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def write_under_a_lost_lease(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.lost))
        with pytest.raises(LostLeaseError), self.desk.begin() as within:
            within.jobs.done(lease)

    @rule(key=keys, n=st.integers(1, 3))
    def say(self, key: str, n: int) -> None:
        payload: Body = {"n": n}
        message = Message(key=key, incident="INC-1", operation="slack.update", payload=payload, latest=True)
        known = self.messages.get(key)
        news = known is None or known.state == "dead" or known.payload != payload
        assert put(self.desk, message, self.now) is news
        if known is None:
            self.messages[key] = Kept(payload, due=self.now)
        elif news:
            if known.state != "waiting":
                known.due, known.attempts = self.now, 0
            known.payload, known.state, known.version = payload, "waiting", known.version + 1

    @precondition(lambda self: self.sending is None)
    @rule()
    def begin_to_send(self) -> None:
        ready = {
            key for key, each in self.messages.items() if each.state == "waiting" and each.due <= self.now
        }
        self.sending = self.desk.outgoing(OPERATIONS, self.now, 3600 * 24)
        assert (self.sending is not None) == bool(ready)
        if self.sending is not None:
            key = self.sending.message.key
            assert key in ready
            assert self.sending.message.payload == self.messages[key].payload
            self.messages[key].attempts += 1
            assert self.sending.attempts == self.messages[key].attempts

    @precondition(lambda self: self.sending is not None)
    @rule(outcome=st.sampled_from([Sent({"ok": 1}), Later("busy"), Later("limit", 90), Never("no")]))
    def end_to_send(self, outcome: Sent | Later | Never) -> None:
        assert self.sending is not None
        sent, self.sending = self.sending, None
        self.desk.settle(sent, outcome, self.now)
        self.told += 1
        known = self.messages[sent.message.key]
        if isinstance(outcome, Later):
            seconds = delay(sent.attempts) if outcome.seconds is None else outcome.seconds
            known.due = self.now + timedelta(seconds=seconds)
        elif known.version != sent.version:
            known.due, known.attempts = self.now, 0
        else:
            known.state = "sent" if isinstance(outcome, Sent) else "dead"

    @invariant()
    def counts_agree(self) -> None:
        counts = self.desk.counts(self.now)
        assert counts["jobs_waiting"] == len(self.waiting)
        assert counts["jobs_running"] == len(self.running)
        for state in ("waiting", "sent", "dead"):
            assert counts[f"messages_{state}"] == sum(each.state == state for each in self.messages.values())
        assert counts["audit_entries"] == self.told
        assert verify(self.desk.database).broken is None


Desks.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_desks_in_any_order = Desks.TestCase
