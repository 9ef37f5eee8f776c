"""Socket Mode: the app calls Slack, and hears it over a web socket; nothing has to reach this process.

It runs on a thread and loop of its own, so that whatever else this process does never keeps it from
acknowledging. The official client reconnects by itself, as often as Slack refreshes or the network breaks;
where it does not, it is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler

    from bot.slack.app import SlackApp

log = logging.getLogger(__name__)

PING_SECONDS: Final = 5.0
_END_SECONDS: Final = 10.0
_BEGINNING_SECONDS: Final = 20.0
_PATIENCE: Final = 6
"""After so many intervals without a connection the client is replaced."""


class SocketMode:
    """The connection. `ping_seconds`: how often it is looked after, and how soon it is tried again."""

    def __init__(self, app: SlackApp, ping_seconds: float = PING_SECONDS) -> None:
        token = app.fields.app_token
        if token is None:
            raise ValueError("Socket Mode needs serve.slack.app_token (xapp-…)")
        self._app = app
        self._token = token.get_secret_value()
        self._ping_seconds = ping_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="slack-socket", daemon=True)
        self._connected = self._reached = False
        self._began = time.monotonic()
        self._handler: AsyncSocketModeHandler | None = None
        self._ending = asyncio.Event()

    def start(self) -> None:
        """Connect, and stay connected; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing more; what is being acknowledged is finished."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(_END_SECONDS)

    def beginning(self) -> str:
        """Why this process should not be relied on yet; empty once Slack was reached, or cannot be for now.

        A Slack that is away later says nothing about this process: pagers shall go on reaching it.
        """
        if self._reached or time.monotonic() - self._began > _BEGINNING_SECONDS:
            return ""
        return "Slack's web socket is not connected yet"

    def problem(self) -> str:
        """Why Slack is not heard now; empty when it is."""
        return "" if self._connected else "Slack's web socket is not connected"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _listen(self) -> None:
        while not self._ending.is_set():
            handler = self._handler = self._client()
            # It tries for as long as it takes.
            connecting = asyncio.ensure_future(handler.connect_async())  # type: ignore[no-untyped-call]  # bolt's
            try:
                await self._until_lost(handler)
            finally:
                self._connected = False
                await self._close(handler, connecting)
        await self._app.finished()

    def _client(self) -> AsyncSocketModeHandler:
        from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler

        return AsyncSocketModeHandler(
            self._app.bolt,
            self._token,
            logger=_quiet(),
            web_client=self._app.client,
            ping_interval=self._ping_seconds,
        )

    async def _until_lost(self, handler: AsyncSocketModeHandler) -> None:
        """Until this ends, or the client does not come back by itself.

        Its reconnections wait for one lock, and a listener that is cancelled at the wrong moment may keep it:
        a net below it, because nobody would notice an app that hears nothing.
        """
        lost_after = _PATIENCE * self._ping_seconds
        seen = self._loop.time()
        while self._loop.time() - seen < lost_after:
            self._connected = await handler.client.is_connected()
            if self._connected:
                self._reached = True
                seen = self._loop.time()
            try:
                await asyncio.wait_for(self._ending.wait(), self._ping_seconds / 4)
            except TimeoutError:
                continue
            return
        log.warning("Slack's web socket did not come back for %g seconds; a new client is made", lost_after)

    async def _close(self, handler: AsyncSocketModeHandler, connecting: asyncio.Future[None]) -> None:
        connecting.cancel()
        closing = asyncio.ensure_future(handler.close_async())  # type: ignore[no-untyped-call]  # bolt's
        await asyncio.wait({closing}, timeout=_END_SECONDS / 2)
        closing.cancel()
        await asyncio.gather(connecting, closing, return_exceptions=True)


def _quiet() -> logging.Logger:
    """The client's logger: it prints a stack for every attempt while Slack is away."""
    quiet = logging.getLogger("bot.slack.socket_mode.client")
    quiet.addFilter(_one_line)
    return quiet


def _one_line(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True
