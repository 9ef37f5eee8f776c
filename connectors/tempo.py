"""Tempo: a balanced sample of traces by TraceQL search, then trace by trace.

Answers `SpanSample`. Each slice of the window is searched twice, for anything and for errors; the traces
drawn of what was found are fetched whole. TraceQL metrics, where Tempo offers them, tell how many traces
each fetched one stands for. What Tempo cannot know: traces that were never sampled, and, for about half
a minute, those that are not written yet.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from connectors import live_traces as shared
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.governor import SourceFailedError
from connectors.http import Endpoint, HttpClient
from connectors.json_shapes import mapping, number, objects, text
from connectors.live import Check
from connectors.otlp import trace_id
from connectors.questions import SpanSample
from connectors.sampling_plan import (
    GRID_SECONDS,
    Candidate,
    Population,
    Slice,
    draw,
    slice_of,
    slices,
    weights,
)
from connectors.source_checks import clock_check, fresh_check, refused_check, timed
from connectors.span_selection import TraceSummary
from connectors.spending import Spending

_OVERDRAWN = 3
_FEWEST_SEARCHED = 20
_LIMIT_TOLD = re.compile(r"limit \d+ exceeds max limit (\d+)|exceeds[a-z ]*?(?:limit|max)[a-z ]*?(\d+)")
_METRICS_FIX = (
    "Tempo 2.x: metrics_generator.processor.local_blocks.flush_to_storage: true, and local-blocks among "
    "overrides.defaults.metrics_generator.processors; Tempo 3: on by default"
)


@dataclass(slots=True)
class _Search:
    """One search: in a slice, for anything or for errors, and what it found."""

    piece: Slice
    errors: bool
    found: list[tuple[str, TraceSummary]] = field(default_factory=list)
    cut: bool = False
    partial: bool = False


class TempoConnector:
    """One Tempo. `tenant` is sent as X-Scope-OrgID; `exemplars` are trace ids to start from."""

    questions: ClassVar[frozenset[type[Question]]] = frozenset({SpanSample})

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        tenant: str | None = None,
        exemplars: shared.Exemplars = (),
        budget: shared.TraceBudget | None = None,
    ) -> None:
        if tenant is not None:
            endpoint = replace(endpoint, headers={**endpoint.headers, "X-Scope-OrgID": tenant})
        self.client = HttpClient(endpoint)
        self._exemplars = exemplars
        self._budget = budget or shared.TraceBudget()
        self._first_version = False

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self.client.endpoint.name

    def close(self) -> None:
        """Give connections back."""
        self.client.close()

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """A balanced sample of whole traces, no span of them later than `now`."""
        if not isinstance(question, SpanSample):
            return None
        try:
            return self._sample(question, now)
        except SourceFailedError as failure:
            return shared.unavailable([failure], "")

    def _sample(self, question: SpanSample, now: datetime) -> Reading | Unavailable:
        if question.window.start >= now:
            return shared.unavailable([], "the window lies after now")
        spending = Spending(self.client, self._budget)
        pieces = slices(question.window, now)
        limit = max(_OVERDRAWN * question.most_traces // len(pieces), _FEWEST_SEARCHED)
        plan = [_Search(piece, errors) for errors in (False, True) for piece in pieces]
        searched = spending.ask(plan, lambda search: self._search(search, question.services, limit))
        searches = [search for _, search in searched.answers]
        candidates = _candidates(searches, pieces)
        entries = shared.exemplar_ids(self._exemplars, question.window, question.most_traces // 4, now)
        picks = draw(candidates, question.most_traces - len(entries))
        wanted = list(dict.fromkeys([*entries, *(pick.trace for pick in picks)]))
        if not wanted:
            return shared.unavailable(searched.failures, shared.NOTHING_FOUND)
        fetched = spending.ask(wanted, self._trace)
        if not fetched.answers:
            return shared.unavailable(fetched.failures, "no trace could be fetched within the budget")
        payloads = [payload for _, payload in fetched.answers]
        spans, trouble = shared.collected(payloads, now)
        if not spans.span:
            why = f"none of the {len(payloads)} traces fetched can be read: {'; '.join(trouble)}"
            return shared.unavailable([], why)
        spans = shared.in_window(spans, question.window, now)
        known = self._population(question, pieces, searches)
        by_trace = weights(candidates, shared.fetched_picks(picks, spans), known)
        found = shared.reading(
            question, _query(question, pieces, len(plan), len(wanted)), spans, by_trace, now
        )
        notes = (
            *shared.failed_notes("searches", searched),
            *shared.failed_notes("traces", fetched),
            *_search_notes(searches),
            *_trace_notes(payloads),
            *trouble,
            *shared.lag_note(spans, found.at),
            *([shared.COUNTS_ARE_NO_RATES] if by_trace is None else []),
        )
        return replace(found, notes=notes)

    def _search(self, search: _Search, services: Sequence[str], limit: int) -> _Search:
        params: dict[str, str | int | float] = {
            "q": traceql(services, search.errors),
            "start": search.piece.start,
            "end": search.piece.end,
            "limit": limit,
            "spss": 1,
        }
        answer = self.client.get("api/search", params, accept=(400,))
        if answer.status == 400:
            allowed = _LIMIT_TOLD.search(answer.text())
            if allowed is None or int(allowed[1] or allowed[2]) >= limit:
                raise SourceFailedError(f"status 400: {answer.text()[:200]}", counts=False)
            return self._search(search, services, int(allowed[1] or allowed[2]))
        body = answer.fields()
        traces = objects(body.get("traces"))
        briefs = [brief for brief in map(_brief, traces) if brief is not None]
        return replace(search, found=briefs, cut=len(traces) >= limit, partial=_partial(body))

    def _trace(self, trace: str) -> dict[str, object]:
        """One trace, whole; older servers know the first version of the address only."""
        if not self._first_version:
            answer = self.client.get(f"api/v2/traces/{trace}", accept=(404,))
            if answer.status != 404:
                return answer.fields()
        answer = self.client.get(f"api/traces/{trace}", accept=(404,))
        if answer.status == 404:
            return {"trace": {"resourceSpans": []}, "status": "GONE"}
        self._first_version = True
        return answer.fields()

    def _population(
        self, question: SpanSample, pieces: Sequence[Slice], searches: Iterable[_Search]
    ) -> Population:
        """What is known of how many traces there were; asked only where a search was cut."""
        done = [search for search in searches if not search.errors]
        complete = {search.piece.number for search in done if not (search.cut or search.partial)}
        if len(complete) == len(pieces) or question.services:
            return Population(complete)
        try:
            return Population(complete, self._counted(pieces))
        except SourceFailedError:
            return Population(complete)

    def _counted(self, pieces: Sequence[Slice]) -> dict[tuple[int, str, str], float]:
        """Traces by slice, root service and root operation, by TraceQL metrics."""
        answer = self.client.get(
            "api/metrics/query_range",
            {
                "q": "{ nestedSetParent < 0 } | rate() by (resource.service.name, name)",
                "start": pieces[-1].start,
                "end": -(-pieces[0].end // GRID_SECONDS) * GRID_SECONDS,  # Tempo aligns downwards
                "step": f"{GRID_SECONDS}s",
            },
        )
        body = answer.fields()
        if _partial(body):
            raise SourceFailedError("TraceQL metrics answered in part")
        counts: dict[tuple[int, str, str], float] = defaultdict(float)
        for series in objects(body.get("series")):
            labels = {
                str(label.get("key")): text(mapping(label.get("value")), "stringValue")
                for label in objects(series.get("labels"))
            }
            root = labels.get("resource.service.name", ""), labels.get("name", "")
            for sample in objects(series.get("samples")):
                # A sample stands for the step that ends with it; a value of zero is left out.
                at = number(sample.get("timestampMs")) / 1000 - GRID_SECONDS / 2
                piece = slice_of(pieces, at)
                if piece is not None:
                    counts[(piece.number, *root)] += number(sample.get("value")) * GRID_SECONDS
        return dict(counts)

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Search the last hour, and say what works and what would mend the rest."""
        began = time.monotonic()
        hour = Window(start=now - timedelta(hours=1), end=now)
        params: dict[str, str | int | float] = {
            "q": "{ }",
            "start": int(hour.start.timestamp()),
            "end": int(now.timestamp()) + 1,
            "limit": 20,
            "spss": 1,
        }
        try:
            answer = self.client.get("api/search", params)
            traces = [
                brief for brief in map(_brief, objects(answer.fields().get("traces"))) if brief is not None
            ]
        except SourceFailedError as failure:
            return [refused_check(failure, self.client.endpoint, "tempo", time.monotonic() - began)]
        newest = max((brief.start for _, brief in traces), default=None)
        hint = "Tempo receives no spans: check the collector's exporter and Tempo's distributor.receivers"
        return [
            Check(
                "reachable",
                "ok",
                f"{self.client.endpoint.url}: search answers",
                seconds=time.monotonic() - began,
            ),
            fresh_check("trace", newest, now, 300.0, hint),
            clock_check(answer.skew_seconds),
            timed(lambda: self._check_metrics(now)),
        ]

    def _check_metrics(self, now: datetime) -> Check:
        end = int(now.timestamp())
        params: dict[str, str | int | float] = {
            "q": "{ nestedSetParent < 0 } | rate()",
            "start": end - 600,
            "end": end,
            "step": "60s",
        }
        try:
            self.client.get("api/metrics/query_range", params)
        except SourceFailedError as failure:
            found = f"no TraceQL metrics ({failure.reason}): what sampled traces stand for is then unknown"
            return Check("counts traces", "warning", found, _METRICS_FIX)
        return Check("counts traces", "ok", "TraceQL metrics answer")


