"""The ranking of mechanisms: sharp where evidence is, silent where none is, the same every time."""

from __future__ import annotations

import random

import pytest

from connectors import answers as a
from playbooks.database import judge_database
from playbooks.mechanisms import (
    UNKNOWN_MECHANISM,
    Callee,
    Mechanism,
    ServiceSignals,
    facts_of,
    judge_mechanisms,
)
from playbooks.model import Entity, Finding
from playbooks.wording import word
from tests.playbooks.test_database_kit import (
    NEW_EMAIL,
    NORMAL,
    SCENE,
    email_gain,
    gains,
    indexes,
    locks,
    migrations,
    observed,
    statements,
    tables,
)

QUIET = dict.fromkeys(
    """own_latency network_gap error_origin log_mix log_new_errors cpu_up cpu_throttled memory_up memory_ramp
    restarts traffic_up pool_waiting queue_up db_time errors_up uniform_load retries_up cache_misses node_busy
    disk_up""".split(),
    0.0,
)


def signals(**scores: float) -> ServiceSignals:
    return ServiceSignals(service="checkout", **{**QUIET, **scores})  # type: ignore[arg-type]


def first(found: ServiceSignals, *findings: Finding) -> Mechanism:
    return judge_mechanisms(found, findings)[0]


@pytest.mark.parametrize(
    ("scores", "cause"),
    [
        ({"cpu_up": 7.0, "own_latency": 5.0}, "cpu_saturation"),
        ({"network_gap": 7.0}, "network_delay"),
        ({"log_new_errors": 7.0, "error_origin": 6.0, "errors_up": 5.0}, "exception_in_code"),
        ({"log_mix": 6.0}, "wrong_result"),
        ({"traffic_up": 8.0, "uniform_load": 6.0, "cpu_up": 6.0, "own_latency": 4.0}, "traffic_surge"),
        ({"memory_ramp": 8.0, "memory_up": 6.0}, "memory_leak"),
        ({"pool_waiting": 7.0}, "connection_pool_exhausted"),
        ({"retries_up": 7.0, "traffic_up": 6.0, "errors_up": 4.0}, "retry_storm"),
        ({"cache_misses": 7.0}, "cache_failure"),
        ({"node_busy": 8.0, "cpu_throttled": 6.0}, "node_pressure"),
        ({"change_probability": 0.9, "own_latency": 5.0}, "bad_deploy"),
    ],
)
def test_each_signature_leads_to_its_mechanism(scores: dict[str, float], cause: str) -> None:
    assert first(signals(**scores)).cause == cause


@pytest.mark.parametrize(
    ("monitored", "cause"), [(True, "downstream_dependency"), (False, "external_provider")]
)
def test_waiting_for_a_callee_names_it(monitored: bool, cause: str) -> None:
    callees = (Callee(name="pay", score=7.0, monitored=monitored), Callee(name="quiet", score=0.1))
    found = first(ServiceSignals(service="checkout", callees=callees, own_latency=0.0, error_origin=0.0))
    assert (found.cause, found.entity and found.entity.name) == (cause, "pay")


def test_an_outside_company_that_answers_in_time_and_fails_is_named_for_its_failures() -> None:
    callees = (Callee(name="api.pay.example", score=0.1, errors=7.0, monitored=False),)
    found = first(ServiceSignals(service="payments", callees=callees, own_latency=0.0, cpu_up=0.0))
    assert (found.cause, found.entity and found.entity.name) == ("external_provider", "api.pay.example")
    assert any(f.why.startswith("api.pay.example: the share of failed answers rose") for f in found.findings)


@pytest.mark.parametrize(
    "found", [ServiceSignals(service="x"), signals()], ids=["nothing known", "all quiet"]
)
def test_without_evidence_the_unknown_mechanism_leads(found: ServiceSignals) -> None:
    assert first(found).cause == UNKNOWN_MECHANISM


def test_the_probabilities_add_up_to_one() -> None:
    for found in (signals(), signals(db_time=9.0, cpu_up=9.0), ServiceSignals(service="x")):
        assert sum(m.probability for m in judge_mechanisms(found, [])) == pytest.approx(1.0)


def test_an_unknown_finding_moves_nothing() -> None:
    unknown = Finding(judge="index_missing", state="unknown", strength=9.0, service="checkout")
    assert judge_mechanisms(signals(), [unknown]) == judge_mechanisms(signals(), [])


def test_a_finding_about_another_service_moves_nothing() -> None:
    other = Finding(judge="index_missing", state="yes", strength=9.0, service="cart")
    assert judge_mechanisms(signals(), [other]) == judge_mechanisms(signals(), [])


def test_what_nothing_could_have_contradicted_earns_nothing() -> None:
    safe = Finding(judge="index_invalid", state="yes", strength=9.0, service="x")
    found = {m.cause: m for m in judge_mechanisms(ServiceSignals(service="x"), [safe])}
    assert found["missing_index"].log_odds == -3.0


def test_excluding_rivals_alone_earns_nothing() -> None:
    found = {
        m.cause: m for m in judge_mechanisms(ServiceSignals(service="x", own_latency=0.0, cpu_up=0.0), [])
    }
    assert found["downstream_dependency"].log_odds <= -2.0


def test_a_larger_score_never_lowers_its_own_mechanism() -> None:
    ranked = [
        next(m.probability for m in judge_mechanisms(signals(cpu_up=z), []) if m.cause == "cpu_saturation")
        for z in (0.0, 1.0, 2.0, 2.5, 3.0, 4.0, 6.0, 9.0)
    ]
    assert ranked == sorted(ranked)


