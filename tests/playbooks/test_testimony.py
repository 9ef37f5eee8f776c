from __future__ import annotations

import re

import numpy as np
import pytest

from connectors.answers import LogRecord, LogSet, PatternCount, PatternCounts, SeriesSet
from connectors.contract import Reading, digest
from connectors.questions import LogPatterns
from playbooks.messages import judge_messages
from playbooks.model import Finding
from playbooks.observations import Observations
from playbooks.suspects import examine
from playbooks.testimony import Desk, about, error_messages
from tests.playbooks.judged import CALM, NOW, Shop, Trouble, read
from tests.playbooks.test_database_kit import SCENE as DATABASE_SCENE

EVERYTHING = "metrics traces logs edges"


def _desk(shop: Shop, kinds: str = EVERYTHING, more: tuple[Reading, ...] = ()) -> Desk:
    seen = Observations((*shop.readings(kinds), *more))
    return Desk(examine(shop.incident(), seen), seen, NOW)


def _about(trouble: Trouble, service: str, kinds: str = EVERYTHING) -> tuple[Finding, ...]:
    return about(_desk(Shop(trouble), kinds), service)


def _says(findings: tuple[Finding, ...], judge: str, state: str = "yes") -> list[str]:
    return [f.why for f in findings if f.judge == judge and f.state == state]


@pytest.mark.parametrize(
    ("trouble", "service", "judge", "says"),
    [
        (
            Trouble(own={"payments": 0.2}),
            "payments",
            "series.latency",
            r"duration_seconds:\w+ rose: .* → .* times",
        ),
        (
            Trouble(own={"payments": 0.2}),
            "payments",
            "spans.self",
            r"own time of POST /charge rose: .* ms → .* ms",
        ),
        (Trouble(waits={"checkout": 0.2}), "checkout", "spans.wait", r"waits longer for postgresql/orders"),
        (
            Trouble(network={"catalogue": 0.1}),
            "catalogue",
            "spans.gap",
            r"gateway's call and catalogue's answer",
        ),
        (
            Trouble(failing={"payments": 0.4}),
            "payments",
            "spans.errors",
            r"begin here: RuntimeError: no such thing",
        ),
        (
            Trouble(raising={"catalogue": 0.6}),
            "catalogue",
            "logs.errors",
            r"“KeyError: no price for item <n>” came",
        ),
        (Trouble(cpu={"catalogue": 3.0}), "catalogue", "series.cpu", r"cpu_usage.* rose"),
    ],
)
def test_what_moved_is_told_in_a_sentence_with_its_numbers(
    trouble: Trouble, service: str, judge: str, says: str
) -> None:
    told = _says(_about(trouble, service), judge)
    assert any(re.search(says, sentence) for sentence in told), told


def test_what_stayed_quiet_is_told_too() -> None:
    findings = _about(Trouble(own={"payments": 0.2}), "catalogue")
    assert _says(findings, "series.latency", "no") or _says(findings, "series.cpu", "no")
    assert any("nothing unusual in its own part" in why for why in _says(findings, "spans.self", "no"))


@pytest.mark.parametrize("service", ["gateway", "checkout", "payments", "catalogue"])
def test_every_finding_is_of_its_service_and_cites_what_was_read(service: str) -> None:
    desk = _desk(Shop(Trouble(own={"payments": 0.2}, failing={"payments": 0.2}, raising={"catalogue": 0.5})))
    for found in about(desk, service):
        assert found.service == service
        assert found.why
        assert 0.0 <= found.strength <= 20.0
        assert found.evidence
        for fact in found.evidence:
            assert re.fullmatch(r"[0-9a-f]{64}", fact.sha256)
            assert fact.at <= NOW


def test_a_cited_series_hash_is_that_of_its_samples() -> None:
    desk = _desk(Shop(Trouble(own={"payments": 0.2})), "metrics")
    found = desk.seen.first(SeriesSet)
    assert found is not None
    told = found.answer
    fact = next(f for f in about(desk, "payments") if f.judge == "series.latency").evidence[0]
    row = next(n for n, k in enumerate(told.keys) if str(k) == fact.query)
    assert fact.sha256 == digest(told.times.tobytes() + np.ascontiguousarray(told.values[row]).tobytes())


def test_of_a_service_that_nobody_knows_nothing_is_told() -> None:
    assert _about(Trouble(own={"payments": 0.2}), "nobody") == ()


def test_a_calm_service_has_no_loud_findings() -> None:
    loud = [f for n in range(4) for f in about(_desk(Shop(CALM, noise=n)), "payments") if f.state == "yes"]
    assert all(f.strength < 5.0 for f in loud)


def test_a_message_pattern_that_the_store_counts_is_told() -> None:
    counts = PatternCounts(
        patterns=(
            PatternCount(pattern="no route to host", service="payments", count=40, more=38, negative=True),
            PatternCount(pattern="all is well", service="payments", count=90, more=80, negative=False),
        )
    )
    shop = Shop()
    desk = _desk(shop, "metrics", (read(LogPatterns(window=shop.incident().window), counts),))
    assert _says(about(desk, "payments"), "logs.patterns") == [
        "“no route to host” came 40 times, 38 more than usual"
    ]


def test_errors_are_heard_where_one_logger_writes_all_messages() -> None:
    onset = NOW.timestamp() - 120
    usual = [("INFO", "order 1 placed", onset - 600 + n) for n in range(0, 720, 20)]
    body = "nextval: reached maximum value of sequence (2147483647)"
    failed = [("ERROR", body, onset + n) for n in (1, 50, 90)]
    records = tuple(
        LogRecord(at=at, service="payments", severity=severity, body=body, logger="payments")
        for severity, body, at in sorted(usual + failed, key=lambda row: row[2])
    )
    heard = error_messages(LogSet(records=records), "payments", onset)
    assert [(message.before, message.since) for message in heard] == [(0.0, 3.0)]
    (keys,) = [f for f in judge_messages(heard, DATABASE_SCENE) if f.judge == "message_keys"]
    assert keys.state == "yes"
    assert error_messages(LogSet(records=records), "payments", onset - 900) == []


def test_the_same_measurements_are_told_in_the_same_order() -> None:
    shop = Shop(Trouble(own={"payments": 0.2}, failing={"payments": 0.2}))
    assert about(_desk(shop), "payments") == about(_desk(shop), "payments")


def test_numbers_of_services_told_in_milliseconds_read_as_milliseconds() -> None:
    findings = _about(Trouble(own={"payments": 0.2}), "payments", "traces")
    assert all(" ms" in why or " s" in why for why in _says(findings, "spans.self"))
