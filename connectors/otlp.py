"""OTLP/JSON spans, whoever wrote them: the Collector's files, Tempo, Jaeger.

The dialects differ in small things, and all are accepted: ids in hex or base64, enums as number or
name, 64-bit integers as text or number, zeros left out, several envelopes. Nothing here does I/O.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from connectors.answers import SpanSet

Object = dict[str, object]


def _spellings(prefix: str, names: tuple[str, ...]) -> dict[object, int]:
    """Every way to write an enum whose names are numbered from 1."""
    return {
        spelling: number
        for number, name in enumerate(names, start=1)
        for spelling in (number, str(number), f"{prefix}_{name}", name, name.lower())
    }


_KINDS = _spellings("SPAN_KIND", ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
_STATUSES = _spellings("STATUS_CODE", ("OK", "ERROR"))
_ENVELOPES = ("trace", "result")
_HEX = frozenset("0123456789abcdef")
_NO_PARENT = ""
_MOST_NANOS = 2**63


class _Row(NamedTuple):
    """A span; rows sort by start, then ids, and never compare further: ids are unique."""

    start: int
    trace: str
    span: str
    parent: str
    service: str
    name: str
    kind: int
    end: int
    status: int
    weight: float
    attributes: dict[str, str]
    events: tuple[str, ...]


class SpanCollector:
    """Takes OTLP requests one by one and makes a SpanSet of what had ended by `now`."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._spans: dict[tuple[str, str], _Row] = {}
        self.malformed = 0
        self.later = 0
        self.duplicates = 0

    def add(self, request: Object) -> bool:
        """Take every span of one request, response or line; False where it is no OTLP at all."""
        groups = _resource_spans(request)
        if groups is None:
            return False
        for group in groups:
            resource = _attributes(_object(group.get("resource")).get("attributes"))
            scopes = group.get("scopeSpans") or group.get("instrumentationLibrarySpans")
            for scope in _objects(scopes):
                for raw in _objects(scope.get("spans")):
                    self._take(raw, resource)
        return True

    def _take(self, raw: Object, resource: dict[str, str]) -> None:
        try:
            span = _span(raw, resource)
        except (ValueError, TypeError, RecursionError):
            self.malformed += 1
            return
        if span.end / 1e9 > self._now:
            self.later += 1
        elif (span.trace, span.span) in self._spans:
            self.duplicates += 1
        else:
            self._spans[span.trace, span.span] = span

    def spans(self, intervals: tuple[tuple[float, float], ...] = ()) -> SpanSet:
        """Everything taken so far, ordered, parents resolved."""
        spans = sorted(self._spans.values())
        row = {(span.trace, span.span): i for i, span in enumerate(spans)}
        return SpanSet(
            trace=tuple(s.trace for s in spans),
            span=tuple(s.span for s in spans),
            parent=np.array([row.get((s.trace, s.parent), -1) for s in spans], dtype=np.int64),
            has_parent=np.array([s.parent != _NO_PARENT for s in spans], dtype=np.bool_),
            service=tuple(s.service for s in spans),
            name=tuple(s.name for s in spans),
            kind=np.array([s.kind for s in spans], dtype=np.int64),
            start=np.array([s.start / 1e9 for s in spans], dtype=np.float64),
            end=np.array([s.end / 1e9 for s in spans], dtype=np.float64),
            status=np.array([s.status for s in spans], dtype=np.int64),
            weight=np.array([s.weight for s in spans], dtype=np.float64),
            attributes=tuple(s.attributes for s in spans),
            events=tuple(s.events for s in spans),
            intervals=intervals,
        )


def read_spans(requests: Iterable[Object], *, now: float) -> SpanSet:
    """The spans of some requests that had ended by `now`."""
    collector = SpanCollector(now)
    for request in requests:
        collector.add(request)
    return collector.spans()


