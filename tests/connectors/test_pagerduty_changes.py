"""PagerDuty's change events, over a real socket; the double is driven by the official client too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pagerduty
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.answers import Timeline
from connectors.contract import Reading, Unavailable, Window
from connectors.governor import Limits
from connectors.http import Endpoint, HttpClient
from connectors.pagerduty_changes import PER_PAGE, PagerDutyChanges
from connectors.questions import ChangeTimeline, CommitLog
from tests.doubles.serving import serving

KEY = "a-read-only-key"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(hours=3), end=NOW + timedelta(hours=1))


def _event(n: int, minutes: float, service: str = "PSVC1", **details: str) -> dict[str, Any]:
    return {
        "id": f"01CHANGE{n:04}",
        "type": "change_event",
        "summary": f"Deployed build {n}, approved by jane@example.com",
        "timestamp": (NOW - timedelta(minutes=minutes)).isoformat(),
        "source": "ci",
        "services": [{"id": service, "type": "service_reference", "summary": "Checkout (prod)"}],
        "links": [{"href": "https://ci.example/1", "text": "build"}],
        "custom_details": details,
    }


class _PagerDuty:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.trouble: Callable[[Request], Response | None] = lambda _: None

    def list_events(self, request: Request) -> Response:
        if (instead := self.trouble(request)) is not None:
            return instead
        if request.headers.get("authorization") != f"Token token={KEY}":
            return JSONResponse({"error": {"message": "Unauthorized", "code": 2006}}, 401)
        since, until = (request.query_params.get(name) for name in ("since", "until"))
        rows = [
            each
            for each in self.events
            if (since is None or datetime.fromisoformat(each["timestamp"]) >= datetime.fromisoformat(since))
            and (until is None or datetime.fromisoformat(each["timestamp"]) <= datetime.fromisoformat(until))
        ]
        limit = min(int(request.query_params.get("limit", "25")), 100)
        offset = int(request.query_params.get("offset", "0"))
        more = offset + limit < len(rows)
        page = rows[offset : offset + limit]
        return JSONResponse(
            {"change_events": page, "limit": limit, "offset": offset, "more": more, "total": None}
        )


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[_PagerDuty, str]]:
    double = _PagerDuty()
    with serving(Starlette(routes=[Route("/change_events", double.list_events)])) as url:
        yield double, url


@pytest.fixture
def double(served: tuple[_PagerDuty, str]) -> Iterator[_PagerDuty]:
    served[0].events = [_event(1, 30, commit="1a2b3c4d5e6f"), _event(2, 60), _event(3, 600)]
    yield served[0]
    served[0].trouble = lambda _: None


@pytest.fixture
def connector(served: tuple[_PagerDuty, str]) -> Iterator[PagerDutyChanges]:
    headers = {"Authorization": f"Token token={KEY}"}
    client = HttpClient(Endpoint("pagerduty", served[1], headers=headers, limits=Limits(timeout_seconds=2)))
    made = PagerDutyChanges("pagerduty", client, {"PSVC1": "checkout"})
    yield made
    made.close()


def _changes(connector: PagerDutyChanges, now: datetime = NOW) -> Timeline:
    reading = connector.ask(ChangeTimeline(window=WINDOW), now=now)
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, Timeline)
    return reading.answer


@pytest.mark.usefixtures("double")
def test_change_events_of_the_window_are_changes_of_the_mapped_service(connector: PagerDutyChanges) -> None:
    older, newer = _changes(connector).changes
    assert (newer.service, newer.kind, newer.commit) == ("checkout", "deploy", "1a2b3c4d5e6f")
    assert newer.link == "https://ci.example/1"
    assert older.at == NOW - timedelta(minutes=60)


@pytest.mark.usefixtures("double")
def test_a_persons_address_in_a_summary_is_not_kept(connector: PagerDutyChanges) -> None:
    assert all("jane@" not in each.summary for each in _changes(connector).changes)


@pytest.mark.usefixtures("double")
def test_nothing_later_than_now_is_told(connector: PagerDutyChanges) -> None:
    assert len(_changes(connector, NOW - timedelta(minutes=45)).changes) == 1


def test_every_page_is_read(connector: PagerDutyChanges, double: _PagerDuty) -> None:
    double.events = [_event(n, n / 10) for n in range(PER_PAGE + 7)]
    assert len(_changes(connector).changes) == PER_PAGE + 7


@pytest.mark.parametrize(
    ("trouble", "said", "retry"),
    [
        (lambda _: PlainTextResponse("", 500), "500", False),
        (lambda _: PlainTextResponse("", 503), "503", True),
        (lambda _: PlainTextResponse("", 429, headers={"Retry-After": "60"}), "429", True),
        (lambda _: PlainTextResponse("{", 200), "not JSON", False),
        (lambda _: JSONResponse({}, 401), "401", False),
    ],
)
def test_pagerduty_in_trouble_is_a_reason(
    connector: PagerDutyChanges,
    double: _PagerDuty,
    trouble: Callable[[Request], Response],
    said: str,
    retry: bool,
) -> None:
    double.trouble = trouble
    reply = connector.ask(ChangeTimeline(window=WINDOW), now=NOW)
    assert isinstance(reply, Unavailable)
    assert said in reply.reason
    assert reply.retry is retry


@pytest.mark.usefixtures("double")
def test_the_check_says_whether_the_key_may_read(
    connector: PagerDutyChanges, served: tuple[_PagerDuty, str]
) -> None:
    assert connector.check(now=NOW)[0].state == "ok"
    stranger = PagerDutyChanges("pagerduty", HttpClient(Endpoint("pagerduty", served[1])))
    [check] = stranger.check(now=NOW)
    assert check.state == "failed"
    assert "read-only REST API key" in check.fix
    stranger.close()


def test_only_the_timeline_is_answered(connector: PagerDutyChanges) -> None:
    assert connector.ask(CommitLog(window=WINDOW), now=NOW) is None


@pytest.mark.usefixtures("double")
def test_the_double_is_understood_by_pagerdutys_own_client(served: tuple[_PagerDuty, str]) -> None:
    client = pagerduty.RestApiV2Client(KEY)
    client._url = served[
        1
    ]  # its setter insists on https, which a test on the loopback interface has no need of
    found = list(client.iter_all("change_events", params={"since": WINDOW.start.isoformat()}, page_size=1))
    assert [each["id"] for each in found] == ["01CHANGE0001", "01CHANGE0002"]
    client.close()
