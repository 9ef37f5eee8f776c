"""Whether this process lives, whether it can work, and what it counted."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.web.measures import CONTENT_TYPE
from bot.web.parts import Parts

log = logging.getLogger(__name__)


class HealthEndpoints:
    """`/healthz`, `/readyz` and `/metrics`: for the orchestrator and for Prometheus; nothing of anyone's."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def live(self, _: Request) -> Response:
        """200 while changes can be kept."""
        usable = await run_in_threadpool(self._parts.changes.usable)
        return JSONResponse({"status": "ok"}) if usable else JSONResponse({"status": "store"}, 503)

    async def ready(self, _: Request) -> Response:
        """200 when everything is there that is needed to take work, else 503 with what is missing."""
        wrong = await run_in_threadpool(self._wrong)
        return JSONResponse({"ready": not wrong, "wrong": wrong}, 503 if wrong else 200)

    async def metrics(self, _: Request) -> Response:
        """Prometheus' exposition."""
        page = await run_in_threadpool(self._page)
        return Response(page, media_type=CONTENT_TYPE)

    def _wrong(self) -> dict[str, str]:
        checks: dict[str, Callable[[], str]] = {"store": self._store, **self._parts.ready}
        return {name: why for name, check in checks.items() if (why := _said(check))}

    def _store(self) -> str:
        return "" if self._parts.desk.usable() else "nothing can be written"

    def _page(self) -> bytes:
        try:
            counts = self._parts.desk.counts(self._parts.now())
        except OSError as error:
            log.warning("the store's counts cannot be read: %s", error)
            return self._parts.measures.exposition(None)
        return self._parts.measures.exposition(counts)


def _said(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - an edge: a check that fails is what is wrong
        return f"the check failed ({type(error).__name__})"
