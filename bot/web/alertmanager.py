"""`POST /webhooks/alertmanager`: Alertmanager's webhook, version 4.

A group that still fires is sent again every `repeat_interval`, and by each Alertmanager of a cluster: the
same alerts in the same state are the same delivery. A new alert, or one that ended, makes another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import JsonValue
from starlette.requests import Request

from bot.alerts import keepable
from bot.desk import Delivery, DeliveryKind
from bot.web.bodies import RefusedError, body_of, parsed, understood
from bot.web.credentials import LEAST_SECRET, basic, bears

PATH = "/webhooks/alertmanager"
MOST_BYTES = 4 * 1024 * 1024
MOST_ALERTS = 100
_WANTED = "send Alertmanager's webhook, version 4"


class AlertmanagerReader:
    """Reads one notification. There is no way to run it without a token or a password."""

    def __init__(self, token: str | None, login: tuple[str, str] | None, now: Callable[[], datetime]) -> None:
        secrets = [each for each in (token, login[1] if login else None) if each is not None]
        if not secrets or any(len(each) < LEAST_SECRET for each in secrets):
            raise ValueError(f"the token or the password has {LEAST_SECRET} characters at least")
        self._token = token
        self._login = login
        self._now = now

    async def __call__(self, request: Request) -> Delivery | str:
        """The delivery.

        Raises:
            RefusedError: it is nobody's who is known here, or no notification.
        """
        if not self._allowed(request.headers.get("authorization", "")):
            scheme = "Bearer" if self._token is not None else "Basic"
            raise RefusedError(
                401,
                f"credentials are needed: http_config.authorization or basic_auth of Alertmanager ({scheme})",
                {"WWW-Authenticate": f'{scheme} realm="firstcause"'},
            )
        body = await body_of(request, MOST_BYTES)
        return await understood(self._read, body)

    def _allowed(self, header: str) -> bool:
        if self._token is not None and bears(header, self._token):
            return True
        return self._login is not None and basic(header, *self._login)

    def _read(self, body: bytes) -> Delivery | str:
        said = parsed(body, _WANTED)
        if not isinstance(said, dict) or not isinstance(said.get("groupKey"), str):
            raise RefusedError(400, f"no notification with a groupKey: {_WANTED}")
        listed = said.get("alerts")
        alerts = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        if not alerts:
            raise RefusedError(400, f"a notification without alerts: {_WANTED}")
        clean = keepable(_shortened(said, alerts))
        assert isinstance(clean, dict)
        key = f"alertmanager:{_content(said, alerts)}"
        return Delivery(key=key, kind=DeliveryKind.ALERTMANAGER, received_at=self._now(), body=clean)


def _content(said: Mapping[str, JsonValue], alerts: list[dict[str, JsonValue]]) -> str:
    """The hash of which alerts are in which state; values in annotations change with every evaluation."""
    states = sorted(
        json.dumps([each.get("fingerprint") or each.get("labels"), each.get("status"), each.get("startsAt")])
        for each in alerts
    )
    whole = json.dumps([said["groupKey"], said.get("status"), states])
    return hashlib.sha256(whole.encode()).hexdigest()


def _shortened(said: dict[str, JsonValue], alerts: list[dict[str, JsonValue]]) -> JsonValue:
    """No more alerts than an investigation can use: the firing ones and the oldest first."""
    if len(alerts) <= MOST_ALERTS:
        return {**said, "alerts": list[JsonValue](alerts)}
    first = sorted(alerts, key=lambda each: (each.get("status") == "resolved", str(each.get("startsAt"))))
    before = said.get("truncatedAlerts")
    left = len(alerts) - MOST_ALERTS + (before if isinstance(before, int) else 0)
    return {**said, "alerts": list[JsonValue](first[:MOST_ALERTS]), "truncatedAlerts": left}
