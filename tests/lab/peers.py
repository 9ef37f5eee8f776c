"""How a service of the shop calls another: names become addresses, the trace context travels along.

Addresses come from a registry file that rollouts rewrite, so a call always reaches the running version.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
from opentelemetry import propagate, trace

from tests.lab import instruments

TRACER = trace.get_tracer("shopkit.http")


class PeerError(Exception):
    """A service that was called did not give a usable answer."""

    def __init__(self, peer: str, status: int, detail: str = "") -> None:
        super().__init__(f"{peer} answered {status}" if status else f"{peer} did not answer: {detail}")
        self.peer = peer
        self.status = status


class Registry:
    """name → base URL, read again whenever the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = 0
        self._urls: dict[str, str] = {}

    def url(self, name: str) -> str:
        changed = self._path.stat().st_mtime_ns
        if changed != self._changed:
            self._urls = json.loads(self._path.read_text())
            self._changed = changed
        return self._urls[name]


def write_registry(path: Path, urls: dict[str, str]) -> None:
    """Replace the registry in one step: a reader never sees half a file."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(urls))
    fresh.replace(path)


class Peers:
    """The other services, by name."""

    def __init__(self, registry: Registry, timeout_seconds: float) -> None:
        self._registry = registry
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)
        self._client = httpx.AsyncClient(timeout=timeout_seconds, limits=limits, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, peer: str, path: str, **query: str | int) -> httpx.Response:
        return await self._send(peer, "GET", path, None, query)

    async def post(self, peer: str, path: str, body: dict[str, object]) -> httpx.Response:
        return await self._send(peer, "POST", path, body, {})

    async def _send(
        self, peer: str, method: str, path: str, body: dict[str, object] | None, query: dict[str, str | int]
    ) -> httpx.Response:
        attributes = {
            "http.request.method": method,
            "server.address": peer,
            "peer.service": peer,
            "url.full": f"http://{peer}{path}",
        }
        began = time.perf_counter()
        code = "error"
        with TRACER.start_as_current_span(method, kind=trace.SpanKind.CLIENT, attributes=attributes) as span:
            headers: dict[str, str] = {}
            propagate.inject(headers)
            url = self._registry.url(peer) + path
            try:
                answer = await self._client.request(method, url, json=body, params=query, headers=headers)
                code = str(answer.status_code)
            except httpx.HTTPError as error:
                code = "timeout" if isinstance(error, httpx.TimeoutException) else "error"
                span.set_attribute("error.type", type(error).__name__)
                raise PeerError(peer, 0, type(error).__name__) from error
            finally:
                instruments.observe(
                    instruments.CALLED, time.perf_counter() - began, peer=peer, method=method, code=code
                )
            span.set_attribute("http.response.status_code", answer.status_code)
            if answer.status_code >= 500:
                raise PeerError(peer, answer.status_code)
            return answer
