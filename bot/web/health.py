"""Whether this process lives, whether it can work, and what it counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.web.measures import CONTENT_TYPE
from bot.web.parts import Parts

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

PATIENCE_SECONDS = 3.0
"""How long a check may take: an orchestrator gives up sooner or later, and learns less."""


class HealthEndpoints:
    """`/healthz`, `/readyz` and `/metrics`: for the orchestrator and for Prometheus; nothing of anyone's."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def live(self, _: Request) -> Response:
        """200 while changes can be kept."""
        usable = await _in_time(self._parts.changes.usable, False)
        return JSONResponse({"status": "ok"}) if usable else JSONResponse({"status": "store"}, 503)

    async def ready(self, _: Request) -> Response:
        """200 when everything is there that is needed to take work, else 503 with what is missing."""
        wrong = await _in_time(self._wrong, {"checks": f"no answer within {PATIENCE_SECONDS:g} s"})
        return JSONResponse({"ready": not wrong, "wrong": wrong}, 503 if wrong else 200)

    async def metrics(self, _: Request) -> Response:
        """Prometheus' exposition."""
        counts = await _in_time(self._counts, None)
        return Response(self._parts.measures.exposition(counts), media_type=CONTENT_TYPE)

    def _wrong(self) -> dict[str, str]:
        checks: dict[str, Callable[[], str]] = {"store": self._store, **self._parts.ready}
        return {name: why for name, check in checks.items() if (why := _said(check))}

    def _store(self) -> str:
        return "" if self._parts.desk.usable() else "nothing can be written"

    def _counts(self) -> Mapping[str, float] | None:
        try:
            return self._parts.desk.counts(self._parts.now())
        except OSError as error:
            log.warning("the store's counts cannot be read: %s", error)
            return None


async def _in_time(check: Callable[[], Answer], otherwise: Answer) -> Answer:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await to_thread.run_sync(check, abandon_on_cancel=True)
    except TimeoutError:
        return otherwise


def _said(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - an edge: a check that fails is what is wrong
        return f"the check failed ({type(error).__name__})"
