from __future__ import annotations

from tests.lab.probes import Answer, Recorded, filtered_scan, grown, is_select

SCAN: Answer = {
    "Node Type": "Limit",
    "Plans": [{"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(customer_email = $1)"}],
}


def statements(**milliseconds: float) -> list[Recorded]:
    rows = [
        {"queryid": name, "query": f"SELECT '{name}'", "total_exec_time_ms": value}
        for name, value in milliseconds.items()
    ]
    return [Recorded("statement_statistics", {}, "2026-06-18T14:00:00.000Z", rows)]


def test_growth_counts_and_not_size() -> None:
    rows = grown(statements(big=900, small=1), statements(big=901, small=50, new=9))
    assert [row["queryid"] for row in rows] == ["small", "new", "big"]


def test_a_filtered_scan_of_a_large_table_is_found_below_other_nodes() -> None:
    assert filtered_scan(SCAN, {"orders": 1_000_000}) == ("orders", ["customer_email"])


def test_a_scan_of_a_small_table_is_nothing() -> None:
    assert filtered_scan(SCAN, {"orders": 100}) is None


def test_an_index_scan_is_nothing() -> None:
    plan: Answer = {"Node Type": "Index Scan", "Relation Name": "orders", "Index Cond": "(id = $1)"}
    assert filtered_scan(plan, {"orders": 1_000_000}) is None


def test_only_statements_that_read_are_explained() -> None:
    assert is_select("\nSELECT 1")
    assert not is_select("INSERT INTO orders VALUES ($1)")
