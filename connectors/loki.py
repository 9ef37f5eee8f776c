"""Loki: counts first, then the lines that tell something, within a budget.

Answers `LogSample` and `LogPatterns`. Lines are counted by service and level in slices of the window that
double in length backwards; then lines are read: failures, services whose counts moved, and a taste of
everything, from each slice alike, so that what came before the onset can be compared with what came since.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from connectors.answers import Answer, LogRecord, LogSet, PatternCounts
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.governor import SourceFailedError
from connectors.http import Endpoint, HttpClient
from connectors.live import Check
from connectors.log_lines import SEVERE, level_name, record
from connectors.log_patterns import asked_patterns, counted_patterns
from connectors.log_tally import LogBudget, Probe, Tally, probes
from connectors.loki_api import LokiApi
from connectors.questions import LogPatterns, LogSample
from connectors.sampling_plan import Slice, slices
from connectors.source_checks import clock_check, fresh_check, refused_check, timed
from connectors.spending import Spending

_LEVELS = ("detected_level", "level", "severity")
_FAILURE_WORDS = "(?i)error|exception|fatal|panic|critical|fail"
_SHARES = {"failures": 0.5, "moved": 0.3, "everything": 0.2}
_MOST_MOVED = 8


_NOTHING_FOUND = "no line of the window was found; this does not mean that nothing was logged"
_Line = tuple[int, str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class _Read:
    """Lines: nanosecond, service, text, labels; `cut` where there may be more."""

    lines: tuple[_Line, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class _Kind:
    """Lines to read: which, how many of them each slice holds as far as is known."""

    name: str
    query: str
    expected: Sequence[float] | None


class LokiConnector:
    """One Loki. `tenant` is sent as X-Scope-OrgID (several: "a|b"); `service_label` names services."""

    questions: ClassVar[frozenset[type[Question]]] = frozenset({LogSample, LogPatterns})

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        tenant: str | None = None,
        service_label: str | None = None,
        budget: LogBudget | None = None,
    ) -> None:
        if tenant is not None:
            endpoint = replace(endpoint, headers={**endpoint.headers, "X-Scope-OrgID": tenant})
        self.client = HttpClient(endpoint)
        self._api = LokiApi(self.client, service_label)
        self._budget = budget or LogBudget()

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self.client.endpoint.name

    def close(self) -> None:
        """Give connections back."""
        self.client.close()

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """Lines or patterns of the window, nothing later than `now`."""
        if not isinstance(question, LogSample | LogPatterns):
            return None
        if question.window.start >= now:
            return Unavailable(Source.LOGS, "the window lies after now")
        try:
            pieces = slices(question.window, now)
            label = self._api.service_label(pieces[-1].start, pieces[0].end)
            if isinstance(question, LogSample):
                return self._sample(question, pieces, label, now)
            return self._patterns(question, pieces, label, now)
        except SourceFailedError as failure:
            return Unavailable(Source.LOGS, failure.reason, retry=failure.retry)

    def _sample(
        self, question: LogSample, pieces: Sequence[Slice], label: str, now: datetime
    ) -> Reading | Unavailable:
        selector = _selector(label, question.services)
        spending = Spending(self.client, self._budget)
        tally, notes = self._counted(selector, pieces, label, spending)
        most = min(question.most_lines, self._budget.lines)
        plan, queries = _plan(selector, label, tally, pieces, most)
        asked = spending.ask(plan, lambda step: self._lines(step[0].query, step[1], label))
        if asked.failures and not asked.answers:
            return Unavailable(Source.LOGS, asked.failures[0].reason, retry=asked.failures[0].retry)
        found = dict.fromkeys(line for _, read in asked.answers for line in read.lines)
        records = [each for each in map(_record, found) if each.at <= now.timestamp()]
        if not records:
            return Unavailable(Source.LOGS, _NOTHING_FOUND, retry=True)
        cut = sum(read.cut or step[1].share < 1 for step, read in asked.answers)
        records.sort(key=lambda each: (each.at, each.service, each.body))
        answer = LogSet(tuple(records[:most]), truncated=bool(cut or asked.left_out or asked.failures))
        notes += _sample_notes(cut, len(plan), tally)
        if asked.failures:
            notes.append(
                f"partly: {len(asked.failures)} of {len(plan)} reads failed: {asked.failures[0].reason}"
            )
        if asked.left_out:
            notes.append(f"partly: reading ended at the budget of {asked.left_out}")
        return _reading(question, "\n".join(queries), answer, now, notes)

    def _counted(
        self, selector: str, pieces: Sequence[Slice], label: str, spending: Spending
    ) -> tuple[Tally | None, list[str]]:
        """Lines by service and level in each slice; of a part of each where all is too much to scan."""
        volume = self._api.volume(selector, label, pieces[-1].start, pieces[0].end)
        share = 1.0
        if volume is not None and sum(volume.values()) > self._budget.scanned_bytes:
            share = self._budget.scanned_bytes / sum(volume.values())
        by = ", ".join((label, *_LEVELS))

        def count(piece: Slice) -> dict[tuple[str, str], float]:
            seconds = max(round((piece.end - piece.start) * share), 1)
            query = f"sum by ({by}) (count_over_time({selector} [{seconds}s]))"
            counts: dict[tuple[str, str], float] = defaultdict(float)
            for labels, value in self._api.instant(query, piece.end):
                level = next((labels[name] for name in _LEVELS if labels.get(name)), "")
                counts[(labels.get(label, ""), level)] += value * (piece.end - piece.start) / seconds
            return dict(counts)

        asked = spending.ask(pieces, count)
        if len(asked.answers) < len(pieces):
            why = asked.failures[0].reason if asked.failures else f"the budget of {asked.left_out}"
            return None, [f"lines could not be counted first: {why}"]
        notes = [f"counts are of {share:.1%} of each slice"] if share < 1 else []
        return Tally(tuple(pieces), tuple(counts for _, counts in asked.answers)), notes

    def _lines(self, query: str, probe: Probe, label: str) -> _Read:
        lines = self._api.lines(query, probe.start, probe.end, probe.limit)
        found = tuple(
            (at, labels.get(label, ""), line, tuple(sorted((k, v) for k, v in labels.items() if k != label)))
            for labels, at, line in lines.found
        )
        return _Read(found, lines.cut)

    def _patterns(
        self, question: LogPatterns, pieces: Sequence[Slice], label: str, now: datetime
    ) -> Reading | Unavailable:
        volume = self._api.volume(_selector(label, ()), label, pieces[-1].start, pieces[0].end) or {}
        services = sorted(volume, key=lambda name: (-volume[name], name)) or self._api.values(
            label, pieces[-1].start, pieces[0].end
        )
        notes = []
        found = asked_patterns(self._api, label, services, pieces)
        query = f'GET /loki/api/v1/patterns?query={{{label}="…"}}, of {len(services)} services'
        if not found:
            notes.append("Loki detects no patterns: these are templates of failing lines, counted")
            counts = counted_patterns(self._api, label, pieces, self._failing(label, pieces))
            found, query = counts.patterns, counts.query
        if not found:
            return Unavailable(
                Source.LOGS, "no patterns were detected, and no failing lines were found to count"
            )
        return _reading(question, query, PatternCounts(patterns=tuple(found)), now, notes)

    def _failing(self, label: str, pieces: Sequence[Slice]) -> list[LogRecord]:
        """Failing lines of the newest slices."""
        newest = pieces[: max(len(pieces) // 3, 1)]
        query = f"{_selector(label, ())} |~ {quoted(_FAILURE_WORDS)}"
        read = self._lines(query, Probe(newest[-1].start, newest[0].end, 1_000, 1.0), label)
        return [_record(line) for line in read.lines]

    def check(self, *, now: datetime) -> Sequence[Check]:
        """Read the newest line of the last hour, and say what works and what would mend the rest."""
        began = time.monotonic()
        start, end = int((now - timedelta(hours=1)).timestamp()), int(now.timestamp()) + 1
        try:
            answer = self.client.get("loki/api/v1/labels", {"start": start * 10**9, "end": end * 10**9})
            label = self._api.service_label(start, end)
            lines = self._api.lines(_selector(label, ()), start, end, 1)
        except SourceFailedError as failure:
            return [_refused(failure, self.client.endpoint, time.monotonic() - began)]
        newest = max((at / 1e9 for _, at, _ in lines.found), default=None)
        seconds = time.monotonic() - began
        checks = [
            Check(
                "reachable",
                "ok",
                f"{self.client.endpoint.url}: services are in the label {label}",
                "",
                seconds,
            ),
            fresh_check("line", newest, now, 300.0, _SILENT),
            clock_check(answer.skew_seconds),
        ]
        return [*checks, *(timed(check) for check in self._api.extras(label, lines.found, start, end))]


_SILENT = "Loki receives no lines: check the agents (Alloy, Promtail, the OpenTelemetry Collector)"


def _refused(failure: SourceFailedError, endpoint: Endpoint, seconds: float) -> Check:
    """Loki that answers and holds nothing, or nothing that names a service, is not out of reach."""
    if failure.reason.startswith("no label and so no line"):
        return Check("fresh", "warning", "no line within the last hour", _SILENT, seconds)
    if failure.reason.startswith("no label names services"):
        return Check("names services", "failed", failure.reason, "set service_label in this source", seconds)
    return refused_check(failure, endpoint, "loki", seconds)


def quoted(text: str) -> str:
    """A LogQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _selector(label: str, services: Sequence[str]) -> str:
    if len(services) == 1:
        return f"{{{label}={quoted(services[0])}}}"
    pattern = "|".join(re.escape(service).replace("\\-", "-") for service in services) or ".+"
    return f"{{{label}=~{quoted(pattern)}}}"


