"""Rows taken out of a SpanSet, traces told in brief, secrets taken out."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.answers import SpanSet
from connectors.otlp import read_spans
from connectors.span_selection import of_traces, rows_of, summaries, weighted, without_secrets
from tests.doubles.shop_traces import attribute, checkout

AT = 1_795_451_579.0
A, B = f"{1:032x}", f"{2:032x}"


def read(*requests: dict[str, object]) -> SpanSet:
    return read_spans(requests, now=AT + 1000)


def both() -> SpanSet:
    return read(checkout(A, AT, 2.0, failed=True), checkout(B, AT + 60, 0.1))


def test_a_parent_that_is_left_out_is_missing_and_not_absent() -> None:
    spans = rows_of(both(), np.array([1, 2, 3]))
    assert spans.trace == (A, B, B)
    assert spans.parent.tolist() == [-1, -1, 1]
    assert spans.has_parent.tolist() == [True, False, True]


def test_whole_traces_are_kept() -> None:
    assert of_traces(both(), {B}).trace == (B, B)
    assert of_traces(both(), {A, B}).trace == (A, A, B, B)
    assert of_traces(both(), set()).trace == ()


def test_a_trace_in_brief_is_its_root_its_whole_time_and_any_failure() -> None:
    brief = summaries(both())
    assert (brief[A].service, brief[A].name, brief[A].error) == ("checkout", "POST /checkout", True)
    assert brief[A].duration == pytest.approx(2.0)
    assert not brief[B].error


def test_a_trace_without_its_root_is_told_by_its_first_span() -> None:
    brief = summaries(rows_of(both(), np.array([1])))
    assert (brief[A].service, brief[A].name) == ("orders-db", "SELECT orders")


def test_a_weight_multiplies_what_head_sampling_said() -> None:
    request = checkout(A, AT, 2.0)
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceState"] = "ot=th:8"
    assert weighted(read(request), {A: 10.0}).weight.tolist() == [20.0, 10.0]


@pytest.mark.parametrize("padding", [0, 5_000])
def test_secrets_are_taken_out_of_names_attributes_and_events(padding: int) -> None:
    request = checkout(A, AT, 2.0, failed=True, route="GET /users/jane@example.com")
    root = request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    root["attributes"] = [
        attribute("url", "x" * padding + " ?token=s3cr3t"),
        attribute("x-api-key", "9f8e7d6c"),
    ]
    message = [attribute("exception.message", "login of jane@example.com failed")]
    root["events"] = [{"name": "exception", "attributes": message}]
    spans = without_secrets(read(request))
    assert spans.name[0] == "GET /users/[e-mail]"
    assert spans.attributes[0]["x-api-key"] == "[secret]"
    assert spans.attributes[0]["url"].endswith("?token=[secret]")
    assert spans.events[0] == ("login of [e-mail] failed",)
