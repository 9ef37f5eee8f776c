from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from math import comb, exp
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import SpanSet
from connectors.contract import Reading, Window
from connectors.questions import SpanSample
from playbooks.lift import Counts, Lift, findings, lifts, log_tail
from tests.playbooks.judged import Span, span_set

SPLIT = 1000.0
Attributes = Mapping[str, str]
Harm = Callable[[int, Attributes], bool]
DURATION, FAST = 0.05, 0.3


def _none(_: int, __: Attributes) -> bool:
    return False


def _told(
    harm: Harm = _none, before: int = 300, during: int = 200, seed: int = 1, failing: bool = False
) -> SpanSet:
    """Traces of two services; what is harmed is four times as slow in cart, or fails there."""
    random, spans = np.random.default_rng(seed), list[Span]()
    for n in range(before + during):
        now = n >= before
        at = SPLIT + n - before
        root = {"tenant": f"acme{random.integers(8)}", "request.id": f"r{n}"}
        if random.random() < 0.03:
            root["promo"] = "SPRING"
        cart = {
            "service.version": "v2" if now and random.random() < 0.1 else "v1",
            "k8s.pod.name": f"cart-{random.integers(4)}",
            "cloud.availability_zone": f"z{random.integers(3)}",
        }
        bad = now and harm(n, {**root, **cart})
        seconds = (
            DURATION * float(np.exp(FAST * random.standard_normal())) * (4 if bad and not failing else 1)
        )
        trace, first = f"t{n}", len(spans)
        spans.append(Span("web", "GET /cart", at, seconds + 0.01, 2, -1, trace, 1, root))
        status = 2 if bad and failing else 1
        spans.append(Span("cart", "GetCart", at + 0.004, seconds, 2, first, trace, status, cart))
    return span_set(spans)


def _first(spans: SpanSet) -> Lift:
    return lifts(spans, SPLIT)[0]


def _of(told: tuple[Lift, ...], attribute: str) -> Lift | None:
    return next((lift for lift in told if lift.attribute == attribute), None)


# --- what is planted is found ---------------------------------------------------------------------------
def test_a_slow_canary_version_is_the_first_lift_with_its_counts() -> None:
    found = _first(_told(lambda _, a: a["service.version"] == "v2", during=300))
    assert (found.attribute, found.value, found.service) == ("service.version", "v2", "cart")
    assert (found.operation, found.kind, found.new) == ("GetCart", "slow", False)
    assert found.inside.all_with + found.inside.all_without == 300
    assert found.inside.bad_with >= 0.9 * found.inside.all_with
    assert found.risk_ratio > 10.0
    assert found.q < 1e-6
    assert found.explained > 0.5


def test_a_failing_canary_version_explains_all_failures() -> None:
    found = _first(_told(lambda _, a: a["service.version"] == "v2", failing=True))
    assert (found.value, found.kind, found.inside.bad_without) == ("v2", "failed", 0.0)
    assert found.explained == 1.0


def test_a_tenant_told_by_the_root_is_found_at_the_callee_that_fails() -> None:
    found = _first(_told(lambda _, a: a["tenant"] == "acme3", failing=True))
    assert (found.attribute, found.value, found.service) == ("tenant", "acme3", "cart")


def test_a_promo_code_on_three_percent_of_traffic_is_found() -> None:
    told = lifts(_told(lambda _, a: "promo" in a, during=600), SPLIT)
    assert (told[0].attribute, told[0].value) == ("promo", "SPRING")
    assert told[0].inside.all_with < 0.06 * 600
    assert told[0].why.count("promo=SPRING") == 1


def test_nothing_planted_gives_no_lift_in_at_least_95_of_100_seeds() -> None:
    assert sum(bool(lifts(_told(seed=seed, before=150, during=100), SPLIT)) for seed in range(100)) <= 5


def test_everything_slow_alike_accuses_no_value() -> None:
    silent = sum(not lifts(_told(lambda *_: True, seed=seed), SPLIT) for seed in range(20))
    assert silent >= 19


