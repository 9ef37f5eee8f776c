"""The judge of changes on recorded public incidents, where those are at hand: development figures, printed.

The look is built here in the simplest way (median and MAD before and after, logs as counted by the log
store); nothing after the alert is read. The truth is opened only to score.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from connectors.answers import Change, Commit, StatusEvent
from playbooks.changes import ChangeJudgement, judge_changes
from playbooks.look import FaultLook, Moved

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "rootcausebench"
FOLDERS = sorted(CASES.glob("*/")) if CASES.is_dir() else []
_SERIES = re.compile(r'^(?P<metric>[^{]+)\{.*?service="(?P<service>[^"]+)".*\}$')
_SIGNALS = (
    ("traffic", r"request_rate|requests_per|_rps|qps|per_min$"),
    ("errors", r"error|5xx|4\d\d|fail"),
    ("memory", r"memory|heap|rss|oom"),
    ("cpu", r"cpu"),
    ("queue", r"queue|lag|backlog|age_seconds"),
    ("database", r"^db_|rows"),
    ("latency", r"duration|latency|p99"),
)


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    path = folder / f"{name}.jsonl"
    if path.is_file():
        yield from (json.loads(line) for line in path.read_text().splitlines() if line.strip())


def _signal(metric: str) -> str:
    return next((signal for signal, pattern in _SIGNALS if re.search(pattern, metric)), "other")


def _moved_series(folder: Path, now: float) -> list[Moved]:
    table = pq.read_table(folder / "metrics.parquet")
    times = table["timestamp"].to_numpy().astype("datetime64[ms]").astype(np.float64) / 1e3
    found = []
    for name in table.column_names[1:]:
        match = _SERIES.match(name)
        values = np.array(table[name].to_pylist(), dtype=float)
        keep = (times <= now) & ~np.isnan(values)
        if match is None or keep.sum() < 12:
            continue
        thing = _shift(times[keep], values[keep], match["metric"], match["service"])
        if thing is not None:
            found.append(thing)
    return found


def _shift(times: np.ndarray, values: np.ndarray, metric: str, service: str) -> Moved | None:
    base = values[: max(8, len(values) // 2)]
    middle = float(np.median(base))
    spread = max(1.4826 * float(np.median(np.abs(base - middle))), 0.02 * abs(middle), 1e-6)
    size = (float(np.median(values[-3:])) - middle) / spread
    if abs(size) < 5:
        return None
    beyond = np.sign(size) * (values - middle) / spread > 4
    first = len(values)
    while first > 0 and beyond[first - 1]:
        first -= 1
    onset = float(times[min(first, len(times) - 1)])
    return Moved(service, _signal(metric), 1 if size > 0 else -1, min(abs(size), 30.0), onset, metric)


def _moved_logs(folder: Path) -> list[Moved]:
    found = []
    for row in _rows(folder, "readings"):
        if row["connector"] != "logs":
            continue
        for answer in row["answer"]:
            more = float(str(answer["delta_vs_baseline"]).lstrip("+").rstrip("%") or 0)
            size = min(30.0, 4 * math.log1p(abs(more)))
            if more and answer.get("sentiment") != "positive":
                found.append(
                    Moved(answer["service"], "log", 1 if more > 0 else -1, size, None, answer["signature"])
                )
    return found


def _status(folder: Path, now: float) -> list[StatusEvent]:
    found = []
    for row in _rows(folder, "readings"):
        if row["connector"] != "status-page":
            continue
        answer = row["answer"]
        for event in answer["events"]:
            at = datetime.fromisoformat(event["timestamp"])
            if at.timestamp() <= now:
                said = (event["status"], event.get("detail", ""))
                found.append(
                    StatusEvent(
                        at=at,
                        provider=answer["source"],
                        component=answer["component"],
                        status=said[0],
                        detail=said[1],
                    )
                )
    return found


def _edges(folder: Path, now: float) -> tuple[tuple[str, str], ...]:
    service: dict[str, str] = {}
    parents: list[tuple[str, str]] = []
    for row in _rows(folder, "traces"):
        for group in row["resourceSpans"]:
            name = group["resource"]["attributes"][0]["value"]["stringValue"]
            for span in (s for scope in group["scopeSpans"] for s in scope["spans"]):
                if int(span["startTimeUnixNano"]) / 1e9 <= now:
                    service[span["spanId"]] = name
                    parents.append((span.get("parentSpanId", ""), name))
    return tuple(
        sorted({(service[p], child) for p, child in parents if p in service and service[p] != child})
    )


def _look(folder: Path, case: Mapping[str, Any]) -> FaultLook:
    at = datetime.fromisoformat(case["incident"]["at"])
    now = at.timestamp()
    alerted = case["incident"]["service"]
    alert = json.loads((folder / "alert.json").read_text())
    series = _moved_series(folder, now)
    own = [m.onset for m in series if m.service == alerted and m.onset is not None]
    onset = min(own, default=now)
    return FaultLook(
        now=now,
        alerted=alerted,
        alert_text=f"{case['title']} {alert['commonLabels'].get('metric', '')}",
        onset=onset,
        onset_low=onset - 180,
        onset_high=onset + 60,
        shape="unknown",
        moved=(*series, *_moved_logs(folder)),
        edges=_edges(folder, now),
    )


def _judge(folder: Path) -> ChangeJudgement:
    case = yaml.safe_load((folder / "case.yaml").read_text())
    look = _look(folder, case)
    timeline = [
        Change(id=row.get("id", f"change-{n}"), **{k: v for k, v in row.items() if k != "id"})
        for n, row in enumerate(_rows(folder, "changes"))
        if datetime.fromisoformat(row["at"]).timestamp() <= look.now
    ]
    commits = [
        Commit(**row)
        for row in _rows(folder, "commits")
        if datetime.fromisoformat(row["at"]).timestamp() <= look.now
    ]
    return judge_changes(look, timeline, commits, None, _status(folder, look.now))


@pytest.mark.skipif(not FOLDERS, reason="the shared cases are not beside this checkout")
@pytest.mark.parametrize("folder", FOLDERS, ids=[f.name for f in FOLDERS])
def test_no_decoy_of_a_recorded_incident_reaches_a_half(folder: Path) -> None:
    judgement = _judge(folder)
    truth = yaml.safe_load((folder / "truth.yaml").read_text())
    guilty = None if truth.get("commit") == "none" else str(truth.get("commit"))
    decoys = {str(name): judgement.probability(str(name)) for name in truth.get("not", [])}
    named = "none" if guilty is None else guilty[:10]
    chances = f"{named}={judgement.probability(guilty):.3f} none={judgement.none.probability:.3f}"
    print(
        f"\n{folder.name} {chances} ({judgement.none.mechanism})",
        {n[:10]: round(p, 3) for n, p in decoys.items()},
    )
    for judged in judgement.changes[:4]:
        parts = {kind: round(judged.part(kind), 2) for kind in ("reach", "order", "canary", "diff", "words")}
        print(f"    {judged.change_id[:10]} {judged.probability:.3f} {parts} {judged.why[:120]}")
    assert all(p < 0.5 for p in decoys.values())
    assert judgement.probability(guilty) > 0.5
