"""Jaeger: a balanced sample of traces by its query API, version 3, and who calls whom.

Answers `SpanSample` and `CallEdges`. Jaeger searches one service at a time and returns whole traces, so
each service is searched in pieces of the window, and the sample is drawn of what came back. The parameters
are written in snake case, which old and new servers take. The unversioned trace search is not used: it was
removed from Jaeger.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from connectors import live_traces as shared
from connectors.answers import CallGraphEdges, SpanSet
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.governor import SourceFailedError
from connectors.http import Endpoint, HttpClient
from connectors.live import Check
from connectors.otlp import SpanCollector
from connectors.questions import CallEdges, SpanSample
from connectors.sampling_plan import Candidate, Population, Slice, draw, slices, weights
from connectors.source_checks import clock_check, fresh_check, refused_check, timed
from connectors.span_selection import of_traces, summaries
from connectors.spending import Spending

_MOST_SEARCHES = 160
_OVERDRAWN = 2
_FEWEST_SEARCHED = 10
_EDGES_OVER = timedelta(hours=24)
_OWN_SERVICE = frozenset({"jaeger", "jaeger-query", "jaeger-all-in-one"})
_EDGES_FIX = (
    "with Elasticsearch, OpenSearch or Cassandra run the spark-dependencies job daily; the service graph of "
    "metrics does as well"
)


@dataclass(frozen=True, slots=True)
class _Search:
    """One search: of a service, in a piece of the window, for anything or for errors."""

    service: str
    start: int
    end: int
    errors: bool
    depth: int


@dataclass(frozen=True, slots=True)
class _Found:
    payload: Mapping[str, object]
    traces: frozenset[str]


class JaegerConnector:
    """One Jaeger query service; `exemplars` are trace ids to start from."""

    questions: ClassVar[frozenset[type[Question]]] = frozenset({SpanSample, CallEdges})

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        exemplars: shared.Exemplars = (),
        budget: shared.TraceBudget | None = None,
    ) -> None:
        self.client = HttpClient(endpoint)
        self._exemplars = exemplars
        self._budget = budget or shared.TraceBudget()

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self.client.endpoint.name

    def close(self) -> None:
        """Give connections back."""
        self.client.close()

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """A balanced sample of whole traces, or the edges of the call graph; nothing later than `now`."""
        try:
            if isinstance(question, SpanSample):
                return self._sample(question, now)
            if isinstance(question, CallEdges):
                return self._edges(question, now)
        except SourceFailedError as failure:
            return Unavailable(question.source, failure.reason, retry=failure.retry)
        return None

    def _sample(self, question: SpanSample, now: datetime) -> Reading | Unavailable:
        if question.window.start >= now:
            return shared.unavailable([], "the window lies after now")
        spending = Spending(self.client, self._budget)
        pieces = slices(question.window, now)
        services = question.services or self._services()
        plan = _plan(services, pieces, question.most_traces)
        searched = spending.ask(plan, self._search)
        entries = shared.exemplar_ids(self._exemplars, question.window, question.most_traces // 4, now)
        fetched = spending.ask(entries, self._trace)
        payloads = [found.payload for _, found in (*searched.answers, *fetched.answers)]
        everything, trouble = shared.collected(payloads, now)
        everything = shared.touching(shared.in_window(everything, question.window, now), question.services)
        if not everything.span:
            return shared.unavailable([*searched.failures, *fetched.failures], shared.NOTHING_FOUND)
        results = [(search, found) for search, found in searched.answers]
        candidates = _candidates(everything, results, pieces)
        picks = draw(candidates, question.most_traces - len(entries))
        spans = of_traces(everything, {*entries, *(pick.trace for pick in picks)})
        known = Population(_complete(results, pieces, len(searched.answers) == len(plan)))
        by_trace = weights(candidates, picks, known)
        found = shared.reading(question, _query(question, services, len(plan)), spans, by_trace, now)
        notes = (
            *shared.failed_notes("searches", searched),
            *shared.failed_notes("traces", fetched),
            *_coverage_notes(services, plan),
            *trouble,
            *shared.lag_note(spans, found.at),
            *([shared.COUNTS_ARE_NO_RATES] if by_trace is None else []),
        )
        return replace(found, notes=notes)

    def _services(self) -> tuple[str, ...]:
        listed = self.client.get("api/v3/services").fields().get("services")
        names = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
        return tuple(sorted(names - _OWN_SERVICE))

    def _search(self, search: _Search) -> _Found:
        params: dict[str, str | int | float] = {
            "query.service_name": search.service,
            "query.start_time_min": _rfc3339(search.start),
            "query.start_time_max": _rfc3339(search.end),
            "query.num_traces": search.depth,
        }
        if search.errors:
            # Servers that do not know the parameter answer with any traces, which does no harm.
            params["query.attributes"] = json.dumps({"error": "true"})
        return self._found("api/v3/traces", params)

    def _trace(self, trace: str) -> _Found:
        return self._found(f"api/v3/traces/{trace}", {})

    def _found(self, path: str, params: Mapping[str, str | int | float]) -> _Found:
        """An answer's traces; Jaeger says 404 where it found none, and so does a wrong address."""
        answer = self.client.get(path, params, accept=(404,))
        body = answer.fields()
        if answer.status == 404:
            if not isinstance(body.get("error"), dict):
                raise SourceFailedError("not found (404)", counts=False)
            return _Found({"resourceSpans": []}, frozenset())
        collector = SpanCollector(float("inf"))
        collector.add(body)
        return _Found(body, frozenset(collector.spans().trace))

    def _edges(self, question: CallEdges, now: datetime) -> Reading | Unavailable:
        start, end = _rfc3339(int((now - _EDGES_OVER).timestamp())), _rfc3339(int(now.timestamp()))
        params = {"startTime": start, "endTime": end, "start_time": start, "end_time": end}
        answer = self.client.get("api/v3/dependencies", params, accept=(404,))
        path = "/api/v3/dependencies"
        if answer.status == 404:
            path = "/api/dependencies"
            lookback = int(_EDGES_OVER.total_seconds() * 1000)
            answer = self.client.get(path, {"endTs": int(now.timestamp() * 1000), "lookback": lookback})
        body = answer.fields()
        listed = body.get("dependencies", body.get("data"))
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        pairs = {(str(row.get("parent", "")), str(row.get("child", ""))) for row in rows}
        edges = CallGraphEdges(edges=tuple(sorted(pair for pair in pairs if all(pair))))
        if not edges.edges:
            return Unavailable(Source.TOPOLOGY, f"Jaeger has worked out no dependencies: {_EDGES_FIX}")
        return Reading(
            source=Source.TOPOLOGY,
            question=question,
            query=f"GET {path} of the 24 h before {end}",
            at=now.astimezone(UTC),
            answer=edges,
            sha256=sha256(edges),
        )

    def check(self, *, now: datetime) -> Sequence[Check]:
        """List services, look for the newest trace, and say what would mend what is missing."""
        began = time.monotonic()
        try:
            answer = self.client.get("api/v3/services")
            services = self._services()
        except SourceFailedError as failure:
            return [refused_check(failure, self.client.endpoint, "jaeger", time.monotonic() - began)]
        seconds = time.monotonic() - began
        reachable = Check(
            "reachable", "ok", f"{self.client.endpoint.url}: {len(services)} services", "", seconds
        )
        return [
            reachable,
            timed(lambda: self._check_fresh(services, now)),
            clock_check(answer.skew_seconds),
            timed(lambda: self._check_edges(now)),
        ]

    def _check_fresh(self, services: Sequence[str], now: datetime) -> Check:
        hint = "Jaeger receives no spans: check the collector's exporter and Jaeger's receivers"
        end = int(now.timestamp()) + 1
        newest: float | None = None
        try:
            for service in services[:10]:
                search = _Search(service, end - 3600, end, errors=False, depth=20)
                spans, _ = shared.collected([self._search(search).payload], now)
                newest = max([*spans.start.tolist(), *([] if newest is None else [newest])], default=None)
        except SourceFailedError as failure:
            return Check("fresh", "failed", failure.reason, "check the storage behind Jaeger")
        return fresh_check("trace", newest, now, 300.0, hint)

    def _check_edges(self, now: datetime) -> Check:
        reply = self.ask(CallEdges(), now=now)
        if isinstance(reply, Reading) and isinstance(reply.answer, CallGraphEdges):
            return Check("knows dependencies", "ok", f"{len(reply.answer.edges)} edges")
        reason = reply.reason if isinstance(reply, Unavailable) else "no answer"
        return Check("knows dependencies", "warning", reason, _EDGES_FIX)