def test_random_failures_within_long_traces_are_not_taken_for_the_traces_attributes() -> None:
    """Fifty calls of one trace share its fate: as fifty witnesses they would accuse its tenant."""
    loud = 0
    for seed in range(20):
        random, spans = np.random.default_rng(seed), list[Span]()
        for n in range(120):
            at, bad = SPLIT - 60.0 + n, n >= 60 and random.random() < 0.2
            root = {"tenant": f"acme{random.integers(6)}"}
            first = len(spans)
            spans.append(Span("web", "GET /", at, 0.1, 2, -1, f"t{n}", 1, root))
            spans += [Span("db", "get", at, 0.01, 2, first, f"t{n}", 2 if bad else 1) for _ in range(50)]
        loud += bool(lifts(span_set(spans), SPLIT))
    assert loud <= 1


def test_a_value_that_was_always_slow_and_came_no_more_often_is_no_lift() -> None:
    def slow(n: int) -> list[Span]:
        tenant = f"acme{n % 5}"
        seconds = (0.4 if n % 5 == 0 else 0.05) * float(np.exp(0.1 * np.sin(n)))
        return [Span("web", "GET /", SPLIT + n - 300.0, seconds, 2, -1, f"t{n}", 1, {"tenant": tenant})]

    assert lifts(span_set([s for n in range(500) for s in slow(n)]), SPLIT) == ()


def test_ids_are_no_values() -> None:
    told = lifts(_told(lambda _, a: a["service.version"] == "v2"), SPLIT)
    assert told
    assert all(lift.attribute != "request.id" for lift in told)


def test_outcomes_are_no_causes() -> None:
    spans = _told(lambda _, a: a["service.version"] == "v2", failing=True)
    coded = tuple(
        {**a, "http.response.status_code": "500" if status == 2 else "200"}
        for a, status in zip(spans.attributes, spans.status.tolist(), strict=True)
    )
    told = lifts(replace(spans, attributes=coded), SPLIT)
    assert told
    assert {lift.attribute for lift in told} == {"service.version"}


def test_a_version_that_came_everywhere_at_once_is_new_and_speaks_low() -> None:
    spans = _told(lambda *_: True)
    starts = spans.start.tolist()
    rolled = tuple(
        {**a, "service.version": "v9" if start >= SPLIT else "v1"}
        for a, start in zip(spans.attributes, starts, strict=True)
    )
    told = lifts(replace(spans, attributes=rolled), SPLIT)
    found = _of(told, "service.version")
    assert found is not None
    assert found.new
    assert found.value == "v9"
    assert "none before" in found.why
    assert findings(told, found.service, None)[0].strength <= 3.0


def test_a_value_that_all_spans_had_before_as_well_is_not_new() -> None:
    spans = _told(lambda *_: True)
    same = tuple({**a, "service.version": "v1"} for a in spans.attributes)
    assert _of(lifts(replace(spans, attributes=same), SPLIT), "service.version") is None


def test_a_route_that_is_slow_is_found_among_its_services_operations() -> None:
    spans = list[Span]()
    for n in range(600):
        route = f"/r{n % 6}"
        seconds = 0.05 * (1 + 0.2 * np.sin(n)) * (5 if n >= 300 and n % 6 == 2 else 1)
        spans.append(Span("web", "GET", SPLIT + n - 300.0, seconds, 2, -1, f"t{n}", 1, {"http.route": route}))
    found = _first(span_set(spans))
    assert (found.attribute, found.value, found.operation) == ("http.route", "/r2", "")


# --- weights --------------------------------------------------------------------------------------------
CANARY = _told(lambda _, a: a["service.version"] == "v2")


@pytest.mark.parametrize("weight", [1.0, 0.0, float("nan"), -3.0])
def test_weights_of_one_and_unknown_weights_change_nothing(weight: float) -> None:
    again = replace(CANARY, weight=np.full(len(CANARY.weight), weight))
    assert lifts(again, SPLIT) == lifts(CANARY, SPLIT)


