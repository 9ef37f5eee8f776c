"""Receives what Alertmanager sends and keeps it byte for byte. It only tells alerts apart."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Delivery:
    """One webhook request."""

    at: datetime
    body: bytes

    def fires(self, alert: str, since: datetime) -> bool:
        """Whether it says that `alert` is firing and began to after `since`."""
        document = json.loads(self.body)
        return any(
            item["status"] == "firing"
            and item["labels"]["alertname"] == alert
            and datetime.fromisoformat(item["startsAt"]) >= since
            for item in document["alerts"]
        )


class Inbox:
    """A local HTTP server that remembers every delivery."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                inbox.deliveries.append(Delivery(datetime.now(UTC), body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/alerts"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def first(self, alert: str, since: datetime) -> Delivery | None:
        return next((delivery for delivery in self.deliveries if delivery.fires(alert, since)), None)
