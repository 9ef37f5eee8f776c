"""One call to Slack, and how it went: an answer, or why there is none and what may have happened.

The official client tries again by itself where a connection breaks, which posts twice: here it never does.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError

from bot.desk import Body

if TYPE_CHECKING:
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web import SlackResponse

log = logging.getLogger(__name__)

MOST_WAIT: Final = 3_600.0
_USUAL_WAIT: Final = 30.0


class How(Enum):
    """What is known of a call that gave no answer."""

    BUSY = auto()  # it did not happen: too many calls
    UNREACHED = auto()  # it did not happen: nobody was reached
    UNCLEAR = auto()  # nobody can say whether it happened
    MENDABLE = auto()  # it did not happen, until a person changes something in Slack
    REFUSED = auto()  # it did not happen, and will not


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that gave no answer. `error`: Slack's word for it; `seconds`: how long it asks to wait."""

    how: How
    why: str
    error: str = ""
    seconds: float | None = None


_UNCLEAR: Final = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_BUSY: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_MEND: Final[Mapping[str, str]] = {
    "not_in_channel": "the app is not in the channel: type /invite and its name there",
    "channel_not_found": "there is no such channel, or it is private: type /invite and the app's name there",
    "is_archived": "the channel is archived",
    "restricted_action": "the workspace does not let the app post there",
    "missing_scope": "the app lacks a scope: install the manifest of docs/slack.md again",
    "invalid_auth": "serve.slack.bot_token is not valid",
    "not_authed": "serve.slack.bot_token is missing",
    "token_expired": "serve.slack.bot_token has expired",
    "token_revoked": "serve.slack.bot_token was revoked",
    "account_inactive": "the app was removed from the workspace",
}


def called(call: Callable[[], SlackResponse]) -> Body | Failed:
    """The answer of one call to the Web API, or how it failed."""
    from slack_sdk.errors import SlackApiError, SlackRequestError

    try:
        answer = call().data
    except SlackApiError as error:
        return _judged(error)
    except SlackRequestError as error:
        return Failed(How.REFUSED, str(error))
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        return broken(error)
    return answer if isinstance(answer, dict) else Failed(How.UNCLEAR, "an answer that is no JSON object")


def _judged(error: SlackApiError) -> Failed:
    answer = error.response
    status = int(answer.status_code)
    said = answer.data if isinstance(answer.data, dict) else {}
    word = str(said.get("error", ""))
    # What is not JSON is put into `error` by the client, whole; it is no word of Slack's.
    known = word if len(word) < 80 and " " not in word else ""
    return refused(status, known, answer.headers, _details(said))


def refused(status: int, error: str, headers: Mapping[str, str], details: str = "") -> Failed:
    """How a call failed that Slack answered."""
    why = f"Slack: {error or f'HTTP {status}'}{details}"
    if status == 429 or error in _BUSY:
        return Failed(How.BUSY, why, error, waiting(headers))
    if status >= 500 or error in _UNCLEAR or (status == 200 and not error):
        return Failed(How.UNCLEAR, why, error)
    if error in _MEND:
        return Failed(How.MENDABLE, f"{why}: {_MEND[error]}", error)
    return Failed(How.REFUSED, why, error)


def broken(error: OSError | HTTPException | UnicodeDecodeError) -> Failed:
    """How a call failed that Slack did not answer, or not wholly."""
    if isinstance(error, HTTPError):
        return refused(error.code, "", dict(error.headers.items()))
    reason = error.reason if isinstance(error, URLError) else error
    why = f"Slack did not answer: {reason or type(reason).__name__}"
    never_sent = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
    return Failed(How.UNREACHED if isinstance(reason, never_sent) else How.UNCLEAR, why)


def waiting(headers: Mapping[str, str]) -> float:
    """How long Slack wants to be left alone, in seconds."""
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        return min(max(float(said), 1.0), MOST_WAIT)
    except ValueError:
        return _USUAL_WAIT


def _details(said: Mapping[str, object]) -> str:
    meta = said.get("response_metadata")
    messages = meta.get("messages") if isinstance(meta, dict) else None
    return f" ({json.dumps(messages, ensure_ascii=False)[:300]})" if messages else ""
