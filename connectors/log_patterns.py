"""How often patterns of messages came lately, against before: as Loki detects them, or of failing lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.answers import LogRecord, PatternCount
from connectors.governor import SourceFailedError
from connectors.log_lines import SEVERE, longest_literal, template
from connectors.loki_api import LokiApi
from connectors.redaction import redacted
from connectors.sampling_plan import Slice

_MOST_SERVICES = 12
_MOST_PATTERNS = 200
_MOST_COUNTED = 12
_SHORTEST_LITERAL = 8
_STEP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Counted:
    """Pattern counts, and the queries that made them."""

    patterns: tuple[PatternCount, ...]
    query: str


def newest_seconds(pieces: Sequence[Slice]) -> tuple[int, int, int]:
    """The window's start, the instant since which lines count as late, and the end.

    The newest third of the slices is late: some ten minutes of an hour, because slices grow backwards.
    """
    late = pieces[max(len(pieces) // 3, 1) - 1]
    return pieces[-1].start, late.start, pieces[0].end


def asked_patterns(
    api: LokiApi, label: str, services: Sequence[str], pieces: Sequence[Slice]
) -> tuple[PatternCount, ...]:
    """The patterns that Loki detected, for the services that log most."""
    start, since, end = newest_seconds(pieces)
    found = []
    for service in services[:_MOST_SERVICES]:
        for pattern, counts in api.patterns(f"{{{label}={_quoted(service)}}}", start, end, _STEP_SECONDS):
            late = sum(count for at, count in counts if at >= since)
            before = sum(count for at, count in counts if at < since)
            found.append(_pattern(redacted(pattern), service, late, before, pieces, negative=None))
    found.sort(key=lambda each: (-abs(each.more), each.service, each.pattern))
    return tuple(found[:_MOST_PATTERNS])


def counted_patterns(
    api: LokiApi, label: str, pieces: Sequence[Slice], failing: Sequence[LogRecord]
) -> Counted:
    """Templates of failing lines, each counted by its longest piece of fixed text."""
    start, since, end = newest_seconds(pieces)
    seen: Counter[tuple[str, str]] = Counter()
    for line in failing:
        seen[(line.service, template(line.body))] += 1
    severe = {(line.service, template(line.body)) for line in failing if line.severity in SEVERE}
    found, query = [], ""
    for service, pattern in [pair for pair, _ in seen.most_common(_MOST_COUNTED)]:
        literal = longest_literal(pattern)
        if len(literal) < _SHORTEST_LITERAL or "[" in literal:
            continue  # too little fixed text, or some of it stands for what was redacted
        query = f"{{{label}={_quoted(service)}}} |= {_quoted(literal)}"
        try:
            late, before = _count(api, query, since, end), _count(api, query, start, since)
        except SourceFailedError:
            continue
        negative = True if (service, pattern) in severe else None
        found.append(_pattern(pattern, service, late, before, pieces, negative=negative))
    return Counted(tuple(found), f"sum(count_over_time({query} [{end - since}s]))")


def _count(api: LokiApi, query: str, start: int, end: int) -> float:
    return sum(value for _, value in api.instant(f"sum(count_over_time({query} [{end - start}s]))", end))


def _pattern(  # noqa: PLR0913  these are the answer's fields
    pattern: str, service: str, late: float, before: float, pieces: Sequence[Slice], *, negative: bool | None
) -> PatternCount:
    """`more`: lines beyond what the time before would have brought in as long a time."""
    start, since, end = newest_seconds(pieces)
    usual = before * (end - since) / max(since - start, 1)
    return PatternCount(pattern=pattern, service=service, count=late, more=late - usual, negative=negative)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