def _span(raw: Object, resource: dict[str, str]) -> _Row:
    start, end = _nanos(raw.get("startTimeUnixNano")), _nanos(raw.get("endTimeUnixNano"))
    trace, span = trace_id(raw.get("traceId")), span_id(raw.get("spanId"))
    if not (trace and span and start and end):
        raise ValueError("a span needs ids, a start and an end")
    listed, state, events = raw.get("attributes"), raw.get("traceState"), raw.get("events")
    attributes = {**resource, **_attributes(listed)} if listed else resource
    return _Row(
        start,
        trace,
        span,
        span_id(raw.get("parentSpanId")),
        attributes.get("service.name", ""),
        str(raw.get("name", "")),
        _enum(raw.get("kind"), _KINDS),
        max(start, end),
        _enum(_object(raw.get("status")).get("code"), _STATUSES),
        adjusted_count(state) if isinstance(state, str) else 1.0,
        attributes,
        tuple(_exceptions(events)) if events else (),
    )


def _nanos(value: object) -> int:
    if not isinstance(value, str) and type(value) is not int:
        raise TypeError("a time is an integer, as number or text")
    number = int(value)
    return number if 0 < number < _MOST_NANOS else 0


def _resource_spans(request: Object) -> list[Object] | None:
    for name in _ENVELOPES:
        inner = request.get(name)
        if isinstance(inner, dict):
            return _resource_spans(inner) or []
    for name in ("resourceSpans", "batches"):
        if name in request:
            return _objects(request[name])
    return None


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@lru_cache(maxsize=1024)  # the spans of a trace come together
def trace_id(value: object) -> str:
    """A trace id as 32 lower-case hexadecimal digits; empty where there is none."""
    return _id(value, 32)


def span_id(value: object) -> str:
    """A span id as 16 lower-case hexadecimal digits; empty where there is none."""
    return _id(value, 16)


def _id(value: object, digits: int) -> str:
    """Hex (leading zeros may be missing) or base64; all zeros is OTLP's "no id"."""
    if not value:
        return ""
    if not isinstance(value, str):
        raise TypeError("an id is a text")
    try:
        raw = bytes.fromhex(value.rjust(digits, "0"))
    except ValueError:
        raw = _from_base64(value)
    if len(raw) * 2 != digits:
        raise ValueError("an id has the wrong length")
    return raw.hex() if any(raw) else ""


def _from_base64(value: str) -> bytes:
    bare = value.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("an id is neither hexadecimal nor base64") from error


def _enum(value: object, numbers: Mapping[object, int]) -> int:
    """An enum's number; 0 (unset, unknown) for whatever is neither a number nor a name of it."""
    return numbers.get(value, 0) if isinstance(value, int | str) else 0


def _attributes(listed: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in listed if isinstance(listed, list) else ():
        value = item.get("value") if isinstance(item, dict) else None
        if isinstance(value, dict):
            text = value.get("stringValue")
            found[str(item.get("key", ""))] = text if type(text) is str else value_text(value)
    return found


def value_text(value: Object) -> str:
    """An OTLP AnyValue as text; lists and maps as compact JSON."""
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return "" if plain is None else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Object) -> object:
    kind, inner = next(iter(value.items()), ("", None))
    if kind == "intValue":
        return int(inner) if isinstance(inner, str) and inner.removeprefix("-").isdecimal() else inner
    if kind == "arrayValue":
        return [_plain(item) for item in _objects(_object(inner).get("values"))]
    if kind == "kvlistValue":
        pairs = _objects(_object(inner).get("values"))
        return {str(pair.get("key", "")): _plain(_object(pair.get("value"))) for pair in pairs}
    return inner if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue") else None


def _exceptions(events: object) -> Iterator[str]:
    for event in _objects(events):
        if event.get("name") == "exception":
            about = _attributes(event.get("attributes"))
            parts = (about.get("exception.type", ""), about.get("exception.message", ""))
            yield ": ".join(part for part in parts if part) or "exception"


@lru_cache(maxsize=4096)
def adjusted_count(tracestate: str) -> float:
    """How many spans of the population a sampled span stands for; 1 where the trace state does not say.

    OpenTelemetry's consistent probability sampling keeps `ot=th:HEX` there: the rejection threshold T
    in 56 bits, trailing zeros removed. A span is kept with probability (2^56 - T) / 2^56.
    """
    for member in tracestate.split(","):
        vendor, _, list_of_fields = member.strip().partition("=")
        if vendor == "ot":
            for part in list_of_fields.split(";"):
                name, _, digits = part.partition(":")
                if name == "th" and 0 < len(digits) <= 14 and _HEX.issuperset(digits):
                    return 2**56 / (2**56 - int(digits.ljust(14, "0"), 16))
    return 1.0
