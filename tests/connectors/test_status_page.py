"""A status page as a source: what the provider said in the window, and no more than that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.answers import StatusFeeds
from connectors.contract import Reading, Unavailable, Window
from connectors.governor import Limits
from connectors.http import Endpoint
from connectors.questions import CallEdges, ProviderStatus
from connectors.status_page import StatusPageConnector
from tests.doubles.serving import serving
from tests.doubles.status_page import StatusPageDouble

NOW = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
HOUR = ProviderStatus(window=Window(start=NOW - timedelta(hours=1), end=NOW + timedelta(hours=1)))


@pytest.fixture
def double() -> StatusPageDouble:
    made = StatusPageDouble()
    made.add("Old trouble", [("2026-06-17T10:00:00.000Z", "investigating", "looking"),
                             ("2026-06-17T11:00:00.000Z", "resolved", "done")])  # fmt: skip
    made.add("Elevated errors", [("2026-06-18T07:50:00.000-07:00", "investigating", "mail ops@example.com"),
                                 ("2026-06-18T15:00:00.000Z", "identified", "a bad deploy"),
                                 ("2026-06-18T15:30:00.000Z", "resolved", "rolled back")])  # fmt: skip
    return made


@pytest.fixture
def page(double: StatusPageDouble) -> Iterator[StatusPageConnector]:
    with serving(double.app) as url:
        made = StatusPageConnector(
            Endpoint("status/payments", url, limits=Limits(timeout_seconds=5, attempts=1))
        )
        yield made
        made.close()


def events(page: StatusPageConnector) -> list[tuple[str, str, str, str]]:
    reply = page.ask(HOUR, now=NOW)
    assert isinstance(reply, Reading)
    assert isinstance(reply.answer, StatusFeeds)
    return [(f"{each.at:%H:%M}", each.component, each.status, each.detail) for each in reply.answer.events]


def test_updates_of_the_window_come_by_time_and_without_secrets(page: StatusPageConnector) -> None:
    assert events(page) == [
        ("14:50", "API", "partial_outage", "Elevated errors: mail [e-mail]"),
        ("15:00", "API", "partial_outage", "Elevated errors: a bad deploy"),
    ]


def test_an_update_that_names_no_component_tells_its_own_status(
    page: StatusPageConnector, double: StatusPageDouble
) -> None:
    double.incidents.clear()
    double.add(
        "Odd",
        [("2026-06-18T15:01:00Z", "investigating", "hm"), ("yesterday", "monitoring", "?")],
        component="",
    )
    assert events(page) == [("15:01", "", "investigating", "Odd: hm")]


def test_what_began_before_and_is_open_is_noted_once(
    page: StatusPageConnector, double: StatusPageDouble
) -> None:
    double.add("Slow webhooks", [("2026-06-18T09:00:00Z", "monitoring", "watching")])
    reply = page.ask(HOUR, now=NOW)
    assert isinstance(reply, Reading)
    assert reply.notes == ("open since 2026-06-18T09:00:00Z: Slow webhooks (monitoring)",)


def test_a_quiet_page_is_an_empty_answer(page: StatusPageConnector, double: StatusPageDouble) -> None:
    double.incidents.clear()
    assert events(page) == []


def test_the_provider_is_called_as_configured_else_as_the_page_says(double: StatusPageDouble) -> None:
    with serving(double.app) as url:
        for provider, called in ((None, "Payments Inc."), ("psp", "psp")):
            made = StatusPageConnector(Endpoint("x", url), provider=provider)
            reply = made.ask(HOUR, now=NOW)
            made.close()
            assert isinstance(reply, Reading)
            assert isinstance(reply.answer, StatusFeeds)
            assert {each.provider for each in reply.answer.events} == {called}


def test_a_page_of_another_format_is_unavailable_and_doctor_says_so(
    page: StatusPageConnector, double: StatusPageDouble
) -> None:
    double.plain = True
    reply = page.ask(HOUR, now=NOW)
    assert isinstance(reply, Unavailable)
    (check,) = page.check(now=NOW)
    assert check.state == "failed"
    assert "path prefix" in check.fix


def test_doctor_reads_the_page_and_another_question_is_not_answered(page: StatusPageConnector) -> None:
    checks = {check.about: check for check in page.check(now=NOW)}
    assert {about: check.state for about, check in checks.items()} == {"reachable": "ok", "clock": "ok"}
    assert "All Systems Operational" in checks["reachable"].found
    assert page.ask(CallEdges(), now=NOW) is None
