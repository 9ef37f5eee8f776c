"""The recorded incident of a missing index, judged from its readings alone: no metrics, no traces."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.answers import Timeline
from connectors.case import open_case
from connectors.contract import Question, Reading, Window
from connectors.questions import (
    Activity,
    ChangeTimeline,
    HypotheticalIndexes,
    IndexList,
    LockChain,
    MigrationFiles,
    StatementStatistics,
    TableStatistics,
)
from playbooks.database import judge_database
from playbooks.facts import Scene
from playbooks.mechanisms import ServiceSignals, judge_mechanisms
from playbooks.model import Entity
from playbooks.observations import Observations
from playbooks.wording import word

CASE = Path(__file__).parent.parent / "incidents" / "missing-index-after-deploy"

pytestmark = pytest.mark.skipif(not (CASE / "readings.jsonl").exists(), reason="the incident is not recorded")


@pytest.mark.parametrize("late", [-45, 0, 45], ids=lambda s: f"onset {s:+d} s")
def test_the_recorded_missing_index_is_found_whatever_the_onset_was_estimated_as(late: int) -> None:
    case = open_case(CASE)
    now = case.manifest.at
    window = Window(start=now - timedelta(hours=1), end=now)
    questions: list[Question] = [
        StatementStatistics(database="shop", window=window),
        TableStatistics(database="shop", window=window),
        Activity(database="shop", window=window),
        LockChain(database="shop", window=window),
        IndexList(database="shop"),
        HypotheticalIndexes(database="shop"),
        MigrationFiles(),
    ]
    readings = [r for r in (case.ask(q, now=now) for q in questions) if isinstance(r, Reading)]
    timeline = case.ask(ChangeTimeline(window=window), now=now)
    assert isinstance(timeline, Reading)
    assert isinstance(timeline.answer, Timeline)
    deploy = next(c.at for c in timeline.answer.changes if c.service == "checkout")
    scene = Scene(now=now, onset=deploy + timedelta(seconds=late), service="checkout", database="shop")
    first = judge_mechanisms(
        ServiceSignals(service="checkout"), judge_database(Observations(readings), scene)
    )[0]
    assert (first.cause, first.entity) == ("missing_index", Entity(kind="table", name="orders"))
    worded = word(first, "checkout")
    assert "ON public.orders (customer_email)" in str(worded.command)
    assert worded.files[0][0] == "migrations/0007_orders_customer_email_idx.sql"
