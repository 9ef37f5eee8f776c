from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import SpanSet
from playbooks.spans import CLIENT, SERVER, GroupShift, SpanView, operation, peer, self_times, view
from tests.playbooks.judged import Shop, Span, Trouble, reordered, span_set

SPLIT = 1000.0
Telling = Callable[[int, bool, float], Sequence[Span]]


def _told(tell: Telling, before: int = 60, during: int = 40, seed: int = 1) -> SpanSet:
    """Traces told one by one: number, whether since the split, and a jitter around 1."""
    random, spans = np.random.default_rng(seed), list[Span]()
    for n in range(before + during):
        jitter = float(np.exp(0.1 * random.standard_normal()))
        at = SPLIT - 500.0 + n if n < before else SPLIT + (n - before)
        first = len(spans)
        for span in tell(n, n >= before, jitter):
            parent = span.parent + first if span.parent >= 0 else -1
            spans.append(
                Span(
                    span.service, span.name, at + span.start, span.seconds, span.kind, parent, f"t{n}",
                    span.status, span.attributes, span.events,
                )
            )  # fmt: skip
    return span_set(spans)


def _view(tell: Telling, before: int = 60, during: int = 40) -> SpanView:
    return view(_told(tell, before, during), SPLIT)


def _own(*spans: Span) -> list[float]:
    told = span_set(spans)
    kids: dict[int, list[int]] = {}
    for row, parent in enumerate(told.parent.tolist()):
        if parent >= 0:
            kids.setdefault(parent, []).append(row)
    return [round(float(s), 6) for s in self_times(told, kids)]


# --- self time --------------------------------------------------------------------------------------
def test_own_time_is_what_no_child_covers() -> None:
    assert _own(Span("a", "x", 0, 10), Span("b", "y", 2, 3, parent=0), Span("b", "y", 7, 1, parent=0)) == [
        6,
        3,
        1,
    ]


def test_overlapping_children_are_counted_once() -> None:
    assert _own(Span("a", "x", 0, 10), Span("b", "y", 2, 4, parent=0), Span("c", "z", 4, 4, parent=0))[0] == 4


def test_a_child_inside_another_childs_time_takes_nothing_more() -> None:
    assert _own(Span("a", "x", 0, 10), Span("b", "y", 1, 8, parent=0), Span("c", "z", 3, 2, parent=0))[0] == 2


def test_a_child_that_outlives_its_parent_covers_only_the_parents_time() -> None:
    assert _own(Span("a", "x", 0, 10), Span("b", "y", 8, 50, parent=0))[0] == 8
    assert _own(Span("a", "x", 0, 10), Span("b", "y", 20, 50, parent=0))[0] == 10


def test_a_grandchild_is_not_taken_from_its_grandparent() -> None:
    assert _own(Span("a", "x", 0, 10), Span("b", "y", 0, 5, parent=0), Span("c", "z", 1, 3, parent=1)) == [
        5,
        2,
        3,
    ]


SPANS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(SPANS)
def test_own_time_is_never_negative_nor_more_than_the_whole(children: list[tuple[float, float]]) -> None:
    own = _own(Span("a", "x", 0, 10), *(Span("b", "y", at, long, parent=0) for at, long in children))
    assert 0.0 <= own[0] <= 10.0
    assert own[0] >= 10.0 - sum(long for _, long in children) - 1e-5


# --- where time goes ------------------------------------------------------------------------------------
def _chain(slow: dict[str, float]) -> Telling:
    """web calls cart, cart calls pay; `slow` adds seconds to a service or, as `a>b`, to a call."""

    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        extra = slow if during else {}
        pay = 0.02 * jitter + extra.get("pay", 0.0)
        cart_call = pay + 0.002 * jitter + extra.get("cart>pay", 0.0)
        cart = 0.03 * jitter + cart_call + extra.get("cart", 0.0)
        web_call = cart + 0.002 * jitter + extra.get("web>cart", 0.0)
        web = 0.01 * jitter + web_call + extra.get("web", 0.0)
        return [
            Span("web", "GET /", 0.0, web, SERVER),
            Span("web", "call", 0.001, web_call, CLIENT, 0),
            Span("cart", "GET /cart", 0.002, cart, SERVER, 1),
            Span("cart", "call", 0.004, cart_call, CLIENT, 2),
            Span("pay", "POST /pay", 0.005, pay, SERVER, 3),
        ]

    return tell


