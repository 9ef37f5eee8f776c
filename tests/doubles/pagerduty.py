"""PagerDuty over a real socket: the part of its REST API that is used here, and its V3 webhooks' sender.

Held to the official client by its own test: what that client reads and writes, this serves.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Json = dict[str, Any]
MOST_NOTE = 25_000


def error(status: int, message: str, code: int, **headers: str) -> Response:
    body = {"error": {"message": message, "code": code, "errors": [message]}}
    return JSONResponse(body, status, headers=headers)


def limited(seconds: int = 7) -> Response:
    """Too many calls: the headers say when there may be more."""
    names = {"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": str(seconds)}
    return error(429, "Rate Limit Exceeded", 2020, **names)


class Dropped(Response):
    """An answer that never arrives whole: the connection ends in its middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
        await send({"type": "http.response.body", "body": b'{"note"', "more_body": True})


class PagerDuty:
    """The account. `before` and `after` may answer instead: before anything happened, or after it did."""

    def __init__(self, key: str = "a-key-that-may-write", reader: str = "a-key-that-reads") -> None:
        self.key, self.reader = key, reader
        self.incidents: dict[str, Json] = {}
        self.alerts: dict[str, list[Json]] = {}
        self.notes: dict[str, list[Json]] = {}
        self.related: dict[str, list[Json]] | None = {}
        self.users = {"bot@shop.example": {"id": "PUSER1", "type": "user", "summary": "firstcause"}}
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[Request], Response | None] = lambda _: None
        self.after: Callable[[Request], Response | None] = lambda _: None

    def incident(self, incident: str, title: str = "p99 of checkout is high", **more: Any) -> Json:
        """Make an incident."""
        made = {
            "id": incident,
            "type": "incident",
            "incident_number": 1234 + len(self.incidents),
            "title": title,
            "status": "triggered",
            "urgency": "high",
            "priority": {"id": "PPRI1", "type": "priority", "summary": "P1"},
            "created_at": "2026-06-01T11:55:00Z",
            "service": {"id": "PSVC1", "type": "service_reference", "summary": "Checkout (production)"},
            "html_url": f"https://shop.pagerduty.com/incidents/{incident}",
            "self": f"https://api.pagerduty.com/incidents/{incident}",
            "alert_counts": {"all": 1, "triggered": 1, "resolved": 0},
            **more,
        }
        self.incidents[incident] = made
        self.alerts.setdefault(incident, [])
        self.notes.setdefault(incident, [])
        return made

    def alert(self, incident: str, n: int, details: Json, **more: Any) -> None:
        """Add an alert to an incident."""
        self.alerts[incident].append(
            {
                "id": f"PALERT{n}",
                "type": "alert",
                "summary": f"alert {n}",
                "status": "triggered",
                "severity": "critical",
                "alert_key": f"key-{n}",
                "created_at": "2026-06-01T11:54:00Z",
                "service": {"id": "PSVC1", "type": "service_reference", "summary": "Checkout (production)"},
                "body": {"type": "alert_body", "contexts": [], "details": details},
                **more,
            }
        )

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/incidents", self._handled(self._list)),
                Route("/incidents/{id}", self._handled(self._get)),
                Route("/incidents/{id}/alerts", self._handled(self._alerts)),
                Route("/incidents/{id}/notes", self._handled(self._notes)),
                Route("/incidents/{id}/notes", self._handled(self._write), methods=["POST"]),
                Route("/incidents/{id}/log_entries", self._handled(self._log)),
                Route("/incidents/{id}/related_incidents", self._handled(self._related)),
                Route("/users", self._handled(self._users)),
                Route("/users/me", self._handled(self._me)),
                Route("/abilities", self._handled(self._abilities)),
            ]
        )

    def _handled(self, handle: Callable[[Request, Json], Response]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            body = await request.body()
            self.requests.append((request.method, request.url.path))
            instead = self.before(request) or self._stranger(request)
            if instead is not None:
                return instead
            incident = request.path_params.get("id")
            if incident is not None and incident not in self.incidents:
                return error(404, "Not Found", 2100)
            done = handle(request, json.loads(body) if body else {})
            return self.after(request) or done

        return answer

    def _stranger(self, request: Request) -> Response | None:
        said = request.headers.get("authorization")
        if said not in {f"Token token={self.key}", f"Token token={self.reader}"}:
            return error(401, "Unauthorized", 2006)
        if request.method != "GET" and said != f"Token token={self.key}":
            return error(403, "Access Denied", 2010)
        return None

    def _get(self, request: Request, _: Json) -> Response:
        return JSONResponse({"incident": self.incidents[request.path_params["id"]]})

    def _list(self, request: Request, _: Json) -> Response:
        return _page(request, "incidents", list(self.incidents.values()))

    def _alerts(self, request: Request, _: Json) -> Response:
        return _page(request, "alerts", self.alerts[request.path_params["id"]])

    def _notes(self, request: Request, _: Json) -> Response:
        return JSONResponse({"notes": self.notes[request.path_params["id"]]})

    def _write(self, request: Request, body: Json) -> Response:
        sender = request.headers.get("from")
        if sender not in self.users:
            return error(400, "Requester User Not Found", 1008)
        content = body.get("note", {}).get("content")
        if not isinstance(content, str) or not content or len(content) > MOST_NOTE:
            return error(400, "Invalid Input Provided: Content is invalid", 2001)
        note = {
            "id": f"PNOTE{uuid.uuid4().hex[:8].upper()}",
            "user": self.users[sender],
            "channel": {"summary": "The PagerDuty website or APIs"},
            "content": content,
            "created_at": f"{datetime.now(UTC):%FT%TZ}",
        }
        self.notes[request.path_params["id"]].append(note)
        return JSONResponse({"note": note}, 201)

    def _log(self, request: Request, _: Json) -> Response:
        entries = [
            {"id": f"R{note['id']}", "type": "annotate_log_entry", "channel": {"summary": note["content"]}}
            for note in self.notes[request.path_params["id"]]
        ]
        return _page(request, "log_entries", [{"id": "R1", "type": "trigger_log_entry"}, *entries])

    def _related(self, request: Request, _: Json) -> Response:
        if self.related is None:
            return error(402, "Account does not have the abilities to perform the action", 2012)
        return JSONResponse({"related_incidents": self.related.get(request.path_params["id"], [])})

    def _abilities(self, _: Request, __: Json) -> Response:
        return JSONResponse({"abilities": ["advanced_permissions"]})

    def _users(self, request: Request, _: Json) -> Response:
        asked = request.query_params.get("query", "")
        return _page(request, "users", [user for address, user in self.users.items() if asked in address])

    def _me(self, _: Request, __: Json) -> Response:
        # The keys here are an account's, which is nobody in particular; this one error is a text.
        return JSONResponse({"error": "no user belongs to an account-level access token"}, 400)


def _page(request: Request, name: str, rows: Sequence[Json]) -> Response:
    limit = min(int(request.query_params.get("limit", "25")), 100)
    offset = int(request.query_params.get("offset", "0"))
    more = offset + limit < len(rows)
    page = list(rows[offset : offset + limit])
    return JSONResponse({name: page, "limit": limit, "offset": offset, "more": more, "total": None})


def event(kind: str = "incident.triggered", incident: str = "PINC1", **more: Any) -> Json:
    """The body of a V3 webhook."""
    data = {
        "id": incident,
        "type": "incident",
        "self": f"https://api.pagerduty.com/incidents/{incident}",
        "html_url": f"https://shop.pagerduty.com/incidents/{incident}",
        "number": 1234,
        "status": "triggered",
        "incident_key": "d3640fbd41094207a1c11e58e46b1662",
        "created_at": "2026-06-01T11:55:00Z",
        "title": "p99 of checkout is high",
        "service": {"id": "PSVC1", "type": "service_reference", "summary": "checkout"},
        "assignees": [{"id": "PUSER9", "type": "user_reference", "summary": "On call"}],
        "priority": {"id": "PPRI1", "type": "priority_reference", "summary": "P1"},
        "urgency": "high",
        **more,
    }
    return {
        "event": {
            "id": f"01{uuid.uuid4().hex.upper()[:24]}",
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": "2026-06-01T11:55:01Z",
            "agent": {"id": "PLAGENT", "type": "service_reference", "summary": "checkout"},
            "client": None,
            "data": data,
        }
    }


def signature(body: bytes, *secrets: str) -> str:
    """The header X-PagerDuty-Signature."""
    made = (hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join(f"v1={each}" for each in made)


@dataclass
class Subscription:
    """A V3 webhook subscription: signs, sends again what was not taken, and is disabled by refusals.

    Time-outs, 5xx and 429 are sent again, with what stands for PagerDuty's pauses in between; any other 4xx
    drops the event, and three in a row disable the subscription.
    """

    url: str
    secrets: Sequence[str]
    client: httpx.Client
    most_attempts: int = 5
    pause: Callable[[], None] = lambda: None
    disabled: bool = False
    refusals: int = 0
    statuses: list[int] = field(default_factory=list)

    def deliver(self, told: Json) -> bool:
        """Whether it was taken in the end."""
        body = json.dumps(told).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "PagerDuty-Webhook/V3.0",
            "X-PagerDuty-Signature": signature(body, *self.secrets),
            "X-Webhook-Id": str(uuid.uuid4()),
            "X-Webhook-Subscription": "PSUB1",
        }
        for _ in range(self.most_attempts):
            if self.disabled:
                return False
            status = self._once(body, headers)
            self.statuses.append(status)
            if 200 <= status < 300:
                self.refusals = 0
                return True
            if 400 <= status < 500 and status != 429:
                self.refusals += 1
                self.disabled = self.refusals >= 3
                return False
            self.pause()
        return False

    def _once(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            return self.client.post(self.url, content=body, headers=headers, timeout=5).status_code
        except httpx.TransportError:
            return 599
