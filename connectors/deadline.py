"""An HTTP transport whose requests end: one time limit for a whole request, however slowly bytes trickle in.

httpx limits each read by itself, so a server that sends a byte a second can hold a caller for as long as it
likes. Here the time that is left is the time-out of every read and write. Imported only where a
connection is opened, because httpx takes a while to import.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpcore
import httpx

if TYPE_CHECKING:
    from httpcore import SOCKET_OPTION


class Deadline(threading.local):
    """The instant, on the monotonic clock, by which the current thread's request has to be over."""

    at: float | None = None

    def start(self, seconds: float) -> None:
        """Begin a request that may take so long."""
        self.at = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float | None:
        """The seconds one read or write may take.

        Raises:
            httpcore.ReadTimeout: no time is left.
        """
        if self.at is None:
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole request is over")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.connect_tcp(
            host, port, self._deadline.left(timeout), local_address, socket_options
        )
        return _Stream(inner, self._deadline)


@contextmanager
def _translated() -> Iterator[None]:
    """What httpcore raises, as httpx names it."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        raise httpx.NetworkError(str(error) or type(error).__name__) from error
    except httpcore.UnsupportedProtocol as error:
        raise httpx.UnsupportedProtocol(str(error)) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, inner: Iterable[bytes]) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._inner

    def close(self) -> None:
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


class DeadlineTransport(httpx.BaseTransport):
    """Kept HTTP/1.1 connections under a deadline; through a forward proxy where one is named."""

    def __init__(
        self, deadline: Deadline, context: ssl.SSLContext, concurrent: int, proxy: str | None = None
    ) -> None:
        backend = _Backend(deadline)
        self._pool: httpcore.ConnectionPool = (
            httpcore.ConnectionPool(context, max_connections=concurrent, network_backend=backend)
            if proxy is None
            else httpcore.HTTPProxy(
                proxy, ssl_context=context, max_connections=concurrent, network_backend=backend
            )
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read the answer's head."""
        url = request.url
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            answer = self._pool.handle_request(sent)
        assert isinstance(answer.stream, Iterable)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()
