"""The double of Loki keeps to Loki's documented HTTP API and to its error texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.doubles.loki import LokiDouble
from tests.doubles.serving import serving

T = 1_711_839_260
RANGE = {"start": str((T - 60) * 10**9), "end": str((T + 60) * 10**9)}


@pytest.fixture
def double() -> LokiDouble:
    made = LokiDouble()
    for n in range(6):
        made.push(
            T + n, f"GET /orders {n}", {"service_name": "checkout", "env": "prod"}, {"detected_level": "info"}
        )
    made.push(
        T + 6, "boom", {"service_name": "cart", "env": "prod"}, {"detected_level": "error", "trace_id": "ab"}
    )
    return made


@pytest.fixture
def loki(double: LokiDouble) -> Iterator[httpx.Client]:
    with serving(double.app) as url, httpx.Client(base_url=f"{url}/loki/api/v1/", trust_env=False) as client:
        yield client


def ask(loki: httpx.Client, path: str, **params: object) -> Any:
    answer = loki.get(path, params={**RANGE, **{name: str(value) for name, value in params.items()}})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(loki: httpx.Client, path: str, **params: object) -> str:
    answer = loki.get(path, params={**RANGE, **{name: str(value) for name, value in params.items()}})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def test_lines_come_as_streams_the_newest_first_by_default(loki: httpx.Client) -> None:
    data = ask(loki, "query_range", query='{service_name="checkout"}', limit=2)["data"]
    assert data["resultType"] == "streams"
    (stream,) = data["result"]
    assert stream["stream"] == {"service_name": "checkout", "env": "prod", "detected_level": "info"}
    assert stream["values"] == [
        [str((T + 5) * 10**9), "GET /orders 5"],
        [str((T + 4) * 10**9), "GET /orders 4"],
    ]


def test_forward_brings_the_oldest_first(loki: httpx.Client) -> None:
    data = ask(loki, "query_range", query='{env="prod"}', limit=1, direction="forward")["data"]
    assert data["result"][0]["values"][0][1] == "GET /orders 0"


def test_the_end_is_left_out_and_the_start_is_not(loki: httpx.Client) -> None:
    times = {"start": str(T * 10**9), "end": str((T + 1) * 10**9)}
    data = loki.get("query_range", params={**times, "query": '{env="prod"}'}).json()["data"]
    assert [value[1] for stream in data["result"] for value in stream["values"]] == ["GET /orders 0"]


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ('{env="prod"} |= "orders"', 6),
        ('{env="prod"} != "orders"', 1),
        ('{env="prod"} |~ "(?i)BOOM|nothing"', 1),
        ('{env="prod"} | detected_level="error"', 1),
        ('{env="prod"} | detected_level=~"error" or level=~"error"', 1),
        ('{env="prod"} | detected_level!~"error|fatal" | level!~"error"', 6),
        ('{service_name=~"c.*", env!="dev"}', 7),
        ('{service_name=~"cart|check"}', 1),
    ],
)
def test_filters_keep_what_logql_says(loki: httpx.Client, query: str, lines: int) -> None:
    data = ask(loki, "query_range", query=query)["data"]
    assert sum(len(stream["values"]) for stream in data["result"]) == lines


def test_counts_come_as_a_vector_of_text_by_the_labels_asked_for(loki: httpx.Client) -> None:
    query = 'sum by (service_name, detected_level, level) (count_over_time({env="prod"} [3s]))'
    data = ask(loki, "query", query=query, time=(T + 6) * 10**9)["data"]
    assert data["resultType"] == "vector"
    rows = {row["metric"]["service_name"]: row for row in data["result"]}
    assert rows["checkout"]["value"] == [T + 6, "2"]  # the range is open at its start
    assert rows["cart"]["metric"] == {"service_name": "cart", "detected_level": "error"}


def test_volumes_are_bytes_by_target_label(loki: httpx.Client) -> None:
    rows = ask(loki, "index/volume", query='{env="prod"}', targetLabels="service_name")["data"]["result"]
    assert [(row["metric"], row["value"][1]) for row in rows] == [
        ({"service_name": "checkout"}, "78"),
        ({"service_name": "cart"}, "4"),
    ]


def test_labels_and_their_values_are_listed(loki: httpx.Client) -> None:
    assert ask(loki, "labels") == {"status": "success", "data": ["env", "service_name"]}
    assert ask(loki, "label/service_name/values")["data"] == ["cart", "checkout"]


def test_patterns_are_pairs_of_second_and_count(loki: httpx.Client, double: LokiDouble) -> None:
    double.patterns = {"checkout": [("GET /orders <_>", [(T, 6)])]}
    rows = ask(loki, "patterns", query='{service_name="checkout"}')["data"]
    assert rows == [{"pattern": "GET /orders <_>", "samples": [[T, 6]]}]


def test_limits_and_mistakes_are_refused_in_lokis_words(loki: httpx.Client, double: LokiDouble) -> None:
    double.max_entries, double.max_query_seconds = 5, 3600
    assert refusal(loki, "query_range", query='{env="prod"}', limit=6) == (
        "max entries limit per query exceeded, limit > max_entries_limit_per_query (6 > 5)"
    )
    assert "the query time range exceeds the limit (query length" in refusal(
        loki, "query_range", query='{env="prod"}', start=0
    )
    assert "at least one regexp or equality matcher" in refusal(loki, "query_range", query='{env=~".*"}')
    assert "syntax error: unexpected" in refusal(loki, "query_range", query='{env="prod"')
    assert "instant query" in refusal(loki, "query", query='{env="prod"}', time=1)


def test_a_tenant_may_be_wanted(loki: httpx.Client, double: LokiDouble) -> None:
    double.tenant = "shop"
    answer = loki.get("labels", params=RANGE)
    assert (answer.status_code, answer.text) == (401, "no org id\n")
    assert loki.get("labels", params=RANGE, headers={"X-Scope-OrgID": "shop"}).status_code == 200
