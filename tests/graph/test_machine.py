from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence

import pytest

from bot.investigation import (
    Confirm,
    Investigator,
    Options,
    Outcome,
    Partly,
    Progress,
    RuleOut,
    Skip,
    SomethingElse,
)
from connectors.contract import Question, Reading, Source, Unavailable
from graph.asking import ATTEMPTS
from graph.errors import NotWaitingError, OtherIncidentError, UnknownProposalError
from graph.model import Weighing
from graph.record import MemoryRecord, weighing_bytes
from playbooks.model import Incident
from tests.graph.fakes import INCIDENT, FakeSources, Flaky, is_busy, raises, reading, refuses, toy_weigh

CLOSE = Options(confirm="no")


def _investigator(sources: FakeSources, options: Options = CLOSE) -> Investigator:
    return Investigator(sources, MemoryRecord(), options, weigh=toy_weigh, sleep=lambda _: None)


def _investigated(sources: FakeSources, options: Options = CLOSE) -> Outcome:
    return _investigator(sources, options).investigate(INCIDENT)


def test_every_source_contributes_and_every_wanted_question_is_asked() -> None:
    sources = FakeSources()
    outcome = _investigated(sources)
    assert outcome.status == "closed"
    assert set(outcome.coverage.values()) == {"ok"}
    assert set(outcome.coverage) == {source.value for source in Source}
    assert outcome.queries == sum(sources.asked.values())
    assert sum("StatementPlan" in key for key in sources.asked) == 3
    assert outcome.partial == ""
    assert outcome.weighing.proposals[0].id == "missing_index"


def test_no_question_is_asked_twice() -> None:
    sources = FakeSources()
    _investigated(sources)
    assert set(sources.asked.values()) == {1}


def test_the_order_in_which_sources_answer_does_not_show() -> None:
    def late(question: Question) -> Reading:
        time.sleep(0.1)
        return reading(question)

    slow_metrics = _investigated(FakeSources({"SeriesSweep": late}))
    slow_logs = _investigated(FakeSources({"LogSample": late}))
    assert weighing_bytes(slow_metrics.weighing) == weighing_bytes(slow_logs.weighing)
    assert slow_metrics.coverage == slow_logs.coverage


def test_sources_are_asked_side_by_side() -> None:
    together = threading.Barrier(2, timeout=5)

    def meets(question: Question) -> Reading:
        together.wait()
        return reading(question)

    outcome = _investigated(FakeSources({"SeriesSweep": meets, "LogSample": meets}))
    assert outcome.gaps == ()


