"""The double of Jaeger keeps to what its project publishes: api_v3's OpenAPI file, gateway and snapshots."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.doubles.jaeger import JaegerDouble
from tests.doubles.serving import serving
from tests.doubles.shop_traces import checkout

TRACE = f"{0x1AB:032x}"
AT = 1_795_451_579.0
WINDOW = {"query.start_time_min": "2026-11-23T00:00:00Z", "query.start_time_max": "2026-11-24T00:00:00.5Z"}
RANGE = {"start_time": "2026-11-23T00:00:00Z", "end_time": "2026-11-24T00:00:00Z"}


@pytest.fixture
def double() -> JaegerDouble:
    made = JaegerDouble()
    made.memory.write(checkout(TRACE, AT, 2.0, failed=True))
    made.memory.write(checkout(f"{2:032x}", AT + 60, 0.1))
    return made


@pytest.fixture
def jaeger(double: JaegerDouble) -> Iterator[httpx.Client]:
    with serving(double.app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def test_traces_come_merged_under_result_with_hexadecimal_ids_and_numeric_enums(jaeger: httpx.Client) -> None:
    answer = jaeger.get("/api/v3/traces", params={**WINDOW, "query.service_name": "checkout"}).json()
    groups = answer["result"]["resourceSpans"]
    spans = [span for group in groups for scope in group["scopeSpans"] for span in scope["spans"]]
    assert {span["traceId"] for span in spans} == {TRACE, f"{2:032x}"}
    assert spans[-2]["kind"] == 2
    assert spans[-1]["status"]["code"] == 2
    assert "parentSpanId" not in spans[0]


@pytest.mark.parametrize("spelling", ["query.service_name", "query.serviceName"])
def test_parameters_may_be_written_both_ways(jaeger: httpx.Client, spelling: str) -> None:
    assert jaeger.get("/api/v3/traces", params={**WINDOW, spelling: "nobody"}).status_code == 404
    assert jaeger.get("/api/v3/traces", params={**WINDOW, spelling: "orders-db"}).status_code == 200


def test_nothing_found_is_404_with_a_body_that_says_so(jaeger: httpx.Client) -> None:
    answer = jaeger.get("/api/v3/traces", params={**WINDOW, "query.service_name": "nobody"})
    assert answer.json() == {"error": {"httpCode": 404, "message": "No traces found"}}
    assert answer.headers["content-type"].startswith("text/plain")
    assert jaeger.get(f"/api/v3/traces/{9:032x}").status_code == 404


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/v3/traces", {"query.service_name": "checkout"}),
        ("/api/v3/traces", {**WINDOW, "query.start_time_min": "yesterday"}),
        ("/api/v3/traces/xyz", {}),
        ("/api/v3/dependencies", {}),
    ],
)
def test_a_parameter_that_is_missing_or_wrong_is_400(
    jaeger: httpx.Client, path: str, params: dict[str, str]
) -> None:
    answer = jaeger.get(path, params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["httpCode"] == 400


def test_a_trace_is_found_by_its_short_id_too(jaeger: httpx.Client) -> None:
    assert jaeger.get("/api/v3/traces/1ab").json() == jaeger.get(f"/api/v3/traces/{TRACE}").json()


def test_the_depth_bounds_the_traces(jaeger: httpx.Client, double: JaegerDouble) -> None:
    found = jaeger.get("/api/v3/traces", params={**WINDOW, "query.num_traces": 1}).json()
    assert len(found["result"]["resourceSpans"]) == 2  # the two services of one trace
    double.most_depth = 5
    assert jaeger.get("/api/v3/traces", params={**WINDOW, "query.num_traces": 6}).status_code == 400


def test_services_and_operations_are_listed(jaeger: httpx.Client) -> None:
    assert jaeger.get("/api/v3/services").json() == {"services": ["checkout", "orders-db"]}
    operations = jaeger.get("/api/v3/operations", params={"service": "orders-db"}).json()
    assert operations == {"operations": [{"name": "SELECT orders", "spanKind": "client"}]}


def test_dependencies_count_calls_as_text(jaeger: httpx.Client, double: JaegerDouble) -> None:
    answer = jaeger.get("/api/v3/dependencies", params=RANGE).json()
    assert answer == {"dependencies": [{"parent": "checkout", "child": "orders-db", "callCount": "2"}]}
    double.third_dependencies = False
    assert jaeger.get("/api/v3/dependencies", params=RANGE).status_code == 404


def test_the_unversioned_search_is_gone(jaeger: httpx.Client) -> None:
    assert jaeger.get("/api/traces", params={"service": "checkout"}).status_code == 404
