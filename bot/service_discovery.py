"""Which services there are by what the sources show: cheap questions, side by side, within seconds.

Metrics name services by their labels, the cluster by its workloads, a database by who is connected to
it. A source that does not answer in time is named, and nothing is concluded from its silence.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.service_map import Told
from connectors.answers import ActivitySnapshots, ClusterState, SeriesSet
from connectors.contract import Question, Reading, Source, Sources, Unavailable, Window
from connectors.questions import Activity, ClusterSnapshot, SeriesNamed

log = logging.getLogger(__name__)

UP = "up"
_LOOK = timedelta(minutes=10)
_WORKLOAD_LABELS = (("deployment", "deployment"), ("statefulset", "statefulset"), ("daemonset", "daemonset"))


@dataclass(frozen=True)
class Discovery:
    """What the sources show. `silent`: who did not answer, and why. `asked`: whether anybody could."""

    told: tuple[Told, ...] = ()
    silent: tuple[str, ...] = ()
    asked: bool = False


@dataclass
class _Replies:
    """What came back so far."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_question: dict[str, Reading | Unavailable] = field(default_factory=dict)

    def put(self, question: Question, reply: Reading | Unavailable) -> None:
        with self.lock:
            self.by_question[question.key()] = reply

    def get(self, question: Question) -> Reading | Unavailable | None:
        with self.lock:
            return self.by_question.get(question.key())


def discover(
    sources: Sources, databases: Sequence[str], now: datetime, seconds: float, *, cluster: bool = True
) -> Discovery:
    """Ask what services there are; whoever has not answered after so many seconds is left behind."""
    questions = _questions(sources, databases, now, cluster)
    replies = _Replies()
    threads = [threading.Thread(target=_ask, args=(sources, q, now, replies), daemon=True) for q in questions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    told: list[Told] = []
    silent: list[str] = []
    for question in questions:
        match replies.get(question):
            case Reading() as reading:
                found = list(_told(reading))
                told += found
                if not found and question.source is Source.METRICS:
                    silent.append(f"{question.source}: no target of `{UP}` names a service")
            case Unavailable(reason=reason):
                silent.append(f"{question.source}: {reason}")
            case None:
                silent.append(f"{question.source}: no answer within {seconds:g} s")
    return Discovery(tuple(_connected(told)), tuple(dict.fromkeys(silent)), bool(questions))


def _questions(sources: Sources, databases: Sequence[str], now: datetime, cluster: bool) -> list[Question]:
    window, present = Window(start=now - _LOOK, end=now), set(sources.available())
    questions: list[Question] = []
    if Source.METRICS in present:
        questions.append(SeriesNamed(window=window, metric=UP))
    if Source.CLUSTER in present and cluster:
        questions.append(ClusterSnapshot(window=window))
    if Source.DATABASE in present:
        questions += [Activity(database=name, window=window) for name in databases]
    return questions


def _ask(sources: Sources, question: Question, now: datetime, replies: _Replies) -> None:
    try:
        replies.put(question, sources.ask(question, now=now))
    except Exception as error:  # noqa: BLE001 - a thread's edge: a defect of a source is its silence
        log.info("%s failed unexpectedly (%s)", question.name, type(error).__name__)
        replies.put(question, Unavailable(question.source, f"failed unexpectedly ({type(error).__name__})"))


def _told(reading: Reading) -> Iterable[Told]:
    answer = reading.answer
    if isinstance(answer, SeriesSet):
        return _of_series(answer)
    if isinstance(answer, ClusterState):
        return _of_cluster(answer)
    if isinstance(answer, ActivitySnapshots) and isinstance(reading.question, Activity):
        return _of_sessions(answer, reading.question.database)
    return ()


def _of_series(answer: SeriesSet) -> Iterable[Told]:
    for key in answer.keys:
        name = key.get("service")
        if name:
            namespace = key.get("namespace")
            workload = next(
                (f"{kind}/{value}" for label, kind in _WORKLOAD_LABELS if (value := key.get(label))), ""
            )
            yield Told(
                name,
                "discovered: labels of metrics",
                {"namespace": _some(namespace), "workload": _some(workload)},
            )


def _of_cluster(answer: ClusterState) -> Iterable[Told]:
    for pod in answer.pods:
        workload = pod.workload or ""
        name = pod.service or workload.rpartition("/")[2]
        if name:
            yield Told(
                name,
                "discovered: workloads of the cluster",
                {"namespace": _some(pod.namespace), "workload": _some(workload)},
            )


def _of_sessions(answer: ActivitySnapshots, database: str) -> Iterable[Told]:
    names = {group.application for snapshot in answer.snapshots for group in snapshot.groups}
    for name in sorted(names - {""}):
        yield Told(name, _SESSIONS, {"databases": (database,)})


_SESSIONS = "discovered: sessions of the database"


def _connected(told: Sequence[Told]) -> Iterable[Told]:
    """All but sessions whose name no other source takes for a service: those are tools and people."""
    known = {each.service for each in told if each.origin != _SESSIONS}
    return (each for each in told if each.origin != _SESSIONS or each.service in known)


def _some(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()
