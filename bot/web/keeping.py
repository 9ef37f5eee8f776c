"""Keeps deliveries before they are answered, those that wait in one transaction.

The first that comes writes; what arrives meanwhile is written together by the next. Under load the store
is so asked a few times a second, not once a request, and a burst waits for one write, not for hundreds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from bot.desk import Delivery, Desk
from bot.web.bodies import unavailable

log = logging.getLogger(__name__)

MOST_TOGETHER = 64


@dataclass(eq=False)
class _Waiting:
    delivery: Delivery
    kept: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Keeping:
    """Keeps what comes in on one event loop; PagerDuty, for one, waits five seconds for its answer."""

    def __init__(self, desk: Desk, patience_seconds: float) -> None:
        self._desk = desk
        self._patience = patience_seconds
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, delivery: Delivery) -> bool:
        """Keep it; False where it was kept before.

        Raises:
            RefusedError: it could not be kept, and is to be sent again.
        """
        mine = _Waiting(delivery)
        self._waiting.append(mine)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            return await asyncio.wait_for(mine.kept, self._patience)
        except TimeoutError as error:
            if mine in self._waiting:  # it is sent again: nothing piles up behind a store that hangs
                self._waiting.remove(mine)
            log.error("the store took longer than %g s to keep a delivery", self._patience)
            raise unavailable("the store does not answer in time; send it again") from error

    async def _write(self) -> None:
        try:
            while self._waiting:
                together = self._waiting[:MOST_TOGETHER]
                del self._waiting[:MOST_TOGETHER]
                await self._settle(together)
        finally:
            self._writing = None

    async def _settle(self, together: Sequence[_Waiting]) -> None:
        live = [each for each in together if not each.kept.done()]
        try:
            known = await run_in_threadpool(self._kept, [each.delivery for each in live])
        except Exception as error:  # an edge: whatever the store raises, the sender must come again
            if len(live) > 1 and not isinstance(error, OSError):
                # One of them may be at fault: it must not take the others with it.
                for each in live:
                    await self._settle([each])
                return
            log.error("a delivery could not be kept: %s", type(error).__name__, exc_info=error)
            for each in live:
                if not each.kept.done():
                    each.kept.set_exception(unavailable("it could not be kept; send it again"))
            return
        for each, new in zip(live, known, strict=True):
            if not each.kept.done():
                each.kept.set_result(new)

    def _kept(self, deliveries: Sequence[Delivery]) -> list[bool]:
        if not deliveries:
            return []
        with self._desk.begin() as within:
            return [within.inbox.keep(each) for each in deliveries]
