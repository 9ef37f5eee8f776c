"""A deploy lies just before the onset, and yet no change is guilty: each such cause can win the ranking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.answers import (
    Change,
    ClusterState,
    Commit,
    Commits,
    Node,
    PatternCount,
    PatternCounts,
    Pod,
    StatusEvent,
    StatusFeeds,
    Timeline,
)
from connectors.contract import Reading
from connectors.questions import ChangeTimeline, ClusterSnapshot, CommitLog, LogPatterns, ProviderStatus
from graph.judgement import weigh
from graph.model import Weighing
from tests.playbooks.judged import Shop, Trouble, read

WINDOW = Shop().incident().window
BEGAN = datetime.fromtimestamp(Shop().onset, UTC)
FAILING = Trouble(failing={"payments": 0.4})


def deployed() -> tuple[Reading, ...]:
    """An unremarkable edit of payments, two minutes before the onset."""
    path = "services/payments/charge.py"
    body = "@@ -1,2 +1,2 @@\n-    text = render(order)\n+    text = render(order, locale)\n     return text\n"
    diff = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{body}"
    commit = Commit(sha="c" * 40, at=BEGAN - timedelta(hours=1), message="Receipts", files=(path,), diff=diff)
    change = Change(
        id="d", at=BEGAN - timedelta(minutes=2), kind="deploy", service="payments", commit="c" * 40
    )
    return (
        read(ChangeTimeline(window=WINDOW), Timeline(changes=(change,))),
        read(CommitLog(window=WINDOW), Commits(commits=(commit,))),
    )


def said(pattern: str, service: str = "payments") -> Reading:
    count = PatternCount(service=service, pattern=pattern, count=400.0, more=400.0, negative=True)
    return read(LogPatterns(window=WINDOW), PatternCounts(patterns=(count,)))


def pressed() -> Reading:
    pods = tuple(
        Pod(namespace="shop", name=f"{s}-7f-a", service=s, workload=s, node="node-3")
        for s in ("payments", "catalogue")
    )
    nodes = (Node(name="node-3", troubles=("MemoryPressure", "DiskPressure")),)
    return read(ClusterSnapshot(window=WINDOW), ClusterState(pods=pods, nodes=nodes))


def down() -> Reading:
    event = StatusEvent(
        at=BEGAN - timedelta(minutes=1), provider="acquirer", component="card payments", status="major outage"
    )
    return read(ProviderStatus(window=WINDOW), StatusFeeds(events=(event,)))


CASES: dict[str, tuple[Trouble, tuple[Reading, ...], str]] = {
    "a provider's own word": (
        FAILING,
        (down(), said("acquirer api.acquirer.example answered 503 unavailable")),
        "external_provider",
    ),
    "a certificate that ran out": (
        FAILING,
        (said("x509: certificate has expired or is not yet valid: current time is after notAfter"),),
        "certificate_expired",
    ),
    "a pressed node": (Trouble(own={"payments": 0.3}), (pressed(),), "node_pressure"),
    "bad input": (
        FAILING,
        (
            said(
                "invalid record from partner feed=settlements offset 118: amount must be a number, got 'n/a'"
            ),
        ),
        "bad_data",
    ),
    "load that grew alike": (Trouble(traffic=3.0, own={"gateway": 0.05}), (), "traffic_surge"),
}


def _weighed(name: str) -> Weighing:
    trouble, told, _ = CASES[name]
    shop = Shop(trouble, traces=(40, 30))
    return weigh(shop.incident(), (*shop.readings("metrics traces edges"), *deployed(), *told))


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_wins_over_the_deploy_just_before_it(name: str) -> None:
    first = _weighed(name).proposals[0]
    assert (first.change, first.cause) == (None, CASES[name][2])


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_deploy_beside_it_stays_below_a_half(name: str) -> None:
    assert all(p.confidence < 0.5 for p in _weighed(name).proposals if p.change is not None)


@pytest.mark.parametrize("name", ["a provider's own word", "a certificate that ran out", "bad input"])
def test_the_evidence_is_what_clears_the_deploy(name: str) -> None:
    shop = Shop(FAILING, traces=(40, 30))
    bare = weigh(shop.incident(), (*shop.readings("metrics traces edges"), *deployed()))
    blamed = [
        max((p.confidence for p in w.proposals if p.change), default=0.0) for w in (bare, _weighed(name))
    ]
    assert blamed[0] > 2.0 * blamed[1]
