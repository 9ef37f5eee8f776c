from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.contract import Source, Window
from connectors.questions import DatabaseQuestion, SeriesSweep, StatementPlan
from graph.errors import UnknownQuestionError
from graph.model import Verdict, Wanted, Weighing
from graph.planning import (
    ROUND,
    WORTH_ASKING,
    Budget,
    following,
    horizon,
    question_id,
    question_of,
    sweep,
    within,
)
from tests.graph.fakes import INCIDENT, NOW

PLENTY = Budget(seconds_left=60, queries=100)


def _weighing(*wanted: Wanted) -> Weighing:
    return Weighing(
        verdict=Verdict.UNKNOWN,
        summary="",
        proposals=(),
        none_of_these=1,
        calibrated=False,
        evidence={},
        wanted=wanted,
    )


def _plan(queryid: str, gain: float) -> Wanted:
    return Wanted(question=StatementPlan(database="shop", queryid=queryid), gain=gain)


def test_the_window_ends_at_the_incidents_now() -> None:
    assert horizon(INCIDENT).end == NOW


def test_a_window_that_begins_after_now_becomes_the_hour_before_it() -> None:
    later = Window(start=NOW + timedelta(hours=1), end=NOW + timedelta(hours=2))
    window = horizon(INCIDENT.model_copy(update={"window": later}))
    assert (window.start, window.end) == (NOW - timedelta(hours=1), NOW)


def test_every_question_of_the_sweep_survives_being_a_key() -> None:
    for question in sweep(INCIDENT, tuple(Source)):
        assert question_of(question.key()) == question


def test_a_key_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(UnknownQuestionError, match="Divination"):
        question_of("Divination:{}")


def test_only_available_sources_are_swept() -> None:
    assert {question.source for question in sweep(INCIDENT, [Source.LOGS])} == {Source.LOGS}


def test_the_sweep_asks_each_source_once_before_any_source_twice() -> None:
    first = sweep(INCIDENT, tuple(Source))[: len(Source)]
    assert {question.source for question in first} == set(Source)
    assert isinstance(first[0], SeriesSweep)


def test_the_database_of_the_alerting_service_comes_before_the_others() -> None:
    databases = [
        each.database for each in sweep(INCIDENT, tuple(Source)) if isinstance(each, DatabaseQuestion)
    ]
    assert databases == sorted(databases, key=lambda name: name != "shop")
    assert set(databases) == {"shop", "products"}


def test_the_budget_of_queries_keeps_the_first_questions_and_says_so() -> None:
    questions = sweep(INCIDENT, tuple(Source))
    plan = within(questions, 3, made=2)
    assert plan.questions == questions[:1]
    assert plan.left_out == questions[1:]
    assert plan.why == "the budget of 3 queries is spent"


def test_what_is_worth_most_is_asked_first_and_only_so_many() -> None:
    wanted = [_plan(str(n), gain=float(n + 1)) for n in range(ROUND + 2)]
    plan = following(_weighing(*wanted), set(), tuple(Source), PLENTY)
    assert plan.questions == tuple(each.question for each in reversed(wanted))[:ROUND]
    assert not plan.why


def test_what_is_not_worth_its_time_is_not_asked() -> None:
    assert following(_weighing(_plan("1", WORTH_ASKING / 2)), set(), tuple(Source), PLENTY).questions == ()


def test_a_question_that_was_asked_is_not_planned_again() -> None:
    wanted = _plan("1", 1.0)
    assert (
        following(_weighing(wanted, wanted), {question_id(wanted.question)}, tuple(Source), PLENTY).questions
        == ()
    )


def test_without_time_for_a_wanted_question_the_plan_says_why_it_is_empty() -> None:
    plan = following(_weighing(_plan("1", 1.0)), set(), tuple(Source), Budget(seconds_left=0.1, queries=100))
    assert plan.questions == ()
    assert plan.why == "the time left has no room for another question"


def test_time_has_no_say_while_there_is_enough() -> None:
    weighing = _weighing(_plan("1", 1.0), _plan("2", 2.0))
    assert following(weighing, set(), tuple(Source), Budget(5, 100)) == following(
        weighing, set(), tuple(Source), Budget(50, 100)
    )


def test_a_source_that_is_not_there_is_not_asked_however_much_is_wanted() -> None:
    assert following(_weighing(_plan("1", 1.0)), set(), [Source.METRICS], PLENTY).questions == ()


def test_the_sweep_makes_no_database_plan_anything() -> None:
    names = {question.name for question in sweep(INCIDENT, tuple(Source))}
    assert not names & {"HypotheticalIndexes", "StatementPlan"}
    assert "StatementStatistics" in names
