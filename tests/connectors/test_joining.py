from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from connectors.answers import (
    Answer,
    CallGraphEdges,
    Commit,
    Commits,
    Indexes,
    LogRecord,
    LogSet,
    SeriesKey,
    SeriesSet,
    SpanSet,
)
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable, Window
from connectors.exemplars import Exemplar, Exemplars, ExemplarTraces
from connectors.joining import joined
from connectors.questions import CallEdges, CommitLog, IndexList, LogSample, SeriesSweep, SpanSample

END = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
WINDOW = Window(start=END - timedelta(hours=1), end=END)
SWEEP = SeriesSweep(window=WINDOW)
A, B = SeriesKey("a", (("service", "cart"),)), SeriesKey("b", ())


def reading(question: Question, answer: Answer, *notes: str) -> Reading:
    return Reading(question.source, question, "up", END, answer, sha256(answer), notes)


def join(question: Question, *answers: Answer) -> Answer:
    replies = [(f"source/{n}", reading(question, answer)) for n, answer in enumerate(answers)]
    found = joined(question, replies)
    assert isinstance(found, Reading)
    assert found.sha256 == sha256(found.answer)
    return found.answer


def series(keys: Sequence[SeriesKey], times: Sequence[float], *rows: Sequence[float]) -> SeriesSet:
    return SeriesSet(tuple(keys), np.array(times, dtype=float), np.array(rows, dtype=float))


def joined_series(*sets: SeriesSet) -> SeriesSet:
    answer = join(SWEEP, *sets)
    assert isinstance(answer, SeriesSet)
    return answer


def test_series_of_two_servers_are_one_set() -> None:
    both = joined_series(series([A], [0, 15], [1, 2]), series([B], [0, 15], [3, 4]))
    assert both.keys == (A, B)
    assert both.values.tolist() == [[1, 2], [3, 4]]


def test_the_first_servers_samples_count_and_the_others_fill_its_gaps() -> None:
    both = joined_series(series([A], [0, 15, 30], [1, np.nan, 3]), series([A], [0, 15, 30], [9, 2, 9]))
    assert both.values.tolist() == [[1, 2, 3]]


def test_a_coarse_servers_counter_rises_evenly_on_the_fine_axis() -> None:
    fine = series([A], range(0, 61, 15), [1, 1, 1, 1, 1])
    coarse = series([B], [0, 30, 60], [0, 30, 60])
    both = joined_series(fine, coarse)
    assert both.times.tolist() == [0, 15, 30, 45, 60]
    assert both.values[1].tolist() == [0, 15, 30, 45, 60]


def test_a_coarse_servers_gauge_keeps_its_last_sample_for_its_own_step() -> None:
    fine = series([A], range(0, 91, 15), [1] * 7)
    coarse = series([B], [0, 30, 60], [5, 3, 4])
    both = joined_series(fine, coarse)
    assert np.array_equal(both.values[1], [5, 5, 3, 3, 4, 4, np.nan], equal_nan=True)


def test_a_counters_increase_after_its_last_sample_is_not_made_up() -> None:
    fine = series([A], range(0, 61, 15), [1] * 5)
    coarse = series([B], [0, 30], [0, 30])
    assert np.isnan(joined_series(fine, coarse).values[1][3:]).all()


def test_a_server_without_series_changes_nothing() -> None:
    empty = SeriesSet((), np.array([0.0, 60.0]), np.empty((0, 2)))
    both = joined_series(empty, series([A], [0, 15], [1, 2]))
    assert both.keys == (A,)
    assert both.values.tolist() == [[1, 2]]


def test_who_did_not_answer_is_named_in_the_notes() -> None:
    silent = Unavailable(Source.METRICS, "status 503", retry=True)
    found = joined(SWEEP, [("a", silent), ("b", reading(SWEEP, series([A], [0, 1], [1, 2]), "lag"))])
    assert isinstance(found, Reading)
    assert found.notes == ("partly: a: status 503", "lag")


