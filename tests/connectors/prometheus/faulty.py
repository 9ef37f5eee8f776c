"""A real server seen through a bad network: a proxy on a socket that breaks answers in a named way."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Fault = Callable[["Handler"], bool]


@dataclass
class Behaviour:
    """What the proxy does: where it asks, whom it lets in, and how it breaks what it passes on."""

    upstream: str = ""
    credentials: tuple[str, str] | None = None
    tenant: str | None = None
    fault: Fault | None = None
    seconds_ahead: float = 0.0
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def do_GET(self) -> None:
        self.behaviour.asked.append(self.path)
        if not self._let_in():
            return
        fault = self.behaviour.fault
        if fault is not None and fault(self):
            return
        try:
            with urllib.request.urlopen(self.behaviour.upstream + self.path, timeout=20) as answer:
                self.send(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self.send(error.code, error.read())

    def do_POST(self) -> None:
        self.send(405, b"only GET is read-only")

    def _let_in(self) -> bool:
        wanted = self.behaviour.credentials
        if wanted is not None:
            basic = "Basic " + base64.b64encode(":".join(wanted).encode()).decode()
            if self.headers.get("Authorization") != basic:
                self.behaviour.refused.append("credentials")
                self.send(401, b"who are you?")
                return False
        if self.behaviour.tenant is not None and self.headers.get("X-Scope-OrgID") != self.behaviour.tenant:
            self.behaviour.refused.append("tenant")
            self.send(401, b"no org id")
            return False
        return True

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + self.behaviour.seconds_ahead, usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that gave up is what some tests are about."""


@contextmanager
def served(behaviour: Behaviour, certificate: Path | None = None) -> Iterator[str]:
    """The proxy's URL while it runs; over TLS where a certificate is given."""
    handler = type("Bound", (Handler,), {"behaviour": behaviour})
    server = _Server(("127.0.0.1", 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    return both


def slow(handler: Handler) -> bool:
    time.sleep(4)
    handler.send(200, b'{"status":"success","data":[]}')
    return True


def trickle(handler: Handler) -> bool:
    """An answer that never ends, a byte at a time."""
    handler.send_response_only(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        time.sleep(0.1)
    return True


def half(handler: Handler) -> bool:
    handler.send_response_only(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"status":"success","data":{"resultType":"matrix","result":[{"metric"')
    handler.close_connection = True
    return True


def reset(handler: Handler) -> bool:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()
    handler.close_connection = True
    return True


def broken(handler: Handler) -> bool:
    handler.send(500, b"panic: runtime error")
    return True


def malformed(handler: Handler) -> bool:
    handler.send(200, b'{"status":"success","data":{"result":[{"metric":{},"values":[[1,"x"]]')
    return True


def page(handler: Handler) -> bool:
    handler.send(200, b"<html>Sign in</html>")
    return True


def expired(handler: Handler) -> bool:
    handler.send(401, b'{"error":"token expired, token=abcdefghijklmnop"}')
    return True


def busy(seconds: int) -> Fault:
    """429 at first, then as usual."""
    said: list[int] = []

    def fault(handler: Handler) -> bool:
        if said:
            return False
        said.append(1)
        handler.send(429, b"slow down", Retry_After=str(seconds))
        return True

    return fault


def only(part: str, fault: Fault) -> Fault:
    """A fault of the requests whose path holds a text."""
    return lambda handler: part in handler.path and fault(handler)


def warning(handler: Handler) -> bool:
    """The real answer, with the warning of a query layer whose store did not reply."""
    if "/query_range" not in handler.path:
        return False
    with urllib.request.urlopen(handler.behaviour.upstream + handler.path, timeout=20) as answer:
        document = json.load(answer)
    document["warnings"] = ["store 10.0.0.7:10901 did not reply"]
    handler.send(200, json.dumps(document, separators=(",", ":")).encode())
    return True