def traceql(services: Sequence[str], errors: bool) -> str:
    """The search for traces, of some services or all, failed ones or any."""
    named = " || ".join(f"resource.service.name = {_quoted(service)}" for service in services)
    parts = [f"({named})" if len(services) > 1 and errors else named] if services else []
    if errors:
        parts.append("status = error")
    return f"{{ {' && '.join(parts)} }}" if parts else "{ }"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _query(question: SpanSample, pieces: Sequence[Slice], searches: int, traces: int) -> str:
    start, end = (datetime.fromtimestamp(at, UTC) for at in (pieces[-1].start, pieces[0].end))
    return (
        f"TraceQL {traceql(question.services, False)} and {traceql(question.services, True)}, "
        f"{start:%FT%TZ} to {end:%FT%TZ}, {searches} searches, then {traces} of /api/v2/traces/ID"
    )


def _candidates(searches: Sequence[_Search], pieces: Sequence[Slice]) -> list[Candidate]:
    """Every trace found, once; one that an error was searched in has failed, whatever its summary says."""
    failed = {trace for search in searches if search.errors for trace, _ in search.found}
    by_chance = {trace for search in searches if not search.errors for trace, _ in search.found}
    found: dict[str, Candidate] = {}
    for search in searches:
        for trace, brief in search.found:
            brief = replace(brief, error=brief.error or trace in failed)
            candidate = shared.candidate_of(trace, brief, pieces, trace in by_chance)
            if candidate is not None:
                found.setdefault(trace, candidate)
    return list(found.values())


