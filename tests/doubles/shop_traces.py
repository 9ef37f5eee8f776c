"""Traces of a small shop with an onset, for the doubles of trace stores."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def attribute(key: str, value: str) -> Json:
    return {"key": key, "value": {"stringValue": value}}


def group(service: str, *spans: Json) -> Json:
    resource = {"attributes": [attribute("service.name", service)]}
    return {"resource": resource, "scopeSpans": [{"scope": {"name": "shop"}, "spans": list(spans)}]}


def span(trace: str, number: int, name: str, at: int, seconds: float, **more: Any) -> Json:
    made: Json = {
        "traceId": trace,
        "spanId": f"{int(trace[-8:], 16):08x}{number:08x}",
        "name": name,
        "startTimeUnixNano": str(at),
        "endTimeUnixNano": str(at + round(seconds * 1e9)),
        **more,
    }
    if "parent" in more:
        made["parentSpanId"] = f"{int(trace[-8:], 16):08x}{made.pop('parent'):08x}"
    return made


def checkout(
    trace: str, at: float, seconds: float, failed: bool = False, route: str = "POST /checkout"
) -> Json:
    """One request: checkout serves it and asks orders-db."""
    start = round(at * 1e9)
    status = {"code": 2, "message": "timeout"} if failed else {}
    event = {"name": "exception", "attributes": [attribute("exception.type", "Timeout")]}
    root = span(
        trace,
        1,
        route,
        start,
        seconds,
        kind=2,
        status=status,
        attributes=[attribute("http.route", "/checkout")],
    )
    select = span(
        trace, 2, "SELECT orders", start + 1_000_000, seconds - 0.005, parent=1, kind=3, status=status,
        attributes=[attribute("db.statement", "select * from orders where email = 'jane@example.com'")],
        events=[event] if failed else [],
    )  # fmt: skip
    return {"resourceSpans": [group("checkout", root), group("orders-db", select)]}


def shop(start: float, end: float, onset: float, every: float = 3.0) -> Iterator[Json]:
    """A request every few seconds; since the onset two thirds are slow and some of these fail."""
    chance = random.Random(7)
    at, number = start, 1
    while at < end:
        bad = at >= onset and chance.random() < 0.66
        route = "GET /cart" if number % 10 == 0 else "POST /checkout"
        seconds = chance.uniform(1.5, 2.5) if bad else chance.uniform(0.05, 0.15)
        yield checkout(f"{number:032x}", at, seconds, failed=bad and number % 3 == 0, route=route)
        at, number = at + every, number + 1
