"""Reads what was sent, within bounds: so many bytes, so many seconds, and JSON that can be kept.

Nothing is parsed before it is known who speaks. A refusal is one line that says what to send.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

PATIENCE_SECONDS = 10.0
"""How long a body may take; who sends a byte a second holds no place."""
RETRY_SECONDS = 5
_SMALL = 16 * 1024
Answer = TypeVar("Answer")


class RefusedError(Exception):
    """What was sent cannot be taken; the message says in one line what to send instead."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def refusal(error: RefusedError) -> Response:
    """The refusal as it is answered."""
    return JSONResponse({"error": str(error)}, error.status, headers=error.headers)


def unavailable(message: str) -> RefusedError:
    """What asks the sender to come again."""
    return RefusedError(503, message, _LATER)


_CLOSE = {"Connection": "close"}
_LATER = {"Retry-After": str(RETRY_SECONDS)}


class Room:
    """The bytes that may be held of bodies under way: a signature is only known when its body is there."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            RefusedError: there is no room for them now.
        """
        self._held += size
        if self._held > self._most:
            raise RefusedError(503, "too much is being sent at once; send it again", {**_CLOSE, **_LATER})

    def give(self, size: int) -> None:
        """Hold them no longer."""
        self._held -= size


_ROOM = Room(64 * 1024 * 1024)


async def body_of(
    request: Request, most: int, seconds: float = PATIENCE_SECONDS, room: Room = _ROOM
) -> bytes:
    """The body, refused as soon as it is too large or too slow, whatever its header says.

    Raises:
        RefusedError: it is, or it ended early.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                room.take(len(part))
                if size > most:
                    raise RefusedError(413, f"the body may have {most // 1024} KiB at most", _CLOSE)
                parts.append(part)
    except TimeoutError as error:
        raise RefusedError(408, f"the body did not arrive within {seconds:g} seconds", _CLOSE) from error
    except ClientDisconnect as error:
        raise RefusedError(400, "the body ended early") from error
    finally:
        room.give(size)
    return b"".join(parts)


async def understood(read: Callable[..., Answer], body: bytes, *rest: object) -> Answer:
    """What reading a body gives. A small one is read at once: handing it to a thread takes longer."""
    if len(body) <= _SMALL:
        return read(body, *rest)
    return await run_in_threadpool(read, body, *rest)


def parsed(body: bytes, wanted: str) -> JsonValue:
    """The body as JSON, whatever its content type says; numbers that JSON cannot write are null.

    Args:
        body: as it was sent.
        wanted: what to send, for the refusal.

    Raises:
        RefusedError: it is no JSON.
    """
    try:
        value: JsonValue = json.loads(body, parse_float=_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is not JSON: {wanted}") from error
    return value


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _no_number(_: str) -> None:
    return None
