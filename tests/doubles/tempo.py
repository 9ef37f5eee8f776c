"""A double of Tempo's query API: test_tempo_double.py holds it to a real server's recorded answers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.doubles.span_memory import Json, SpanMemory, Stored, Trace, grouped
from tests.doubles.traceql import Parser, Query, SyntaxFaultError, field_of

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")


class TempoDouble:
    """Set the attributes to make it behave like a server that is older, smaller, busier or short of data."""

    def __init__(self) -> None:
        self.memory = SpanMemory()
        self.max_limit = 262_144
        self.metrics_offered = True
        self.second_version = True
        self.lost: set[str] = set()
        self.partial: set[str] = set()
        self.partial_search = False
        self.tenant: str | None = None
        self.refuse: dict[str, Response] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        routes = {
            "/api/search": self._search,
            "/api/traces/{trace}": self._first_trace,
            "/api/v2/traces/{trace}": self._second_trace,
            "/api/metrics/query_range": self._metrics,
            "/api/v2/search/tag/{tag}/values": self._values,
        }
        self.app = Starlette(routes=[Route(path, self._guarded(do)) for path, do in routes.items()])

    def _guarded(self, do: Any) -> Any:
        async def handle(request: Request) -> Response:
            self.asked.append((request.url.path, dict(request.query_params)))
            for path, answer in self.refuse.items():
                if request.url.path.startswith(path):
                    return answer
            if self.tenant is not None and request.headers.get("x-scope-orgid") != self.tenant:
                return PlainTextResponse("no org id", 401)
            try:
                made: Response = do(request)
            except SyntaxFaultError as fault:
                return PlainTextResponse(str(fault), 400)
            return made

        return handle

    def _search(self, request: Request) -> Response:
        query = Parser(request.query_params["q"]).parse()
        asked = request.query_params
        start, end = int(asked.get("start", 0)), int(asked.get("end", 2**40))
        if start >= end:
            text = f"http parameter start must be before end. received start={start} end={end}"
            return PlainTextResponse(text, 400)
        limit, spans_each = int(asked.get("limit", 20)), int(asked.get("spss", 3))
        if limit > self.max_limit:
            return PlainTextResponse(f"limit {limit} exceeds max limit {self.max_limit}", 400)
        found: list[Json] = []
        for trace in self.memory.found():
            if len(found) < limit and trace.start < end * 10**9 and trace.end >= start * 10**9:
                matched = [span for span in trace.spans if query.matches(span)]
                if matched:
                    found.append(_summary(trace, matched, query, spans_each))
        done = 2 if self.partial_search else 3
        metrics = {"inspectedBytes": "26285", "completedJobs": done, "totalJobs": 3}
        return JSONResponse({"traces": found, "metrics": metrics})

    def _trace(self, request: Request) -> Trace | Response | None:
        written = request.path_params["trace"].lower()
        for at, letter in enumerate(written, start=1):
            if letter not in "0123456789abcdef":
                what = f"invalid character '{letter}' at position {at}"
                return PlainTextResponse(f"trace IDs can only contain hex characters: {what}", 400)
        identity = written.rjust(32, "0")
        return None if identity in self.lost else self.memory.trace(identity)

    def _first_trace(self, request: Request) -> Response:
        trace = self._trace(request)
        if isinstance(trace, Response):
            return trace
        return Response(status_code=404) if trace is None else JSONResponse({"batches": _groups(trace.spans)})

    def _second_trace(self, request: Request) -> Response:
        if not self.second_version:
            return PlainTextResponse("404 page not found", 404)
        trace = self._trace(request)
        if isinstance(trace, Response):
            return trace
        if trace is None:
            return JSONResponse({"trace": {}, "metrics": {}})
        spans = trace.spans[: len(trace.spans) // 2] if trace.id in self.partial else trace.spans
        answer: Json = {"trace": {"resourceSpans": _groups(spans)}, "metrics": {"inspectedBytes": "22025"}}
        if trace.id in self.partial:
            answer |= {"status": "PARTIAL", "message": "trace exceeds max size (max bytes: 5000000)"}
        return JSONResponse(answer)

    def _metrics(self, request: Request) -> Response:
        if not self.metrics_offered:
            return PlainTextResponse("localblocks processor not found", 400)
        asked = request.query_params
        query = Parser(asked["q"]).parse()
        step = int(asked["step"].removesuffix("s"))
        start = int(asked["start"]) // step * step
        end = int(asked["end"]) // step * step  # both are aligned downwards
        counts: dict[tuple[str, ...], dict[int, int]] = {}
        for trace in self.memory.found():
            for span in trace.spans:
                at = -(-span.start // (step * 10**9)) * step
                if query.matches(span) and start <= at <= end:
                    key = tuple(str(field_of(span, name)) for name in query.rate_by or [])
                    counts.setdefault(key, {}).setdefault(at, 0)
                    counts[key][at] += 1
        series = [
            {
                "labels": [_text(name, value) for name, value in zip(query.rate_by or [], key, strict=True)],
                "samples": [_sample(at, counts[key].get(at, 0) / step) for at in range(start, end + 1, step)],
            }
            for key in sorted(counts)
        ]
        return JSONResponse({"series": series, "metrics": {"completedJobs": 3, "totalJobs": 3}})

    def _values(self, request: Request) -> Response:
        name = request.path_params["tag"]
        found = {field_of(span, name) for trace in self.memory.found() for span in trace.spans}
        values = [{"type": "string", "value": value} for value in sorted(map(str, found - {None}))]
        return JSONResponse({"tagValues": values, "metrics": {"inspectedBytes": "26512"}})


def _summary(trace: Trace, matched: Sequence[Stored], query: Query, spans_each: int) -> Json:
    root = trace.root
    spans = [_found_span(span, query) for span in matched[:spans_each]]
    one = {"spans": spans, "matched": len(matched)}
    stats: dict[str, dict[str, int]] = {}
    for span in trace.spans:
        each = stats.setdefault(span.service, {"spanCount": 0})
        each["spanCount"] += 1
        if span.failed:
            each["errorCount"] = each.get("errorCount", 0) + 1
    answer = {
        "traceID": trace.id.lstrip("0"),
        "rootServiceName": root.service if root else "<root span not yet received>",
        "rootTraceName": root.raw["name"] if root else "",
        "startTimeUnixNano": str(trace.start),
        "durationMs": (trace.end - trace.start) // 10**6,
        "spanSet": one,
        "spanSets": [one],
        "serviceStats": stats,
    }
    return {name: value for name, value in answer.items() if value not in (0, "")}


def _found_span(span: Stored, query: Query) -> Json:
    names = [name for name in query.fields if name not in ("duration", "nestedSetParent")]
    keys = sorted({name.removeprefix("resource.").removeprefix("span."): name for name in names}.items())
    attributes = [_text(key, field_of(span, name)) for key, name in keys if field_of(span, name) is not None]
    answer = {
        "spanID": span.raw["spanId"].lstrip("0"),
        "startTimeUnixNano": str(span.start),
        "durationNanos": str(span.end - span.start),
    }
    return {**answer, "attributes": attributes} if attributes else answer


def _text(key: str, value: object) -> Json:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}


def _sample(at: int, value: float) -> Json:
    return {"timestampMs": str(at * 1000), **({"value": value} if value else {})}


def _groups(spans: Sequence[Stored]) -> list[Json]:
    return [
        {
            "resource": first.resource,
            "scopeSpans": [{"scope": first.scope, "spans": [_protobuf(each.raw) for each in members]}],
        }
        for first, members in grouped(spans)
    ]


def _protobuf(raw: Mapping[str, Any]) -> Json:
    """As protobuf's own JSON mapping writes it: ids in base64, enums by name, zeros left out."""
    made: Json = {}
    for name, value in raw.items():
        if name in ("traceId", "spanId", "parentSpanId"):
            made[name] = base64.b64encode(bytes.fromhex(value)).decode()
        elif name == "kind":
            made[name] = f"SPAN_KIND_{_KINDS[value]}"
        elif name == "status":
            made[name] = (
                {**value, "code": f"STATUS_CODE_{_STATUSES[value['code']]}"} if value.get("code") else value
            )
        else:
            made[name] = value
    return {name: value for name, value in made.items() if value not in ("", 0, [])}
