"""Traces and structured logs of one process of the lab, written as files.

Spans come from the OpenTelemetry SDK and leave as OTLP/JSON, one ExportTraceServiceRequest a line, as the
Collector's file exporter writes it. Must not decide what is interesting: it writes all that was sampled.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Json = dict[str, object]


def iso(moment: datetime) -> str:
    """UTC, milliseconds, `Z`: the one spelling of a time in a case."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def now_iso() -> str:
    return iso(datetime.now(UTC))


def any_value(value: object) -> Json:
    """An OTLP AnyValue in its JSON mapping: 64-bit integers are strings."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [any_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}


def key_values(attributes: Mapping[str, object] | None) -> list[Json]:
    return [{"key": key, "value": any_value(value)} for key, value in (attributes or {}).items()]


def span_json(span: ReadableSpan) -> Json:
    """One span as OTLP/JSON: hexadecimal ids, numeric enums, nanoseconds as strings."""
    context = span.get_span_context()
    assert context is not None
    document: Json = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": span.name,
        "kind": span.kind.value + 1,  # the SDK counts from 0, the protocol keeps 0 for "unspecified"
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": key_values(span.attributes),
        "status": {},
    }
    if span.events:
        document["events"] = [
            {
                "timeUnixNano": str(event.timestamp),
                "name": event.name,
                "attributes": key_values(event.attributes),
            }
            for event in span.events
        ]
    if span.status.status_code is not trace.StatusCode.UNSET:
        document["status"] = {"code": span.status.status_code.value}
        if span.status.description:
            document["status"] = {"code": span.status.status_code.value, "message": span.status.description}
    return document


def export_request(spans: Sequence[ReadableSpan]) -> Json:
    """An ExportTraceServiceRequest for spans that share one resource."""
    scopes: dict[str, list[Json]] = {}
    for span in spans:
        scope = span.instrumentation_scope.name if span.instrumentation_scope else ""
        scopes.setdefault(scope, []).append(span_json(span))
    resource = key_values(spans[0].resource.attributes)
    scope_spans = [{"scope": {"name": name}, "spans": items} for name, items in scopes.items()]
    return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": scope_spans}]}


class FileExporter(SpanExporter):
    """Appends export requests to a file; a batch is one line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if spans:
            self._file.write(json.dumps(export_request(spans), separators=(",", ":")) + "\n")
            self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        del timeout_millis  # export() never leaves anything buffered
        return True


def start_tracing(resource: Mapping[str, str], path: Path, ratio: float) -> TracerProvider:
    """Make `path` the destination of this process's spans, keeping `ratio` of the traces that begin here."""
    provider = TracerProvider(
        resource=Resource.create(dict(resource)), sampler=ParentBased(TraceIdRatioBased(ratio))
    )
    provider.add_span_processor(BatchSpanProcessor(FileExporter(path), schedule_delay_millis=2_000))
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    return provider


def sampled_trace_id() -> str:
    """The current trace's id where somebody will be able to look it up, else an empty string."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid and context.trace_flags.sampled else ""


class Journal:
    """A structured log: one JSON record a line, in the shape a case keeps."""

    def __init__(self, path: Path, service: str, attributes: Mapping[str, object]) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._service = service
        self._attributes = dict(attributes)
        self._lock = threading.Lock()

    def write(self, severity: str, body: str, **attributes: object) -> None:
        record = {
            "timestamp": now_iso(),
            "service": self._service,
            "severity_text": severity,
            "body": body,
            "attributes": self._attributes | attributes,
            "trace_id": sampled_trace_id(),
        }
        with self._lock:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def info(self, body: str, **attributes: object) -> None:
        self.write("INFO", body, **attributes)

    def warning(self, body: str, **attributes: object) -> None:
        self.write("WARN", body, **attributes)

    def error(self, body: str, **attributes: object) -> None:
        self.write("ERROR", body, **attributes)
