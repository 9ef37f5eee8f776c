"""What the source of a shop service may use: routes, the database, the other services, a log, its settings.

In the shop's own repository this module is called `shopkit`. It must not contain any behaviour of a service:
that is in the checked-out source of the deployed commit.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import propagate, trace
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.lab import instruments
from tests.lab.dbclient import Database, DatabaseError
from tests.lab.peers import PeerError, Peers
from tests.lab.telemetry import Journal

__all__ = ["Call", "Database", "DatabaseError", "Handler", "PeerError", "Peers", "Reply", "Service"]

TRACER = trace.get_tracer("shopkit.http")


@dataclass(frozen=True)
class Call:
    """One request, parsed."""

    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """What a handler answers."""

    body: object
    status: int = 200


@dataclass
class Service:
    """A running service: what its source was given and the routes it declared."""

    name: str
    settings: Mapping[str, Any]
    db: Database
    peers: Peers
    log: Journal
    routes: list[Route] = field(default_factory=list)

    def route(self, method: str, path: str, handler: Handler) -> None:
        self.routes.append(Route(path, _endpoint(self, method, path, handler), methods=[method]))


Handler = Callable[[Service, Call], Awaitable[Reply]]


def _endpoint(
    service: Service, method: str, path: str, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler in what every request gets: a SERVER span, RED metrics, errors turned into statuses."""
    # Starlette's converters ("{id:int}") are no part of the route's name.
    route = path.replace(":int", "")

    async def serve(request: Request) -> Response:
        began = time.perf_counter()
        attributes = {"http.request.method": method, "http.route": route, "url.path": request.url.path}
        context = propagate.extract(dict(request.headers))
        with (
            instruments.ACTIVE.track_inprogress(),
            TRACER.start_as_current_span(
                f"{method} {route}", context, kind=trace.SpanKind.SERVER, attributes=attributes
            ) as span,
        ):
            reply = await _answer(service, handler, request, span)
            span.set_attribute("http.response.status_code", reply.status)
            instruments.observe(
                instruments.SERVED,
                time.perf_counter() - began,
                method=method,
                route=route,
                code=str(reply.status),
            )
        return JSONResponse(reply.body, reply.status)

    return serve


async def _answer(service: Service, handler: Handler, request: Request, span: trace.Span) -> Reply:
    body = await request.json() if request.method == "POST" else {}
    call = Call(request.path_params, request.query_params, body)
    try:
        return await handler(service, call)
    except (PeerError, DatabaseError) as error:
        span.record_exception(error)
        span.set_status(trace.StatusCode.ERROR, str(error))
        span.set_attribute("error.type", type(error).__name__)
        service.log.error(f"{request.method} {request.url.path} failed: {error}", logger=service.name)
        return Reply({"error": str(error)}, 502 if isinstance(error, PeerError) else 503)
