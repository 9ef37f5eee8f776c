"""Judges over a database's statistics: guilty with numbers, innocent with numbers, unknown without."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connectors import answers as a
from playbooks.contention import lock_chains
from playbooks.database import StatementSpans, judge_database
from playbooks.facts import STRONGEST
from playbooks.model import Finding
from tests.playbooks.test_database_kit import (
    BY_CART,
    BY_CUSTOMER,
    BY_EMAIL,
    BY_PRODUCT,
    INDEXES,
    NEW_EMAIL,
    NORMAL,
    ONSET,
    SCENE,
    activity,
    by_judge,
    email_gain,
    gains,
    indexes,
    locks,
    migrations,
    observed,
    statements,
    tables,
)

FULL = (
    statements(*NEW_EMAIL),
    tables(("orders", 3e6, 0.0, 2e6), ("products", 5e4, 10.0, 10.0)),
    indexes(),
    gains(email_gain()),
    migrations(),
)


def told(*readings: object, **more: object) -> dict[str, Finding]:
    return by_judge(judge_database(observed(*readings), SCENE, **more))  # type: ignore[arg-type]


def test_without_readings_every_judge_says_unknown() -> None:
    assert {f.state for f in told().values()} == {"unknown"}


def test_the_new_statement_its_scan_and_its_missing_index_are_all_told() -> None:
    findings = told(*FULL)
    for judge in (
        "statement_new",
        "sequential_scans",
        "index_missing",
        "index_gain",
        "index_in_no_migration",
    ):
        assert findings[judge].state == "yes", judge
    assert findings["index_missing"].entity is not None
    assert findings["index_missing"].entity.name == "orders"
    assert "customer_email" in findings["index_missing"].why
    assert findings["statement_slower"].state == "unknown"


def test_two_snapshots_around_the_onset_suffice() -> None:
    findings = told(
        statements(*NEW_EMAIL, two=True), tables(("orders", 3e6, 1.0, 2e6), two=True), indexes(), migrations()
    )
    assert findings["index_missing"].state == findings["sequential_scans"].state == "yes"
    assert "at most" in findings["sequential_scans"].why


def test_a_statement_that_was_always_slow_is_innocent() -> None:
    rows = ((BY_EMAIL, 18.0, 240.0, 18.0, 245.0), *NORMAL)
    findings = told(statements(*rows), tables(("orders", 3e6, 2e6, 2e6)), indexes())
    assert findings["statement_slower"].state == findings["sequential_scans"].state == "no"
    assert findings["index_missing"].state == "unknown"
    assert "1.0x" in findings["statement_slower"].why


def test_doubled_traffic_alone_makes_no_statement_guilty() -> None:
    rows = tuple((q, c, m, 2 * c, 1.2 * m) for q, c, m, _, _ in NORMAL)
    findings = told(statements(*rows), tables(("products", 5e4, 20_000.0, 40_000.0)), indexes())
    for judge in ("statement_slower", "statement_new", "statement_more_calls", "sequential_scans"):
        assert findings[judge].state == "no", judge


def test_statements_that_slow_down_alike_blame_the_server_and_no_statement() -> None:
    rows = tuple((q, 20.0, 3.0, 20.0, 12.0) for q in (BY_CUSTOMER, BY_PRODUCT, BY_CART, BY_EMAIL))
    findings = told(statements(*rows))
    assert findings["statements_slower_alike"].state == "yes"
    assert findings["statement_slower"].state != "yes"


def test_a_loop_around_a_query_is_more_calls_than_the_others() -> None:
    rows = (
        (BY_PRODUCT, 40.0, 0.5, 900.0, 0.5),
        (BY_CART, 30.0, 0.2, 30.0, 0.2),
        (BY_CUSTOMER, 20.0, 0.4, 21.0, 0.4),
    )
    assert told(statements(*rows))["statement_more_calls"].state == "yes"


def test_one_snapshot_says_nothing_about_change() -> None:
    one = statements(*NEW_EMAIL)
    assert isinstance(one.answer, a.StatementSnapshots)
    answer = a.StatementSnapshots(snapshots=one.answer.snapshots[2:])
    assert told(replace(one, answer=answer))["statement_slower"].state == "unknown"


def test_counters_that_were_reset_do_not_go_below_zero() -> None:
    held = statements(*NORMAL)
    assert isinstance(held.answer, a.StatementSnapshots)
    first, second, third = held.answer.snapshots
    empty = tuple(s.model_copy(update={"calls": 10.0, "total_exec_time_ms": 4.0}) for s in third.statements)
    answer = a.StatementSnapshots(snapshots=(first, second, third.model_copy(update={"statements": empty})))
    assert told(replace(held, answer=answer))["statement_slower"].state in {"no", "unknown"}


def test_an_index_that_serves_the_slow_statement_is_not_missing() -> None:
    have = (*INDEXES, a.Index(table="orders", index="orders_email_idx", columns=("customer_email",)))
    assert (
        told(statements(*NEW_EMAIL), tables(("orders", 3e6, 0.0, 9.0)), indexes(*have))["index_missing"].state
        == "no"
    )


def test_an_index_on_the_column_does_not_serve_a_function_of_it() -> None:
    query = "SELECT id FROM orders WHERE lower(customer_email) = $1"
    have = (*INDEXES, a.Index(table="orders", index="orders_email_idx", columns=("customer_email",)))
    found = told(
        statements((query, 0.0, 0.0, 9.0, 300.0), *NORMAL), tables(("orders", 3e6, 0.0, 2e6)), indexes(*have)
    )
    assert found["index_missing"].state == "yes"
    assert "lower(customer_email)" in found["index_missing"].why


def test_a_partial_index_serves_only_who_filters_by_its_predicate() -> None:
    sets = (
        "SELECT id FROM orders WHERE created_at = $1",
        "SELECT id FROM orders WHERE created_at = $1 AND status = $2",
    )
    states = [
        told(statements((q, 0.0, 0.0, 9.0, 300.0), *NORMAL), tables(("orders", 3e6, 0.0, 2e6)), indexes())
        for q in sets
    ]
    assert [s["index_missing"].state for s in states] == ["yes", "no"]


def test_a_small_table_needs_no_index() -> None:
    assert (
        told(statements(*NEW_EMAIL), tables(("orders", 900.0, 0.0, 9e3)), indexes())["index_missing"].state
        != "yes"
    )


def test_a_planner_that_would_not_gain_speaks_against_the_index() -> None:
    found = told(
        statements(*NEW_EMAIL),
        tables(("orders", 3e6, 0.0, 2e6)),
        indexes(),
        gains(email_gain(after=23_000.0)),
    )
    assert found["index_gain"].state == "no"


def test_the_same_pattern_elsewhere_is_told_beside() -> None:
    other = "SELECT id FROM payments WHERE reference = $1"
    rows = (*NEW_EMAIL, (other, 1.0, 40.0, 1.0, 40.0))
    sizes = tables(("orders", 3e6, 0.0, 2e6), ("payments", 2e6, 1.0, 1.0))
    assert "payments (reference)" in told(statements(*rows), sizes, indexes())["same_pattern_elsewhere"].why


def test_stale_statistics_are_measured_against_the_rows_there_are() -> None:
    held = tables(("orders", 1e6, 0.0, 0.0))
    assert isinstance(held.answer, a.TableSnapshots)
    last = held.answer.snapshots[-1]
    table = last.tables[0].model_copy(update={"n_mod_since_analyze": 2.5e6})
    answer = a.TableSnapshots(
        snapshots=(*held.answer.snapshots[:-1], last.model_copy(update={"tables": (table,)}))
    )
    assert told(replace(held, answer=answer))["statistics_stale"].state == "yes"
    assert told(held)["statistics_stale"].state == "no"


# --- locks and connections -----------------------------------------------------------------------------
def lock(blocked: int, blocker: int, seconds: float = 20.0) -> a.Lock:
    return a.Lock(
        blocked_pid=blocked, blocker_pid=blocker, blocked_seconds=seconds, blocker_state="idle in transaction"
    )


def test_a_chain_leads_to_its_root_and_counts_everyone_who_waits() -> None:
    chain = lock_chains([lock(3, 2), lock(2, 1), lock(4, 2), lock(9, 8)])[0]
    assert (chain.root.blocker_pid, chain.blocked) == (1, 3)


def test_a_cycle_of_locks_ends() -> None:
    assert lock_chains([lock(1, 2), lock(2, 3), lock(3, 1)])[0].blocked == 3


@pytest.mark.parametrize(("seconds", "state"), [(20.0, "yes"), (0.2, "no")])
def test_a_wait_below_a_second_is_no_lock_chain(seconds: float, state: str) -> None:
    assert told(locks(lock(2, 1, seconds)))["lock_chain"].state == state


@pytest.mark.parametrize(("count", "state"), [(98, "yes"), (85, "unknown"), (20, "no")])
def test_connections_are_exhausted_only_near_the_limit(count: int, state: str) -> None:
    found = told(activity(a.ActivityGroup(state="active", count=count)), max_connections=100)
    assert found["connections_exhausted"].state == state


def test_the_limit_unknown_leaves_exhaustion_unknown() -> None:
    assert (
        told(activity(a.ActivityGroup(state="active", count=98)))["connections_exhausted"].state == "unknown"
    )


def test_sessions_idle_in_transaction_are_told_with_their_application() -> None:
    group = a.ActivityGroup(state="idle in transaction", application="report", count=3, oldest_seconds=400)
    found = told(activity(group))["idle_in_transaction"]
    assert found.state == "yes"
    assert "report" in found.why


# --- spans -----------------------------------------------------------------------------------------------
def test_spans_tell_of_a_slower_statement_where_the_database_was_not_asked() -> None:
    spans = [
        StatementSpans(BY_EMAIL, (), (0.4,) * 9),
        StatementSpans(BY_CART, (0.002,) * 20, (0.002,) * 20),
    ]
    found = told(indexes(), tables(("orders", 3e6, 0.0, 0.0)), migrations(), spans=spans)
    assert found["statement_spans_slower"].state == "yes"
    assert found["index_missing"].state == "yes"


def test_spans_as_long_as_before_are_innocent() -> None:
    spans = [StatementSpans(BY_CART, (0.002,) * 20, (0.0021,) * 20)]
    assert told(spans=spans)["statement_spans_slower"].state == "no"


# --- what holds for all -----------------------------------------------------------------------------------
def test_the_order_of_readings_does_not_matter() -> None:
    assert judge_database(observed(*FULL), SCENE) == judge_database(observed(*FULL[::-1]), SCENE)


def test_every_answer_but_unknown_of_a_database_cites_its_reading() -> None:
    for found in told(*FULL, locks(lock(2, 1))).values():
        assert found.state == "unknown" or found.evidence, found.judge
        assert 0.0 <= found.strength <= STRONGEST


def test_a_hostile_statement_is_cut_to_one_printable_line() -> None:
    hostile = "SELECT '\n\x1b[31m' || $1 /* " + "x" * 5000 + " */ FROM orders WHERE customer_email = $2"
    found = told(statements((hostile, 0.0, 0.0, 9.0, 300.0), *NORMAL))["statement_new"]
    assert found.why.isprintable()
    assert len(found.why) < 600


def test_an_onset_estimated_before_the_only_early_snapshot_still_compares() -> None:
    scene = replace(SCENE, onset=ONSET - timedelta(seconds=40))
    found = by_judge(judge_database(observed(statements(*NEW_EMAIL, two=True)), scene))
    assert found["statement_new"].state == "yes"
