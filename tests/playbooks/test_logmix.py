from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import LogRecord, LogSet, SpanSet
from playbooks.logmix import LogView, pattern, statement, view
from tests.playbooks.judged import Shop, Span, Trouble, reordered, span_set

SPLIT = 1000.0


def _line(n: int, body: str, severity: str = "INFO", service: str = "cart", **more: str) -> LogRecord:
    """The line of request n; requests 0 to 59 came before the split, 60 to 99 after it."""
    at = SPLIT - 300.0 + 5.0 * n
    attributes = {"span_id": more["span"]} if "span" in more else {}
    return LogRecord(at, service, severity, body, more.get("logger", ""), f"t{n}", attributes)


def _view(lines: list[LogRecord], spans: SpanSet | None = None) -> LogView:
    return view(LogSet(tuple(lines)), spans, SPLIT)


USUAL = [_line(n, f"order {n} accepted") for n in range(100)]


# --- what changed -------------------------------------------------------------------------------------
def test_a_statement_that_vanished_is_told_with_its_counts() -> None:
    said = _view(USUAL + [_line(n, f"stock {n} reserved") for n in range(60)]).services["cart"]
    assert said.mix_z > 3.0
    assert said.strongest is not None
    assert said.strongest.statement == "stock <n> reserved"
    assert (said.strongest.before, said.strongest.of_before) == (60, 60)
    assert (said.strongest.during, said.strongest.of_during) == (0, 40)
    assert said.strongest.z < 0.0
    assert said.error is None


def test_a_new_error_is_told_with_its_first_time() -> None:
    lines = USUAL + [_line(n, f"no price for item {n}", "ERROR") for n in range(70, 100)]
    said = _view(lines).services["cart"]
    assert said.error_z > 3.0
    assert said.error is not None
    assert said.error.statement == "no price for item <n>"
    assert said.error.first_at == SPLIT + 50.0


def test_errors_that_became_fewer_are_a_change_of_the_mix_and_no_new_error() -> None:
    said = _view(USUAL + [_line(n, "slow upstream", "ERROR") for n in range(60)]).services["cart"]
    assert said.mix_z > 3.0
    assert said.error_z == 0.0


def test_a_mix_that_stays_accuses_nobody() -> None:
    lines = USUAL + [_line(n, "cache missed") for n in range(0, 100, 3)]
    lines += [_line(n, "slow upstream", "WARN") for n in range(0, 100, 7)]
    assert _view(lines).services["cart"].mix_z < 2.0
    assert _view(lines).shifts == ()


def test_severity_is_read_in_any_spelling() -> None:
    lines = USUAL + [_line(n, "broken", "Critical") for n in range(60, 100)]
    assert _view(lines).services["cart"].error_z > 3.0


def test_a_side_that_was_hardly_seen_tells_nothing() -> None:
    few = [_line(n, "order accepted") for n in (58, 59)] + [
        _line(n, "broken", "ERROR") for n in range(60, 100)
    ]
    assert _view(few).services["cart"].error_z == 0.0


# --- another mix of requests is not another service -------------------------------------------------------
def _operations(count: int = 200) -> tuple[list[LogRecord], SpanSet]:
    """Reads and writes, each with lines of its own; since the split most requests are writes, not reads."""
    lines, spans = list[LogRecord](), list[Span]()
    for n in range(count):
        at = SPLIT - 300.0 + 3.0 * n
        writes = n % 5 == 0 if at < SPLIT else n % 5 != 0
        name, body = ("POST /orders", "order stored") if writes else ("GET /orders", "order read")
        spans.append(Span("cart", name, at, 0.05, trace=f"t{n}"))
        lines.append(LogRecord(at, "cart", "INFO", body, "", f"t{n}", {"span_id": f"s{n}"}))
    return lines, span_set(spans)


def test_a_changed_mix_of_requests_does_not_accuse_where_spans_tell_the_operation() -> None:
    lines, spans = _operations()
    assert _view(lines, spans).services["cart"].mix_z < 2.0


def test_without_spans_a_changed_mix_of_requests_cannot_be_told_from_a_changed_service() -> None:
    lines, _ = _operations()
    assert _view(lines).services["cart"].mix_z > 3.0


def test_a_statement_missing_from_requests_that_wrote_nothing_else_is_noticed() -> None:
    """The only line of an operation vanishes: its traces still say that it ran."""
    spans = [Span("cart", "POST /orders", SPLIT - 300.0 + 5.0 * n, 0.05, trace=f"t{n}") for n in range(100)]
    lines = [_line(n, "order stored", span=f"s{n}") for n in range(60)]
    said = _view(lines, span_set(spans)).services["cart"]
    assert said.strongest is not None
    assert said.strongest.z < -3.0


def test_a_drift_of_all_statements_accuses_nobody_alone() -> None:
    """Every service writes a little less of everything, as when sampling changes."""
    random, lines = np.random.default_rng(1), list[LogRecord]()
    for n in range(100):
        lines += [_line(n, "accepted", service=f"s{s}") for s in range(12)]
        share = 0.9 if n < 60 else 0.6
        lines += [_line(n, "stored", service=f"s{s}") for s in range(12) if random.random() < share]
    assert max(said.mix_z for said in _view(lines).services.values()) < 3.0


def test_records_without_traces_are_counted_by_time() -> None:
    lines = [LogRecord(SPLIT - 300.0 + 5.0 * n, "cart", "INFO", "tick") for n in range(100)]
    lines += [LogRecord(SPLIT + 5.0 * n, "cart", "ERROR", "disk full") for n in range(40)]
    assert _view(lines).services["cart"].error_z > 3.0


# --- personal data ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "masked"),
    [
        ("user 4711 not found", "user <n> not found"),
        ("order 0f8fad5b-d9cb-469f-a165-70867728950e stored", "order <id> stored"),
        ("mail to ada.lovelace+shop@example.org bounced", "mail to <mail> bounced"),
        ('customer "Ada Lovelace" is blocked', "customer <text> is blocked"),
        ("customer 'Ada Lovelace' is blocked", "customer <text> is blocked"),
        ("digest deadbeefcafe0123 differs", "digest <hex> differs"),
        ("took 12.5ms on 10.0.0.7:5432", "took <n>.<n>ms on <n>.<n>.<n>.<n>:<n>"),
        ("payload {'card': '4111 1111 1111 1111', 'name': 'Ada'}", "payload <data>"),
        ("card 4111-1111-1111-1111 declined", "card <n>-<n>-<n>-<n> declined"),
    ],
)
def test_a_patterns_values_become_marks(body: str, masked: str) -> None:
    assert pattern(body) == masked


SECRETS = st.sampled_from(
    [
        "ada.lovelace@example.org",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "'Ada Lovelace'",
        '"Ada Lovelace"',
        "4111111111111111",
        "+49 170 1234567",
        "192.168.17.42",
    ]
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.sampled_from(["", "user ", "x: "]),
    SECRETS,
    st.sampled_from(["", " failed", ", retry"]),
    st.integers(0, 40),
)
def test_no_personal_value_survives_in_a_pattern(before: str, secret: str, after: str, padding: int) -> None:
    kept = pattern("request " * padding + before + secret + after)
    assert "Ada" not in kept
    assert "ada.lovelace" not in kept
    assert not any(c.isdigit() for c in kept)


@pytest.mark.parametrize("spoken", ["request 7 accepted", "request " * 6])
@pytest.mark.parametrize("length", [1, 16, 60, 200])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quote_does_not_survive_however_long_it_is(spoken: str, length: int, quote: str) -> None:
    assert "Ada" not in pattern(f"{spoken} for {quote}{'Ada Lovelace, ' * length}{quote}")


@pytest.mark.parametrize("mail", ["jörg.müller@müller-gmbh.de", "名前@例え.jp"])
def test_a_mail_address_of_any_script_does_not_survive(mail: str) -> None:
    assert pattern(f"mail to {mail} bounced") == "mail to <mail> bounced"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=600))
def test_any_body_has_a_short_pattern_without_digits(body: str) -> None:
    kept = pattern(body)
    assert len(kept) <= 160
    assert not any(c in "0123456789" for c in kept)


def test_a_known_logger_names_the_statement() -> None:
    assert statement(LogRecord(0.0, "cart", "INFO", "order 1", logger="cart.Orders:42")) == "cart.Orders:42"
    assert statement(LogRecord(0.0, "cart", "INFO", "order 1")) == "order <n>"


# --- what must hold for all -----------------------------------------------------------------------------
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 9999))
def test_the_order_of_records_does_not_change_what_is_seen(seed: int) -> None:
    shop = Shop(Trouble(raising={"cart": 0.5, "catalogue": 0.5}), traces=(20, 15))
    logs, spans = shop.logs(), shop.spans()
    other = reordered(logs, np.random.default_rng(seed))
    assert isinstance(other, LogSet)
    one, two = view(logs, spans, shop.onset), view(other, spans, shop.onset)
    assert {name: (said.mix_z, said.error_z) for name, said in one.services.items()} == {
        name: (said.mix_z, said.error_z) for name, said in two.services.items()
    }


def test_the_first_time_is_the_earliest_whatever_the_order() -> None:
    lines = USUAL + [_line(n, "broken", "ERROR") for n in reversed(range(70, 100))]
    said = _view(lines).services["cart"]
    assert said.error is not None
    assert said.error.first_at == SPLIT + 50.0


def test_no_records_are_no_services() -> None:
    assert (_view([]).services, _view([]).shifts) == ({}, ())
