from __future__ import annotations

import json
from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.lab.telemetry import FileExporter, Journal, any_value, export_request, span_json


def two_spans() -> list[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "cart"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span("GET /carts", kind=SpanKind.SERVER),
        tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT) as span,
    ):
        span.set_attribute("rows", 3)
        span.record_exception(ValueError("no"))
        span.set_status(StatusCode.ERROR, "no")
    return list(memory.get_finished_spans())


def test_ids_are_hexadecimal_and_a_child_names_its_parent() -> None:
    child, parent = (span_json(span) for span in two_spans())
    assert child["traceId"] == parent["traceId"]
    assert child["parentSpanId"] == parent["spanId"]
    assert parent["parentSpanId"] == ""
    assert len(str(child["traceId"])) == 32
    assert len(str(child["spanId"])) == 16


def test_kinds_are_the_protocols_numbers_and_times_are_strings() -> None:
    child, parent = (span_json(span) for span in two_spans())
    assert (parent["kind"], child["kind"]) == (2, 3)
    assert isinstance(child["startTimeUnixNano"], str)


def test_an_error_has_its_status_and_an_exception_event() -> None:
    child, parent = (span_json(span) for span in two_spans())
    assert child["status"] == {"code": 2, "message": "no"}
    events = child["events"]
    assert isinstance(events, list)
    assert events[0]["name"] == "exception"
    assert parent["status"] == {}


def test_integers_travel_as_strings_and_booleans_do_not() -> None:
    assert any_value(7) == {"intValue": "7"}
    assert any_value(True) == {"boolValue": True}
    assert any_value(["a"]) == {"arrayValue": {"values": [{"stringValue": "a"}]}}


def test_an_export_is_one_line_with_its_resource(tmp_path: Path) -> None:
    spans = two_spans()
    exporter = FileExporter(tmp_path / "spans.jsonl")
    exporter.export(spans)
    exporter.shutdown()
    (line,) = (tmp_path / "spans.jsonl").read_text().splitlines()
    assert json.loads(line) == export_request(spans)
    (attribute,) = json.loads(line)["resourceSpans"][0]["resource"]["attributes"]
    assert attribute == {"key": "service.name", "value": {"stringValue": "cart"}}


def test_a_log_record_outside_a_trace_has_an_empty_trace_id(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", "cart", {"pod": "cart-1"})
    journal.warning("slow", duration_ms=9)
    journal.close()
    (record,) = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert (record["severity_text"], record["trace_id"]) == ("WARN", "")
    assert record["attributes"] == {"pod": "cart-1", "duration_ms": 9}
