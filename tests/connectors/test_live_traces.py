"""Tempo and Jaeger as sources: the same shop in both, asked over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from connectors.answers import CallGraphEdges, SpanSet
from connectors.codec import canonical
from connectors.contract import Reading, Unavailable, Window
from connectors.governor import Limits
from connectors.http import Endpoint
from connectors.jaeger import JaegerConnector
from connectors.live_traces import TraceBudget
from connectors.questions import CallEdges, LogSample, SpanSample
from connectors.span_selection import summaries
from connectors.tempo import TempoConnector, traceql
from tests.doubles.jaeger import JaegerDouble
from tests.doubles.serving import serving
from tests.doubles.shop_traces import checkout, shop
from tests.doubles.tempo import TempoDouble

NOW = datetime(2026, 6, 18, 15, 6, 7, tzinfo=UTC)
HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
ONSET = NOW - timedelta(minutes=12)
LIMITS = Limits(timeout_seconds=5, attempts=1, failures=1000)
SHOP = list(shop(HOUR.start.timestamp(), NOW.timestamp() - 30, ONSET.timestamp(), every=9.0))


@dataclass
class Stores:
    tempo_double: TempoDouble
    jaeger_double: JaegerDouble
    tempo: TempoConnector
    jaeger: JaegerConnector

    def write(self, request: dict[str, object]) -> None:
        self.tempo_double.memory.write(request)
        self.jaeger_double.memory.write(request)


@pytest.fixture
def stores() -> Iterator[Stores]:
    tempo, jaeger = TempoDouble(), JaegerDouble()
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(double.app)) for double in (tempo, jaeger)]
        made = Stores(
            tempo,
            jaeger,
            TempoConnector(Endpoint("tempo/main", urls[0], limits=LIMITS)),
            JaegerConnector(Endpoint("jaeger/main", urls[1], limits=LIMITS)),
        )
        stack.callback(made.tempo.close)
        stack.callback(made.jaeger.close)
        yield made


@pytest.fixture
def full(stores: Stores) -> Stores:
    for request in SHOP:
        stores.write(request)
    return stores


def sample(connector: TempoConnector | JaegerConnector, **more: object) -> Reading:
    question = SpanSample.model_validate({"window": HOUR, "most_traces": 40, **more})
    reply = connector.ask(question, now=NOW)
    assert isinstance(reply, Reading), reply
    return reply


def spans_of(reading: Reading) -> SpanSet:
    assert isinstance(reading.answer, SpanSet)
    return reading.answer


def refused(connector: TempoConnector | JaegerConnector) -> Unavailable:
    reply = connector.ask(SpanSample(window=HOUR), now=NOW)
    assert isinstance(reply, Unavailable)
    return reply


def noted(reading: Reading, words: str) -> bool:
    return any(words in note for note in reading.notes)


def test_one_trace_read_from_both_stores_is_the_same_to_the_byte(stores: Stores) -> None:
    stores.write(checkout(f"{0x1AB:032x}", NOW.timestamp() - 600.123456, 1.75, failed=True))
    from_tempo, from_jaeger = sample(stores.tempo), sample(stores.jaeger)
    assert len(spans_of(from_tempo).span) == 2
    assert canonical(from_tempo.answer) == canonical(from_jaeger.answer)
    assert from_tempo.sha256 == from_jaeger.sha256


def test_a_trace_is_read_as_it_was_written(stores: Stores) -> None:
    stores.write(checkout(f"{0x1AB:032x}", NOW.timestamp() - 600, 2.0, failed=True))
    spans = spans_of(sample(stores.tempo))
    assert spans.trace == (f"{0x1AB:032x}",) * 2
    assert spans.service == ("checkout", "orders-db")
    assert spans.parent.tolist() == [-1, 0]
    assert spans.kind.tolist() == [2, 3]
    assert spans.status.tolist() == [2, 2]
    assert spans.end[0] - spans.start[0] == pytest.approx(2.0)
    assert spans.events == ((), ("Timeout",))


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_the_sample_is_balanced_over_the_onset_and_holds_failures(full: Stores, kind: str) -> None:
    reading = sample(getattr(full, kind))
    briefs = summaries(spans_of(reading)).values()
    during = [each for each in briefs if each.start >= ONSET.timestamp()]
    assert 32 <= len(briefs) <= 40
    assert 0.3 < len(during) / len(briefs) < 0.7
    assert sum(each.error for each in during) >= 2
    assert {each.name for each in briefs} == {"POST /checkout", "GET /cart"}


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_the_same_answers_make_the_same_sample(full: Stores, kind: str) -> None:
    connector = getattr(full, kind)
    assert sample(connector).sha256 == sample(connector).sha256


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_whole_traces_touching_the_services_come(full: Stores, kind: str) -> None:
    full.write(checkout(f"{10**6:032x}", NOW.timestamp() - 300, 0.1))
    reading = sample(getattr(full, kind), services=("orders-db",))
    assert set(spans_of(reading).service) == {"checkout", "orders-db"}
    nobody = getattr(full, kind).ask(SpanSample(window=HOUR, services=("nobody",)), now=NOW)
    assert isinstance(nobody, Unavailable)
    assert "does not mean that there was no traffic" in nobody.reason


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_nothing_later_than_now_is_answered(full: Stores, kind: str) -> None:
    now = NOW - timedelta(minutes=20)
    reply = getattr(full, kind).ask(SpanSample(window=HOUR, most_traces=60), now=now)
    assert isinstance(reply, Reading)
    assert spans_of(reply).end.max() <= now.timestamp()
    assert reply.at == now


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_secrets_in_spans_do_not_come_through(full: Stores, kind: str) -> None:
    texts = {value for each in spans_of(sample(getattr(full, kind))).attributes for value in each.values()}
    assert not any("jane@example.com" in text for text in texts)
    assert "select * from orders where email = '[e-mail]'" in texts


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_an_empty_store_is_no_sign_of_silence(stores: Stores, kind: str) -> None:
    reply = refused(getattr(stores, kind))
    assert reply.retry
    assert "does not mean that there was no traffic" in reply.reason


@pytest.mark.parametrize("kind", ["tempo", "jaeger"])
def test_a_store_that_is_gone_is_unavailable(kind: str) -> None:
    connector = {"tempo": TempoConnector, "jaeger": JaegerConnector}[kind]
    made = connector(Endpoint("x", "http://127.0.0.1:9", limits=LIMITS))
    reply = made.ask(SpanSample(window=HOUR), now=NOW)
    made.close()
    assert isinstance(reply, Unavailable)
    assert "not reachable" in reply.reason


def test_a_question_of_another_kind_is_not_answered(stores: Stores) -> None:
    assert stores.tempo.ask(LogSample(window=HOUR), now=NOW) is None
    assert stores.jaeger.ask(LogSample(window=HOUR), now=NOW) is None


# --- weights ---------------------------------------------------------------------------------------
def test_a_whole_search_makes_weights_that_add_up_to_all_traces(full: Stores) -> None:
    full.tempo_double.metrics_offered = False
    spans = spans_of(sample(full.tempo, most_traces=400))
    roots = ~spans.has_parent
    assert spans.weight[roots].sum() == pytest.approx(len(SHOP), rel=0.001)


def test_metrics_make_weights_where_searches_were_cut(full: Stores) -> None:
    reading = sample(full.tempo, most_traces=20)
    assert noted(reading, "found more traces than they may return")
    spans = spans_of(reading)
    assert spans.weight[~spans.has_parent].sum() == pytest.approx(len(SHOP), rel=0.15)
    assert not noted(reading, "counts of spans are not rates")


def test_without_metrics_a_cut_search_leaves_weights_alone_and_says_so(full: Stores) -> None:
    full.tempo_double.metrics_offered = False
    reading = sample(full.tempo, most_traces=20)
    assert noted(reading, "counts of spans are not rates")
    assert np.all(spans_of(reading).weight == 1.0)


# --- what Tempo does ---------------------------------------------------------------------------------
def test_traces_that_are_not_searchable_yet_are_told(full: Stores) -> None:
    full.tempo_double.memory.searchable_until = round((NOW.timestamp() - 90) * 1e9)
    assert noted(sample(full.tempo), "this says nothing about traffic")


def test_a_smaller_limit_of_the_server_is_kept_to(full: Stores) -> None:
    full.tempo_double.max_limit = 25
    assert noted(sample(full.tempo, most_traces=200), "found more traces than they may return")
    assert {params["limit"] for path, params in full.tempo_double.asked if path == "/api/search"} == {
        "60",
        "25",
    }


def test_an_older_server_gives_traces_under_its_first_address(full: Stores) -> None:
    usual = sample(full.tempo)
    full.tempo_double.second_version = False
    assert sample(full.tempo).sha256 == usual.sha256


def test_traces_cut_lost_or_answered_in_part_are_told(full: Stores) -> None:
    whole = spans_of(sample(full.tempo)).trace
    full.tempo_double.partial = {whole[0]}
    full.tempo_double.lost = {whole[-1]}
    full.tempo_double.partial_search = True
    reading = sample(full.tempo)
    assert noted(reading, "1 traces are not whole")
    assert noted(reading, "1 traces were gone")
    assert noted(reading, "answered in part only")
    assert whole[-1] not in spans_of(reading).trace


def test_a_search_that_fails_is_told_in_the_servers_words(full: Stores) -> None:
    full.tempo_double.refuse = {"/api/search": PlainTextResponse("too many jobs", 400)}
    assert refused(full.tempo).reason == "status 400: too many jobs"


def test_malformed_traces_are_skipped_and_counted(full: Stores) -> None:
    full.tempo_double.refuse = {"/api/v2/traces/": JSONResponse({"trace": {"resourceSpans": [{"scopeSpans": [
        {"spans": [{"traceId": "?", "spanId": 1}]}]}]}})}  # fmt: skip
    reply = full.tempo.ask(SpanSample(window=HOUR, most_traces=5), now=NOW)
    assert isinstance(reply, Unavailable)
    assert reply.reason == "none of the 5 traces fetched can be read: 5 malformed spans skipped"


def test_a_budget_of_requests_ends_in_a_smaller_sample_that_is_still_balanced(full: Stores) -> None:
    small = TempoConnector(full.tempo.client.endpoint, budget=TraceBudget(requests=50))
    reading = sample(small)
    small.close()
    briefs = list(summaries(spans_of(reading)).values())
    assert len(briefs) == 30
    assert noted(reading, "partly: traces ended at the budget of 50 requests")
    assert 0.3 < sum(each.start >= ONSET.timestamp() for each in briefs) / 30 < 0.7


def test_exemplars_are_fetched_first(full: Stores) -> None:
    lonely = f"{10**6:032x}"
    full.write(checkout(lonely, ONSET.timestamp() + 1, 0.1))
    with_exemplar = TempoConnector(
        full.tempo.client.endpoint, exemplars=lambda _: [lonely, "nonsense", lonely]
    )
    spans = spans_of(sample(with_exemplar, most_traces=20))
    with_exemplar.close()
    assert lonely in spans.trace
    assert len(set(spans.trace)) <= 20


def test_the_tenant_is_sent(full: Stores) -> None:
    full.tempo_double.tenant = "shop"
    assert "credentials" in refused(full.tempo).reason
    tenant = TempoConnector(full.tempo.client.endpoint, tenant="shop")
    assert spans_of(sample(tenant)).span
    tenant.close()


@pytest.mark.parametrize(
    ("services", "errors", "written"),
    [
        ((), False, "{ }"),
        ((), True, "{ status = error }"),
        (("a",), False, '{ resource.service.name = "a" }'),
        (("a",), True, '{ resource.service.name = "a" && status = error }'),
        (
            ("a", 'b"'),
            True,
            '{ (resource.service.name = "a" || resource.service.name = "b\\"") && status = error }',
        ),
    ],
)
def test_a_search_is_written_in_traceql(services: tuple[str, ...], errors: bool, written: str) -> None:
    assert traceql(services, errors) == written


# --- what Jaeger does --------------------------------------------------------------------------------
def test_an_older_jaeger_that_cannot_search_for_errors_is_sampled_too(full: Stores) -> None:
    full.jaeger_double.knows_attributes = False
    assert spans_of(sample(full.jaeger)).span


def test_many_services_are_searched_in_fewer_parts(stores: Stores) -> None:
    for number in range(1, 91):
        request = checkout(f"{number:032x}", NOW.timestamp() - 60 - number, 0.1)
        name = {"key": "service.name", "value": {"stringValue": f"service-{number}"}}
        request["resourceSpans"][0]["resource"]["attributes"] = [name]
        stores.jaeger_double.memory.write(request)
    reading = sample(stores.jaeger, most_traces=100)
    searches = [params for path, params in stores.jaeger_double.asked if path == "/api/v3/traces"]
    assert len(searches) <= 160
    assert len(set(spans_of(reading).trace)) == 90


@pytest.mark.parametrize("third", [True, False])
def test_dependencies_are_edges_by_the_new_address_or_the_old(full: Stores, third: bool) -> None:
    full.jaeger_double.third_dependencies = third
    reply = full.jaeger.ask(CallEdges(), now=NOW)
    assert isinstance(reply, Reading)
    assert reply.answer == CallGraphEdges(edges=(("checkout", "orders-db"),))


def test_dependencies_that_nobody_worked_out_are_no_empty_graph(full: Stores) -> None:
    full.jaeger_double.dependencies_made = False
    reply = full.jaeger.ask(CallEdges(), now=NOW)
    assert isinstance(reply, Unavailable)
    assert "spark-dependencies" in reply.reason


# --- doctor ------------------------------------------------------------------------------------------
def test_doctor_finds_a_healthy_tempo_healthy(full: Stores) -> None:
    now = datetime.now(UTC)
    full.write(checkout(f"{10**6:032x}", now.timestamp() - 20, 0.1))
    states = {check.about: check.state for check in full.tempo.check(now=now)}
    assert states == {"reachable": "ok", "fresh": "ok", "clock": "ok", "counts traces": "ok"}


def test_doctor_finds_a_healthy_jaeger_healthy(full: Stores) -> None:
    now = datetime.now(UTC)
    full.write(checkout(f"{10**6:032x}", now.timestamp() - 20, 0.1))
    states = {check.about: check.state for check in full.jaeger.check(now=now)}
    assert states == {"reachable": "ok", "fresh": "ok", "clock": "ok", "knows dependencies": "ok"}


def test_doctor_names_what_is_missing_and_what_mends_it(full: Stores) -> None:
    full.tempo_double.metrics_offered = False
    full.jaeger_double.dependencies_made = False
    checks = [*full.tempo.check(now=NOW + timedelta(hours=3)), *full.jaeger.check(now=NOW)]
    fixes = {check.about: check.fix for check in checks if check.state != "ok"}
    assert "local-blocks" in fixes["counts traces"]
    assert "exporter" in fixes["fresh"]
    assert "spark-dependencies" in fixes["knows dependencies"]


@pytest.mark.parametrize(
    ("status", "about", "fix"),
    [(401, "allowed", "X-Scope-OrgID"), (403, "allowed", "grant"), (404, "reachable", "path prefix"),
     (302, "reachable", "sign-in"), (500, "reachable", "can be reached")],
)  # fmt: skip
def test_doctor_says_why_a_store_does_not_answer(full: Stores, status: int, about: str, fix: str) -> None:
    full.tempo_double.refuse = {"/api": PlainTextResponse("no", status)}
    (check,) = full.tempo.check(now=NOW)
    assert (check.about, check.state) == (about, "failed")
    assert fix in check.fix
