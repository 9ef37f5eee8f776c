"""Socket Mode: the app calls Slack, and hears it over a web socket; nothing has to reach this process.

It runs on a thread and loop of its own, so that whatever else this process does never keeps it from
acknowledging. The official client reconnects by itself, as often as Slack refreshes or the network breaks.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler

    from bot.slack.app import SlackApp

log = logging.getLogger(__name__)

PING_SECONDS: Final = 5.0
_END_SECONDS: Final = 10.0


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

    def problem(self) -> str:
        """Why Slack is not heard now; empty when it is."""
        session = None if self._handler is None else self._handler.client.current_session
        connected = session is not None and not session.closed
        return "" if connected else "Slack's web socket is not connected"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _listen(self) -> None:
        from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler

        self._handler = AsyncSocketModeHandler(
            self._app.bolt,
            self._token,
            logger=_quiet(),
            web_client=self._app.client,
            ping_interval=self._ping_seconds,
        )
        # The client tries for as long as it takes.
        connecting = asyncio.ensure_future(self._handler.connect_async())  # type: ignore[no-untyped-call]  # bolt's
        await self._ending.wait()
        await self._handler.close_async()  # type: ignore[no-untyped-call]  # bolt's
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await self._app.finished()


def _quiet() -> logging.Logger:
    """The client's logger: it prints a stack for every attempt while Slack is away."""
    quiet = logging.getLogger("bot.slack.socket_mode.client")
    quiet.addFilter(_one_line)
    return quiet


def _one_line(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True
