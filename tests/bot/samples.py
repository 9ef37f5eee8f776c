"""An outcome as the machine would give it: a missing index found, an innocent deploy beside it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from bot.investigation import Outcome
from connectors.contract import Source, Window
from graph.model import (
    Likely,
    Mark,
    NextStep,
    Picture,
    Proposal,
    ProposedFile,
    Trust,
    Verdict,
    Weighing,
)
from playbooks.model import Entity, Evidence, Incident, Symptom

AT = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
ONSET = AT - timedelta(minutes=18)


def incident(**changes: object) -> Incident:
    given = Incident(
        id="lab/sample",
        title="checkout p99 above 800 ms",
        at=AT,
        window=Window(start=AT - timedelta(minutes=66), end=AT),
        service="checkout",
        symptom=Symptom.LATENCY,
        text="checkout: p99 of POST /orders above 800 ms for 3 minutes",
        caveats=("one trace in ten was kept",),
    )
    return given.model_copy(update=changes)


def evidence() -> dict[str, Evidence]:
    return {
        "e1": Evidence(
            source=Source.METRICS,
            question="SeriesSweep",
            query='histogram_quantile(0.99, http_request_duration_seconds_bucket{service="checkout"})',
            at=AT,
            value="p99 rose from 0.21 s to 1.74 s at 14:48:00, 31 times its usual spread",
            sha256="a" * 64,
        ),
        "e2": Evidence(
            source=Source.DATABASE,
            question="TableStatistics",
            query="SELECT relname, seq_scan, seq_tup_read FROM pg_stat_user_tables",
            at=AT,
            value="orders: 4,812 sequential scans read 9.6e9 rows since 14:47; none in the hour before",
            sha256="b" * 64,
        ),
        "e3": Evidence(
            source=Source.CHANGES,
            question="ChangeTimeline",
            query="changes.jsonl",
            at=AT - timedelta(minutes=4),
            value="deploy 78ad4135 of catalogue at 15:02, 14 minutes after the onset",
            sha256="c" * 64,
        ),
    }


def proposals() -> tuple[Proposal, ...]:
    return (
        Proposal(
            id="p-missing-index",
            rank=1,
            cause="missing_index",
            title="Missing index",
            service="checkout",
            entity=Entity(kind="table", name="orders"),
            change="559e94ce7d0f4b3aa1c2d3e4f5061728394a5b6c",
            confidence=0.8671,
            why="Version 2 of checkout filters orders by customer_ref, which no index covers.",
            evidence=("e1", "e2"),
            against=("e3",),
            against_text="Autovacuum ran on orders at 14:51, which also slows scans, but ended in 40 s.",
            check_yourself="psql -d shop -c \"EXPLAIN SELECT * FROM orders WHERE customer_ref = 'x'\"",
            next_step=NextStep(
                text="Create the index without blocking writes.",
                command="CREATE INDEX CONCURRENTLY orders_customer_ref_idx\n    ON orders (customer_ref);",
                undo="DROP INDEX CONCURRENTLY orders_customer_ref_idx;",
                files=(
                    ProposedFile(
                        path="migrations/0012_orders_customer_ref_idx.sql",
                        text="CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_customer_ref_idx ON orders;\n",
                    ),
                ),
            ),
            alternatives=("flipped plan",),
        ),
        Proposal(
            id="p-bad-deploy",
            rank=2,
            cause="bad_deploy",
            title="Bad deploy",
            service="catalogue",
            entity=Entity(kind="service", name="catalogue"),
            change="78ad4135",
            confidence=0.0712,
            why="catalogue was deployed shortly before the alert, but after the onset.",
            evidence=(),
            against=("e3",),
            check_yourself="kubectl -n shop rollout history deployment/catalogue",
            next_step=NextStep(
                text="Undo the rollout.",
                command="kubectl -n shop rollout undo deployment/catalogue",
                blocking=True,
            ),
        ),
    )


def pictures() -> tuple[Picture, ...]:
    start, onset = AT - timedelta(minutes=66), ONSET
    steps = [start + timedelta(seconds=15 * i) for i in range(265)]
    chance = random.Random(7)
    latency = [
        (1.5 + chance.random() * 0.3) if at >= onset else 0.18 + chance.random() * 0.06 for at in steps
    ]
    scans = [(70 + chance.random() * 20) if at >= onset else 0.0 for at in steps]
    marks = (
        Mark(at=(onset - timedelta(minutes=1)).timestamp(), label="deploy 559e94ce of checkout"),
        Mark(at=onset.timestamp(), label="onset"),
        Mark(at=(AT - timedelta(minutes=4)).timestamp(), label="deploy 78ad4135 of catalogue"),
    )
    times = tuple(at.timestamp() for at in steps)
    return (
        Picture(
            title="checkout p99", role="symptom", unit="s", times=times,
            values=tuple(None if i in (60, 61, 62) else v for i, v in enumerate(latency)),
            baseline=0.21, marks=marks,
        ),
        Picture(
            title="sequential scans of orders", role="suspect", unit="1/s", times=times, values=tuple(scans),
            baseline=0.0, marks=marks[:2],
        ),
    )  # fmt: skip


def weighing(**changes: object) -> Weighing:
    given = Weighing(
        verdict=Verdict.CAUSE,
        summary="checkout is slow since 14:48 because orders lacks an index that its new version needs.",
        proposals=proposals(),
        none_of_these=0.0617,
        calibrated=False,
        evidence=evidence(),
        pictures=pictures(),
        likely=Likely(places=2, level=0.9, cases=88),
        trust=Trust(labels=3, doubt="3 of 30 confirmed incidents"),
    )
    return given.model_copy(update=changes)


def outcome(weighed: Weighing | None = None, about: Incident | None = None) -> Outcome:
    return Outcome(
        thread="lab/sample@0",
        incident=about or incident(),
        status="closed",
        weighing=weighed or weighing(),
        coverage={
            "metrics": "ok",
            "database": "ok",
            "traces": "ok",
            "logs": "unavailable: the case holds no logs.jsonl",
        },
        gaps=(),
        queries=41,
        elapsed_s=0.8412,
        partial="",
        ruled_out=(),
        confirmation=None,
    )
