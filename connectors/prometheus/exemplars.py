"""Reads exemplars: which series to ask about, and what the server says of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from connectors.exemplars import Exemplar
from connectors.prometheus.identity import Identities
from connectors.prometheus.matrix import text_pairs
from connectors.prometheus.selection import selector, wanted
from connectors.redaction import redacted

_TRACE = ("trace_id", "traceID", "traceid", "TraceID", "trace")
_MOST_NAMES = 40


def exemplar_query(names: Iterable[str], conditions: str) -> str | None:
    """A selector of every histogram that may remember traces; None where there is none."""
    buckets = [name for name in names if name.endswith("_bucket") and wanted(name.removesuffix("_bucket"))]
    return selector(sorted(buckets)[:_MOST_NAMES], conditions) if buckets else None


def read_exemplars(
    listed: Iterable[Any], identities: Identities, span: tuple[datetime, datetime]
) -> tuple[Exemplar, ...]:
    """Exemplars with a trace inside the span, the largest value first; each trace of a metric once."""
    found: dict[tuple[str, str], Exemplar] = {}
    for entry in listed:
        series = entry.get("seriesLabels") if isinstance(entry, dict) else None
        listed_here = entry.get("exemplars") if isinstance(entry, dict) else None
        if not text_pairs(series) or not isinstance(listed_here, list):
            continue
        (key,) = identities.keys([{name: value for name, value in series.items() if name != "le"}])
        if key is None:
            continue
        for raw in listed_here:
            one = _exemplar(raw, key.metric, key.get("service"), key.labels)
            if one is not None and span[0] <= one.at <= span[1]:
                known = found.get((one.metric, one.trace))
                if known is None or known.value < one.value:
                    found[(one.metric, one.trace)] = one
    return tuple(sorted(found.values(), key=lambda each: (-each.value, each.trace, each.metric)))


def _exemplar(
    raw: Any, metric: str, service: str | None, labels: tuple[tuple[str, str], ...]
) -> Exemplar | None:
    told = raw.get("labels") if isinstance(raw, dict) else None
    if not isinstance(told, dict):
        return None
    trace = next((str(told[name]) for name in _TRACE if told.get(name)), "")
    try:
        value, at = float(raw["value"]), datetime.fromtimestamp(float(raw["timestamp"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    if not trace or not math.isfinite(value):
        return None
    return Exemplar(
        trace=redacted(trace)[:64],
        at=at,
        value=value,
        metric=metric.removesuffix("_bucket"),
        service=service,
        labels=labels,
    )
