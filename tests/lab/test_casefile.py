from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.lab.casefile import (
    Truth,
    Window,
    alerted_service,
    cut_request,
    database_records,
    title,
    write_lines,
)

START = datetime(2026, 6, 18, 14, 0, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=10), START + timedelta(minutes=11))


def request(*minutes: float) -> dict[str, object]:
    spans = [
        {"startTimeUnixNano": str(int((START + timedelta(minutes=minute)).timestamp() * 1e9))}
        for minute in minutes
    ]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}


def test_spans_outside_the_window_are_cut() -> None:
    cut = cut_request(request(-1, 5, 12), WINDOW)
    assert cut is not None
    start, document = cut
    assert start == int((START + timedelta(minutes=5)).timestamp() * 1e9)
    assert json.dumps(document).count("startTimeUnixNano") == 1


def test_a_request_without_a_span_inside_disappears() -> None:
    assert cut_request(request(-1, 12), WINDOW) is None


def test_what_a_truth_does_not_label_is_absent() -> None:
    document = Truth("recovered", ["checkout"], decoys=("a",)).document()
    assert document == {"verdict": "recovered", "services": ["checkout"], "not": ["a"]}


def test_the_same_records_give_the_same_compressed_bytes(tmp_path: Path) -> None:
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        write_lines(tmp_path / name, [{"a": 1}, {"b": 2}])
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_the_title_and_service_are_the_alerts_own() -> None:
    alert = {"labels": {"service": "cart"}, "annotations": {"summary": "cart is slow"}}
    body = json.dumps({"alerts": [alert]}).encode()
    assert (title(body), alerted_service(body)) == ("cart is slow", "cart")


def test_the_databases_log_leaves_the_labs_own_sessions_out(tmp_path: Path) -> None:
    record = {
        "timestamp": "2026-06-18 14:00:01.250 UTC",
        "error_severity": "LOG",
        "message": "duration: 300 ms\n  statement: SELECT 1",
        "application_name": "checkout",
    }
    own = record | {"application_name": "postgres_exporter"}
    path = tmp_path / "postgresql.json"
    path.write_text(f"{json.dumps(record)}\n{json.dumps(own)}\n")
    (kept,) = database_records(path)
    assert kept["timestamp"] == "2026-06-18T14:00:01.250Z"
    assert kept["body"] == "duration: 300 ms statement: SELECT 1"
