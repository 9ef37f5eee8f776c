"""Words of error messages, and the verdicts recovered, no fault and external."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import answers as a
from connectors.questions import ProviderStatus
from playbooks.messages import JUDGES, Message, judge_messages
from playbooks.signals import Callee, ServiceSignals
from playbooks.verdicts import Reach, judge_provider_status, judge_recovered
from tests.playbooks.test_database_kit import ONSET, SCENE, WINDOW, by_judge, observed, reading


@pytest.mark.parametrize(
    ("text", "judge"),
    [
        ("lookup api.stripe.com on 10.96.0.10:53: no such host", "message_dns"),
        ("getaddrinfo ENOTFOUND smtp.sendgrid.net", "message_dns"),
        ("x509: certificate has expired or is not yet valid", "message_certificate"),
        ("write /data/wal: no space left on device", "message_disk"),
        ("FATAL: remaining connection slots are reserved", "message_pool"),
        ("couldn't get a connection after 5.00 sec", "message_pool"),
        ("ERROR: deadlock detected", "message_lock"),
        ("OOMKilled: container exceeded memory limit 512Mi", "message_memory"),
        ("field lat out of range: poison record", "message_bad_data"),
        ("429 Too Many Requests", "message_rate_limited"),
        ("request rejected: server overloaded, shedding load", "message_overload"),
        ("canceling statement due to statement timeout", "message_slow_query"),
        ("jwt validation failed: token is expired", "message_access"),
        ("redis: connection refused", "message_cache"),
        ("java.lang.NullPointerException at Foo.bar", "message_exception"),
    ],
)
def test_new_words_speak_of_their_mechanism_only(text: str, judge: str) -> None:
    found = by_judge(judge_messages([Message(text, 0.0, 40.0)], SCENE))
    assert [name for name, f in found.items() if f.state == "yes"] == [judge]


def test_a_host_in_the_words_is_named() -> None:
    text = "lookup api.stripe.com on 10.96.0.10:53: no such host"
    found = by_judge(judge_messages([Message(text, 0.0, 40.0)], SCENE))["message_dns"]
    assert found.entity is not None
    assert found.entity.name == "api.stripe.com"


def test_words_that_always_came_are_innocent() -> None:
    found = by_judge(judge_messages([Message("ERROR: deadlock detected", 40.0, 38.0)], SCENE))
    assert found["message_lock"].state == "no"


def test_logs_not_read_and_logs_without_errors_differ() -> None:
    assert {f.state for f in judge_messages(None, SCENE)} == {"unknown"}
    assert {f.state for f in judge_messages([], SCENE)} == {"no"}


@given(st.lists(st.text(max_size=200), max_size=5))
def test_no_words_make_the_judges_raise(texts: list[str]) -> None:
    assert len(judge_messages([Message(t, 0.0, 9.0) for t in texts], SCENE)) == len(JUDGES)


# --- verdicts --------------------------------------------------------------------------------------
def reach(*deviations: float | None, step: float = 30.0) -> Reach:
    return Reach(tuple(step * n for n in range(len(deviations))), deviations)


@pytest.mark.parametrize(
    ("deviations", "state"),
    [
        ((0.0, 8.0, 9.0, 1.0, 0.5, 1.0, 0.2), "yes"),
        ((0.0, 8.0, 9.0, 8.0, 9.0, 8.0), "no"),
        ((0.0, 8.0, 9.0, 3.0, 3.0, 3.0), "no"),
        ((0.0, 8.0, 9.0, 9.0, 1.0, 1.0), "unknown"),
        ((0.0, 9.0, 0.0, 0.0, 0.0, 9.0), "no"),
        ((0.0, 9.0, 1.0, 3.0, 1.0, 3.0, 1.0), "yes"),
        ((0.0, 1.0, 0.5, 0.0, 1.0), "unknown"),
        ((9.0, None, None, None), "unknown"),
    ],
)
def test_recovered_needs_a_plain_return_that_lasts(deviations: tuple[float | None, ...], state: str) -> None:
    assert judge_recovered(reach(*deviations), SCENE).state == state


@pytest.mark.parametrize(
    ("host", "status", "state"),
    [
        ("api.payprovider.example", "degraded_performance", "yes"),
        ("api.payprovider.example", "operational", "no"),
        ("smtp.mailer.example", "major_outage", "unknown"),
    ],
)
def test_a_provider_counts_only_where_the_service_uses_it(host: str, status: str, state: str) -> None:
    event = a.StatusEvent(at=ONSET, provider="PayProvider", component="Charges API", status=status)
    later = event.model_copy(update={"at": SCENE.now + timedelta(hours=1), "status": "operational"})
    feeds = reading(ProviderStatus(window=WINDOW), a.StatusFeeds(events=(event, later)))
    callees = (Callee(name=host, score=6.0, monitored=False),)
    found = judge_provider_status(observed(feeds), ServiceSignals(service="payments", callees=callees), SCENE)
    assert found.state == state
