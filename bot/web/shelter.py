"""Stands before every endpoint: security headers, a limit of what is under way, and how long answers take."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.bodies import RETRY_SECONDS
from bot.web.measures import Measures

MOST_UNDER_WAY = 256
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})


class Shelter:
    """Turns away what would be too much, and says when to come again, rather than slow everything down."""

    def __init__(self, app: ASGIApp, measures: Measures, most: int = MOST_UNDER_WAY) -> None:
        self._app = app
        self._measures = measures
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def sheltered(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(scope, message, time.perf_counter() - began)
            await send(message)

        if self._under_way >= self._most and scope["path"] not in _ALWAYS_ANSWERED:
            self._measures.turned_away.inc()
            await _too_many(scope, receive, sheltered)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, sheltered)
        finally:
            self._under_way -= 1

    def _dress(self, scope: Scope, message: MutableMapping[str, Any], seconds: float) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        route = scope.get("route")
        # The pattern, not what was asked for: strangers must not make up labels.
        path = getattr(route, "path", "unknown")
        self._measures.ack.labels(path).observe(seconds)


_too_many = JSONResponse(
    {"error": "too many requests are under way; send it again"}, 503, {"Retry-After": str(RETRY_SECONDS)}
)
