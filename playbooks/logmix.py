"""How the mix of log statements changed in each service: new, vanished, multiplied; first errors.

A statement is compared within its own context (the operation whose span wrote it, where known), so that a
changed mix of requests is not taken for a changed service. Pure; bodies are masked before they are kept.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from connectors.answers import LogRecord, LogSet, SpanSet

_CAP = 40.0
_LONGEST = 160
_READ = 2_000
# A quote that the cut left open still holds a value.
_OPEN_QUOTE = re.compile(r"[\"'][^\"']*$")
_SEVERE = frozenset({"ERROR", "FATAL", "CRITICAL", "PANIC", "SEVERE", "EMERGENCY", "ALERT"})
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}"), "<mail>"),
    (re.compile(r"\b(?:[0-9a-fA-F]{12,})\b"), "<hex>"),
    (re.compile(r'"[^"]*"|\'[^\']*\''), "<text>"),
    (re.compile(r"\[[^\[\]]{24,}\]|\{[^{}]{8,}\}|\([^()]{24,}\)"), "<data>"),
    (re.compile(r"\d+"), "<n>"),
)


def pattern(body: str) -> str:
    """The message without its values: ids, numbers, addresses, quoted text and data become marks."""
    text = body[:_READ]
    for mask, mark in _MASKS:
        text = mask.sub(mark, text)
    if len(body) > _READ or body.endswith("…"):
        text = _OPEN_QUOTE.sub("<text>", text)
    return text[:_LONGEST]


@dataclass(frozen=True, slots=True)
class StatementShift:
    """One statement's change: in how many of its context's traces it came, before and during."""

    service: str
    statement: str
    severe: bool
    z: float
    before: int
    of_before: int
    during: int
    of_during: int
    first_at: float | None


@dataclass(slots=True)
class ServiceLogs:
    """What the logs say of one service: the strongest change of the mix, and of its errors."""

    mix_z: float = 0.0
    error_z: float = 0.0
    strongest: StatementShift | None = None
    error: StatementShift | None = None


@dataclass(frozen=True, slots=True)
class LogView:
    """Per service; every statement that changed notably, strongest first; and every statement seen."""

    services: dict[str, ServiceLogs]
    shifts: tuple[StatementShift, ...]
    all_shifts: tuple[StatementShift, ...]


def _unit(record: LogRecord) -> str:
    """What a presence is counted in: the trace, or ten seconds where there is none."""
    return record.trace or f"t{int(record.at // 10)}"


def _operations(spans: SpanSet | None) -> dict[tuple[str, str], str]:
    if spans is None:
        return {}
    return {(t, s): name for t, s, name in zip(spans.trace, spans.span, spans.name, strict=True)}


_Sides = dict[tuple[str, str], tuple[set[str], set[str]]]


def _served(spans: SpanSet | None, split: float) -> _Sides:
    """The traces in which each operation of each service ran: what a statement could have come with."""
    units: _Sides = defaultdict(lambda: (set(), set()))
    if spans is not None:
        for service, name, trace, start in zip(
            spans.service, spans.name, spans.trace, spans.start.tolist(), strict=True
        ):
            units[(service, name)][start >= split].add(trace)
    return units


def is_severe(record: LogRecord) -> bool:
    """Whether its writer called it an error or worse."""
    return record.severity.upper() in _SEVERE


def statement(record: LogRecord) -> str:
    """What wrote the record: its logger where known, else its masked message."""
    return record.logger or pattern(record.body)


def _tally(logs: LogSet, spans: SpanSet | None, split: float) -> list[StatementShift]:
    operations = _operations(spans)
    units = _served(spans, split)
    seen: dict[tuple[str, str, str], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    first: dict[tuple[str, str, str], float] = {}
    severe: dict[tuple[str, str, str], bool] = defaultdict(bool)
    for record in logs.records:
        side = record.at >= split
        operation = operations.get((record.trace, record.attributes.get("span_id", "")), "")
        context = (record.service, operation)
        key = (*context, statement(record))
        unit = _unit(record)
        units[context][side].add(unit)
        seen[key][side].add(unit)
        severe[key] |= is_severe(record)
        if side:
            first[key] = min(record.at, first.get(key, record.at))
    shifts = []
    for key in sorted(seen):
        before, during = seen[key]
        all_before, all_during = units[key[:2]]
        counts = (len(before), len(all_before), len(during), len(all_during))
        shifts.append(StatementShift(key[0], key[2], severe[key], _z(*counts), *counts, first.get(key)))
    return shifts


def _z(before: int, all_before: int, during: int, all_during: int) -> float:
    """Change of a proportion in standard errors, half a count added; 0 where a side was hardly seen."""
    if all_before < 3 or all_during < 3:
        return 0.0
    p, q = (before + 0.5) / (all_before + 1), (during + 0.5) / (all_during + 1)
    error = np.sqrt(p * (1 - p) / (all_before + 1) + q * (1 - q) / (all_during + 1))
    return float(np.clip((q - p) / error, -_CAP, _CAP))


def _noise(shifts: list[StatementShift]) -> float:
    """How large such a change usually is here, at least 1: a system-wide drift accuses nobody."""
    sizes = np.array([abs(s.z) for s in shifts if s.of_before >= 8 and s.of_during >= 8])
    return max(1.0, float(np.quantile(sizes, 0.75)) / 1.15) if len(sizes) >= 8 else 1.0


def view(logs: LogSet, spans: SpanSet | None, split: float) -> LogView:
    """Compare the statements from `split` (seconds since the epoch) on with those before."""
    shifts = _tally(logs, spans, split)
    noise = _noise(shifts)
    out: dict[str, ServiceLogs] = defaultdict(ServiceLogs)
    for shift in shifts:
        part, size = out[shift.service], abs(shift.z) / noise
        if size > part.mix_z:
            part.mix_z, part.strongest = size, shift
        if shift.severe and shift.z > 0 and size > part.error_z:
            part.error_z, part.error = size, shift
    notable = sorted((s for s in shifts if abs(s.z) / noise >= 2.5), key=lambda s: (-abs(s.z), s.statement))
    return LogView(dict(out), tuple(notable[:200]), tuple(shifts))
