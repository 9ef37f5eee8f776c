"""Fake sources and a toy judgement for tests of the machine: everything answers, unless told otherwise."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from connectors import codec
from connectors.answers import (
    ActivitySnapshots,
    Answer,
    CallGraphEdges,
    ClusterState,
    Commits,
    Indexes,
    IndexGains,
    Locks,
    LogSet,
    PatternCounts,
    Plan,
    PlanNode,
    SeriesKey,
    SeriesSet,
    SourceFiles,
    SpanSet,
    StatementSnapshots,
    StatusFeeds,
    TableSnapshots,
    Timeline,
)
from connectors.contract import Question, Reading, Source, Unavailable, Window
from connectors.database_answers import (
    ConnectionUse,
    KeySpace,
    OldTransactions,
    ReplicationState,
    ServerSettings,
    VacuumHealth,
    WriteAhead,
)
from connectors.questions import StatementPlan
from graph.model import NextStep, Proposal, Verdict, Wanted, Weighing
from playbooks.model import Evidence, Incident, ServiceEntry

NOW = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
INCIDENT = Incident(
    id="test/checkout",
    title="checkout p99 above 800 ms",
    at=NOW,
    window=Window(start=NOW - timedelta(hours=1), end=NOW + timedelta(minutes=10)),
    service="checkout",
    services=(
        ServiceEntry(name="catalogue", database="products"),
        ServiceEntry(name="checkout", namespace="shop", database="shop", repository="repository/"),
    ),
)
CAUSES = ("missing_index", "bad_deploy", "downstream_dependency")

Reply = Callable[[Question], Reading | Unavailable]


def series(points: int = 3) -> SeriesSet:
    times = np.arange(points, dtype=np.float64)
    return SeriesSet((SeriesKey("up", (("service", "checkout"),)),), times, np.ones((1, points)))


def _spans() -> SpanSet:
    whole, real = np.array([], dtype=np.int64), np.array([], dtype=np.float64)
    has_parent = np.array([], dtype=np.bool_)
    return SpanSet((), (), whole, has_parent, (), (), whole, real, real, whole, real, (), ())


ANSWERS: Mapping[str, Answer] = {
    "SeriesSweep": series(),
    "SpanSample": _spans(),
    "LogSample": LogSet(()),
    "LogPatterns": PatternCounts(patterns=()),
    "ClusterSnapshot": ClusterState(),
    "ChangeTimeline": Timeline(changes=()),
    "CommitLog": Commits(commits=()),
    "CallEdges": CallGraphEdges(edges=(("gateway", "checkout"),)),
    "ProviderStatus": StatusFeeds(events=()),
    "StatementStatistics": StatementSnapshots(snapshots=()),
    "TableStatistics": TableSnapshots(snapshots=()),
    "IndexList": Indexes(indexes=()),
    "Activity": ActivitySnapshots(snapshots=()),
    "LockChain": Locks(locks=()),
    "HypotheticalIndexes": IndexGains(gains=()),
    "SchemaDump": SourceFiles(files=()),
    "MigrationFiles": SourceFiles(files=()),
    "ConnectionsInUse": ConnectionUse(most=100),
    "LongTransactions": OldTransactions(transactions=()),
    "VacuumState": VacuumHealth(),
    "KeysLeft": KeySpace(keys=()),
    "ReplicationLag": ReplicationState(),
    "CheckpointsAndWal": WriteAhead(),
    "SettingsInForce": ServerSettings(),
    "StatementPlan": Plan(queryid="1", query="SELECT 1", root=PlanNode(node_type="Result")),
}


def reading(question: Question, answer: Answer | None = None) -> Reading:
    given = ANSWERS[question.name] if answer is None else answer
    return Reading(question.source, question, f"fake {question.name}", NOW, given, codec.sha256(given))


class FakeSources:
    """Answers every question; `replies` by the question's name take its place."""

    def __init__(
        self, replies: Mapping[str, Reply] | None = None, available: Sequence[Source] = tuple(Source)
    ) -> None:
        self._replies = replies or {}
        self._available = available
        self._lock = threading.Lock()
        self.asked: Counter[str] = Counter()

    def available(self) -> Sequence[Source]:
        return self._available

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        assert now == INCIDENT.at
        with self._lock:
            self.asked[question.key()] += 1
        reply = self._replies.get(question.name, reading)
        return reply(question)


class Flaky:
    """Does `first` so many times, then answers."""

    def __init__(self, first: Reply, times: int) -> None:
        self._first, self._left = first, times

    def __call__(self, question: Question) -> Reading | Unavailable:
        self._left -= 1
        return self._first(question) if self._left >= 0 else reading(question)


def raises(_question: Question) -> Reading:
    raise KeyError("password=secret")


def refuses(question: Question) -> Unavailable:
    return Unavailable(question.source, "HTTP 403 from the fake")


def is_busy(question: Question) -> Unavailable:
    return Unavailable(question.source, "HTTP 429 from the fake", retry=True)


def toy_weigh(incident: Incident, readings: Sequence[Reading], ruled_out: Collection[str] = ()) -> Weighing:
    """Proposes every cause that is left; wants one plan of each database, and one more after that."""
    cited = {each.question.key(): each for each in readings}
    evidence = {
        f"e{n}": Evidence(
            source=each.source, question=key, query=each.query, at=each.at, value="1", sha256=each.sha256
        )
        for n, (key, each) in enumerate(sorted(cited.items()), start=1)
    }
    left = [cause for cause in CAUSES if cause not in ruled_out]
    names = sorted({entry.database for entry in incident.services if entry.database})
    wanted = [StatementPlan(database=name, queryid="1") for name in names]
    if any(isinstance(each.question, StatementPlan) for each in readings):
        wanted.append(StatementPlan(database="shop", queryid="2"))
    return Weighing(
        verdict=Verdict.CAUSE if left and readings else Verdict.UNKNOWN,
        summary=f"{len(readings)} readings",
        proposals=tuple(_proposal(cause, rank, tuple(evidence)) for rank, cause in enumerate(left, start=1)),
        none_of_these=1 - 0.3 * len(left),
        calibrated=False,
        evidence=evidence,
        wanted=tuple(Wanted(question=question, gain=1.0) for question in wanted),
    )


def _proposal(cause: str, rank: int, evidence: tuple[str, ...]) -> Proposal:
    return Proposal(
        id=cause,
        rank=rank,
        cause=cause,
        title=cause,
        service="checkout",
        entity=None,
        change=None,
        confidence=0.3,
        why="because",
        evidence=evidence,
        against=(),
        check_yourself="look",
        next_step=NextStep(text="wait"),
    )
