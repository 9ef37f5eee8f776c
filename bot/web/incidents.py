"""`POST /incidents`: people and programs begin an incident."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.requests import Request

from bot.alerts import keepable
from bot.desk import Delivery, DeliveryKind
from bot.safetext import one_line
from bot.web.bodies import RefusedError, body_of, parsed, understood
from bot.web.credentials import LEAST_SECRET, bears

PATH = "/incidents"
MOST_BYTES = 64 * 1024
_WANTED = 'send {"title": "checkout is slow", "service": "checkout"}'
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class IncidentTold(BaseModel):
    """An incident as it is told."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"title": "checkout is slow", "service": "checkout", "labels": {"severity": "page"}}
        },
    )

    title: Annotated[str, Field(min_length=1, max_length=300, description="what is wrong, in one line")]
    service: Annotated[
        str | None,
        Field(min_length=1, max_length=253, description="whose trouble it is, where that is known"),
    ] = None
    text: Annotated[str, Field(max_length=4_000, description="what else is known")] = ""
    started_at: Annotated[AwareDatetime | None, Field(description="since when; default: now")] = None
    priority: Annotated[str, Field(max_length=50)] = ""
    link: Annotated[str, Field(max_length=2_000, pattern=r"^(https?://\S+)?$")] = ""
    labels: Annotated[
        dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=1_000)]],
        Field(max_length=50, description="as an alert's labels; `metric` names what breached"),
    ] = Field(default_factory=dict)


class IncidentsReader:
    """Reads one incident. There is no way to run it without a token."""

    def __init__(self, token: str, now: Callable[[], datetime]) -> None:
        if len(token) < LEAST_SECRET:
            raise ValueError(f"the token for POST /incidents needs at least {LEAST_SECRET} characters")
        self._token = token
        self._now = now

    async def __call__(self, request: Request) -> Delivery | str:
        """The delivery.

        Raises:
            RefusedError: it is nobody's who is known here, or no incident.
        """
        if not bears(request.headers.get("authorization", ""), self._token):
            raise RefusedError(
                401, "a bearer token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )
        named = request.headers.get("idempotency-key")
        if named is not None and not _KEY.fullmatch(named):
            raise RefusedError(400, "Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID")
        body = await body_of(request, MOST_BYTES)
        return await understood(self._read, body, named)

    def _read(self, body: bytes, named: str | None) -> Delivery:
        told = _told(parsed(body, _WANTED))
        clean = keepable({"incident": told.model_dump(mode="json")})
        assert isinstance(clean, dict)
        # Hashed: what people take for a key may be anything, and it is kept for ever.
        key = hashlib.sha256(named.encode()).hexdigest()[:32] if named is not None else uuid.uuid4().hex
        return Delivery(
            key=f"incident:{key}", kind=DeliveryKind.INCIDENT, received_at=self._now(), body=clean
        )


def _told(said: JsonValue) -> IncidentTold:
    try:
        return IncidentTold.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(one_line(str(step), 40) for step in first["loc"]) or "the body"
        raise RefusedError(422, f"{where}: {one_line(first['msg'], 200)}; {_WANTED}") from error
