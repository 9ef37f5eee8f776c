"""A small case that each test fills with what it needs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.case import CaseSources, open_case
from connectors.contract import Question, Reading, Unavailable, Window

START = datetime(2026, 6, 18, 14, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
WIDE = Window(start=START - timedelta(days=1), end=NOW + timedelta(hours=1))
MANIFEST = """\
format: 1
id: lab/small
title: checkout p99 above 800 ms
incident: {service: checkout, at: 2026-06-18T15:06:00Z}
window: {start: 2026-06-18T14:00:00Z, end: 2026-06-18T15:13:00Z}
"""
A = TypeVar("A")


def minute(number: float) -> datetime:
    """So many minutes after the window's start; now is minute 66."""
    return START + timedelta(minutes=number)


def iso(number: float) -> str:
    """The minute as ISO 8601."""
    return minute(number).isoformat().replace("+00:00", "Z")


def window(start: float, end: float) -> Window:
    """The span between two minutes."""
    return Window(start=minute(start), end=minute(end))


def span(number: int, start: float, seconds: float = 1.0, **more: object) -> dict[str, object]:
    """One OTLP span of trace 1 that starts at a minute."""
    begin = round(minute(start).timestamp() * 10**9)
    return {
        "traceId": f"{1:032x}",
        "spanId": f"{number:016x}",
        "name": "GET /",
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + round(seconds * 10**9)),
        **more,
    }


def request(*spans: Mapping[str, object], service: str = "checkout") -> dict[str, object]:
    """One ExportTraceServiceRequest of one service."""
    named = {"key": "service.name", "value": {"stringValue": service}}
    return {"resourceSpans": [{"resource": {"attributes": [named]}, "scopeSpans": [{"spans": list(spans)}]}]}


def recording(question: str, at: float, answer: object, **params: object) -> dict[str, object]:
    """One line of readings.jsonl about the database shop."""
    about = {"database": "shop", **params}
    return {"connector": "database", "question": question, "params": about, "at": iso(at), "answer": answer}


def answered(reply: Reading | Unavailable, kind: type[A]) -> A:
    """The answer, which must be one of this kind."""
    assert isinstance(reply, Reading), reply
    assert isinstance(reply.answer, kind)
    return reply.answer


def refused(reply: Reading | Unavailable) -> str:
    """The reason why there is no answer."""
    assert isinstance(reply, Unavailable), reply
    return reply.reason


@dataclass(frozen=True)
class SmallCase:
    """Writes the files of a case, and asks it."""

    path: Path

    def manifest(self, text: str = MANIFEST) -> SmallCase:
        return self.text("case.yaml", text)

    def lines(self, name: str, *records: object) -> SmallCase:
        text = "".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in records).encode()
        (self.path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return self

    def metrics(self, series: Mapping[str, Sequence[float | None]], minutes: Sequence[float]) -> SmallCase:
        times = pa.array([minute(m) for m in minutes], pa.timestamp("ms", "UTC"))
        columns: dict[str, pa.Array[Any]] = {n: pa.array(v, pa.float64()) for n, v in series.items()}
        return self.table(pa.table({"timestamp": times, **columns}))

    def table(self, table: pa.Table) -> SmallCase:
        pq.write_table(table, self.path / "metrics.parquet")
        return self

    def text(self, name: str, content: str) -> SmallCase:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return self

    def open(self) -> CaseSources:
        return open_case(self.path)

    def ask(self, question: Question, now: datetime = NOW) -> Reading | Unavailable:
        return self.open().ask(question, now=now)