def _brief(raw: Mapping[str, object]) -> tuple[str, TraceSummary] | None:
    """One trace as a search tells it: zeros are left out, leading zeros of its id too."""
    try:
        identity = trace_id(raw.get("traceID"))
    except (TypeError, ValueError):
        return None
    start = number(raw.get("startTimeUnixNano")) / 1e9
    if not identity or not start:
        return None
    stats = raw.get("serviceStats")
    each = stats.values() if isinstance(stats, dict) else ()
    errors = any(number(one.get("errorCount")) > 0 for one in each if isinstance(one, dict))
    brief = TraceSummary(
        start=start,
        duration=number(raw.get("durationMs")) / 1000,
        service=str(raw.get("rootServiceName", "")),
        name=str(raw.get("rootTraceName", "")),
        error=errors,
    )
    return identity, brief


def _partial(body: Mapping[str, object]) -> bool:
    metrics = body.get("metrics")
    told = metrics if isinstance(metrics, dict) else {}
    return body.get("status") == "PARTIAL" or number(told.get("completedJobs")) < number(
        told.get("totalJobs")
    )


def _search_notes(searches: Sequence[_Search]) -> list[str]:
    cut = sum(search.cut for search in searches)
    partial = sum(search.partial for search in searches)
    counts = (
        (cut, "found more traces than they may return: the first found were drawn from"),
        (partial, "were answered in part only"),
    )
    return [f"{count} of {len(searches)} searches {what}" for count, what in counts if count]


def _trace_notes(payloads: Sequence[Mapping[str, object]]) -> list[str]:
    partial = sum(payload.get("status") == "PARTIAL" for payload in payloads)
    gone = sum(payload.get("status") == "GONE" or payload.get("trace") == {} for payload in payloads)
    counts = (
        (partial, "traces are not whole: larger than Tempo may return"),
        (gone, "traces were gone when fetched"),
    )
    return [f"{count} {what}" for count, what in counts if count]
