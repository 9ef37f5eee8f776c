"""What `firstcause serve` runs: one ASGI process with its endpoints, ended gracefully."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot import configuration
from bot.errors import BadInputError
from bot.serve_fields import ServeFields
from bot.settings import Settings
from bot.store.changes import PostedChanges
from bot.web.changes import ChangesEndpoint

DRAIN_SECONDS = 10


def run(config: Path | None, listen: str | None) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished.

    Raises:
        BadInputError: there is nothing to serve, or nowhere to listen.
    """
    import uvicorn

    settings = Settings()
    chosen = configuration.load(configuration.find(config, settings))
    host, port = address(listen or chosen.serve.listen)
    changes = PostedChanges(settings.store or chosen.store or settings.store_path)
    try:
        app = application(chosen.serve, changes)
        listener = listening(host, port)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                limit_concurrency=200,
            )
        )
        where = f"[{host}]" if ":" in host else host
        said = f"firstcause: listening on http://{where}:{listener.getsockname()[1]}"
        print(f"{said}, for POST /changes; Ctrl-C ends it", file=sys.stderr, flush=True)  # noqa: T201
        with listener:
            server.run(sockets=[listener])
    finally:
        changes.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that is listened on, so that nothing is said to listen that does not.

    Raises:
        BadInputError: the address is taken, or not one of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        # Named TCP, or asyncio leaves Nagle's algorithm on: 40 ms a request.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise BadInputError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen()
    except OSError as error:
        listener.close()
        raise BadInputError(
            f"cannot listen on {host}:{port}: {error.strerror}; --listen names another address"
        ) from error
    return listener


def application(fields: ServeFields, changes: PostedChanges) -> Starlette:
    """The application that is served.

    Raises:
        BadInputError: no token says who may tell changes, or it is too short.
    """
    if fields.changes_token is None:
        raise BadInputError("serve.changes_token is missing: without it nobody could be heard")
    try:
        endpoint = ChangesEndpoint(changes, fields.changes_token.get_secret_value())
    except ValueError as error:
        raise BadInputError(f"serve.changes_token: {error}") from error

    def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"}) if changes.usable() else JSONResponse({"status": "store"}, 503)

    return Starlette(routes=[Route("/healthz", health), *endpoint.routes()])


def address(listen: str) -> tuple[str, int]:
    """Host and port.

    Raises:
        BadInputError: it is not HOST:PORT.
    """
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) <= 65535):
        raise BadInputError(f"--listen {listen}: write HOST:PORT, such as 127.0.0.1:8088")
    return host.strip("[]"), int(port)
