"""HTTP/1.1 for uvicorn, with a limit for how long a request's head may take.

uvicorn limits idle connections between requests, but not one that sends its head a byte a minute, or
nothing at all: a few hundred of those would take every place there is.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0


class PunctualProtocol(H11Protocol):
    """Ends a connection whose next request's head is not complete in time. `uvicorn.Config(http=…)`."""

    head_seconds = HEAD_SECONDS
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """A connection: its first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Some of a head or of a body."""
        super().data_received(data)
        if self._under_way():
            self._head_is_there()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._head_is_there()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._alarm is None:
            self._alarm = self.loop.call_later(self.head_seconds, self._too_late)

    def _head_is_there(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _too_late(self) -> None:
        self._alarm = None
        if not self._under_way():
            self.transport.close()

    def _under_way(self) -> bool:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete
