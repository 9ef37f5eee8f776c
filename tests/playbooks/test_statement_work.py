"""The judges of a call's work: larger, or only longer; a flipped plan, or not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors import answers as a
from connectors import database_answers as d
from connectors import questions as q
from playbooks.model import Finding
from playbooks.statement_work import judge_work
from tests.playbooks.test_database_kit import BY_CUSTOMER, SCENE, WINDOW, by_judge, moments, observed, reading

Blocks = tuple[float, float]


def snapshots(blocks: Blocks, mean_ms: tuple[float, float] = (1.0, 80.0)) -> a.StatementSnapshots:
    """One statement, a hundred calls in each interval; blocks and milliseconds a call before and since."""
    totals, held = [0.0, 0.0], []
    for part, at in enumerate(moments()):
        if part:
            totals = [totals[0] + 100 * mean_ms[part - 1], totals[1] + 100 * blocks[part - 1]]
        one = a.Statement(
            queryid="1",
            query=BY_CUSTOMER,
            calls=100.0 * part,
            total_exec_time_ms=totals[0],
            shared_blks_hit=totals[1],
        )
        held.append(a.StatementSnapshot(at=at, statements=(one,)))
    return a.StatementSnapshots(snapshots=tuple(held))


def judged(blocks: Blocks, changed: float = 0.0, dead: float = 0.0) -> dict[str, Finding]:
    table = a.Table(
        db_schema="public", table="orders", live_rows=1e6, total_bytes=1e9, seq_scan=0.0, seq_tup_read=0.0,
        idx_scan=9.0, n_mod_since_analyze=changed,
    )  # fmt: skip
    tables = a.TableSnapshots(snapshots=(a.TableSnapshot(at=moments()[-1], tables=(table,)),))
    vacuum = d.VacuumHealth(
        enabled=True,
        tables=(d.VacuumTable(db_schema="public", table="orders", live_rows=1e6, dead_rows=dead),),
    )
    told = observed(
        reading(q.StatementStatistics(database="shop", window=WINDOW), snapshots(blocks)),
        reading(q.TableStatistics(database="shop", window=WINDOW), tables),
        reading(q.VacuumState(database="shop"), vacuum),
    )
    return by_judge(judge_work(told, SCENE))


@pytest.mark.parametrize(
    ("since", "state"), [(40.0, "yes"), (44.0, "yes"), (60.0, "unknown"), (4_000.0, "no")]
)
def test_a_call_that_takes_longer_over_the_same_blocks_only_waits(since: float, state: str) -> None:
    assert judged((40.0, since))["statement_same_work"].state == state


def test_many_more_blocks_on_a_table_with_stale_statistics_are_a_flipped_plan() -> None:
    flipped = judged((40.0, 4_000.0), changed=6e5)["plan_flipped"]
    assert flipped.state == "yes"
    assert flipped.entity is not None
    assert (flipped.entity.kind, flipped.entity.name) == ("table", "orders")
    assert "touches 4,000 blocks a call instead of 40" in flipped.why


@pytest.mark.parametrize(
    ("since", "changed", "dead"),
    [(4_000.0, 1e5, 0.0), (120.0, 6e5, 0.0), (4_000.0, 6e5, 2e6)],
    ids=["fresh statistics", "a grown table", "dead rows explain it"],
)
def test_what_something_else_explains_is_no_flipped_plan(since: float, changed: float, dead: float) -> None:
    assert judged((40.0, since), changed, dead)["plan_flipped"].state == "unknown"


def test_more_blocks_of_a_table_full_of_dead_rows_are_dead_rows_that_are_read() -> None:
    read = judged((40.0, 200.0), dead=2e6)["dead_rows_read"]
    assert read.state == "yes"
    assert read.entity is not None
    assert read.entity.name == "orders"
    assert "2.0 million dead rows beside 1.0 million live ones" in read.why


@pytest.mark.parametrize(("since", "dead"), [(44.0, 2e6), (200.0, 9e5)], ids=["same work", "fewer than live"])
def test_dead_rows_are_not_blamed_where_they_cannot_be_what_is_read(since: float, dead: float) -> None:
    assert judged((40.0, since), dead=dead)["dead_rows_read"].state == "unknown"


def test_where_blocks_are_not_counted_nothing_is_said_of_work() -> None:
    assert {finding.state for finding in judged((0.0, 0.0), 6e5).values()} == {"unknown"}


def test_nothing_asked_is_unknown() -> None:
    assert {finding.state for finding in judge_work(observed(), SCENE)} == {"unknown"}


def test_the_moments_lie_on_both_sides_of_the_onset() -> None:
    first, middle, last = moments()
    assert SCENE.onset is not None
    assert first < middle <= SCENE.onset < last
    assert last - middle >= timedelta(seconds=15)
