"""One call to PagerDuty's REST API: its answer, or why there is none and what may have happened.

The official client waits for its rate limit without end, and tries again where a connection breaks, which
writes twice: here every call is made once, and whoever asked decides about another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import pagerduty
from httpx2 import ConnectError, ConnectTimeout, HTTPError, Response
from pydantic import JsonValue

from bot.alerts import keepable
from bot.desk import Body
from bot.safetext import one_line

MOST_WAIT: Final = 600.0
_USUAL_WAIT: Final = 30.0


class How(Enum):
    """What is known of a call that gave no answer."""

    BUSY = auto()  # it did not happen: too many calls
    UNREACHED = auto()  # it did not happen: nobody was reached
    UNCLEAR = auto()  # nobody can say whether it happened
    MENDABLE = auto()  # it did not happen, until a person changes something
    MISSING = auto()  # it did not happen: there is no such thing
    REFUSED = auto()  # it did not happen, and will not


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that gave no answer; `seconds`: how long PagerDuty asks to wait."""

    how: How
    why: str
    seconds: float | None = None


class _Once(pagerduty.RestApiV2Client):
    """The official client, which asks once."""

    max_network_attempts = 0

    def postprocess(self, response: Response, suffix: str | None = None) -> None:
        """End here with what the client would wait for."""
        super().postprocess(response, suffix)
        if response.status_code == 429:
            raise pagerduty.HttpError("too many calls", response)


class Calls:
    """Calls with one API key, safe to use from several threads; each waits `seconds` at most."""

    def __init__(self, token: str, api: str, email: str | None = None, seconds: float = 10.0) -> None:
        self._client = _Once(token, default_from=email or None)
        self._client._url = api.rstrip("/")  # its setter takes https alone, which a test on loopback lacks
        self._client.timeout = math.ceil(seconds)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Body | Failed:
        """What is read, redacted."""
        return self._called("GET", path, params=dict(params or {}))

    def post(self, path: str, body: Body) -> Body | Failed:
        """What came of writing."""
        return self._called("POST", path, json=body)

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _called(self, method: str, path: str, **kwargs: Any) -> Body | Failed:
        try:
            response = self._client.request(method, path, **kwargs)
        except pagerduty.HttpError as error:
            return _refused(error.response)
        except pagerduty.Error as error:
            return _broken(error.__cause__ or error)
        except (HTTPError, OSError) as error:
            return _broken(error)
        return _answer(response) if response.is_success else _refused(response)


def _answer(response: Response) -> Body | Failed:
    try:
        body: JsonValue = json.loads(response.content)
    except (ValueError, RecursionError):
        return Failed(How.UNCLEAR, "PagerDuty: an answer that is no JSON")
    clean = keepable(body)
    return clean if isinstance(clean, dict) else Failed(How.UNCLEAR, "PagerDuty: an answer that is no object")


_MEND: Final = {
    401: "serve.pagerduty.token is not valid, or of another service region (serve.pagerduty.api)",
    403: "the key may not do this: notes need a key that may write",
}


def _refused(response: Response | None) -> Failed:
    if response is None:
        return Failed(How.UNCLEAR, "PagerDuty: no answer")
    status = response.status_code
    said = _words(response)
    why = f"PagerDuty: HTTP {status}{said}"
    if status == 429:
        return Failed(How.BUSY, why, _waiting(response.headers))
    if status >= 500 or status in (408, 409):
        return Failed(How.UNCLEAR, why)
    if "requester user" in said.lower():
        return Failed(How.MENDABLE, f"{why}: serve.pagerduty.email is no user of this account")
    if status in _MEND:
        return Failed(How.MENDABLE, f"{why}: {_MEND[status]}")
    return Failed(How.MISSING if status == 404 else How.REFUSED, why)


def _words(response: Response) -> str:
    """PagerDuty's own words of an error, where they are some."""
    try:
        error = json.loads(response.content).get("error", {})
        message = error.get("message", "")
    except (ValueError, RecursionError, AttributeError):
        return ""
    return f" {one_line(message, 100)}" if isinstance(message, str) and message else ""


def _broken(error: BaseException) -> Failed:
    why = f"PagerDuty did not answer: {type(error).__name__}"
    return Failed(How.UNREACHED if isinstance(error, ConnectError | ConnectTimeout) else How.UNCLEAR, why)


def _waiting(headers: Mapping[str, str]) -> float:
    """How long PagerDuty wants to be left alone, in seconds: https://developer.pagerduty.com/docs/rest-api-rate-limits."""
    for name in ("retry-after", "ratelimit-reset"):
        try:
            return min(max(float(headers.get(name, "")), 1.0), MOST_WAIT)
        except ValueError:
            continue
    return _USUAL_WAIT