def _kinds(selector: str, label: str, tally: Tally | None) -> list[_Kind]:
    """What to read: failures by their level (by their words where levels are unknown), what moved, all."""
    everything = _Kind("everything", selector, tally.of(lambda *_: True) if tally else None)
    severe = tally.levels(lambda level: level_name(level) in SEVERE) if tally else ()
    if tally is None or not tally.levels(bool):
        return [_Kind("failures", f"{selector} |~ {quoted(_FAILURE_WORDS)}", None), everything]
    kinds = [everything]
    moved = [pair for pair in tally.moved() if level_name(pair[1]) not in SEVERE][:_MOST_MOVED]
    if moved:
        services = tuple(dict.fromkeys(service for service, _ in moved))
        expected = tally.of(lambda service, level: service in services and level_name(level) not in SEVERE)
        drop = "".join(f" | {name}!~{quoted('|'.join(severe))}" for name in _LEVELS) if severe else ""
        kinds.insert(0, _Kind("moved", _selector(label, services) + drop, expected))
    if severe:
        any_of = " or ".join(f"{name}=~{quoted('|'.join(severe))}" for name in _LEVELS)
        expected = tally.of(lambda _, level: level_name(level) in SEVERE)
        kinds.insert(0, _Kind("failures", f"{selector} | {any_of}", expected))
    return kinds


