"""HTTP servers in trouble, over real sockets: slow, dead, overloaded, babbling, living in the past."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("dead", "slow", "drips", "429", "500", "malformed", "hangs up", "skewed")
EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


@contextmanager
def faulty(fault: str) -> Iterator[str]:
    """The URL of a server with that fault."""
    if fault == "dead":
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{closed.getsockname()[1]}"
        return
    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fault, released))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Troubled(BaseHTTPRequestHandler):
    """Answers every request with the fault of its subclass."""

    protocol_version = "HTTP/1.1"
    fault = ""
    released: threading.Event

    def do_GET(self) -> None:
        if self.fault == "slow":
            self.released.wait(60)
        elif self.fault == "drips":
            self._drip()
        elif self.fault == "hangs up":
            self.close_connection = True
        elif self.fault == "malformed":
            self._answer(200, b'{"status": "success", "data": {"result": [{"metric": 7, "values": "no"')
        elif self.fault == "skewed":
            self._answer(200, EMPTY)
        else:
            self._answer(int(self.fault), b"in trouble")

    def do_POST(self) -> None:
        self.do_GET()

    def date_time_string(self, timestamp: float | None = None) -> str:
        del timestamp
        off = timedelta(minutes=5) if self.fault == "skewed" else timedelta()
        return format_datetime(datetime.now(UTC) - off, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "120")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        """An answer that never ends, a byte at a time."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        began = time.monotonic()
        try:
            while not self.released.is_set() and time.monotonic() - began < 30:
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            self.close_connection = True


def _handler(fault: str, released: threading.Event) -> type[_Troubled]:
    return type("Troubled", (_Troubled,), {"fault": fault, "released": released})