def _rfc3339(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%FT%TZ}"


def _plan(services: Sequence[str], pieces: Sequence[Slice], most: int) -> list[_Search]:
    """Searches of each service in as many parts of the window as their number allows, the newest first."""
    parts = max(min(len(pieces), _MOST_SEARCHES // max(len(services), 1) - 2), 2)
    spans = _merged(pieces, parts)
    halves = _merged(pieces, 2)
    depth = max(_OVERDRAWN * most // (len(spans) * max(len(services), 1)), _FEWEST_SEARCHED)
    plan = [
        _Search(service, *piece, errors, depth)
        for errors, ranges in ((False, spans), (True, halves))
        for piece in ranges
        for service in services
    ]
    return plan[:_MOST_SEARCHES]


def _merged(pieces: Sequence[Slice], parts: int) -> list[tuple[int, int]]:
    """Neighbouring slices as one, so that about so many are left."""
    size = -(-len(pieces) // parts)
    groups = [pieces[at : at + size] for at in range(0, len(pieces), size)]
    return [(group[-1].start, group[0].end) for group in groups]


def _candidates(
    spans: SpanSet, results: Sequence[tuple[_Search, _Found]], pieces: Sequence[Slice]
) -> list[Candidate]:
    by_chance = {trace for search, found in results if not search.errors for trace in found.traces}
    made = (
        shared.candidate_of(trace, brief, pieces, trace in by_chance)
        for trace, brief in summaries(spans).items()
    )
    return [candidate for candidate in made if candidate is not None]


def _complete(results: Sequence[tuple[_Search, _Found]], pieces: Sequence[Slice], all_came: bool) -> set[int]:
    """The slices of which every trace came back.

    Some storages return fewer traces than they hold and than were asked for: only half of that is trusted.
    """
    if not all_came:
        return set()
    cut = [search for search, found in results if not search.errors and len(found.traces) > search.depth // 2]
    return {
        piece.number
        for piece in pieces
        if not any(search.start < piece.end and piece.start < search.end for search in cut)
    }


def _coverage_notes(services: Sequence[str], plan: Sequence[_Search]) -> list[str]:
    searched = {search.service for search in plan}
    if len(searched) == len(set(services)):
        return []
    return [f"{len(searched)} of {len(services)} services searched: name services to see the others"]


def _query(question: SpanSample, services: Sequence[str], searches: int) -> str:
    start, end = (_rfc3339(int(at.timestamp())) for at in (question.window.start, question.window.end))
    return (
        f"GET /api/v3/traces?query.service_name=…&query.start_time_min={start}&query.start_time_max={end}, "
        f"{searches} searches of {len(services)} services"
    )