def test_the_readings_are_weighed_in_the_same_order_each_time() -> None:
    orders = []

    def noting(incident: Incident, readings: Sequence[Reading], ruled_out: Collection[str]) -> Weighing:
        orders.append([each.question.key() for each in readings])
        return toy_weigh(incident, readings, ruled_out)

    for _ in range(2):
        Investigator(FakeSources(), MemoryRecord(), CLOSE, weigh=noting).investigate(INCIDENT)
    assert orders[: len(orders) // 2] == orders[len(orders) // 2 :]


def test_a_source_that_says_no_is_shown_and_sinks_nothing() -> None:
    outcome = _investigated(FakeSources({"SeriesSweep": refuses}))
    assert outcome.coverage["metrics"] == "unavailable: HTTP 403 from the fake"
    assert outcome.coverage["traces"] == "ok"
    assert [gap.question.name for gap in outcome.gaps] == ["SeriesSweep"]


def test_a_source_that_left_something_out_is_told_as_partial() -> None:
    outcome = _investigated(FakeSources({"CommitLog": refuses}))
    assert outcome.coverage["changes"] == "partly: HTTP 403 from the fake"
    assert [gap.question.name for gap in outcome.gaps] == ["CommitLog"]


def test_a_source_that_is_not_configured_is_said_to_be_so() -> None:
    outcome = _investigated(FakeSources(available=[Source.METRICS]))
    assert outcome.coverage["metrics"] == "ok"
    assert outcome.coverage["logs"] == "unavailable: no source of this kind"


def test_without_any_source_there_is_still_an_outcome() -> None:
    outcome = _investigated(FakeSources(available=[]))
    assert outcome.queries == 0
    assert outcome.weighing.verdict == "unknown"


def test_a_source_that_always_raises_is_tried_again_and_then_unavailable() -> None:
    sources = FakeSources({"SeriesSweep": raises})
    outcome = _investigated(sources)
    assert outcome.coverage["metrics"] == "unavailable: failed unexpectedly (KeyError)"
    assert sum(count for key, count in sources.asked.items() if "SeriesSweep" in key) == ATTEMPTS


def test_the_text_of_an_unexpected_exception_is_not_shown() -> None:
    assert "secret" not in str(_investigated(FakeSources({"SeriesSweep": raises})))


def test_a_source_that_raises_once_answers_in_the_end() -> None:
    outcome = _investigated(FakeSources({"SeriesSweep": Flaky(raises, times=1)}))
    assert outcome.coverage["metrics"] == "ok"


def test_one_question_that_raises_leaves_the_sources_other_questions_alone() -> None:
    sources = FakeSources({"StatementStatistics": raises})
    outcome = _investigated(sources)
    assert {gap.question.name for gap in outcome.gaps} == {"StatementStatistics"}
    assert {count for key, count in sources.asked.items() if "StatementStatistics" not in key} == {1}


def test_a_busy_source_is_asked_again_and_its_question_counts_once() -> None:
    sources = FakeSources({"SeriesSweep": Flaky(is_busy, times=2)})
    outcome = _investigated(sources)
    assert outcome.coverage["metrics"] == "ok"
    assert outcome.queries == len(sources.asked)


def test_a_source_that_stays_busy_is_unavailable() -> None:
    outcome = _investigated(FakeSources({"SeriesSweep": is_busy}))
    assert outcome.coverage["metrics"] == "unavailable: HTTP 429 from the fake"


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    release = threading.Event()
    yield release
    release.set()


def test_a_hanging_source_times_out_and_is_not_asked_anything_else(hanging: threading.Event) -> None:
    def hangs(question: Question) -> Reading:
        hanging.wait()
        return reading(question)

    sources = FakeSources({"ChangeTimeline": hangs})
    outcome = _investigated(sources, Options(question_seconds=1, confirm="no"))
    assert outcome.coverage["changes"] == "unavailable: timed out after 1 s"
    assert outcome.gaps[1].answer == Unavailable(Source.CHANGES, "not asked: the source timed out before")
    assert not any("CommitLog" in key for key in sources.asked)
    assert outcome.coverage["metrics"] == "ok"


def test_a_budget_of_no_seconds_ends_in_a_partial_outcome() -> None:
    sources = FakeSources()
    outcome = _investigated(sources, Options(seconds=0, confirm="no"))
    assert outcome.status == "closed"
    assert outcome.partial == "the budget of 0 s is spent"
    assert not sources.asked
    assert set(outcome.coverage.values()) == {"unavailable: the budget of 0 s is spent"}


def test_a_budget_of_one_query_asks_for_the_metrics_and_says_what_is_missing() -> None:
    sources = FakeSources()
    outcome = _investigated(sources, Options(queries=1, confirm="no"))
    assert [key.split(":")[0] for key in sources.asked] == ["SeriesSweep"]
    assert outcome.queries == 1
    assert outcome.coverage["metrics"] == "ok"
    assert outcome.coverage["logs"] == "unavailable: the budget of 1 query is spent"
    assert outcome.weighing.proposals


def test_the_budget_of_queries_holds_while_more_is_wanted() -> None:
    sources = FakeSources()
    swept = _investigated(FakeSources()).queries - 3
    outcome = _investigated(sources, Options(queries=swept + 1, confirm="no"))
    assert outcome.queries == swept + 1
    assert outcome.partial == f"the budget of {swept + 1} queries is spent"


def test_a_source_that_hangs_until_the_time_is_spent_leaves_a_partial_outcome(
    hanging: threading.Event,
) -> None:
    def hangs(question: Question) -> Reading:
        hanging.wait()
        return reading(question)

    outcome = _investigated(FakeSources({"SeriesSweep": hangs}), Options(seconds=2, confirm="no"))
    assert outcome.coverage["metrics"].startswith("unavailable: timed out after")
    assert outcome.coverage["logs"] == "ok"
    assert outcome.partial == "the budget of 2 s is spent"


def test_a_judgement_that_raises_loses_nothing_that_was_asked() -> None:
    sources, record = FakeSources(), MemoryRecord()

    def broken(*_: object) -> Weighing:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Investigator(sources, record, CLOSE, weigh=broken).investigate(INCIDENT)
    outcome = Investigator(sources, record, CLOSE, weigh=toy_weigh).investigate(INCIDENT)
    assert outcome.status == "closed"
    assert set(sources.asked.values()) == {1}


def test_the_clock_ends_asking_in_the_middle_of_the_sweep() -> None:
    ticks = iter(range(1000))
    investigator = Investigator(
        FakeSources(),
        MemoryRecord(),
        Options(seconds=12, confirm="no"),
        weigh=toy_weigh,
        clock=lambda: float(next(ticks)),
    )
    outcome = investigator.investigate(INCIDENT)
    assert outcome.partial
    assert outcome.status == "closed"


def test_the_clock_has_no_say_in_an_unhurried_ranking() -> None:
    ticks = iter(range(10_000))
    slow = Investigator(
        FakeSources(),
        MemoryRecord(),
        Options(seconds=5000, confirm="no"),
        weigh=toy_weigh,
        clock=lambda: float(next(ticks)),
    )
    fast = _investigated(FakeSources())
    assert weighing_bytes(slow.investigate(INCIDENT).weighing) == weighing_bytes(fast.weighing)


def test_the_machine_waits_for_a_person() -> None:
    outcome = _investigated(FakeSources(), Options())
    assert outcome.status == "awaiting_confirmation"
    assert outcome.confirmation is None
    assert len(outcome.weighing.proposals) == 3


def test_asking_again_while_it_waits_shows_the_same_proposal() -> None:
    sources = FakeSources()
    investigator = _investigator(sources, Options())
    first, second = investigator.investigate(INCIDENT), investigator.investigate(INCIDENT)
    assert first.weighing == second.weighing
    assert second.status == "awaiting_confirmation"
    assert set(sources.asked.values()) == {1}


def test_a_confirmation_closes_and_is_the_label() -> None:
    investigator = _investigator(FakeSources(), Options())
    investigator.investigate(INCIDENT)
    outcome = investigator.answer(INCIDENT.id, Confirm())
    assert outcome.status == "closed"
    assert outcome.confirmation is not None
    assert outcome.confirmation.decision == "confirm"
    assert outcome.confirmation.proposal == "missing_index"


def test_ruling_out_weighs_again_without_it_and_asks_no_question_twice() -> None:
    sources = FakeSources()
    investigator = _investigator(sources, Options())
    investigator.investigate(INCIDENT)
    outcome = investigator.answer(INCIDENT.id, RuleOut(proposal="missing_index"))
    assert outcome.status == "awaiting_confirmation"
    assert [proposal.id for proposal in outcome.weighing.proposals] == ["bad_deploy", "downstream_dependency"]
    assert outcome.ruled_out == ("missing_index",)
    assert set(sources.asked.values()) == {1}
    final = investigator.answer(INCIDENT.id, Confirm(proposal="downstream_dependency"))
    assert final.ruled_out == ("missing_index",)
    assert final.confirmation is not None
    assert final.confirmation.cause == "downstream_dependency"


def test_every_answer_of_a_person_is_kept_as_a_label() -> None:
    investigator = _investigator(FakeSources(), Options())
    investigator.investigate(INCIDENT)
    for cause in ("missing_index", "bad_deploy", "downstream_dependency"):
        outcome = investigator.answer(INCIDENT.id, RuleOut(proposal=cause))
    assert outcome.weighing.proposals == ()
    outcome = investigator.answer(INCIDENT.id, SomethingElse(text="a cut cable"))
    assert outcome.confirmation is not None
    assert outcome.confirmation.text == "a cut cable"
    labels = investigator.record.labels(INCIDENT.id)
    assert [label.decision for label in labels] == ["rule_out", "rule_out", "rule_out", "something_else"]


def test_partly_right_closes_with_what_else_there_was() -> None:
    investigator = _investigator(FakeSources(), Options())
    investigator.investigate(INCIDENT)
    outcome = investigator.answer(INCIDENT.id, Partly(proposal="bad_deploy", text="and a full disk"))
    assert outcome.confirmation is not None
    assert (outcome.confirmation.cause, outcome.confirmation.text) == ("bad_deploy", "and a full disk")


def test_skipping_closes_without_a_label() -> None:
    investigator = _investigator(FakeSources(), Options())
    investigator.investigate(INCIDENT)
    outcome = investigator.answer(INCIDENT.id, Skip())
    assert outcome.status == "closed"
    assert outcome.confirmation is None


def test_the_option_yes_confirms_the_first_proposal() -> None:
    outcome = _investigated(FakeSources(), Options(confirm="yes"))
    assert outcome.confirmation is not None
    assert outcome.confirmation.proposal == "missing_index"


def test_a_decision_on_an_unknown_proposal_is_refused_and_changes_nothing() -> None:
    investigator = _investigator(FakeSources(), Options())
    before = investigator.investigate(INCIDENT)
    with pytest.raises(UnknownProposalError, match="sunspots"):
        investigator.answer(INCIDENT.id, RuleOut(proposal="sunspots"))
    assert investigator.investigate(INCIDENT).weighing == before.weighing
    assert investigator.record.labels(INCIDENT.id) == ()


def test_an_answer_to_nothing_is_refused() -> None:
    investigator = _investigator(FakeSources())
    with pytest.raises(NotWaitingError):
        investigator.answer(INCIDENT.id, Confirm())
    investigator.investigate(INCIDENT)
    with pytest.raises(NotWaitingError):
        investigator.answer(INCIDENT.id, Confirm())


def test_a_closed_investigation_is_only_shown() -> None:
    sources = FakeSources()
    investigator = _investigator(sources)
    first = investigator.investigate(INCIDENT)
    assert investigator.investigate(INCIDENT) == first
    assert set(sources.asked.values()) == {1}


def test_a_forgotten_investigation_begins_anew() -> None:
    sources = FakeSources()
    investigator = _investigator(sources)
    investigator.investigate(INCIDENT)
    investigator.forget(INCIDENT.id)
    investigator.investigate(INCIDENT)
    assert set(sources.asked.values()) == {2}


def test_a_thread_belongs_to_one_incident() -> None:
    investigator = _investigator(FakeSources())
    investigator.investigate(INCIDENT, "thread")
    with pytest.raises(OtherIncidentError):
        investigator.investigate(INCIDENT.model_copy(update={"title": "another"}), "thread")


def test_the_listener_hears_stages_in_order_and_every_question_begin_and_end() -> None:
    heard: list[Progress] = []
    Investigator(FakeSources(), MemoryRecord(), CLOSE, heard.append, weigh=toy_weigh).investigate(INCIDENT)
    stages = list(dict.fromkeys(event.stage for event in heard))
    assert stages == ["scope", "gather", "weigh", "ask", "propose", "confirm", "close"]
    questions = [event for event in heard if event.question]
    begun = sorted(event.question for event in questions if event.state == "started")
    assert begun == sorted(event.question for event in questions if event.state == "answered")
