"""A double of Loki's query API: test_loki_double.py holds it to Loki's documentation."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.doubles.logql import LogParser, LogQuery, ParseError

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """A line, its stream's labels, its structured metadata, and its nanosecond."""

    at: int
    line: str
    stream: Labels
    metadata: Labels


class LokiDouble:
    """Set the attributes to make it behave like a server with other limits or fewer features."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.max_entries = 5_000
        self.max_query_seconds = 721 * 3600
        self.volume_offered = True
        self.volume_factor = 1
        self.patterns: dict[str, list[tuple[str, list[tuple[int, int]]]]] | None = None
        self.categorized = False
        self.tenant: str | None = None
        self.refuse: dict[str, Response] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        routes = {
            "/loki/api/v1/labels": self._labels,
            "/loki/api/v1/label/{name}/values": self._values,
            "/loki/api/v1/query": self._instant,
            "/loki/api/v1/query_range": self._range,
            "/loki/api/v1/index/volume": self._volume,
            "/loki/api/v1/patterns": self._patterns,
        }
        self.app = Starlette(routes=[Route(path, self._guarded(do)) for path, do in routes.items()])

    def push(
        self, at: float, line: str, stream: Mapping[str, str], metadata: Mapping[str, str] | None = None
    ) -> None:
        entry = Entry(
            round(at * 1e9), line, tuple(sorted(stream.items())), tuple(sorted((metadata or {}).items()))
        )
        self.entries.append(entry)

    def _guarded(self, do: Any) -> Any:
        async def handle(request: Request) -> Response:
            self.asked.append((request.url.path, dict(request.query_params)))
            for path, answer in self.refuse.items():
                if request.url.path.endswith(path):
                    return answer
            if self.tenant is not None and request.headers.get("x-scope-orgid") != self.tenant:
                return PlainTextResponse("no org id\n", 401)
            try:
                made: Response = do(request)
            except ParseError as fault:
                return PlainTextResponse(str(fault), 400)
            return made

        return handle

    def _span(self, request: Request) -> tuple[int, int]:
        start, end = int(request.query_params["start"]), int(request.query_params["end"])
        length = (end - start) // 10**9
        if length > self.max_query_seconds:
            limit = f"{self.max_query_seconds // 3600}h0m0s"
            raise ParseError(
                f"the query time range exceeds the limit (query length: {length}s, limit: {limit})"
            )
        return start, end

    def _within(self, request: Request) -> list[Entry]:
        start, end = self._span(request)
        return [entry for entry in self.entries if start <= entry.at < end]

    def _labels(self, request: Request) -> Response:
        names = {name for entry in self._within(request) for name, _ in entry.stream}
        return JSONResponse({"status": "success", **({"data": sorted(names)} if names else {})})

    def _values(self, request: Request) -> Response:
        name = request.path_params["name"]
        values = {dict(entry.stream).get(name, "") for entry in self._within(request)} - {""}
        return JSONResponse({"status": "success", "data": sorted(values)})

    def _instant(self, request: Request) -> Response:
        query = LogParser(request.query_params["query"]).parse()
        if query.seconds is None:
            return PlainTextResponse("log queries are not supported as an instant query type", 400)
        at = int(request.query_params["time"])
        counts: dict[Labels, int] = defaultdict(int)
        for entry in self.entries:
            labels = dict((*entry.stream, *entry.metadata))
            if at - query.seconds * 10**9 < entry.at <= at and query.matches(labels, entry.line):
                counts[_grouped(query, labels)] += 1
        result = [
            {"metric": dict(labels), "value": [at // 10**9, str(count)]}
            for labels, count in sorted(counts.items())
        ]
        return _success("vector", result)

    def _range(self, request: Request) -> Response:
        query, limit = (
            LogParser(request.query_params["query"]).parse(),
            int(request.query_params.get("limit", 100)),
        )
        start, end = self._span(request)
        if limit > self.max_entries:
            told = f"limit > max_entries_limit_per_query ({limit} > {self.max_entries})"
            return PlainTextResponse(f"max entries limit per query exceeded, {told}", 400)
        found = [
            entry
            for entry in self.entries
            if start <= entry.at < end and query.matches(dict((*entry.stream, *entry.metadata)), entry.line)
        ]
        backward = request.query_params.get("direction", "backward") == "backward"
        found.sort(key=lambda entry: entry.at, reverse=backward)
        streams: dict[Labels, list[list[Any]]] = {}
        for entry in found[:limit]:
            if self.categorized:
                extra = {"structuredMetadata": dict(entry.metadata)} if entry.metadata else {}
                streams.setdefault(entry.stream, []).append([str(entry.at), entry.line, extra])
            else:
                labels = tuple(sorted((*entry.stream, *entry.metadata)))
                streams.setdefault(labels, []).append([str(entry.at), entry.line])
        return _success(
            "streams", [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
        )

    def _volume(self, request: Request) -> Response:
        if not self.volume_offered:
            return PlainTextResponse("404 page not found\n", 404)
        query = LogParser(request.query_params["query"]).parse()
        names = tuple(filter(None, request.query_params.get("targetLabels", "").split(","))) or query.names
        sizes: dict[Labels, int] = defaultdict(int)
        for entry in self._within(request):
            labels = dict(entry.stream)
            if query.selects(labels):
                key = tuple((name, labels[name]) for name in names if name in labels)
                sizes[key] += len(entry.line) * self.volume_factor
        rows = sorted(sizes.items(), key=lambda row: (-row[1], row[0]))[
            : int(request.query_params.get("limit", 100))
        ]
        end = int(request.query_params["end"]) / 1e9
        return _success(
            "vector", [{"metric": dict(labels), "value": [end, str(size)]} for labels, size in rows]
        )

    def _patterns(self, request: Request) -> Response:
        if self.patterns is None:
            return PlainTextResponse("404 page not found\n", 404)
        query = LogParser(request.query_params["query"]).parse()
        rows = [
            {"pattern": pattern, "samples": [list(sample) for sample in samples]}
            for service, patterns in self.patterns.items()
            if query.selects({"service_name": service})
            for pattern, samples in patterns
        ]
        return JSONResponse({"status": "success", "data": rows})


def _grouped(query: LogQuery, labels: Mapping[str, str]) -> Labels:
    if query.by is None:
        return tuple(sorted(labels.items()))
    return tuple((name, labels[name]) for name in query.by if labels.get(name))


def _success(kind: str, result: list[dict[str, Any]]) -> Response:
    body = {"status": "success", "data": {"resultType": kind, "result": result, "stats": {}}}
    return Response(json.dumps(body), media_type="application/json; charset=UTF-8")
