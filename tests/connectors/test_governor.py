from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.governor import Governor, Limits, SourceFailedError


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Source:
    """Fails as often as it is told, then answers."""

    def __init__(self, *failures: SourceFailedError) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def guarded(clock: Clock, **limits: float) -> Governor:
    return Governor("prometheus/main", Limits(**limits), clock, clock.sleep)  # type: ignore[arg-type] # numbers all


def trouble(**more: float) -> SourceFailedError:
    return SourceFailedError("status 503", retry=True, retry_after=more.get("retry_after"))


def fail(governor: Governor, call: Callable[[], object]) -> SourceFailedError:
    with pytest.raises(SourceFailedError) as raised:
        governor.run(call)
    return raised.value


def test_a_failure_that_may_pass_is_tried_again() -> None:
    clock, source = Clock(), Source(trouble())
    assert guarded(clock, attempts=2).run(source) == "answer"
    assert source.calls == 2
    assert len(clock.slept) == 1


def test_a_failure_that_stays_is_not_tried_again() -> None:
    clock, source = Clock(), Source(SourceFailedError("not found (404)", counts=False))
    assert fail(guarded(clock, attempts=3), source).reason == "not found (404)"
    assert source.calls == 1


def test_the_pause_is_the_one_the_source_asked_for() -> None:
    clock = Clock()
    guarded(clock, attempts=2).run(Source(trouble(retry_after=3.0)))
    assert clock.slept == [3.0]


def test_a_source_that_asks_for_longer_than_a_request_may_take_is_not_waited_for() -> None:
    clock, source = Clock(), Source(trouble(retry_after=60.0))
    failure = fail(guarded(clock, attempts=2, timeout_seconds=10), source)
    assert failure.retry
    assert source.calls == 1
    assert clock.slept == []


def test_after_failures_in_a_row_a_source_is_left_alone() -> None:
    clock, source = Clock(), Source(*[trouble() for _ in range(9)])
    governor = guarded(clock, attempts=1, failures=3, rest_seconds=30)
    for _ in range(3):
        fail(governor, source)
    refusal = fail(governor, source)
    assert source.calls == 3
    assert refusal.retry
    assert not refusal.counts
    assert refusal.reason == f"left alone for 30 s more after 3 failures in a row: {trouble().reason}"


def test_after_the_rest_one_call_looks_whether_it_is_back() -> None:
    clock, source = Clock(), Source(*[trouble() for _ in range(4)])
    governor = guarded(clock, attempts=1, failures=3, rest_seconds=30)
    for _ in range(3):
        fail(governor, source)
    clock.now += 31
    fail(governor, source)  # it looks, and it is not
    fail(governor, source)  # left alone again
    assert source.calls == 4
    clock.now += 31
    assert governor.run(source) == "answer"
    assert governor.run(source) == "answer"


def test_while_one_call_looks_others_are_refused() -> None:
    clock, inside, leave = Clock(), threading.Event(), threading.Event()
    governor = guarded(clock, attempts=1, failures=1, rest_seconds=30, concurrent=4)
    fail(governor, Source(trouble()))
    clock.now += 31

    def looks() -> str:
        inside.set()
        assert leave.wait(5)
        return "back"

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(governor.run, looks)
        assert inside.wait(5)
        other = Source()
        fail(governor, other)
        leave.set()
        assert looking.result() == "back"
    assert other.calls == 0


def test_a_refusal_shows_that_the_source_is_there() -> None:
    clock = Clock()
    governor = guarded(clock, attempts=1, failures=2, rest_seconds=30)
    refused = SourceFailedError("the credentials were refused (401)", counts=False)
    source = Source(trouble(), refused, trouble(), trouble())
    for _ in range(3):
        fail(governor, source)
    assert "503" in fail(governor, source).reason


def test_a_look_that_is_refused_ends_the_rest() -> None:
    clock = Clock()
    governor = guarded(clock, attempts=1, failures=1, rest_seconds=30)
    fail(governor, Source(trouble()))
    clock.now += 31
    fail(governor, Source(SourceFailedError("not allowed (403)", counts=False)))
    assert governor.run(Source()) == "answer"


def test_an_error_of_ours_is_not_held_against_the_source() -> None:
    clock = Clock()
    governor = guarded(clock, attempts=1, failures=1, rest_seconds=30)
    fail(governor, Source(trouble()))
    clock.now += 31

    def wrong() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        governor.run(wrong)
    assert governor.run(Source()) == "answer"


def test_no_more_requests_run_at_once_than_allowed() -> None:
    governor = Governor("x", Limits(concurrent=2, timeout_seconds=5))
    lock, running, most = threading.Lock(), [0], [0]
    go = threading.Event()

    def call() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 2:
                go.set()
        assert go.wait(5)
        with lock:
            running[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: governor.run(call), range(8)))
    assert most == [2]


def test_who_waits_too_long_for_a_turn_gets_a_value_and_the_source_no_blame() -> None:
    governor = Governor("x", Limits(concurrent=1, timeout_seconds=0.05, attempts=1, failures=1))
    inside, leave = threading.Event(), threading.Event()

    def holds() -> str:
        inside.set()
        assert leave.wait(5)
        return "done"

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(governor.run, holds)
        assert inside.wait(5)
        assert fail(governor, Source()).reason == "too many requests at once"
        leave.set()
        assert holding.result() == "done"
    assert governor.run(Source()) == "answer"


def test_what_was_asked_is_counted() -> None:
    clock = Clock()
    governor = guarded(clock, attempts=2)
    governor.run(Source(trouble()))
    governor.received(100)
    governor.received(23)
    assert (governor.traffic.requests, governor.traffic.failures, governor.traffic.bytes) == (2, 1, 123)
