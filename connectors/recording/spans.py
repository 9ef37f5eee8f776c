"""traces.jsonl out of a reading: OTLP/JSON, one request a trace, as the Collector's file exporter has it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from pathlib import Path

from connectors.answers import SpanSet
from connectors.contract import Reading
from connectors.otlp import adjusted_count
from connectors.redaction import redacted, redacted_pairs

NAME = "traces.jsonl.gz"
ANSWERS = (SpanSet,)
_WHOLE = 2**56
Object = dict[str, object]


def write(case: Path, reading: Reading) -> None:
    """Write the spans, where the reading holds any."""
    if isinstance(reading.answer, SpanSet):
        write_lines(case / NAME, _requests(reading.answer))


def write_lines(path: Path, records: Iterable[object]) -> None:
    """Write JSON Lines, packed, without time and name in the header: the same records give the same bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        for record in records:
            packed.write(
                json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n"
            )


def _requests(spans: SpanSet) -> Iterator[Object]:
    rows: dict[str, list[int]] = {}
    for n, trace in enumerate(spans.trace):
        rows.setdefault(trace, []).append(n)
    for same in rows.values():
        yield {"resourceSpans": [_resource(spans, n) for n in same]}


def _resource(spans: SpanSet, n: int) -> Object:
    """One span under its resource; all attributes but the service's name are the span's own here."""
    own = {name: value for name, value in spans.attributes[n].items() if name != "service.name"}
    return {
        "resource": {"attributes": _attributes([("service.name", spans.service[n])])},
        "scopeSpans": [{"spans": [_span(spans, n, own)]}],
    }


def _span(spans: SpanSet, n: int, own: dict[str, str]) -> Object:
    span: Object = {
        "traceId": spans.trace[n],
        "spanId": spans.span[n],
        "parentSpanId": _parent(spans, n),
        "name": redacted(spans.name[n]),
        "kind": int(spans.kind[n]),
        "startTimeUnixNano": str(nanoseconds(float(spans.start[n]))),
        "endTimeUnixNano": str(nanoseconds(float(spans.end[n]))),
        "attributes": _attributes(redacted_pairs(own.items())),
        "status": {"code": int(spans.status[n])},
        "events": [_exception(event) for event in spans.events[n]],
        "traceState": _trace_state(float(spans.weight[n])),
    }
    return {name: value for name, value in span.items() if value}


def _parent(spans: SpanSet, n: int) -> str:
    """The parent's id; one that is not in the sample gets an id that none of the sample has."""
    if spans.parent[n] >= 0:
        return spans.span[int(spans.parent[n])]
    return "ffffffffffffffff" if spans.has_parent[n] else ""


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[Object]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in pairs]


def _exception(event: str) -> Object:
    return {"name": "exception", "attributes": _attributes([("exception.message", redacted(event))])}


def nanoseconds(at: float) -> int:
    """Nanoseconds that a reader of OTLP turns into exactly this number of seconds.

    A double near today's times is coarser than a nanosecond, and rounds once more where it is divided: of
    the nearest candidates, the first that comes back unchanged is taken.
    """
    near = int((Decimal(at) * 10**9).to_integral_value())
    steps = chain((0,), *((step, -step) for step in range(32, 513, 32)))
    return next((near + step for step in steps if (near + step) / 1e9 == at), near)


@lru_cache(maxsize=1024)
def _trace_state(weight: float) -> str:
    """The sampling threshold that stands for an adjusted count (OpenTelemetry's `ot=th`)."""
    if not weight > 1.0:
        return ""
    threshold = _WHOLE - round(_WHOLE / weight)
    near = sorted((threshold + step for step in range(-8, 9)), key=lambda t: abs(_count(t) - weight))
    return f"ot=th:{_digits(near[0])}"


def _digits(threshold: int) -> str:
    return f"{threshold:014x}".rstrip("0") or "0"


def _count(threshold: int) -> float:
    return adjusted_count(f"ot=th:{_digits(threshold)}") if 0 <= threshold < _WHOLE else 0.0
