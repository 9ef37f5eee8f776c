"""`POST /changes`: pipelines, flag services and people tell what they changed.

Kept before it is answered. Only who holds the token is heard; a body is bounded in size, and what it says
is redacted before it is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.web.bodies import RefusedError, body_of, parsed, refusal, unavailable, understood
from bot.web.credentials import LEAST_SECRET, bears
from bot.web.parts import utc_now
from connectors.answers import Change
from connectors.change_forms import BadChangeError, read_change

log = logging.getLogger(__name__)

PATH = "/changes"
MOST_BYTES = 256 * 1024


class Keeper(Protocol):
    """Where changes are kept."""

    def keep(self, change: Change, told_at: datetime) -> bool:
        """Keep a change; False where it is known already."""
        ...


class ChangesEndpoint:
    """Hears one change a request.

    `token` is compared in constant time; there is no way to run the endpoint without one.
    """

    def __init__(self, keeper: Keeper, token: str, now: Callable[[], datetime] = utc_now) -> None:
        if len(token) < LEAST_SECRET:
            raise ValueError(f"the token for POST /changes needs at least {LEAST_SECRET} characters")
        self._keeper = keeper
        self._token = token
        self._now = now

    def routes(self) -> list[Route]:
        """What to mount."""
        return [Route(PATH, self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """202 with the change's id and whether it is new; 4xx with one line that says what to send."""
        try:
            return await self._answer(request)
        except RefusedError as error:
            return refusal(error)

    async def _answer(self, request: Request) -> Response:
        if not bears(request.headers.get("authorization", ""), self._token):
            raise RefusedError(
                401, "a bearer token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )
        body = await body_of(request, MOST_BYTES)
        change = await understood(self._read, body, dict(request.headers))
        if change is None:
            return JSONResponse({"kept": False, "reason": "an event that changes nothing that runs"}, 202)
        try:
            new = await run_in_threadpool(self._keeper.keep, change, self._now())
        except OSError as error:
            log.error("%s", error)
            raise unavailable("the change could not be kept; send it again later") from error
        return JSONResponse({"kept": True, "id": change.id, "new": new}, 202)

    def _read(self, body: bytes, headers: dict[str, str]) -> Change | None:
        said = parsed(body, 'send {"kind": …, "service": …, "summary": …}')
        try:
            return read_change(said, headers, self._now())
        except BadChangeError as error:
            raise RefusedError(400, str(error)) from error
