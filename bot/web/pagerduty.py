"""`POST /webhooks/pagerduty`: PagerDuty's V3 webhooks, signed by the secret of their subscription.

PagerDuty sends again after a time-out, a 5xx or a 429, for two days; any other 4xx drops the event, and
three in a row disable the subscription. So whatever carries a right signature is answered 202, or 503 where
it could not be kept: https://developer.pagerduty.com/docs/webhooks-overview
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import JsonValue
from starlette.requests import Request

from bot.alerts import keepable
from bot.desk import Delivery, DeliveryKind
from bot.hearing import PAGERDUTY_EVENTS
from bot.safetext import one_line
from bot.web.bodies import RefusedError, body_of, parsed, understood
from bot.web.credentials import LEAST_SECRET, signed

log = logging.getLogger(__name__)

PATH = "/webhooks/pagerduty"
MOST_BYTES = 2 * 1024 * 1024
_PEOPLE = frozenset({"user", "user_reference"})
_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,127}", re.ASCII)


class PagerDutyReader:
    """Reads one webhook. There is no way to run it without a secret."""

    def __init__(self, secrets: Sequence[str], now: Callable[[], datetime]) -> None:
        if not secrets or any(len(each) < LEAST_SECRET for each in secrets):
            raise ValueError(
                f"each signing secret of a webhook subscription has {LEAST_SECRET} characters at least"
            )
        self._secrets = tuple(secrets)
        self._now = now

    async def __call__(self, request: Request) -> Delivery | str:
        """The delivery, or why it is not kept.

        Raises:
            RefusedError: it is not signed by a secret known here, or it could not be read.
        """
        body = await body_of(request, MOST_BYTES)
        header = ",".join(request.headers.getlist("x-pagerduty-signature"))
        if not header:
            raise RefusedError(401, "the header X-PagerDuty-Signature is missing: v1=HMAC-SHA256 of the body")
        named = request.headers.get("x-webhook-id", "")
        return await understood(self._read, body, header, named)

    def _read(self, body: bytes, header: str, named: str) -> Delivery | str:
        if not signed(body, header, self._secrets):
            raise RefusedError(
                401, "no signature of X-PagerDuty-Signature is the body's by serve.pagerduty.secrets"
            )
        try:
            said = parsed(body, "")
        except RefusedError:
            log.error("a signed webhook of PagerDuty is no JSON")
            return "not JSON"
        event = _object(_object(said).get("event"))
        kind = event.get("event_type")
        if kind == "pagey.ping":
            return "PagerDuty's test event arrived, and its signature is right"
        if not isinstance(kind, str) or kind not in PAGERDUTY_EVENTS:
            return f"no use for events of the type {one_line(str(kind), 60)}"
        clean = _nameless(keepable({"event": dict(event)}))
        assert isinstance(clean, dict)
        key = f"pagerduty:{_name(event.get('id'), named, body)}"
        return Delivery(key=key, kind=DeliveryKind.PAGERDUTY, received_at=self._now(), body=clean)


def _name(event: JsonValue, webhook: str, body: bytes) -> str:
    """What tells a delivery from another.

    The event's id comes first, because it is signed: with another X-Webhook-Id, which is not, a copy of an
    old delivery would be a new one.
    """
    for each in (event, webhook):
        if isinstance(each, str) and _ID.fullmatch(each):
            return each
    return hashlib.sha256(body).hexdigest()


def _nameless(value: JsonValue) -> JsonValue:
    """The event without who is on duty: people's names are no evidence. Called on what is not deep."""
    if isinstance(value, list):
        return [_nameless(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in _PEOPLE:
        return {name: each for name, each in value.items() if name in ("id", "type")}
    return {name: _nameless(each) for name, each in value.items()}


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
