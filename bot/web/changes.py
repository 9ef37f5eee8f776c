"""`POST /changes`: pipelines, flag services and people tell what they changed.

Kept before it is answered. Only who holds the token is heard; a body is bounded in size, and what it says
is redacted before it is kept.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.answers import Change
from connectors.change_forms import BadChangeError, read_change

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024


class Keeper(Protocol):
    """Where changes are kept."""

    def keep(self, change: Change, told_at: datetime) -> bool:
        """Keep a change; False where it is known already."""
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ChangesEndpoint:
    """Hears one change a request.

    `token` is compared in constant time; there is no way to run the endpoint without one.
    """

    def __init__(self, keeper: Keeper, token: str, now: Callable[[], datetime] = _utc_now) -> None:
        if len(token) < 16:
            raise ValueError("the token for POST /changes needs at least 16 characters")
        self._keeper = keeper
        self._token = token.encode()
        self._now = now

    def routes(self) -> list[Route]:
        """What to mount."""
        return [Route("/changes", self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """202 with the change's id and whether it is new; 4xx with one line that says what to send."""
        if not self._allowed(request):
            return _said(401, "a bearer token is needed: Authorization: Bearer …")
        try:
            body = await _body(request)
            change = read_change(_parsed(body), dict(request.headers), self._now())
        except _TooLargeError:
            return _said(413, f"a change may be {MOST_BYTES // 1024} KiB at most")
        except BadChangeError as error:
            return _said(400, str(error))
        except ClientDisconnect:
            return _said(400, "the body ended early")
        if change is None:
            return JSONResponse({"kept": False, "reason": "an event that changes nothing that runs"}, 202)
        try:
            new = await run_in_threadpool(self._keeper.keep, change, self._now())
        except OSError as error:
            log.error("%s", error)
            return _said(503, "the change could not be kept; send it again later")
        return JSONResponse({"kept": True, "id": change.id, "new": new}, 202)

    def _allowed(self, request: Request) -> bool:
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(said.strip().encode(), self._token)


class _TooLargeError(Exception):
    """The body is larger than a change may be."""


async def _body(request: Request) -> bytes:
    """The body, refused as soon as it is too large, whatever its header says."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise _TooLargeError
        parts.append(part)
    return b"".join(parts)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadChangeError('the body is not JSON: send {"kind": …, "service": …, "summary": …}') from error


def _said(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
