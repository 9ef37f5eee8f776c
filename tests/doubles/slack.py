"""A local Slack over real sockets: Web API, Socket Mode, response URLs, uploads, people, and its failures.

    with slack() as workspace:
        workspace.reach("http://127.0.0.1:8088/slack/events")  # or nothing: Socket Mode
        workspace.command("checkout since 30m", user="U0ANN", channel="C0INC")
        workspace.until(lambda: workspace.in_channel("C0INC"))
        workspace.click(workspace.in_channel("C0INC")[0], "confirm", user="U0BEN")

It is held to the official clients by tests/bot/slack/test_double.py. `client_msg_id` prevents no doubles
unless it is told to: Slack does not document that it would. What expires (triggers, response URLs) expires by
`advance` alone, so that a slow machine changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from tests.doubles.slack_limits import wrong_with_blocks
from tests.doubles.slack_methods import called
from tests.doubles.slack_people import People
from tests.doubles.slack_world import Json, Posted, Shown, SlackError

_T = TypeVar("_T")

Kind = Literal["500", "503", "429", "reset", "slow", "drop", "hang", "page", "error"]
"""How a call goes wrong. "reset", "500", "503", "429", "page" and "error" happen before anything is done;
"drop" carries it out and then drops the connection; "hang" carries it out and never answers; "slow" answers
late."""


@dataclass
class Fault:
    kind: Kind
    times: int = 1
    seconds: float = 0.0
    retry_after: int = 1
    error: str = "internal_error"


@dataclass
class _Connection:
    ws: web.WebSocketResponse
    acks: dict[str, Future[Json]] = field(default_factory=dict)


class Slack(People):
    """The double. `url` is where it is; `api` is the base of its Web API."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, Fault] = {}
        self.connections: list[_Connection] = []
        self.opened = 0
        self._released = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner
        self._site: web.TCPSite | None = None
        self._port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def api(self) -> str:
        return f"{self.url}/api/"

    # failing

    def fail(self, method: str, kind: Kind, times: int = 1, **more: Any) -> None:
        """The next calls of a method go wrong ("response_url" and "upload" are methods too)."""
        self.faults[method] = Fault(kind, times, **more)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens: connections are refused, and those that were open are closed."""
        self._run(self._stop())
        try:
            yield
        finally:
            self._run(self._listen())

    def refresh(self, warn: bool = True) -> None:
        """End every web socket, as Slack does every few hours: with a word before, or without one."""
        self._run(self._refresh(warn))

    # running

    def start(self) -> None:
        self._thread.start()
        self._run(self._begin())

    def stop(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _begin(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.post("/api/{method}", self._api),
                web.get("/api/{method}", self._api),
                web.post("/upload/v1/{file}", self._upload),
                web.post("/{kind:commands|actions|app}/{rest:.+}", self._response),
                web.get("/link/", self._link),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        assert self._site._server is not None
        self._port = self._site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's
        self.url = f"http://127.0.0.1:{self._port}"

    async def _stop(self) -> None:
        await self._refresh(False)
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def _end(self) -> None:
        self._released.set()
        await self._refresh(False)
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        # Connections that were aborted are closed by callbacks, which come after this.
        await asyncio.sleep(0.05)

    # the Web API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        raw = await request.read()

        async def answer() -> web.Response:
            arguments = await _arguments(request, raw)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            token = token or str(arguments.pop("token", ""))
            try:
                granted = {"X-OAuth-Scopes": ",".join(sorted(self.scopes))}
                return web.json_response(called(self, method, token, arguments), headers=granted)
            except SlackError as error:
                headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
                return web.json_response(error.body, status=error.status, headers=headers)

        return await self._with_faults(method, request, answer)

    async def _with_faults(
        self, method: str, request: web.Request, answer: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        fault = self.faults.get(method)
        if fault is None or fault.times <= 0:
            return await answer()
        fault.times -= 1
        if fault.kind == "slow":
            await self._pause(fault.seconds)
            return await answer()
        if fault.kind in ("drop", "hang"):
            await answer()
            if fault.kind == "hang":
                await self._pause(fault.seconds or 60)
            return _cut(request)
        return _failing(fault, request)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._released.wait(), seconds)
        except TimeoutError:
            return

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()

        async def answer() -> web.StreamResponse:
            file = self.files.get(request.match_info["file"])
            if file is None or len(content) != file["length"]:
                return web.Response(status=400, text="the length is not what was said")
            file["content"] = content
            return web.Response(text=f"OK - {len(content)}")

        return await self._with_faults("upload", request, answer)

    async def _response(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()

        async def answer() -> web.StreamResponse:
            with self.lock:
                return self._responded(request.path.lstrip("/"), json.loads(raw))

        return await self._with_faults("response_url", request, answer)

    def _responded(self, path: str, said: Json) -> web.Response:
        response = self.responses.get(path)
        if response is None or self.moved - response.made > 30 * 60:
            return web.Response(status=404, text="expired_url")
        if response.uses >= 5:
            return web.Response(status=404, text="used_url")
        text, blocks = said.get("text") or "", said.get("blocks") or []
        if wrong_with_blocks(blocks):
            return web.Response(status=400, text="invalid_blocks")
        if not text and not blocks and not said.get("delete_original"):
            return web.Response(status=400, text="no_text")
        response.uses += 1
        self.calls["response_url"] += 1
        if said.get("response_type") == "in_channel":
            self.add(Posted(response.channel, self.ts(), self.bot_user, text, blocks))
        else:
            self.show(Shown(response.user, response.channel, text, blocks, "response_url"))
        return web.Response(text="ok")

    # Socket Mode

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        connection = _Connection(ws)
        with self.changed:
            self.connections.append(connection)
            self.opened += 1
            self.changed.notify_all()
        info = {"app_id": self.app_id}
        await ws.send_json({"type": "hello", "num_connections": 1, "connection_info": info, "debug_info": {}})
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                said = json.loads(message.data)
                waiting = connection.acks.pop(str(said.get("envelope_id")), None)
                if waiting is not None:
                    waiting.set_result(said)
        with self.changed:
            self.connections.remove(connection)
        for each in connection.acks.values():
            each.set_exception(ConnectionError("the web socket was closed before it was acknowledged"))
        return ws

    async def _refresh(self, warn: bool) -> None:
        for each in list(self.connections):
            if warn:
                await each.ws.send_json(
                    {"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}
                )
            await each.ws.close()

    def socket_sent(self, kind: str, payload: Json, attempt: int) -> Json:
        """One envelope over the newest web socket, and what was acknowledged."""
        self.until(lambda: self.connections)
        waiting: Future[Json] = Future()
        name = str(uuid.uuid4())

        async def send() -> None:
            connection = self.connections[-1]
            connection.acks[name] = waiting
            await connection.ws.send_json(
                {
                    "envelope_id": name,
                    "type": kind,
                    "payload": payload,
                    "accepts_response_payload": kind != "events_api",
                    **({"retry_attempt": attempt, "retry_reason": ""} if kind == "events_api" else {}),
                }
            )

        self._run(send())
        return waiting.result(30)


def _failing(fault: Fault, request: web.Request) -> web.StreamResponse:
    if fault.kind == "reset":
        return _cut(request)
    if fault.kind == "429":
        body = {"ok": False, "error": "ratelimited"}
        return web.json_response(body, status=429, headers={"Retry-After": str(fault.retry_after)})
    if fault.kind == "page":
        return web.Response(text="<html>Slack is being mended</html>", content_type="text/html")
    if fault.kind == "error":
        return web.json_response({"ok": False, "error": fault.error})
    return web.Response(status=int(fault.kind), text="<html>something went wrong</html>")


def _cut(request: web.Request) -> web.StreamResponse:
    """End the connection with a reset."""
    transport = request.transport
    if transport is not None:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _arguments(request: web.Request, raw: bytes) -> Json:
    kind = request.content_type
    if kind == "application/json":
        said = json.loads(raw or b"{}")
        return said if isinstance(said, dict) else {}
    if kind == "multipart/form-data":
        return dict((await request.post()).items())
    return dict(parse_qsl(raw.decode(), keep_blank_values=True)) | dict(request.query)


@contextmanager
def slack() -> Iterator[Slack]:
    """The double, while it runs."""
    double = Slack()
    double.start()
    try:
        yield double
    finally:
        double.stop()
