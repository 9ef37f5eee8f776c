"""A local API server over a real socket: what `answers` says, sent; watches; and faults on request.

A thread a connection, so that a test sees what a slow or broken server does to a client.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.doubles.kube.access import Account
from tests.doubles.kube.answers import Answering, Request, WatchReply
from tests.doubles.kube.replies import Reply, document, status
from tests.doubles.kube.store import Object, Store

TOKEN = "a-token-of-the-double"
Trouble = Literal["slow", "drip", "half", "reset", "malformed", "status", "redirect", "huge"]


@dataclass
class Fault:
    """What goes wrong with requests whose URL matches, so many times (None: always)."""

    trouble: Trouble
    url: str = ".*"
    times: int | None = None
    seconds: float = 30.0
    code: int = 500
    retry_after: int | None = None
    to: str = ""


@dataclass
class KubeServer:
    """The double: put objects into `store`, give rights in `accounts`, break it with `faults`."""

    store: Store = field(default_factory=Store)
    accounts: dict[str, Account] = field(default_factory=lambda: {TOKEN: Account("bot")})
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    bookmark_seconds: float = 60.0
    skew_seconds: float = 0.0
    tls: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        self.answering = Answering(self.store)
        self.stopping = threading.Event()
        self.connections = 0
        self._lock = threading.Lock()
        self._server = _Server(self)
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def writes(self) -> list[str]:
        """Requests that arrived and are neither reads nor reviews of one's own rights."""
        return [
            f"{each.method} {each.path}"
            for each in self.requests
            if each.method != "GET" and "/selfsubject" not in each.path
        ]

    @contextmanager
    def running(self) -> Iterator[KubeServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            with self.store.changed:
                self.store.changed.notify_all()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def kubeconfig(self, folder: Path, token: str = TOKEN) -> Path:
        """A kubeconfig with one context, "double"."""
        cluster: Object = {"server": self.url}
        if self.tls is not None:
            cluster["certificate-authority"] = str(self.tls[0])
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "double", "cluster": cluster}],
            "users": [{"name": "bot", "user": {"token": token}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "bot"}}],
            "current-context": "double",
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return file

    def taken(self, request: Request) -> Fault | None:
        """The fault that strikes this request."""
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.times != 0 and re.search(fault.url, request.url):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, double: KubeServer) -> None:
        self.double = double
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the double's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.double.connections += 1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + self.server.double.skew_seconds)

    def _any(self) -> None:
        double = self.server.double
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        fault = double.taken(request)
        if fault is not None and fault.trouble == "reset":
            self._reset()
            return
        # The scheme's name has no case (RFC 9110, section 11.1); clients write it either way.
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else ""
        reply = self._troubled(fault) or double.answering.answer(request, double.accounts.get(token))
        if isinstance(reply, WatchReply):
            self._watch(reply)
        else:
            self._send(reply, fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _any  # noqa: N815 - the base class asks for these names

    def _troubled(self, fault: Fault | None) -> Reply | None:
        if fault is None:
            return None
        if fault.trouble == "slow":
            self.server.double.stopping.wait(fault.seconds)
        if fault.trouble == "status":
            details = {"retryAfterSeconds": fault.retry_after} if fault.retry_after is not None else None
            return status(fault.code, "Trouble", "something is wrong here", details)
        if fault.trouble == "redirect":
            return Reply(307, b"", headers=(("Location", fault.to),))
        if fault.trouble == "malformed":
            return Reply(200, b'{"kind":"PodList","items":[{"metadata":')
        if fault.trouble == "huge":
            return document({"items": [], "padding": "x" * 3_000_000})
        return None

    def _send(self, reply: Reply, fault: Fault | None) -> None:
        self.send_response(reply.status)
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if fault is not None and fault.trouble == "half":
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.close_connection = True
        elif fault is not None and fault.trouble == "drip":
            for n in range(len(reply.body)):
                if self.server.double.stopping.wait(0.05):
                    break
                self.wfile.write(reply.body[n : n + 1])
            self.close_connection = True
        else:
            self.wfile.write(reply.body)

    def _reset(self) -> None:
        """End the connection with RST, as a crashed proxy does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _watch(self, watch: WatchReply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in self._stream(watch):
            data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _stream(self, watch: WatchReply) -> Iterator[Object]:
        store, kind = self.server.double.store, watch.kind
        asked = watch.query.get("resourceVersion", "")
        if asked in {"", "0"}:
            seen = store.version
            for item in store.listed(kind, watch.namespace):
                yield {"type": "ADDED", "object": self._whole(watch, item)}
        else:
            seen = int(asked)
        if seen < store.compacted:
            expired = status(410, "Expired", f"too old resource version: {seen} ({store.compacted})")
            yield {"type": "ERROR", "object": json.loads(expired.body)}
            return
        ends = time.monotonic() + float(watch.query.get("timeoutSeconds") or 60)
        marks = watch.query.get("allowWatchBookmarks") in {"1", "true"}
        bookmark = time.monotonic() + self.server.double.bookmark_seconds
        while time.monotonic() < ends and not self.server.double.stopping.is_set():
            for event in [each for each in store.events if each.version > seen]:
                seen = event.version
                space = event.object["metadata"].get("namespace")
                if event.kind is kind and watch.namespace in {None, space}:
                    yield {"type": event.type, "object": self._whole(watch, event.object)}
            if marks and time.monotonic() >= bookmark:
                bookmark = time.monotonic() + self.server.double.bookmark_seconds
                meta = {"resourceVersion": str(store.version), "creationTimestamp": None}
                yield {"type": "BOOKMARK", "object": self._whole(watch, {"metadata": meta})}
            with store.changed:
                store.changed.wait(min(0.05, max(0.0, ends - time.monotonic())))

    def _whole(self, watch: WatchReply, item: Object) -> Object:
        return {"kind": watch.kind.kind, "apiVersion": watch.kind.group_version, **item}
