"""The last check before an answer leaves a case: nothing in it may be later than the incident's now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from connectors import answers as a
from connectors.errors import TimeLeakError
from connectors.exemplars import Exemplars

if TYPE_CHECKING:
    from connectors.answers import Answer


def refuse_later(answer: Answer, now: datetime) -> None:
    """TimeLeakError where the answer knows of anything after `now`."""
    limit = now.timestamp()
    latest = max(_times(answer), default=limit)
    if latest > limit:
        raise TimeLeakError(f"{type(answer).__name__} holds a time {latest - limit:.3f} s after {now:%FT%TZ}")


def _times(answer: Answer) -> Iterable[float]:
    times = _TIMES.get(type(answer))
    return times(answer) if times is not None else ()


def _series(answer: a.SeriesSet) -> Iterable[float]:
    return [float(answer.times.max())] if answer.times.size else []


def _spans(answer: a.SpanSet) -> Iterable[float]:
    last = [float(answer.end.max()), float(answer.start.max())] if answer.end.size else []
    return chain(last, *answer.intervals)


def _logs(answer: a.LogSet) -> Iterable[float]:
    return chain((record.at for record in answer.records), *answer.intervals)


def _seconds(moments: Iterable[datetime | None]) -> Iterator[float]:
    return (moment.timestamp() for moment in moments if moment is not None)


def _timeline(answer: a.Timeline) -> Iterable[float]:
    return _seconds(moment for change in answer.changes for moment in (change.at, *change.steps))


def _commits(answer: a.Commits) -> Iterable[float]:
    return _seconds(commit.at for commit in answer.commits)


def _status(answer: a.StatusFeeds) -> Iterable[float]:
    return _seconds(event.at for event in answer.events)


def _cluster(answer: a.ClusterState) -> Iterable[float]:
    containers = (container.last_exit_at for pod in answer.pods for container in pod.containers)
    starts = (pod.started_at for pod in answer.pods)
    rollouts = (rollout.at for rollout in answer.rollouts)
    return _seconds(chain(containers, starts, rollouts, (event.at for event in answer.events)))


def _snapshots(answer: a.StatementSnapshots | a.ActivitySnapshots) -> Iterable[float]:
    return _seconds(snapshot.at for snapshot in answer.snapshots)


def _tables(answer: a.TableSnapshots) -> Iterable[float]:
    return _seconds(
        moment
        for snapshot in answer.snapshots
        for moment in (
            snapshot.at,
            *chain.from_iterable((table.last_analyze, table.last_autovacuum) for table in snapshot.tables),
        )
    )


def _exemplars(answer: Exemplars) -> Iterable[float]:
    return _seconds(each.at for each in answer.exemplars)


_TIMES: dict[type, Callable[..., Iterable[float]]] = {
    a.SeriesSet: _series,
    a.SpanSet: _spans,
    a.LogSet: _logs,
    a.Timeline: _timeline,
    a.Commits: _commits,
    a.StatusFeeds: _status,
    a.ClusterState: _cluster,
    a.StatementSnapshots: _snapshots,
    a.ActivitySnapshots: _snapshots,
    a.TableSnapshots: _tables,
    Exemplars: _exemplars,
}