@pytest.mark.parametrize("guilty", ["web", "cart", "pay"])
def test_slow_code_is_the_own_time_of_the_service_that_runs_it(guilty: str) -> None:
    seen = _view(_chain({guilty: 0.1}))
    assert max(seen.services, key=lambda name: seen.services[name].self_z) == guilty
    assert seen.services[guilty].self_share > 0.9
    assert seen.excess == pytest.approx(0.1, rel=0.1)


def test_time_between_a_call_and_its_answer_is_a_gap_between_the_two() -> None:
    seen = _view(_chain({"cart>pay": 0.1}))
    slow = [g for g in seen.groups if g.z > 3.0]
    assert [(g.kind, g.service, g.where) for g in slow] == [("gap", "cart", "pay")]
    assert seen.edges == (("cart", "pay"), ("web", "cart"))


def test_a_gap_is_blamed_on_the_end_whose_edges_are_all_slow() -> None:
    """pay is called by cart and by list; only the calls to pay are slow, from both."""

    def tell(n: int, during: bool, jitter: float) -> list[Span]:
        caller = "cart" if n % 2 else "list"
        slow = 0.1 if during else 0.0
        return [
            Span(caller, "GET /", 0.0, 0.2 * jitter + slow, SERVER),
            Span(caller, "pay", 0.01, 0.03 * jitter + slow, CLIENT, 0),
            Span("pay", "POST", 0.02, 0.02 * jitter, SERVER, 1),
            Span(caller, "mail", 0.05, 0.03 * jitter, CLIENT, 0),
            Span("mail", "POST", 0.06, 0.02 * jitter, SERVER, 3),
        ]

    seen = _view(tell, 120, 80)
    assert seen.services["pay"].gap_z > max(seen.services[s].gap_z for s in ("cart", "list", "mail"))
    assert seen.services["pay"].gap_share > 0.6


def test_a_slow_database_is_a_wait_of_the_service_that_calls_it() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        wait = 0.01 * jitter + (0.2 if during else 0.0)
        named = {"db.system.name": "postgresql", "db.namespace": "shop", "db.query.text": "SELECT 1"}
        return [
            Span("cart", "GET /", 0.0, wait + 0.02 * jitter, SERVER),
            Span("cart", "SELECT", 0.005, wait, CLIENT, 0, attributes=named),
        ]

    said = _view(tell).services["cart"]
    assert said.wait_z > 3.0
    assert said.self_z < 3.0
    assert said.wait_share > 0.9
    assert [(g.where, g.operation) for g in said.waits] == [("postgresql/shop", "SELECT 1")]


def test_the_shares_of_all_services_are_all_of_the_extra_time() -> None:
    seen = _view(_chain({"cart": 0.05, "cart>pay": 0.1}))
    shares = [s.self_share + s.gap_share + s.wait_share for s in seen.services.values()]
    assert sum(shares) == pytest.approx(1.0)


def test_a_system_that_slowed_down_alike_accuses_nobody() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        factor = 1.5 if during else 1.0
        return [Span(f"s{n}", "GET /", 0.01 * n, 0.05 * factor * jitter, SERVER) for n in range(8)]

    assert max(s.self_z for s in _view(tell).services.values()) < 3.0


def test_one_service_stands_out_of_a_common_slow_down() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        factor = 1.2 if during else 1.0
        worse = 4.0 if during else 1.0
        return [
            Span(f"s{n}", "GET /", 0.01 * n, 0.05 * factor * jitter * (worse if n == 3 else 1.0), SERVER)
            for n in range(8)
        ]

    seen = _view(tell)
    assert max(seen.services, key=lambda name: seen.services[name].self_z) == "s3"
    assert seen.services["s3"].self_z > 3.0


def test_an_operation_never_seen_before_is_held_against_its_services_usual_times() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        if during:
            return [Span("cart", "POST /new", 0.0, 0.5 * jitter, SERVER)]
        return [Span("cart", "GET /", 0.0, 0.02 * jitter, SERVER)]

    said = _view(tell).services["cart"]
    assert said.self_z > 3.0
    assert said.slowest is not None
    assert said.slowest.operation == "POST /new"