def _plan(
    selector: str, label: str, tally: Tally | None, pieces: Sequence[Slice], most: int
) -> tuple[list[tuple[_Kind, Probe]], list[str]]:
    """The reads, kind by kind, and their queries; everything where all of it is few enough."""
    if tally is not None and tally.total() <= most:
        expected = tally.of(lambda *_: True)
        everything = _Kind("everything", selector, expected)
        return [(everything, probe) for probe in probes(pieces, expected, most)], [selector]
    kinds = _kinds(selector, label, tally)
    whole = sum(_SHARES[kind.name] for kind in kinds) * len(pieces)
    plan = [
        (kind, probe)
        for kind in kinds
        for probe in probes(pieces, kind.expected, round(most * _SHARES[kind.name] / whole))
    ]
    return plan, [kind.query for kind in kinds]


def _record(line: _Line) -> LogRecord:
    at, service, text, labels = line
    return record(at / 1e9, service, text, dict(labels))


def _sample_notes(cut: int, reads: int, tally: Tally | None) -> list[str]:
    notes = []
    if tally is not None:
        notes.append(f"{tally.total():.0f} lines counted in the window; drawn from slices alike, so no rates")
    if cut:
        notes.append(f"{cut} of {reads} reads hold more lines than were taken")
    return notes


def _reading(question: Question, query: str, answer: Answer, now: datetime, notes: Iterable[str]) -> Reading:
    window = question.window if isinstance(question, LogSample | LogPatterns) else None
    return Reading(
        source=Source.LOGS,
        question=question,
        query=query,
        at=min(window.end, now.astimezone(UTC)) if window else now,
        answer=answer,
        sha256=sha256(answer),
        notes=tuple(notes),
    )