def test_equal_weights_scale_the_counts_and_leave_the_test_alone() -> None:
    one, ten = _first(CANARY), _first(replace(CANARY, weight=np.full(len(CANARY.weight), 10.0)))
    assert ten.inside == Counts(*(10 * x for x in _numbers(one.inside)))
    assert ten.sampled == one.sampled == one.inside
    assert ten.p == pytest.approx(one.p)
    assert ten.effective == pytest.approx(one.effective)
    assert "sampled spans" in ten.why


def _numbers(counts: Counts) -> tuple[float, ...]:
    return (counts.bad_with, counts.all_with, counts.bad_without, counts.all_without)


def test_uneven_weights_lower_the_effective_number() -> None:
    weight = np.where(np.arange(len(CANARY.weight)) % 4 < 2, 1.0, 20.0)
    told = lifts(replace(CANARY, weight=weight), SPLIT)
    assert told
    assert told[0].effective < 0.7 * told[0].sampled.all_with + 0.7 * told[0].sampled.all_without


# --- what may not matter --------------------------------------------------------------------------------
PLAIN = settings(max_examples=15, deadline=None, derandomize=True)
WORD = st.text("bcdefgh", min_size=1, max_size=6)


@PLAIN
@given(st.permutations(range(8)))
def test_renaming_values_renames_the_lift_and_nothing_else(order: list[int]) -> None:
    spans = _told(lambda _, a: a["tenant"] == "acme3", failing=True)
    renamed = tuple(
        {k: f"acme{order[int(v[4:])]}" if k == "tenant" else v for k, v in a.items()}
        for a in spans.attributes
    )
    before, after = lifts(spans, SPLIT), lifts(replace(spans, attributes=renamed), SPLIT)
    assert after[0].value == f"acme{order[3]}"
    assert [replace(x, value="") for x in after] == [replace(x, value="") for x in before]


@PLAIN
@given(WORD, WORD)
def test_renaming_services_renames_the_lift_and_nothing_else(web: str, cart: str) -> None:
    names = {"web": f"{web}1", "cart": f"{cart}2"}
    again = replace(CANARY, service=tuple(names[s] for s in CANARY.service))
    assert [(x.service, x.p) for x in lifts(again, SPLIT)] == [
        (names[x.service], x.p) for x in lifts(CANARY, SPLIT)
    ]