def test_a_new_operation_as_fast_as_the_others_accuses_nobody() -> None:
    def tell(n: int, during: bool, jitter: float) -> list[Span]:
        name = "POST /new" if during and n % 2 else "GET /"
        return [Span("cart", name, 0.0, 0.02 * jitter, SERVER)]

    assert _view(tell).services["cart"].self_z < 3.0


ONE_SIDED = [
    (0, 50),
    (50, 0),
    (2, 50),
    (50, 1),
    (1, 0),
]


@pytest.mark.parametrize(("before", "during"), ONE_SIDED)
def test_without_spans_on_both_sides_nothing_is_told_apart(before: int, during: int) -> None:
    seen = view(_told(_chain({"pay": 0.1}), before, during), SPLIT)
    assert all(s.self_z == s.gap_z == s.wait_z == 0.0 for s in seen.services.values())
    assert seen.excess == 0.0


def test_a_mix_of_fast_and_slow_requests_that_changes_is_no_slow_down() -> None:
    def tell(n: int, during: bool, jitter: float) -> list[Span]:
        heavy = n % 4 != 0 if during else n % 4 == 0
        name, seconds = ("GET /report", 0.5) if heavy else ("GET /", 0.01)
        return [Span("cart", name, 0.0, seconds * jitter, SERVER)]

    assert _view(tell, 120, 80).services["cart"].self_z < 3.0


# --- errors -----------------------------------------------------------------------------------------
def _failing(service: str, share: float = 0.5) -> Telling:
    """Requests fail in one service, and with it in all its callers."""
    order = ["web", "cart", "pay"]

    def tell(n: int, during: bool, jitter: float) -> list[Span]:
        failed = during and (n % 10) < 10 * share
        text = {service: ("Boom: it broke",)} if failed else {}
        broken = set(order[: order.index(service) + 1]) if failed else set()
        return [
            Span(
                name, "GET /", 0.01 * depth, 0.05 * jitter, SERVER, depth - 1,
                status=2 if name in broken else 1, events=text.get(name, ()),
            )
            for depth, name in enumerate(order)
        ]  # fmt: skip

    return tell


@pytest.mark.parametrize("service", ["web", "cart", "pay"])
def test_errors_begin_where_the_deepest_span_fails(service: str) -> None:
    seen = _view(_failing(service))
    assert seen.services[service].error_z > 3.0
    assert all(s.error_z < 1.5 for name, s in seen.services.items() if name != service)
    assert seen.services[service].error_text == "Boom: it broke"


def test_errors_that_were_always_there_accuse_nobody() -> None:
    def tell(n: int, _: bool, jitter: float) -> list[Span]:
        return [Span("cart", "GET /", 0.0, 0.05 * jitter, SERVER, status=2 if n % 3 == 0 else 1)]

    assert abs(_view(tell).services["cart"].error_z) < 1.5


@pytest.mark.parametrize(("code", "told"), [("503", True), ("422", False), ("", False)])
def test_a_peer_that_is_not_traced_has_failed_where_its_own_answer_says_5xx(code: str, told: bool) -> None:
    def tell(n: int, during: bool, jitter: float) -> list[Span]:
        failed = during and n % 3 == 0
        named = {"server.address": "api.pay.example", "http.response.status_code": code if failed else "201"}
        return [
            Span("pay", "POST /", 0.0, 0.05 * jitter, SERVER),
            Span("pay", "POST", 0.01, 0.03, CLIENT, 0, status=2 if failed else 1, attributes=named),
        ]

    assert (_view(tell).services["pay"].refusals["api.pay.example"] > 3.0) is told


def test_a_span_without_status_is_not_a_failed_one() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        return [Span("cart", "GET /", 0.0, 0.05 * jitter, SERVER, status=0 if during else 1)]

    assert _view(tell).services["cart"].error_z < 1.5


# --- structure ----------------------------------------------------------------------------------------
def test_a_call_that_is_no_longer_made_is_charged_to_the_operation_that_made_it() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        spans = [Span("cart", "GET /", 0.0, 0.05 * jitter, SERVER), Span("cart", "price", 0.01, 0.01, 1, 0)]
        return spans if during else [*spans, Span("cart", "check", 0.02, 0.01, 1, 0)]

    said = _view(tell).services["cart"]
    assert said.structure_z < -3.0
    assert "no longer calls cart check" in said.structure_text


