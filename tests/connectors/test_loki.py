"""Loki as a source, over a real socket: counts first, lines on both sides of the onset, never a secret."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.responses import PlainTextResponse

from connectors.answers import LogSet, PatternCounts
from connectors.contract import Reading, Unavailable, Window
from connectors.governor import Limits
from connectors.http import Endpoint
from connectors.log_lines import longest_literal, record, template
from connectors.log_tally import LogBudget, Tally, probes
from connectors.loki import LokiConnector
from connectors.questions import LogPatterns, LogSample, SpanSample
from connectors.sampling_plan import Slice, slices
from tests.doubles.loki import LokiDouble
from tests.doubles.serving import serving

NOW = datetime(2026, 6, 18, 15, 6, 7, tzinfo=UTC)
HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
ONSET = (NOW - timedelta(minutes=12)).timestamp()
LIMITS = Limits(timeout_seconds=5, attempts=1, failures=1000)


def fill(double: LokiDouble, label: str = "service_name", levels: bool = True) -> None:
    chance, at = random.Random(3), HOUR.start.timestamp()

    def push(service: str, level: str, line: str) -> None:
        metadata = {"detected_level": level} if levels else {}
        double.push(at, line, {label: service, "namespace": "shop"}, metadata)

    while at < NOW.timestamp():
        push(
            "checkout",
            "info",
            f'{{"msg":"order placed","order":{chance.randrange(10**6)},"trace_id":"{"ab" * 16}"}}',
        )
        push("cart", "info", f"added item {chance.randrange(1000)} to cart")
        if chance.random() < 0.03:
            push("cart", "error", "item 17 is out of stock")
        if at >= ONSET:
            push(
                "checkout",
                "error",
                f"query failed: timeout after {chance.randrange(5000)} ms, password=hunter2",
            )
            push("payments", "info", f"retrying charge {chance.randrange(1000)}")
        at += 5.0


@pytest.fixture
def double() -> LokiDouble:
    return LokiDouble()


@pytest.fixture
def loki(double: LokiDouble) -> Iterator[LokiConnector]:
    with serving(double.app) as url:
        connector = LokiConnector(Endpoint("loki/main", url, limits=LIMITS))
        yield connector
        connector.close()


def sample(loki: LokiConnector, now: datetime = NOW, **more: object) -> Reading:
    reply = loki.ask(LogSample.model_validate({"window": HOUR, **more}), now=now)
    assert isinstance(reply, Reading), reply
    return reply


def logs(reading: Reading) -> LogSet:
    assert isinstance(reading.answer, LogSet)
    return reading.answer


def refused(loki: LokiConnector) -> Unavailable:
    reply = loki.ask(LogSample(window=HOUR), now=NOW)
    assert isinstance(reply, Unavailable)
    return reply


def noted(reading: Reading, words: str) -> bool:
    return any(words in note for note in reading.notes)


def test_a_quiet_store_is_read_whole_and_in_order(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    found = logs(sample(loki))
    assert len(found.records) == len(double.entries)
    assert not found.truncated
    assert [each.at for each in found.records] == sorted(each.at for each in found.records)


def test_a_store_of_many_lines_is_drawn_alike_before_and_since(
    loki: LokiConnector, double: LokiDouble
) -> None:
    fill(double)
    reading = sample(loki, most_lines=400)
    found = logs(reading)
    assert found.truncated
    assert noted(reading, "lines counted in the window")
    taken = next(
        re.match(r"(\d+) of (\d+) reads hold more", note) for note in reading.notes if "reads hold" in note
    )
    assert taken is not None
    assert 0 < int(taken[1]) <= int(taken[2])
    assert len(found.records) <= 400
    since = sum(each.at >= ONSET for each in found.records) / len(found.records)
    assert 0.3 < since < 0.8
    kinds = Counter((each.service, each.severity) for each in found.records)
    assert kinds[("checkout", "ERROR")] >= 40
    assert kinds[("payments", "INFO")] >= 20
    assert kinds[("cart", "ERROR")] >= 5
    before = [each for each in found.records if each.at < ONSET]
    assert {"checkout", "cart"} <= {each.service for each in before}


def test_every_line_is_redacted(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    double.push(
        NOW.timestamp() - 5,
        "mail to jane@example.com failed",
        {"service_name": "mail"},
        {"api_key": "s3cr3t"},
    )
    found = logs(sample(loki)).records
    assert not any("hunter2" in each.body or "jane@" in each.body for each in found)
    assert next(each for each in found if each.service == "mail").attributes["api_key"] == "[secret]"


def test_the_same_answers_make_the_same_sample(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    assert sample(loki, most_lines=200).sha256 == sample(loki, most_lines=200).sha256


def test_nothing_later_than_now_is_answered(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    now = NOW - timedelta(minutes=7, seconds=0.5)
    reading = sample(loki, now=now)
    assert max(each.at for each in logs(reading).records) <= now.timestamp()
    assert reading.at == now


def test_only_the_services_asked_for_come(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    assert {each.service for each in logs(sample(loki, services=("cart", "payments"))).records} == {
        "cart",
        "payments",
    }
    assert {each.service for each in logs(sample(loki, services=("cart",))).records} == {"cart"}


@pytest.mark.parametrize("label", ["app", "container", "job"])
def test_the_label_that_names_services_is_found(loki: LokiConnector, double: LokiDouble, label: str) -> None:
    fill(double, label=label)
    assert "checkout" in {each.service for each in logs(sample(loki, most_lines=100)).records}


def test_without_such_a_label_the_reason_names_the_setting(loki: LokiConnector, double: LokiDouble) -> None:
    double.push(NOW.timestamp() - 5, "x", {"filename": "/var/log/x"})
    assert "labels found: filename): set service_label" in refused(loki).reason


def test_a_window_without_any_label_is_no_question_of_settings(loki: LokiConnector) -> None:
    assert refused(loki).reason == (
        "no label and so no line in the window; this does not mean that nothing was logged"
    )


def test_without_levels_failures_are_found_by_their_words(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double, levels=False)
    bodies = [each.body for each in logs(sample(loki, most_lines=300)).records]
    assert sum("query failed" in body for body in bodies) >= 40


def test_structured_metadata_may_come_apart_from_the_labels(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    usual = sample(loki)
    double.categorized = True
    assert sample(loki).sha256 == usual.sha256


def test_a_smaller_limit_of_the_server_is_kept_to(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    double.max_entries = 30
    found = logs(sample(loki))
    assert found.truncated
    assert found.records


def test_counting_is_bounded_where_all_would_be_too_much_to_scan(double: LokiDouble) -> None:
    fill(double)
    double.volume_factor = 10**6
    with serving(double.app) as url:
        loki = LokiConnector(Endpoint("x", url, limits=LIMITS), budget=LogBudget(scanned_bytes=10**10))
        reading = sample(loki, most_lines=200)
        loki.close()
    assert noted(reading, "of each slice")
    counted = [params["query"] for path, params in double.asked if path.endswith("/query")]
    assert all("[" in query and int(query.split("[")[1].split("s]")[0]) < 100 for query in counted)


def test_a_server_without_volumes_is_counted_all_the_same(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    double.volume_offered = False
    assert noted(sample(loki), "lines counted in the window")


def test_where_counting_fails_lines_are_read_and_the_reason_is_told(
    loki: LokiConnector, double: LokiDouble
) -> None:
    fill(double)
    double.refuse = {"/v1/query": PlainTextResponse("too many outstanding requests", 429)}
    reading = sample(loki)
    assert noted(reading, "lines could not be counted first: too many requests (429)")
    assert logs(reading).records


def test_a_busy_server_is_unavailable_and_worth_another_try(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    double.refuse = {"/v1/labels": PlainTextResponse("too many outstanding requests", 429)}
    reply = refused(loki)
    assert reply.retry
    assert reply.reason == "too many requests (429): too many outstanding requests"


def test_a_window_longer_than_the_server_allows_is_told_in_its_words(
    loki: LokiConnector, double: LokiDouble
) -> None:
    fill(double)
    double.max_query_seconds = 60
    assert "the query time range exceeds the limit" in refused(loki).reason


def test_silence_of_the_store_is_no_silence_of_the_services(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    reply = loki.ask(LogSample(window=HOUR, services=("nobody",)), now=NOW)
    assert isinstance(reply, Unavailable)
    assert "does not mean that nothing was logged" in reply.reason


def test_a_budget_of_requests_is_kept_and_told(double: LokiDouble) -> None:
    fill(double)
    with serving(double.app) as url:
        loki = LokiConnector(Endpoint("x", url, limits=LIMITS), budget=LogBudget(requests=18))
        reading = sample(loki, most_lines=400)
        loki.close()
    assert logs(reading).truncated
    assert noted(reading, "reading ended at the budget of 18 requests")


def test_another_question_is_not_answered(loki: LokiConnector) -> None:
    assert loki.ask(SpanSample(window=HOUR), now=NOW) is None


# --- patterns --------------------------------------------------------------------------------------
def patterns(loki: LokiConnector) -> tuple[Reading, PatternCounts]:
    reply = loki.ask(LogPatterns(window=HOUR), now=NOW)
    assert isinstance(reply, Reading), reply
    assert isinstance(reply.answer, PatternCounts)
    return reply, reply.answer


def test_patterns_that_loki_detects_are_compared_with_before(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    start, end = int(HOUR.start.timestamp()), int(NOW.timestamp())
    double.patterns = {
        "checkout": [
            ("query failed: timeout after <_> ms", [(end - 60 * n, 20) for n in range(1, 6)]),
            ("order placed", [(at, 20) for at in range(start, end, 60)]),
        ]
    }
    _, found = patterns(loki)
    by_pattern = {each.pattern: each for each in found.patterns}
    assert by_pattern["query failed: timeout after <_> ms"].count == 100
    assert by_pattern["query failed: timeout after <_> ms"].more == 100
    assert abs(by_pattern["order placed"].more) < 45
    assert by_pattern["order placed"].service == "checkout"


def test_where_loki_detects_none_failing_lines_are_counted(loki: LokiConnector, double: LokiDouble) -> None:
    fill(double)
    reading, found = patterns(loki)
    assert noted(reading, "templates of failing lines")
    failed = next(each for each in found.patterns if each.service == "checkout")
    assert failed.pattern.startswith("query failed: timeout after <_> ms")
    assert failed.negative
    assert failed.count > 90
    assert failed.more > 0.7 * failed.count


def test_no_patterns_and_no_failures_is_no_answer(loki: LokiConnector, double: LokiDouble) -> None:
    double.push(NOW.timestamp() - 5, "fine", {"service_name": "cart"})
    assert isinstance(loki.ask(LogPatterns(window=HOUR), now=NOW), Unavailable)


# --- doctor ----------------------------------------------------------------------------------------
def test_doctor_finds_a_healthy_loki_healthy(loki: LokiConnector, double: LokiDouble) -> None:
    now = datetime.now(UTC)
    double.push(now.timestamp() - 10, "ok", {"service_name": "cart"}, {"detected_level": "info"})
    double.patterns = {"cart": [("ok", [(1, 1)])]}
    checks = loki.check(now=now)
    assert {check.about: check.state for check in checks} == dict.fromkeys(
        ["reachable", "fresh", "clock", "tells volumes", "knows levels", "detects patterns"], "ok"
    )


def test_doctor_tells_a_loki_that_holds_nothing_from_one_that_is_out_of_reach(
    loki: LokiConnector, double: LokiDouble
) -> None:
    (empty,) = loki.check(now=NOW)
    assert (empty.about, empty.state) == ("fresh", "warning")
    assert "agents" in empty.fix
    double.push(NOW.timestamp() - 5, "x", {"filename": "/var/log/x"})
    (nameless,) = loki.check(now=NOW)
    assert (nameless.about, nameless.state) == ("names services", "failed")
    assert "service_label" in nameless.fix


def test_doctor_names_the_settings_that_are_missing(loki: LokiConnector, double: LokiDouble) -> None:
    double.push(NOW.timestamp() - 1800, "ok", {"app": "cart"})
    double.volume_offered = False
    fixes = {check.about: check.fix for check in loki.check(now=NOW) if check.state != "ok"}
    assert "volume_enabled: true" in fixes["tells volumes"]
    assert "discover_log_levels: true" in fixes["knows levels"]
    assert "pattern_ingester.enabled: true" in fixes["detects patterns"]
    assert "agents" in fixes["fresh"]


def test_doctor_says_which_tenant_header_is_missing(double: LokiDouble) -> None:
    fill(double)
    double.tenant = "shop"
    with serving(double.app) as url:
        without, within = (
            LokiConnector(Endpoint("x", url, limits=LIMITS), tenant=each) for each in (None, "shop")
        )
        (check,) = without.check(now=NOW)
        assert (check.about, check.state) == ("allowed", "failed")
        assert "X-Scope-OrgID" in check.fix
        assert logs(sample(within, most_lines=50)).records
        without.close()
        within.close()


# --- lines and counts ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "body", "severity"),
    [
        ('{"level":"err","msg":"query failed","error":"timeout"}', "query failed: timeout", "ERROR"),
        ('{"severity":"WARNING","message":"slow"}', "slow", "WARN"),
        ('{"message":"failed","exception":{"type":"X","message":"no route"}}', "failed: no route", ""),
        ('level=error msg="query failed" err="no route to host"', "query failed: no route to host", "ERROR"),
        ("2026-06-18 15:00:00 ERROR shop.orders - no such order", None, "ERROR"),
        ('{"broken": ', None, ""),
        ("[1,2]", None, ""),
        ("plain words", None, ""),
    ],
)
def test_a_line_is_taken_apart(line: str, body: str | None, severity: str) -> None:
    found = record(1.0, "shop", line, {})
    assert (found.body, found.severity) == (line if body is None else body, severity)


def test_a_line_names_its_trace_its_span_and_its_statement() -> None:
    fields = {"msg": "x", "traceId": "AB" * 16, "spanId": "cd" * 8, "caller": "orders.go:17", "status": 500}
    found = record(1.0, "shop", json.dumps(fields), {"pod": "shop-1"})
    assert (found.trace, found.logger) == ("ab" * 16, "orders.go:17")
    assert found.attributes["span_id"] == "cd" * 8
    assert (found.attributes["status"], found.attributes["pod"]) == ("500", "shop-1")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("timeout after 1204 ms", "timeout after <_> ms"),
        ('user "jane" not found\nTraceback', "user <_> not found"),
        ("request 123e4567-e89b-12d3-a456-426614174000 to 10.0.0.7:80", "request <_> to <_>"),
    ],
)
def test_a_template_leaves_values_out(message: str, expected: str) -> None:
    assert template(message) == expected
    assert longest_literal(expected) in message


PIECES = slices(HOUR, NOW)


def tally(rates: dict[tuple[str, str], tuple[float, float]], recent: int = 4) -> Tally:
    """Lines a second of each service and level: in the newest slices, and before."""
    return Tally(
        PIECES,
        tuple(
            {
                pair: (new if n < recent else old) * (piece.end - piece.start)
                for pair, (new, old) in rates.items()
            }
            for n, piece in enumerate(PIECES)
        ),
    )


def test_what_appeared_vanished_or_multiplied_has_moved_and_what_did_not_has_not() -> None:
    rates = {
        ("a", "info"): (1.0, 1.0),
        ("b", "info"): (0.2, 0.0),
        ("c", "info"): (0.0, 0.2),
        ("d", "info"): (3.0, 1.0),
        ("e", "info"): (0.001, 0.0),
    }
    assert {service for service, _ in tally(rates).moved()} == {"b", "c", "d"}


def test_a_slice_of_many_lines_is_read_in_short_stretches_and_an_empty_one_not_at_all() -> None:
    pieces = (Slice(0, 1000, 1100), Slice(1, 900, 1000), Slice(2, 800, 900))
    plan = probes(pieces, [10, 1000, 0], 50)
    assert [(each.start, each.end) for each in plan] == [(1000, 1100), (900, 902), (950, 952)]
    assert [each.share for each in plan] == [1.0, 0.05, 0.05]