@PLAIN
@given(st.randoms(use_true_random=False))
def test_the_order_of_traces_does_not_matter(random: Random) -> None:
    order = list(range(len(CANARY.trace) // 2))
    random.shuffle(order)
    rows = [row for number in order for row in (2 * number, 2 * number + 1)]
    moved = SpanSet(
        trace=tuple(CANARY.trace[i] for i in rows),
        span=tuple(CANARY.span[i] for i in rows),
        parent=np.where(CANARY.parent[rows] < 0, -1, np.arange(len(rows)) - 1),
        has_parent=CANARY.has_parent[rows],
        service=tuple(CANARY.service[i] for i in rows),
        name=tuple(CANARY.name[i] for i in rows),
        kind=CANARY.kind[rows],
        start=CANARY.start[rows],
        end=CANARY.end[rows],
        status=CANARY.status[rows],
        weight=CANARY.weight[rows],
        attributes=tuple(CANARY.attributes[i] for i in rows),
        events=tuple(CANARY.events[i] for i in rows),
    )
    before, after = lifts(CANARY, SPLIT), lifts(moved, SPLIT)
    assert [(x.attribute, x.value, x.inside, x.service) for x in after] == [
        (x.attribute, x.value, x.inside, x.service) for x in before
    ]
    assert [x.p for x in after] == pytest.approx([x.p for x in before], rel=1e-6)


@PLAIN
@given(st.integers(12, 30), st.integers(0, 3), st.integers(1, 6))
def test_more_failed_spans_with_the_value_never_lower_its_lift(bad: int, noise: int, more: int) -> None:
    def told(with_value: int) -> Lift:
        spans = [_one(n, SPLIT - 400.0 + n, 1, "a") for n in range(100)]
        spans += [_one(n, SPLIT + n, 2, "b") for n in range(100, 100 + with_value)]
        spans += [_one(n, SPLIT + n, 2 if n < 200 + noise else 1, "a") for n in range(200, 300)]
        found = _of(lifts(span_set(spans), SPLIT), "tenant")
        assert found is not None
        return found

    less, greater = told(bad), told(bad + more)
    assert greater.p <= less.p
    assert greater.risk_ratio >= less.risk_ratio
    assert greater.explained >= less.explained


def _one(n: int, at: float, status: int, tenant: str) -> Span:
    return Span("web", "GET /", at, 0.05, 2, -1, f"t{n}", status, {"tenant": tenant})


# --- trouble in the input -------------------------------------------------------------------------------
def test_no_spans_give_no_lifts() -> None:
    assert lifts(span_set([]), SPLIT) == ()


def test_spans_without_attributes_give_no_lifts() -> None:
    assert lifts(replace(CANARY, attributes=({},) * len(CANARY.trace)), SPLIT) == ()


def test_without_a_baseline_slow_is_unknown_and_failures_still_speak() -> None:
    slow = _told(lambda _, a: a["service.version"] == "v2", before=0, during=300)
    failed = _told(lambda _, a: a["service.version"] == "v2", before=0, during=300, failing=True)
    assert lifts(slow, SPLIT) == ()
    assert _first(failed).kind == "failed"


def test_parents_in_a_circle_and_missing_numbers_do_no_harm() -> None:
    rows = np.arange(len(CANARY.trace))
    broken = replace(CANARY, parent=np.roll(rows, 1), end=np.where(rows % 7 == 0, np.nan, CANARY.end))
    assert isinstance(lifts(broken, SPLIT), tuple)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("tenant", "anna.meier@example.com"),
        ("user.name", "Anna Meier"),
        ("db.user", "anna"),
        ("customer.ref", "0171 2345678"),
        ("basket", "7802fdb3-a9d8-459b-82ab-7ec56c233af3"),
        ("caller", "10.20.30.40"),
        ("db.query.text", "SELECT 1 FROM t WHERE name = 'Anna'"),
    ],
)
def test_values_that_may_be_personal_are_masked_everywhere(attribute: str, value: str) -> None:
    spans = _told(lambda n, _: n % 3 == 0, failing=True)
    marked = tuple(
        {**a, attribute: value} if int(t[1:]) % 3 == 0 else {**a, attribute: "other"}
        for a, t in zip(spans.attributes, spans.trace, strict=True)
    )
    told = lifts(replace(spans, attributes=marked), SPLIT)
    assert attribute in {lift.attribute for lift in told}
    assert value not in repr(told) + repr(findings(told, "cart", None))
    assert "Anna" not in repr(told)


def test_a_finding_cites_the_sample_and_names_the_entity() -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    asked = SpanSample(window=Window(start=now, end=now.replace(hour=1)))
    reading = Reading(asked.source, asked, "traces.jsonl", now, CANARY, "0" * 64)
    told = lifts(CANARY, SPLIT)
    (found, *_) = findings(told, "cart", reading)
    assert (found.judge, found.state, found.service) == ("spans.lift", "yes", "cart")
    assert found.entity is not None
    assert (found.entity.kind, found.entity.name) == ("version", "v2")
    assert found.why == told[0].why
    assert found.evidence[0].sha256 == reading.sha256
    assert "service.version" in found.evidence[0].query
    assert findings(told, "elsewhere", reading) == ()


def test_the_mid_p_is_fishers() -> None:
    for k, drawn, marked, total in permutations((3, 8, 9, 30)):
        if k <= min(drawn, marked) and max(drawn, marked) < total and k * total > drawn * marked:
            terms = [
                comb(marked, j) * comb(total - marked, drawn - j) / comb(total, drawn)
                for j in range(k, min(drawn, marked) + 1)
            ]
            args = (np.array([float(x)]) for x in (k, drawn, marked, total))
            assert exp(log_tail(*args)[0]) == pytest.approx(sum(terms) - terms[0] / 2, rel=1e-6)
