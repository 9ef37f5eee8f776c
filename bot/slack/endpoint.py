"""`POST /slack/events`: what Slack sends over HTTP, believed only with its signature over the raw bytes."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.web.bodies import RefusedError, body_of, refusal

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp

log = logging.getLogger(__name__)

PATH: Final = "/slack/events"
MOST_BYTES: Final = 1024 * 1024
WINDOW_SECONDS: Final = 5 * 60
_MOST_REMEMBERED: Final = 20_000


class SlackEndpoint:
    """Hears Slack over HTTP. `clock` is in seconds since 1970.

    A request is believed for five minutes, and carried out once: what was signed and answered before is
    answered again and not carried out. Across processes deliveries are known by their keys.
    """

    def __init__(self, bolt: AsyncApp, secret: str, clock: Callable[[], float] = time.time) -> None:
        from slack_sdk.signature import Clock, SignatureVerifier

        class _Clock(Clock):
            def now(self) -> float:
                return clock()

        if len(secret.strip()) < 16:
            raise ValueError("Slack's signing secret has 32 characters: Basic Information, App Credentials")
        self._bolt = bolt
        self._verifier = SignatureVerifier(secret, _Clock())
        self._clock = clock
        self._answered: OrderedDict[str, float] = OrderedDict()

    def routes(self) -> list[Route]:
        """What to mount."""
        return [Route(PATH, self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """200 with what Slack is to show; 401 for what Slack did not sign; 4xx for what nobody can read."""
        from slack_bolt.request.async_request import AsyncBoltRequest

        try:
            raw = await body_of(request, MOST_BYTES)
        except RefusedError as error:
            return refusal(error)
        try:
            body = raw.decode("utf-8")
        except UnicodeDecodeError:
            return _refused(400, "the body is not UTF-8")
        signature = self._signed(request, body)
        if not signature:
            return _refused(401, "the signature is missing, wrong, or older than five minutes")
        if self._was_answered(signature):
            return Response(status_code=200)
        headers: dict[str, str | Sequence[str]] = dict(request.headers)
        try:
            said = AsyncBoltRequest(body=body, headers=headers)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return _refused(400, "the body has not the form that Slack documents")
        answer = await self._bolt.async_dispatch(said)
        if answer.status == 200:
            self._answered[signature] = self._clock()
        return Response(answer.body, answer.status, _plain(answer.headers))

    def _signed(self, request: Request, body: str) -> str:
        """The name of a request that Slack signed; empty for any other."""
        headers = request.headers
        stamp, said = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and said.isascii()):
            return ""
        # The signature first: what it does not cover is looked at no further.
        if not self._verifier.is_valid(body, stamp, said):
            return ""
        return hashlib.sha256(f"{stamp}:{body}".encode()).hexdigest()

    def _was_answered(self, name: str) -> bool:
        oldest = self._clock() - 2 * WINDOW_SECONDS
        while self._answered and (
            next(iter(self._answered.values())) < oldest or len(self._answered) > _MOST_REMEMBERED
        ):
            self._answered.popitem(last=False)
        return name in self._answered


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


def _plain(headers: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in headers.items() if values and name != "content-length"}
