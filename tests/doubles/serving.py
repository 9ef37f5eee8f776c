"""Serves an ASGI application, or raw bytes, on a free port of the loopback interface for a test."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp, http: type[asyncio.Protocol] | Literal["auto"] = "auto") -> Iterator[str]:
    """The application's URL, while it is served."""
    # Named TCP, or asyncio leaves Nagle's algorithm on: 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=http,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


class _Talker:
    """Accepts connections and lets the script answer each request on them."""

    def __init__(self, script: Callable[[socket.socket, bytes], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._script = script

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                while head := self._head(connection):
                    self._script(connection, head)
            except OSError:
                return  # the client had enough

    def _head(self, connection: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65_536)
            if not part:
                return b""
            head += part
        return head


@contextmanager
def answering(script: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """The URL of a server that hands each request's head and its connection to the script."""
    talker = _Talker(script)
    thread = threading.Thread(target=talker.accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{talker.listener.getsockname()[1]}"
    finally:
        talker.listener.shutdown(socket.SHUT_RDWR)
        talker.listener.close()
        thread.join(5)
