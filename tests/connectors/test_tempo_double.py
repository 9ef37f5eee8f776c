"""The double of Tempo answers as the real server did when it was recorded."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.serving import serving
from tests.doubles.shop_traces import attribute
from tests.doubles.tempo import TempoDouble

RECORDED = Path(__file__).parents[3] / "shared" / "recordings" / "tempo.txt"
HEAD = re.compile(r"^## (?P<path>/\S+) (?P<params>\{.*\}) -> (?P<status>\d+) (?P<kind>.+) \d+ ms$")

pytestmark = pytest.mark.skipif(
    not RECORDED.exists(), reason="the answers recorded from a real Tempo are not on this machine"
)


@dataclass
class Exchange:
    path: str
    params: dict[str, Any]
    status: int
    kind: str
    body: str


def exchanges() -> list[Exchange]:
    if not RECORDED.exists():
        return []
    lines = RECORDED.read_text().splitlines()
    found = []
    for at, line in enumerate(lines):
        head = HEAD.match(line)
        if head:
            body = lines[at + 1] if at + 1 < len(lines) else ""
            found.append(
                Exchange(
                    head["path"], ast.literal_eval(head["params"]), int(head["status"]), head["kind"], body
                )
            )
    return found


ALL = exchanges()


def recorded(path: str, **params: object) -> Exchange:
    return next(each for each in ALL if each.path.startswith(path) and params.items() <= each.params.items())


@pytest.fixture(scope="module")
def tempo() -> Iterator[httpx.Client]:
    """The double holding the one trace that the recordings show."""
    trace, start = "b470c11bfbf032b2ffcb544762e7c47f", 1795451579923599862
    failed = {"message": "timeout", "code": 2}
    events = [
        {
            "timeUnixNano": str(start),
            "name": "exception",
            "attributes": [attribute("exception.type", "Timeout")],
        }
    ]
    code = {"key": "http.status_code", "value": {"intValue": "500"}}
    root = {
        "traceId": trace, "spanId": "b99cd48b81eee646", "name": "POST /checkout", "kind": 2,
        "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 2 * 10**9),
        "attributes": [code], "events": events, "status": failed,
    }  # fmt: skip
    select = {
        "traceId": trace, "spanId": "e963003b9c76cee9", "parentSpanId": "b99cd48b81eee646",
        "name": "SELECT orders", "kind": 3, "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 1_995_000_000),
        "attributes": [attribute("db.statement", "select * from orders where customer_id=$1")],
        "events": events, "status": failed,
    }  # fmt: skip
    double = TempoDouble()
    for service, raw in (("checkout", root), ("orders-db", select)):
        resource = {"attributes": [attribute("service.name", service)]}
        scope = {"scope": {"name": "demo"}, "spans": [raw]}
        double.memory.write({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})
    with serving(double.app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def both(tempo: httpx.Client, each: Exchange) -> tuple[Any, Any]:
    answer = tempo.get(each.path, params=each.params)
    assert answer.status_code == each.status
    if each.kind != "None":
        assert answer.headers["content-type"] == each.kind
    return answer.json(), json.loads(each.body)


def without_metrics(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "metrics"}


def test_the_recording_is_read_to_its_end() -> None:
    assert len(ALL) == 14


@pytest.mark.parametrize(
    "q",
    [
        '{ status=error && resource.service.name="checkout" } | select(span.http.status_code)',
        "{ duration>1s }",
        '{ resource.service.name="nope" }',
    ],
)
def test_a_search_is_answered_alike(tempo: httpx.Client, q: str) -> None:
    ours, theirs = both(tempo, recorded("/api/search", q=q))
    assert without_metrics(ours) == without_metrics(theirs)
    assert ours["metrics"].keys() == theirs["metrics"].keys()


@pytest.mark.parametrize("q", ["{ bad syntax", "{ status=error }"])
def test_a_search_that_is_wrong_is_refused_in_the_same_words(tempo: httpx.Client, q: str) -> None:
    each = recorded("/api/search", q=q)
    answer = tempo.get(each.path, params=each.params)
    assert (answer.status_code, answer.text) == (each.status, each.body)
    assert answer.headers["content-type"] == each.kind


@pytest.mark.parametrize("path", ["/api/traces/b470", "/api/v2/traces/b470"])
def test_a_trace_is_returned_alike(tempo: httpx.Client, path: str) -> None:
    ours, theirs = both(tempo, recorded(path))
    assert without_metrics(ours) == without_metrics(theirs)


@pytest.mark.parametrize("path", ["/api/traces/0000", "/api/traces/zzz", "/api/v2/traces/0000"])
def test_a_trace_that_is_not_there_is_told_alike(tempo: httpx.Client, path: str) -> None:
    each = recorded(path)
    answer = tempo.get(each.path)
    assert (answer.status_code, answer.text) == (each.status, each.body)


def test_values_of_a_tag_are_listed_alike(tempo: httpx.Client) -> None:
    ours, theirs = both(tempo, recorded("/api/v2/search/tag/resource.service.name/values"))
    assert ours["tagValues"] == theirs["tagValues"]


def test_metrics_have_the_same_form_times_and_gaps(tempo: httpx.Client) -> None:
    each = recorded("/api/metrics/query_range")
    ours = tempo.get(each.path, params=each.params).json()["series"][0]
    # The recording is cut in its last lines: its first series is whole.
    theirs = json.JSONDecoder().raw_decode(each.body[each.body.index("[{") + 1 :])[0]
    assert ours["labels"] == theirs["labels"]
    assert [sample["timestampMs"] for sample in ours["samples"]] == [
        s["timestampMs"] for s in theirs["samples"]
    ]
    assert ["value" in sample for sample in ours["samples"]] == [
        "value" in sample for sample in theirs["samples"]
    ]
