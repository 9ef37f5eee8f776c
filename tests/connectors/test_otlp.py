"""One reader for every dialect of OTLP/JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import SpanSet
from connectors.otlp import SpanCollector, adjusted_count, read_spans, span_id, trace_id, value_text
from tests.connectors.small_case import NOW, minute, request, span

TRACE_BYTES = st.binary(min_size=16, max_size=16).filter(any)
SPAN_BYTES = st.binary(min_size=8, max_size=8).filter(any)


def read(*requests: dict[str, object]) -> SpanSet:
    return read_spans(requests, now=NOW.timestamp())


@given(TRACE_BYTES, SPAN_BYTES)
def test_hex_and_base64_are_the_same_id(trace: bytes, span: bytes) -> None:
    for encoded in (base64.b64encode(trace).decode(), trace.hex().upper(), trace.hex().lstrip("0")):
        assert trace_id(encoded) == trace.hex()
    for encoded in (base64.b64encode(span).decode(), span.hex().upper(), span.hex().lstrip("0")):
        assert span_id(encoded) == span.hex()


@pytest.mark.parametrize("none", ["", None, "0" * 16, "AAAAAAAAAAA="])
def test_no_id_is_empty(none: object) -> None:
    assert span_id(none) == ""


@pytest.mark.parametrize("bad", ["zz", "ab cd", "é", "ab" * 40, 17])
def test_what_is_no_id_is_not_taken_for_one(bad: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        span_id(bad)


@pytest.mark.parametrize("written", [2, "2", "SPAN_KIND_SERVER", "server"])
def test_an_enum_is_a_number_or_a_name(written: object) -> None:
    assert read(request(span(1, 10, kind=written))).kind.tolist() == [2]


@pytest.mark.parametrize(
    ("status", "number"),
    [
        ({}, 0),
        (None, 0),
        ({"code": 0}, 0),
        ({"code": 1}, 1),
        ({"code": "STATUS_CODE_OK"}, 1),
        ({"code": "STATUS_CODE_UNSET"}, 0),
        ({"code": 2, "message": "timeout"}, 2),
        ({"code": "STATUS_CODE_ERROR"}, 2),
        ({"code": "nonsense"}, 0),
        ({"code": 17}, 0),
    ],
)
def test_a_status_that_is_absent_is_unknown_not_ok(status: object, number: int) -> None:
    assert read(request(span(1, 10, status=status))).status.tolist() == [number]


def test_times_are_read_from_text_and_from_numbers() -> None:
    begin = round(minute(10).timestamp()) * 10**9
    spans = read(
        request(
            span(1, 10, startTimeUnixNano=begin, endTimeUnixNano=begin + 10**9),
            span(2, 10, startTimeUnixNano=str(begin)),
        )
    )
    assert spans.start.tolist() == [minute(10).timestamp()] * 2
    assert spans.end.tolist() == [minute(10).timestamp() + 1] * 2


@pytest.mark.parametrize(
    "envelope",
    [
        lambda r: r,
        lambda r: {"batches": r["resourceSpans"]},
        lambda r: {"trace": r, "metrics": {}},
        lambda r: {"result": r},
    ],
)
def test_every_envelope_is_opened(envelope: Any) -> None:
    assert len(read(envelope(request(span(1, 10)))).span) == 1


@pytest.mark.parametrize("empty", [{"trace": {}}, {"resourceSpans": []}, {"result": {"resourceSpans": None}}])
def test_an_empty_answer_holds_no_spans(empty: dict[str, object]) -> None:
    assert SpanCollector(NOW.timestamp()).add(empty)
    assert read(empty).span == ()


def test_what_is_no_otlp_is_said_so() -> None:
    assert not SpanCollector(NOW.timestamp()).add({"spans": []})


def test_parents_are_found_within_their_trace_only() -> None:
    spans = read(
        request(
            span(2, 10, parentSpanId=f"{1:016x}"),
            span(1, 9),
            span(3, 11, parentSpanId=f"{9:016x}"),
            span(4, 12, parentSpanId=f"{1:016x}", traceId=f"{2:032x}"),
        )
    )
    assert spans.parent.tolist() == [-1, 0, -1, -1]
    assert spans.has_parent.tolist() == [False, True, True, True]


def test_a_base64_parent_is_found_by_its_hex_child() -> None:
    parent = base64.b64encode(bytes.fromhex(f"{1:016x}")).decode()
    assert read(request(span(1, 9), span(2, 10, parentSpanId=parent))).parent.tolist() == [-1, 0]


def test_a_span_that_had_not_ended_is_not_known() -> None:
    collector = SpanCollector(NOW.timestamp())
    collector.add(request(span(1, 65, 60), span(2, 65, 61, parentSpanId=f"{1:016x}")))
    assert collector.spans().span == (f"{1:016x}",)
    assert collector.later == 1


def test_a_repeated_span_counts_once() -> None:
    collector = SpanCollector(NOW.timestamp())
    collector.add(request(span(1, 10), span(1, 10)))
    collector.add(request(span(1, 10)))
    assert len(collector.spans().span) == 1
    assert collector.duplicates == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"traceId": "zz"},
        {"traceId": None},
        {"spanId": ""},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": True},
        {"startTimeUnixNano": 1.5},
        {"endTimeUnixNano": "0"},
        {"endTimeUnixNano": None},
    ],
)
def test_a_span_without_id_or_time_is_counted_as_malformed(broken: dict[str, Any]) -> None:
    collector = SpanCollector(NOW.timestamp())
    collector.add(request(span(1, 10, **broken), span(2, 10)))
    assert (len(collector.spans().span), collector.malformed) == (1, 1)


def test_a_span_of_any_shape_breaks_nothing() -> None:
    odd: list[object] = [{"resource": 3}, {"scopeSpans": [{"spans": [7, {}]}, 1]}, None]
    collector = SpanCollector(NOW.timestamp())
    assert collector.add({"resourceSpans": odd})
    assert collector.spans().span == ()


def test_attributes_join_those_of_the_resource() -> None:
    own = [
        {"key": "http.route", "value": {"stringValue": "/"}},
        {"key": "service.version", "value": {"intValue": 2}},
    ]
    spans = read(request(span(1, 10, attributes=own)))
    assert spans.attributes == ({"service.name": "checkout", "http.route": "/", "service.version": "2"},)
    assert spans.service == ("checkout",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"stringValue": "x"}, "x"),
        ({"boolValue": True}, "true"),
        ({"intValue": "9007199254740993"}, "9007199254740993"),
        ({"intValue": 5}, "5"),
        ({"intValue": "many"}, "many"),
        ({"doubleValue": 0.5}, "0.5"),
        ({"bytesValue": "aGk="}, "aGk="),
        ({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "é"}]}}, '[1,"é"]'),
        ({"arrayValue": {}}, "[]"),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": False}}]}}, '{"a":false}'),
        ({}, ""),
    ],
)
def test_every_kind_of_value_becomes_text(value: dict[str, object], text: str) -> None:
    assert value_text(value) == text


def test_an_exception_is_its_type_and_message() -> None:
    def event(name: str, **about: str) -> dict[str, object]:
        listed = [{"key": f"exception.{k}", "value": {"stringValue": v}} for k, v in about.items()]
        return {"name": name, "attributes": listed}

    events = [
        event("exception", type="Timeout", message="after 3 s"),
        event("exception", type="Oops"),
        event("exception"),
        event("log", message="x"),
    ]
    spans = read(request(span(1, 10, events=events)))
    assert spans.events == (("Timeout: after 3 s", "Oops", "exception"),)


@pytest.mark.parametrize(
    ("state", "count"),
    [
        ("ot=th:0", 1),
        ("ot=th:8", 2),
        ("ot=th:c", 4),
        ("ot=th:fd70a3d70a3d71", 100),
        ("vendor=x, ot=rv:6e6d1a75832a2f;th:e", 8),
        ("ot=p:8;r:62", 1),
        ("ot=th:", 1),
        ("ot=th:xyz", 1),
        ("ot=th:ffffffffffffffff", 1),
        ("nr=th:8", 1),
        ("", 1),
    ],
)
def test_a_sampled_span_stands_for_as_many_as_its_threshold_says(state: str, count: float) -> None:
    assert adjusted_count(state) == pytest.approx(count)
    assert read(request(span(1, 10, traceState=state))).weight.tolist() == [pytest.approx(count)]


def test_spans_are_ordered_by_start_then_id() -> None:
    spans = read(request(span(3, 10), span(2, 10), span(1, 11)))
    assert spans.span == (f"{2:016x}", f"{3:016x}", f"{1:016x}")


def test_a_real_tempo_answer_is_read() -> None:
    body = json.loads(
        """{"trace":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name",
        "value":{"stringValue":"checkout"}}]},"scopeSpans":[{"scope":{"name":"demo"},"spans":[
        {"traceId":"tHDBG/vwMrL/y1RHYufEfw==","spanId":"uZzUi4Hu5kY=","name":"POST /checkout",
        "kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1781794800000000000",
        "endTimeUnixNano":"1781794802000000000","status":{"message":"timeout","code":"STATUS_CODE_ERROR"}},
        {"traceId":"tHDBG/vwMrL/y1RHYufEfw==","spanId":"6WMAO5x2zuk=","parentSpanId":"uZzUi4Hu5kY=",
        "name":"SELECT orders","kind":"SPAN_KIND_CLIENT","startTimeUnixNano":"1781794800100000000",
        "endTimeUnixNano":"1781794801000000000","status":{}}]}]}]},"metrics":{}}"""
    )
    spans = read(body)
    assert spans.trace == ("b470c11bfbf032b2ffcb544762e7c47f",) * 2
    assert (spans.kind.tolist(), spans.status.tolist(), spans.parent.tolist()) == ([2, 3], [2, 0], [-1, 0])