def test_a_call_that_is_newly_made_is_told_too() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        spans = [Span("cart", "GET /", 0.0, 0.05 * jitter, SERVER), Span("cart", "price", 0.01, 0.01, 1, 0)]
        return [*spans, Span("cart", "audit", 0.02, 0.01, 1, 0)] if during else spans

    said = _view(tell).services["cart"]
    assert said.structure_z > 3.0
    assert "GET / calls cart audit" in said.structure_text


def test_the_same_calls_as_before_are_no_change_of_structure() -> None:
    assert all(abs(s.structure_z) < 1.5 for s in _view(_chain({"pay": 0.1})).services.values())


def test_a_client_call_whose_answer_vanished_is_a_change_of_structure() -> None:
    """cart's calls to pay go on, and pay's spans are no longer there."""

    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        spans = [
            Span("cart", "GET /", 0.0, 0.1 * jitter, SERVER),
            Span("cart", "call pay", 0.01, 0.05, CLIENT, 0),
        ]
        return spans if during else [*spans, Span("pay", "POST", 0.02, 0.03 * jitter, SERVER, 1)]

    assert abs(_view(tell).services["cart"].structure_z) > 3.0


# --- names --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"db.system.name": "postgresql", "db.namespace": "shop"}, "postgresql/shop"),
        ({"db.system": "redis"}, "redis/"),
        ({"peer.service": "mail", "server.address": "10.0.0.7"}, "mail"),
        ({"server.address": "api.example.org"}, "api.example.org"),
        ({"messaging.destination.name": "orders"}, "orders"),
        ({}, ""),
    ],
)
def test_the_other_side_of_a_call_is_named_by_the_conventions(attributes: dict[str, str], name: str) -> None:
    assert peer(attributes) == name


def test_an_operation_is_named_by_what_has_few_values() -> None:
    by_route = span_set([Span("cart", "GET /items/17", 0, 1, attributes={"http.route": "/items/{id}"})])
    plain = span_set([Span("cart", "consume", 0, 1)])
    assert operation(by_route, 0) == "/items/{id}"
    assert operation(plain, 0) == "consume"


# --- what must hold for all -----------------------------------------------------------------------------
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 9999))
def test_the_order_of_spans_does_not_change_what_is_seen(seed: int) -> None:
    spans = _told(_chain({"pay": 0.1}), 30, 20)
    other = reordered(spans, np.random.default_rng(seed))
    assert isinstance(other, SpanSet)
    one, two = view(spans, SPLIT), view(other, SPLIT)
    assert one.edges == two.edges
    assert one.traces == two.traces
    for name, said in one.services.items():
        assert two.services[name].self_z == pytest.approx(said.self_z)
        assert two.services[name].gap_z == pytest.approx(said.gap_z)
        assert two.services[name].self_share == pytest.approx(said.self_share)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.sampled_from(["web", "cart", "pay", "web>cart"]), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_a_longer_delay_is_never_seen_as_a_smaller_one(where: str, a: float, b: float) -> None:
    def size(seconds: float) -> float:
        groups: tuple[GroupShift, ...] = _view(_chain({where: seconds}), 30, 20).groups
        ends = where.split(">")
        kind = "gap" if len(ends) == 2 else "self"
        return next(
            g.z for g in groups if g.kind == kind and g.service == ends[0] and g.where == "".join(ends[1:])
        )

    small, large = sorted((a, b))
    assert size(small) <= size(large) + 1e-9


def test_spans_without_length_or_of_clocks_that_disagree_are_no_error() -> None:
    def tell(_: int, during: bool, jitter: float) -> list[Span]:
        return [
            Span("web", "GET /", 0.0, 0.0, SERVER),
            Span("web", "call", 0.0, 0.01 * jitter, CLIENT, 0),
            Span("cart", "GET /", -5.0, 0.05 if during else 0.02, SERVER, 1),
        ]

    assert np.isfinite([s.self_z + s.gap_z for s in _view(tell).services.values()]).all()


def test_the_shops_network_delay_is_seen_at_the_end_it_sits() -> None:
    seen = view(Shop(Trouble(network={"catalogue": 0.1})).spans(), Shop().onset)
    assert max(seen.services, key=lambda name: seen.services[name].gap_z) == "catalogue"