def test_the_order_of_findings_does_not_matter() -> None:
    findings = list(judge_database(observed(statements(*NEW_EMAIL), indexes(), migrations()), SCENE))
    expected = judge_mechanisms(signals(db_time=7.0), findings)
    for seed in range(5):
        random.Random(seed).shuffle(findings)
        assert judge_mechanisms(signals(db_time=7.0), findings) == expected


def test_the_change_that_would_cause_it_speaks_for_a_mechanism() -> None:
    plain = {m.cause: m for m in judge_mechanisms(ServiceSignals(service="x", cpu_up=4.0), [])}
    guilty = ServiceSignals(
        service="x", cpu_up=4.0, change_mechanism="cpu_saturation", change_probability=0.9
    )
    with_change = {m.cause: m for m in judge_mechanisms(guilty, [])}
    assert with_change["cpu_saturation"].log_odds > plain["cpu_saturation"].log_odds


# --- with the database -----------------------------------------------------------------------------
DATABASE_CAUSES = frozenset(
    "missing_index slow_query stale_statistics lock_contention connection_pool_exhausted".split()
)
MISSING = (
    statements(*NEW_EMAIL), tables(("orders", 3e6, 0.0, 2e6)), indexes(), gains(email_gain()), migrations(),
)  # fmt: skip


def test_the_missing_index_beats_the_exhausted_pool_that_it_causes() -> None:
    found = first(
        signals(db_time=8.0, pool_waiting=7.0, change_probability=0.8),
        *judge_database(observed(*MISSING), SCENE),
    )
    assert found.cause == "missing_index"
    assert found.entity == Entity(kind="table", name="orders")
    assert found.probability > 0.8


def test_a_missing_index_is_worded_with_its_fix_its_undo_and_its_migration() -> None:
    found = first(signals(db_time=8.0), *judge_database(observed(*MISSING), SCENE))
    worded = word(found, "checkout")
    assert worded.title == "No index on orders (customer_email)"
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_customer_email_idx" in str(worded.command)
    assert "DROP INDEX CONCURRENTLY" in str(worded.undo)
    assert worded.files[0][0] == "migrations/0003_orders_customer_email_idx.sql"
    assert not worded.blocking
    assert worded.estimate.startswith("The index: about 41 MB")
    assert "reads and writes go on" in worded.locks
    assert "pg_stat_progress_create_index" in str(worded.watch)
    assert facts_of(found)["columns"] == "customer_email"


@pytest.mark.parametrize(
    "rows",
    [
        NORMAL,
        tuple((q, c, m, 2 * c, 1.2 * m) for q, c, m, _, _ in NORMAL),
        ((NEW_EMAIL[1][0], 18.0, 240.0, 18.0, 240.0), *NORMAL),
    ],
    ids=["usual", "traffic doubled", "always slow"],
)
def test_an_innocent_database_is_not_blamed(rows: tuple[tuple[str, float, float, float, float], ...]) -> None:
    readings = (statements(*rows), tables(("orders", 3e6, 2e6, 2e6)), indexes(), migrations(), locks())
    for found in (signals(cpu_up=6.0, own_latency=6.0), signals(db_time=3.0, traffic_up=6.0)):
        for mechanism in judge_mechanisms(found, judge_database(observed(*readings), SCENE)):
            assert mechanism.cause not in DATABASE_CAUSES or mechanism.probability < 0.5


def _held(query: str, holder: str = "LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE") -> a.Lock:
    return a.Lock(
        blocked_pid=2, blocker_pid=71, blocked_seconds=40.0, blocker_state="idle in transaction",
        blocked_query=query, blocker_query=holder,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "holder", "table"),
    [
        ("INSERT INTO orders (id) VALUES ($1)", "SELECT 1", "orders"),
        (
            "SELECT o.id FROM orders o JOIN lines l ON l.o = o.id FOR UPDATE",
            "UPDATE lines SET n = 1",
            "lines",
        ),
        ("UPDATE shop.\"orders\" SET state = 'paid', note = 'cut off he", "select 1", "orders"),
        ("CREATE INDEX CONCURRENTLY orders_ix ON orders (state)", "", "orders"),
        ("", "LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE", "orders"),
        ("", "", None),
    ],
)
def test_a_lock_chain_is_lock_contention_on_the_table_and_the_session_stays_in_the_evidence(
    query: str, holder: str, table: str | None
) -> None:
    found = first(signals(db_time=7.0), *judge_database(observed(locks(_held(query, holder))), SCENE))
    assert found.cause == "lock_contention"
    assert (found.entity and found.entity.name) == table
    assert any("process 71" in finding.why for finding in found.findings)
    assert "71" in (word(found, "checkout").command or "")


def test_database_time_is_unknown_while_calls_wait_for_a_lock() -> None:
    waiting = judge_database(observed(locks(_held("UPDATE orders SET a = 1"))), SCENE)
    found = first(signals(db_time=0.0), *waiting)
    assert found.cause == "lock_contention"
    assert not any(finding.judge == "signal.db_time" for finding in found.against)
    calm = judge_mechanisms(signals(db_time=0.0), [])
    slow = next(m for m in calm if m.cause == "slow_query")
    assert any(finding.judge == "signal.db_time" for finding in slow.against)


def test_every_mechanism_can_be_worded_from_the_service_alone() -> None:
    for mechanism in judge_mechanisms(signals(), []):
        worded = word(mechanism, "checkout")
        assert worded.title
        assert worded.check
        assert worded.step
