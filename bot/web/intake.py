"""From a request that was understood to a delivery that is kept, and the answer that says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.desk import Delivery, DeliveryKind, Desk
from bot.web.bodies import RefusedError, refusal, unavailable
from bot.web.keeping import Keeping
from bot.web.measures import Measures

Endpoint = Callable[[Request], Awaitable[Response]]
Reader = Callable[[Request], Awaitable[Delivery | str]]
"""Reads a request: a delivery to keep, or why there is nothing to keep although it is taken."""

_OUTCOMES = {401: "stranger", 408: "slow", 413: "too_large", 503: "unavailable"}


class Intake:
    """Keeps what readers read, and counts how it went."""

    def __init__(self, desk: Desk, measures: Measures, patience_seconds: float) -> None:
        self._desk = desk
        self._keeping = Keeping(desk, patience_seconds)
        self._measures = measures

    def endpoint(self, kind: DeliveryKind, read: Reader) -> Endpoint:
        """What answers a request: 202 once it is kept, else one line that says what to send or when."""

        async def answer(request: Request) -> Response:
            try:
                delivery = await read(request)
                if isinstance(delivery, str):
                    self._count(kind, "ignored")
                    return JSONResponse({"kept": False, "reason": delivery}, 202)
                new = await self._kept(delivery)
            except RefusedError as error:
                self._count(kind, _OUTCOMES.get(error.status, "refused"))
                return refusal(error)
            self._count(kind, "kept" if new else "repeated")
            return JSONResponse({"kept": True, "id": delivery.key, "new": new}, 202)

        return answer

    async def _kept(self, delivery: Delivery) -> bool:
        new = await self._keeping.keep(delivery)
        if not new and delivery.kind is DeliveryKind.INCIDENT:
            known = await run_in_threadpool(self._known, delivery.key)
            if known is not None and known.body != delivery.body:
                raise RefusedError(
                    422, "this Idempotency-Key was used for another incident: choose a new one"
                )
        return new

    def _known(self, key: str) -> Delivery | None:
        try:
            with self._desk.begin() as within:
                return within.inbox.read(key)
        except OSError as error:
            raise unavailable("the store cannot be read; send it again") from error

    def _count(self, kind: DeliveryKind, outcome: str) -> None:
        self._measures.deliveries.labels(kind.value, outcome).inc()
