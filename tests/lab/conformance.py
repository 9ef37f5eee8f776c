"""What must be true of every case the lab writes, checked from outside: only the files are looked at.

Gives complaints instead of raising, so that a test shows all that is wrong with a case at once.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pyarrow.parquet as pq
import yaml

from tests.lab.casefile import LARGEST_BYTES, size

KUBERNETES = "1.31"
PER_KIND = 3
FILES = (
    "case.yaml",
    "alert.json",
    "metrics.parquet",
    "traces.jsonl.gz",
    "logs.jsonl.gz",
    "kubernetes.json",
    "changes.jsonl",
    "commits.jsonl",
    "readings.jsonl",
    "truth.yaml",
    "database/shop.sql",
)
WANTED_SERIES = (
    "service:http_server_latency_seconds:p99_1m",
    "http_client_request_duration_seconds_count",
    "db_client_connection_count",
    "container_memory_working_set_bytes",
    "pg_stat_user_tables_seq_scan",
    "pg_stat_statements_seconds_total",
    "up",
)
# Words by which a file would give the answer away to somebody who only reads text.
TELLING = (
    "guilty",
    "innocent",
    "decoy",
    "inject",
    "red herring",
    "scenario",
    "missing_index",
    "missing index",
)

Json = dict[str, Any]


def lines(path: Path) -> list[Json]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [json.loads(line) for line in text.splitlines()]


def spans(case: Path) -> Iterator[tuple[str, Json]]:
    """Every span with the name of its service."""
    for request in lines(case / "traces.jsonl.gz"):
        for resource in request["resourceSpans"]:
            attributes = {item["key"]: item["value"] for item in resource["resource"]["attributes"]}
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield attributes["service.name"]["stringValue"], span


def complaints(case: Path) -> list[str]:
    missing = [f"{name} is missing" for name in FILES if not (case / name).exists()]
    if not list(case.glob("repository/**/*0002_orders*")):
        missing.append("repository has no migration of the orders")
    if missing:
        return missing
    return [
        *about_size(case),
        *about_alert(case),
        *about_metrics(case),
        *about_traces(case),
        *about_kubernetes(case),
        *about_truth(case),
        *about_telling_words(case),
    ]


def about_size(case: Path) -> list[str]:
    total = size(case)
    return [f"{total:,} bytes are too many"] if total > LARGEST_BYTES else []


def about_alert(case: Path) -> list[str]:
    alert = json.loads((case / "alert.json").read_bytes())
    found = []
    if alert.get("version") != "4" or alert.get("status") != "firing":
        found.append("alert.json is no firing Alertmanager webhook of version 4")
    if any(word in json.dumps(alert) for word in ("localhost", "127.0.0.1", "/tmp/")):
        found.append("alert.json names the machine it was recorded on")
    return found


def about_metrics(case: Path) -> list[str]:
    table = pq.read_table(case / "metrics.parquet")
    found = []
    if str(table.schema.field("timestamp").type) != "timestamp[ms, tz=UTC]":
        found.append("timestamps are not milliseconds in UTC")
    others = {str(field.type) for field in table.schema if field.name != "timestamp"}
    if others != {"double"}:
        found.append(f"columns are {others}")
    present = {field.name.partition("{")[0] for field in table.schema}
    return [*found, *(f"no series {name}" for name in WANTED_SERIES if name not in present)]


def about_traces(case: Path) -> list[str]:
    owner: dict[str, str] = {}
    links: list[tuple[str, str]] = []
    for service, span in spans(case):
        owner[span["spanId"]] = service
        links.append((span["spanId"], span["parentSpanId"]))
    crossing = {(owner[parent], owner[child]) for child, parent in links if parent in owner}
    wanted = {("gateway", "checkout"), ("checkout", "payments"), ("checkout", "cart"), ("cart", "catalogue")}
    return [f"no trace goes from {caller} to {callee}" for caller, callee in sorted(wanted - crossing)]


def about_kubernetes(case: Path) -> list[str]:
    """A few objects of each kind: they come out of the same code, and validating is slow."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for item in json.loads((case / "kubernetes.json").read_text())["items"]:
        seen[item["kind"]] += 1
        if seen[item["kind"]] > PER_KIND:
            continue
        try:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{item['kind']} {item['metadata']['name']}: {error}")
    return found


def about_truth(case: Path) -> list[str]:
    truth = yaml.safe_load((case / "truth.yaml").read_text())
    known = {commit["sha"] for commit in lines(case / "commits.jsonl")}
    named = {truth.get("commit", "none"), *truth["not"]} - {"none"}
    found = [f"truth names {sha}, which is no commit" for sha in sorted(named - known)]
    deployed = {change["commit"] for change in lines(case / "changes.jsonl")}
    found.extend(f"truth names {sha}, which was not deployed" for sha in sorted(named - deployed))
    return found


def about_telling_words(case: Path) -> list[str]:
    found: list[str] = []
    for path in sorted(case.rglob("*")):
        if path.is_file() and path.name not in {"truth.yaml", "metrics.parquet"}:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            # The case's id names its scenario; a reader of cases knows not to look there.
            text = raw.decode().lower().replace(f"lab/{case.name}", "")
            found.extend(f"{path.name} says {word!r}" for word in TELLING if word in text)
    return found