def test_when_nobody_answers_every_reason_is_told() -> None:
    replies = [("a", Unavailable(Source.METRICS, "x")), ("b", Unavailable(Source.METRICS, "y", retry=True))]
    assert joined(SWEEP, replies) == Unavailable(Source.METRICS, "a: x; b: y", retry=True)


def test_when_nobody_is_there_that_is_told() -> None:
    assert isinstance(joined(SWEEP, []), Unavailable)


def test_an_answer_that_cannot_be_joined_is_the_first_ones_and_the_others_are_named() -> None:
    question = IndexList(database="shop")
    replies = [(name, reading(question, Indexes(indexes=()))) for name in ("a", "b", "c")]
    found = joined(question, replies)
    assert isinstance(found, Reading)
    assert found.notes == ("answered too, and not used: b, c",)


def test_edges_are_told_once() -> None:
    first, second = CallGraphEdges(edges=(("a", "b"),)), CallGraphEdges(edges=(("a", "b"), ("a", "c")))
    assert join(CallEdges(), first, second) == CallGraphEdges(edges=(("a", "b"), ("a", "c")))


def test_an_exemplar_that_two_servers_remember_counts_once() -> None:
    slow = Exemplar(trace="t1", at=END, value=3.0, metric="m")
    quick = Exemplar(trace="t2", at=END, value=0.1, metric="m")
    first, second = Exemplars(exemplars=(quick,)), Exemplars(exemplars=(slow, quick))
    assert join(ExemplarTraces(window=WINDOW), first, second) == Exemplars(exemplars=(slow, quick))


def test_of_two_tellings_of_a_commit_the_one_with_a_diff_counts() -> None:
    bare, whole = Commit(sha="1", at=END), Commit(sha="1", at=END, diff="+x")
    found = join(CommitLog(window=WINDOW), Commits(commits=(bare,)), Commits(commits=(whole,)))
    assert found == Commits(commits=(whole,))


def test_logs_are_in_the_order_of_time_and_cut_where_one_was() -> None:
    late, early = LogRecord(2.0, "a", "INFO", "late"), LogRecord(1.0, "b", "INFO", "early")
    found = join(LogSample(window=WINDOW), LogSet((late,)), LogSet((early,), truncated=True))
    assert found == LogSet((early, late), truncated=True)


def spans(*rows: tuple[str, int, float]) -> SpanSet:
    """Spans of one trace: id, row of the parent, start."""
    n = len(rows)
    return SpanSet(
        trace=("t",) * n,
        span=tuple(row[0] for row in rows),
        parent=np.array([row[1] for row in rows], dtype=np.int64),
        has_parent=np.array([row[1] >= 0 for row in rows]),
        service=("s",) * n,
        name=("GET",) * n,
        kind=np.zeros(n, dtype=np.int64),
        start=np.array([row[2] for row in rows]),
        end=np.array([row[2] + 1 for row in rows]),
        status=np.zeros(n, dtype=np.int64),
        weight=np.ones(n),
        attributes=({},) * n,
        events=((),) * n,
    )


def test_a_span_that_two_stores_hold_counts_once_and_keeps_its_parent() -> None:
    first = spans(("root", -1, 1.0), ("x", 0, 3.0))
    second = spans(("root", -1, 1.0), ("y", 0, 2.0))
    found = join(SpanSample(window=WINDOW), first, second)
    assert isinstance(found, SpanSet)
    assert found.span == ("root", "y", "x")
    assert found.parent.tolist() == [-1, 0, 0]


def test_a_reason_that_begins_with_the_sources_name_is_not_given_it_twice() -> None:
    silent = [(name, Unavailable(Source.METRICS, "one: refused")) for name in ("one", "two")]
    found = joined(SWEEP, silent)
    assert isinstance(found, Unavailable)
    assert found.reason == "one: refused; two: one: refused"
