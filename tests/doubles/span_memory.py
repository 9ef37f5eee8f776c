"""Spans in memory, as OTLP brought them: what the doubles of trace stores have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """One span with the resource and scope it came under; `raw` has hexadecimal ids and numeric enums."""

    resource: Json
    scope: Json
    raw: Json

    @property
    def service(self) -> str:
        return str(value_of(self.resource.get("attributes", []), "service.name") or "")

    @property
    def start(self) -> int:
        return int(self.raw["startTimeUnixNano"])

    @property
    def end(self) -> int:
        return int(self.raw["endTimeUnixNano"])

    @property
    def failed(self) -> bool:
        return bool(self.raw.get("status", {}).get("code") == 2)


@dataclass(frozen=True)
class Trace:
    """All spans of one trace, in the order in which they were written."""

    id: str
    spans: Sequence[Stored]

    @property
    def root(self) -> Stored | None:
        return next((span for span in self.spans if not span.raw.get("parentSpanId")), None)

    @cached_property
    def start(self) -> int:
        return min(span.start for span in self.spans)

    @cached_property
    def end(self) -> int:
        return max(span.end for span in self.spans)


class SpanMemory:
    """Traces by id. `searchable_until`: what ended later is not found by search yet (nanoseconds)."""

    def __init__(self) -> None:
        self._spans: dict[str, list[Stored]] = {}
        self.searchable_until: int | None = None
        self._newest_first: list[Trace] | None = None

    def write(self, request: Mapping[str, Any]) -> None:
        self._newest_first = None
        for group in request["resourceSpans"]:
            for scope in group["scopeSpans"]:
                for raw in scope["spans"]:
                    stored = Stored(group.get("resource", {}), scope.get("scope", {}), dict(raw))
                    self._spans.setdefault(raw["traceId"], []).append(stored)

    def trace(self, identity: str) -> Trace | None:
        spans = self._spans.get(identity)
        return Trace(identity, tuple(spans)) if spans else None

    def found(self) -> Iterator[Trace]:
        """Every trace that search can find, the newest first."""
        if self._newest_first is None:
            traces = [Trace(identity, tuple(spans)) for identity, spans in self._spans.items()]
            self._newest_first = sorted(traces, key=lambda each: (-each.start, each.id))
        for trace in self._newest_first:
            if self.searchable_until is None or trace.end <= self.searchable_until:
                yield trace


def value_of(attributes: Sequence[Mapping[str, Any]], key: str) -> object:
    """The plain value of an OTLP attribute, None where there is none."""
    for attribute in attributes:
        if attribute["key"] == key:
            kind, value = next(iter(attribute["value"].items()))
            return int(value) if kind == "intValue" else value
    return None


def grouped(spans: Sequence[Stored]) -> list[tuple[Stored, list[Stored]]]:
    """Neighbouring spans of one resource and scope together, as stores return them."""
    groups: list[tuple[Stored, list[Stored]]] = []
    for span in spans:
        if groups and (groups[-1][0].resource, groups[-1][0].scope) == (span.resource, span.scope):
            groups[-1][1].append(span)
        else:
            groups.append((span, [span]))
    return groups
