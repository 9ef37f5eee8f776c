"""The recorded incidents: that they are what CASE.md says, and that what broke can be seen in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import yaml

from tests.lab.conformance import Json, complaints, lines

Values = npt.NDArray[np.float64]

INCIDENTS = Path(__file__).parents[1] / "incidents"
RECORDED = sorted(path.parent for path in INCIDENTS.glob("*/case.yaml"))


def series(case: Path, name: str) -> tuple[Values, Values]:
    """Seconds since the epoch, and the values of one series."""
    table = pq.read_table(case / "metrics.parquet", columns=["timestamp", name])
    at = table.column("timestamp").to_numpy().astype("datetime64[ms]").astype(np.float64) / 1000
    return at, table.column(name).to_numpy()


def manifest(case: Path) -> Json:
    document: Json = yaml.safe_load((case / "case.yaml").read_text())
    return document


def moment(text: str) -> float:
    return float(np.datetime64(text.rstrip("Z"), "ms").astype(np.float64)) / 1000


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_a_recorded_incident_is_a_sound_case(case: Path) -> None:
    assert complaints(case) == []


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_nothing_that_was_asked_lies_after_the_investigations_now(case: Path) -> None:
    at = manifest(case)["incident"]["at"]
    assert all(reading["at"] <= at for reading in lines(case / "readings.jsonl"))
    assert all(change["at"] <= at for change in lines(case / "changes.jsonl"))
    assert all(commit["at"] <= at for commit in lines(case / "commits.jsonl"))
    alert = json.loads((case / "alert.json").read_bytes())
    assert alert["alerts"][0]["startsAt"] <= at


def test_in_missing_index_the_innocent_deploy_is_later_and_before_the_alert() -> None:
    case = INCIDENTS / "missing-index-after-deploy"
    truth = yaml.safe_load((case / "truth.yaml").read_text())
    at = {change["commit"]: change["at"] for change in lines(case / "changes.jsonl")}
    alert = json.loads((case / "alert.json").read_bytes())["alerts"][0]["startsAt"]
    last = max(at[sha] for sha in truth["not"])
    assert at[truth["commit"]] < last < alert


def test_in_missing_index_latency_rises_with_the_deploy_and_scans_with_it() -> None:
    case = INCIDENTS / "missing-index-after-deploy"
    truth = yaml.safe_load((case / "truth.yaml").read_text())
    deployed = next(c["at"] for c in lines(case / "changes.jsonl") if c["commit"] == truth["commit"])
    now = moment(manifest(case)["incident"]["at"])
    p99 = 'service:http_server_latency_seconds:p99_1m{namespace="shop",service="checkout"}'
    at, values = series(case, p99)
    before = np.nanmedian(values[at < moment(deployed)])
    assert np.nanmedian(values[(at > now - 30) & (at <= now)]) > 3 * before
    names = pq.read_schema(case / "metrics.parquet").names
    scans = next(
        n for n in names if n.startswith("pg_stat_user_tables_seq_scan{") and 'relname="orders"' in n
    )
    at, values = series(case, scans)
    assert np.ptp(values[(at < moment(deployed))]) == 0
    assert np.ptp(values[(at > moment(deployed)) & (at <= now)]) > 20


def test_in_missing_index_a_hypothetical_index_would_help_a_hundredfold() -> None:
    case = INCIDENTS / "missing-index-after-deploy"
    (reading,) = [item for item in lines(case / "readings.jsonl") if item["question"] == "hypothetical_index"]
    assert reading["params"]["table"] == "orders"
    assert reading["answer"]["cost_before"] > 100 * reading["answer"]["cost_after"]


def test_in_recovered_the_symptom_has_been_gone_for_ninety_seconds() -> None:
    case = INCIDENTS / "recovered"
    now = moment(manifest(case)["incident"]["at"])
    alert = json.loads((case / "alert.json").read_bytes())["alerts"][0]["startsAt"]
    p99 = 'service:http_server_latency_seconds:p99_1m{namespace="shop",service="checkout"}'
    at, values = series(case, p99)
    assert np.nanmax(values[(at > now - 90) & (at <= now)]) < 0.3
    assert values[np.searchsorted(at, moment(alert)) - 1] > 0.4


def answers(case: str, question: str) -> list[list[Json]]:
    """What the database answered before the fault and at the alert."""
    told = [item for item in lines(INCIDENTS / case / "readings.jsonl") if item["question"] == question]
    return [item["answer"] for item in told]


def mean_ms(case: str, start: str) -> tuple[float, float]:
    """Milliseconds a call of the statement that begins so: until the fault, and from then to the alert."""
    told = [
        next(row for row in answer if row["query"].strip().startswith(start))
        for answer in answers(case, "statement_statistics")
    ]
    (calls, total), (all_calls, all_total) = ((row["calls"], row["total_exec_time_ms"]) for row in told)
    return total / calls, (all_total - total) / (all_calls - calls)


def valid(case: str) -> list[dict[str, bool]]:
    """Every index of a moment and whether it is valid."""
    return [{row["index"]: row["valid"] for row in answer} for answer in answers(case, "indexes")]


def dump(case: str) -> str:
    return (INCIDENTS / case / "database" / "shop.sql").read_text()


def test_in_lock_chain_everybody_waits_for_one_session_that_is_idle() -> None:
    before, now = answers("lock-chain", "lock_chain")
    assert before == []
    assert {(row["blocker_application"], row["blocker_state"]) for row in now} == {
        ("order-archive", "idle in transaction")
    }


def test_in_invalid_index_the_build_has_left_an_index_that_nobody_uses() -> None:
    before, now = valid("invalid-index")
    assert "orders_external_reference_key" not in before
    assert now.pop("orders_external_reference_key") is False
    assert all(now.values())


def test_in_foreign_key_the_deletes_that_were_quick_look_through_a_table_without_an_index() -> None:
    before, since = mean_ms("foreign-key-without-index", "DELETE FROM orders")
    assert since > 100 > 1 > before
    text = dump("foreign-key-without-index")
    assert "invoices_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id)" in text
    assert "ON public.invoices" not in text


@pytest.mark.parametrize("case", ["always-slow-report", "always-slow-no-fault"])
def test_in_always_slow_the_report_has_no_index_and_is_as_slow_as_ever(case: str) -> None:
    before, since = mean_ms(case, "SELECT date_trunc(")
    assert before > 300
    assert since < 2 * before
    assert not [line for line in dump(case).splitlines() if "INDEX" in line and "currency" in line]


def test_in_other_table_the_new_table_is_there_and_nobody_waits_for_the_database() -> None:
    assert "CREATE TABLE public.order_notes" in dump("other-table-deploy")
    assert answers("other-table-deploy", "lock_chain") == [[], []]
    before, since = mean_ms("other-table-deploy", "SELECT id, status, total_cents")
    assert since < 2 * before


def test_in_prisma_the_model_declares_an_index_that_no_migration_creates() -> None:
    kept = INCIDENTS / "missing-index-prisma" / "repository" / "prisma"
    assert "@@index([productId])" in (kept / "schema.prisma").read_text()
    migrations = [path.read_text() for path in kept.rglob("migration.sql")]
    assert len(migrations) == 7
    assert not any("INDEX" in text and "reviews" in text.partition("INDEX")[2] for text in migrations)
    assert "reviews_pkey" in valid("missing-index-prisma")[-1]
    assert "reviews_product_id_idx" not in valid("missing-index-prisma")[-1]


def test_in_alembic_the_deployed_revision_that_creates_the_index_was_never_run() -> None:
    kept = INCIDENTS / "missing-index-alembic" / "repository" / "alembic" / "versions"
    assert (
        '"payments_reference_idx", "payments", ["reference"]'
        in (kept / "0007_payments_reference.py").read_text()
    )
    assert "orders_open_created_at_idx" in valid("missing-index-alembic")[-1]  # what 0006 created
    assert "payments_reference_idx" not in valid("missing-index-alembic")[-1]


def work(case: str, start: str) -> tuple[float, float]:
    """Blocks that a call of the statement touches: until the fault, and from then to the alert."""
    told = [
        max((row for row in answer if row["query"].strip().startswith(start)), key=lambda row: row["calls"])
        for answer in answers(case, "statement_statistics")
    ]
    (calls, total), (all_calls, all_total) = (
        (row["calls"], row["shared_blks_hit"] + row["shared_blks_read"]) for row in told
    )
    return total / calls, (all_total - total) / (all_calls - calls)


def test_in_busy_database_calls_take_longer_and_do_the_work_they_always_did() -> None:
    heaviest = "SELECT product_id, sum(quantity)"
    before, since = mean_ms("busy-database", heaviest)
    assert since > 1.5 * before
    before, since = work("busy-database", heaviest)
    assert since == pytest.approx(before, rel=0.15)
    name = 'service:http_server_requests:rate1m{namespace="shop",service="gateway"}'
    at, values = series(INCIDENTS / "busy-database", name)
    now = moment(manifest(INCIDENTS / "busy-database")["incident"]["at"])
    assert np.nanmax(values[at <= now]) > 2 * np.nanmedian(values[at <= now])


def test_in_plan_flip_the_statement_reads_a_thousand_times_as_much_on_stale_statistics() -> None:
    case = "plan-flip-after-bulk-load"
    before, since = work(
        case, "SELECT id, status, total_cents, created_at::text FROM orders\nWHERE customer_id = $1 AND"
    )
    assert since > 1_000 * before
    (orders,) = [row for row in answers(case, "table_statistics")[1] if row["table"] == "orders"]
    assert orders["n_mod_since_analyze"] > 0.5 * orders["live_rows"]


def test_in_sequence_end_the_last_value_is_reached_between_the_two_snapshots() -> None:
    told = [
        item["answer"]["keys"]
        for item in lines(INCIDENTS / "sequence-end" / "readings.jsonl")
        if item["question"] == "keys_left"
    ]
    before, now = (next(key for key in keys if key["table"] == "receipts") for keys in told)
    assert before["last_value"] < before["largest"] == now["last_value"] == 2_147_483_647


def test_in_vacuum_held_an_idle_transaction_is_open_and_dead_rows_outnumber_the_live_ones() -> None:
    told = {
        item["question"]: item["answer"]
        for item in lines(INCIDENTS / "vacuum-held-by-transaction" / "readings.jsonl")
    }
    (held,) = told["long_transactions"]["transactions"]
    assert (held["application"], held["state"]) == ("quarterly-report", "idle in transaction")
    (stock,) = [table for table in told["vacuum_state"]["tables"] if table["table"] == "stock_levels"]
    assert stock["dead_rows"] > 100 * stock["live_rows"]
