"""A double of Jaeger's query API, version 3: test_jaeger_double.py holds it to what the project publishes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.doubles.span_memory import Json, SpanMemory, Stored, Trace, grouped

_CAMEL = re.compile(r"_([a-z])")


class MalformedError(Exception):
    """A parameter cannot be read."""


class JaegerDouble:
    """`knows_attributes` is false for older servers; `third_dependencies` too: they have the old address."""

    def __init__(self) -> None:
        self.memory = SpanMemory()
        self.knows_attributes = True
        self.third_dependencies = True
        self.dependencies_made = True
        self.most_depth = 1500
        self.asked: list[tuple[str, dict[str, str]]] = []
        routes = {
            "/api/v3/services": self._services,
            "/api/v3/operations": self._operations,
            "/api/v3/traces": self._find,
            "/api/v3/traces/{trace}": self._trace,
            "/api/v3/dependencies": self._dependencies,
            "/api/dependencies": self._old_dependencies,
        }
        self.app = Starlette(routes=[Route(path, self._guarded(do)) for path, do in routes.items()])

    def _guarded(self, do: Any) -> Any:
        async def handle(request: Request) -> Response:
            self.asked.append((request.url.path, dict(request.query_params)))
            try:
                made: Response = do(request)
            except MalformedError as fault:
                return _error(400, str(fault))
            return made

        return handle

    def _services(self, _request: Request) -> Response:
        names = {span.service for trace in self.memory.found() for span in trace.spans}
        return JSONResponse({"services": sorted(names)} if names else {"services": []})

    def _operations(self, request: Request) -> Response:
        kinds = ("", "internal", "server", "client", "producer", "consumer")
        service = request.query_params.get("service")
        found = {
            (span.raw["name"], kinds[span.raw.get("kind", 0)] or "internal")
            for trace in self.memory.found()
            for span in trace.spans
            if span.service == service
        }
        return JSONResponse(
            {"operations": [{"name": name, "spanKind": kind} for name, kind in sorted(found)]}
        )

    def _find(self, request: Request) -> Response:
        earliest, latest = _time(request, "query.start_time_min"), _time(request, "query.start_time_max")
        if earliest is None or latest is None:
            raise MalformedError("query.startTimeMin and query.startTimeMax are required")
        depth = int(
            _either(request, "query.search_depth") or request.query_params.get("query.num_traces") or 100
        )
        if depth > self.most_depth:
            raise MalformedError(f"search depth must be between 1 and {self.most_depth}")
        service, attributes = (
            _either(request, "query.service_name"),
            request.query_params.get("query.attributes"),
        )
        found: list[Trace] = []
        for trace in self.memory.found():
            if trace.end < earliest or trace.start >= latest or len(found) == depth:
                continue
            spans = [span for span in trace.spans if not service or span.service == service]
            if attributes and self.knows_attributes:
                spans = [span for span in spans if span.failed]
            if any(earliest <= span.start < latest for span in spans):
                found.append(trace)
        return _traces(found)

    def _trace(self, request: Request) -> Response:
        identity = request.path_params["trace"]
        if not re.fullmatch("[0-9a-fA-F]{1,32}", identity):
            raise MalformedError(
                f'malformed parameter trace_id: strconv.ParseUint: parsing "{identity}": invalid syntax'
            )
        trace = self.memory.trace(identity.lower().rjust(32, "0"))
        return _traces([trace] if trace else [])

    def _dependencies(self, request: Request) -> Response:
        if not self.third_dependencies:
            return PlainTextResponse("404 page not found", 404)
        if _time(request, "start_time") is None or _time(request, "end_time") is None:
            raise MalformedError("startTime and endTime are required")
        rows = [{**row, "callCount": str(row["callCount"])} for row in self._links()]
        return JSONResponse({"dependencies": rows})

    def _old_dependencies(self, request: Request) -> Response:
        if self.third_dependencies:
            return PlainTextResponse("404 page not found", 404)
        int(request.query_params["endTs"]), int(request.query_params["lookback"])
        return JSONResponse({"data": self._links(), "total": 0, "limit": 0, "offset": 0, "errors": None})

    def _links(self) -> list[Json]:
        calls: Counter[tuple[str, str]] = Counter()
        for trace in self.memory.found():
            services = {span.raw["spanId"]: span.service for span in trace.spans}
            for span in trace.spans:
                parent = services.get(span.raw.get("parentSpanId", ""))
                if parent is not None and parent != span.service:
                    calls[(parent, span.service)] += 1
        if not self.dependencies_made:
            return []
        return [{"parent": a, "child": b, "callCount": count} for (a, b), count in sorted(calls.items())]


def _either(request: Request, snake: str) -> str | None:
    """A parameter by its canonical name, else by the snake-case one."""
    camel = _CAMEL.sub(lambda match: match[1].upper(), snake)
    return request.query_params.get(camel) or request.query_params.get(snake)


def _time(request: Request, snake: str) -> int | None:
    written = _either(request, snake)
    if written is None:
        return None
    try:
        return int(datetime.fromisoformat(written).timestamp() * 10**9)
    except ValueError as error:
        raise MalformedError(f"malformed parameter {snake}: {error}") from error


def _traces(traces: Sequence[Trace]) -> Response:
    if not traces:
        return _error(404, "No traces found")
    groups = [
        {
            "resource": first.resource,
            "scopeSpans": [{"scope": first.scope, "spans": [_plain(each) for each in members]}],
        }
        for trace in traces
        for first, members in grouped(trace.spans)
    ]
    return JSONResponse({"result": {"resourceSpans": groups}})


def _plain(span: Stored) -> Json:
    """As OTLP's own JSON mapping writes it: ids in hexadecimal, enums as numbers, zeros left out."""
    return {name: value for name, value in span.raw.items() if value not in ("", 0, [])}


def _error(status: int, message: str) -> Response:
    # Go's http.Error names its bodies plain text, whatever they hold.
    body = json.dumps({"error": {"httpCode": status, "message": message}}) + "\n"
    return PlainTextResponse(body, status)
