"""Ends what a connection is at: by asking the server first, and by hanging up where it does not answer."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from connectors.governor import SourceFailedError

if TYPE_CHECKING:
    from connectors.postgres.channel import Connection

_TO_CANCEL = 2.0
_TO_ANSWER = 1.0


class Watch:
    """Watches over one connection for so many seconds; `break_off` ends it before that."""

    def __init__(self, name: str, connection: Connection, seconds: float) -> None:
        self._name = name
        self._connection = connection
        self._over = threading.Event()
        self._done = threading.Event()
        self._timer = threading.Timer(seconds, self.break_off)
        self._timer.daemon = True
        self._timer.start()

    def admit(self) -> None:
        """Let another statement begin: SourceFailedError once the time is over."""
        if self._over.is_set():
            raise SourceFailedError(f"{self._name}: the time for its questions is spent", counts=False)

    def break_off(self) -> None:
        """Have the server cancel; a server that stands still is hung up on. May be called from any thread."""
        import psycopg

        self._over.set()
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=_TO_CANCEL)
        if not self._done.wait(_TO_ANSWER):
            with suppress(psycopg.Error, OSError):
                self._hang_up()

    def finish(self) -> None:
        """The connection is no longer needed."""
        self._done.set()
        self._timer.cancel()

    def _hang_up(self) -> None:
        # The socket belongs to the client library, which sees its end and gives up; only the copy is closed.
        with socket.socket(fileno=os.dup(self._connection.pgconn.socket)) as copy:
            copy.shutdown(socket.SHUT_RDWR)
