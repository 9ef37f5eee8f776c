"""Questions that need the same lists share them, for moments only, and never a failure that is over."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from connectors.contract import Reading, Unavailable, Window
from connectors.governor import SourceFailedError
from connectors.kubernetes_api.recent import Recent
from connectors.questions import ChangeTimeline, ClusterSnapshot
from tests.connectors.kubernetes_api.conftest import Connect
from tests.doubles.kube.server import Fault, KubeServer
from tests.doubles.kube.shop import NOW

HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)


def test_a_snapshot_and_a_timeline_list_the_pods_once(connect: Connect, server: KubeServer) -> None:
    connector = connect()
    questions = (ClusterSnapshot(window=HOUR), ChangeTimeline(window=HOUR), ChangeTimeline(window=HOUR))
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda each: connector.ask(each, now=NOW), questions))
    assert all(isinstance(each, Reading) for each in replies)
    assert sum(each.path.endswith("/shop/pods") for each in server.requests) == 1


def test_a_failure_is_not_remembered(connect: Connect, server: KubeServer) -> None:
    connector = connect()
    server.faults = [Fault("malformed", r"/pods\?", times=1)]
    assert isinstance(connector.ask(ClusterSnapshot(window=HOUR), now=NOW), Unavailable)
    assert isinstance(connector.ask(ClusterSnapshot(window=HOUR), now=NOW), Reading)


def test_what_is_older_than_moments_is_read_again() -> None:
    clock = [0.0]
    recent: Recent[int] = Recent(10.0, lambda: clock[0])
    values = iter(range(9))
    assert [recent.get("a", lambda: next(values)) for clock[0] in (0.0, 9.0, 11.0, 20.0, 40.0)] == [
        0,
        0,
        1,
        1,
        2,
    ]


def test_who_waits_for_a_list_that_fails_is_told_so() -> None:
    recent: Recent[int] = Recent(10.0)
    reading, waiting = threading.Event(), threading.Event()

    def failing() -> int:
        reading.set()
        waiting.wait(5)
        raise SourceFailedError("gone")

    def never() -> int:
        raise AssertionError("the list was read twice")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(recent.get, "a", failing)
        assert reading.wait(5)
        two = pool.submit(recent.get, "a", never)
        threading.Timer(0.1, waiting.set).start()
        for each in (one, two):
            with pytest.raises(SourceFailedError, match="gone"):
                each.result(5)


def test_a_reading_that_breaks_leaves_nobody_waiting() -> None:
    recent: Recent[int] = Recent(10.0)
    reading, waiting = threading.Event(), threading.Event()

    def broken() -> int:
        reading.set()
        waiting.wait(5)
        raise ZeroDivisionError

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(recent.get, "a", broken)
        assert reading.wait(5)
        two = pool.submit(recent.get, "a", lambda: 7)
        threading.Timer(0.1, waiting.set).start()
        with pytest.raises(ZeroDivisionError):
            one.result(5)
        assert two.result(5) == 7
