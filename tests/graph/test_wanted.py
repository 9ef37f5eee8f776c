from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.answers import IndexGains, Statement, StatementSnapshot, StatementSnapshots
from connectors.contract import Reading
from connectors.questions import HypotheticalIndexes, StatementPlan, StatementStatistics
from graph.hypotheses import Hypothesis, Place
from graph.wanted import wanted
from playbooks.mechanisms import Mechanism
from playbooks.model import Incident, ServiceEntry
from playbooks.observations import Observations
from tests.playbooks.judged import NOW, Shop, read

INCIDENT: Incident = Shop().incident(
    services=(ServiceEntry(name="cart", database="shop"), ServiceEntry(name="web"))
)


def _hypothesis(cause: str, probability: float, service: str = "cart") -> Hypothesis:
    return Hypothesis(
        Place(service, None, probability), Mechanism(cause, 1.0, None, (), ()), (), (), probability
    )


def _statistics(*totals: float) -> Reading:
    statements = tuple(
        Statement(queryid=f"{n}", query="SELECT 1", calls=1, total_exec_time_ms=t)
        for n, t in enumerate(totals)
    )
    snapshots = tuple(StatementSnapshot(at=NOW - timedelta(minutes=m), statements=statements) for m in (5, 0))
    question = StatementStatistics(database="shop", window=INCIDENT.window)
    return read(question, StatementSnapshots(snapshots=snapshots))


def _asked(*readings: Reading, hypotheses: tuple[Hypothesis, ...]) -> list[str]:
    return [w.question.name for w in wanted(INCIDENT, Observations(readings), hypotheses)]


def test_a_live_hypothesis_of_a_missing_index_wants_hypothetical_indexes() -> None:
    assert _asked(hypotheses=(_hypothesis("missing_index", 0.6),)).count("HypotheticalIndexes") == 1


def test_a_dead_hypothesis_wants_nothing() -> None:
    assert _asked(hypotheses=(_hypothesis("missing_index", 0.04),)) == []


@pytest.mark.parametrize(
    ("cause", "service"),
    [("missing_index", "web"), ("missing_index", "nobody"), ("unknown_mechanism", "cart")],
)
def test_where_there_is_no_database_or_playbook_nothing_is_asked_of_one(cause: str, service: str) -> None:
    assert _asked(hypotheses=(_hypothesis(cause, 0.9, service),)) == []


def test_a_question_that_was_answered_is_never_wanted_again() -> None:
    told = read(HypotheticalIndexes(database="shop"), IndexGains(gains=()))
    assert "HypotheticalIndexes" not in _asked(told, hypotheses=(_hypothesis("missing_index", 0.6),))


def test_a_question_of_two_hypotheses_is_wanted_once_for_the_likelier() -> None:
    likely, less = _hypothesis("missing_index", 0.6), _hypothesis("missing_index", 0.2)
    one, both = (wanted(INCIDENT, Observations(()), given) for given in ((likely,), (less, likely)))
    assert both == one


def test_questions_come_by_their_gain_and_are_few() -> None:
    found = wanted(
        INCIDENT,
        Observations((_statistics(1, 9, 5, 7, 3),)),
        [_hypothesis(cause, 0.3) for cause in ("missing_index", "slow_query", "stale_statistics")],
    )
    assert len(found) <= 6
    assert [w.gain for w in found] == sorted((w.gain for w in found), reverse=True)
    assert all(w.gain > 0.0 for w in found)


def test_only_the_plans_of_the_busiest_statements_are_wanted() -> None:
    every = [_hypothesis(cause, 0.9) for cause in ("missing_index", "slow_query", "stale_statistics")]
    found = wanted(INCIDENT, Observations((_statistics(1, 9, 5, 7, 3),)), every)
    plans = {w.question.queryid for w in found if isinstance(w.question, StatementPlan)}
    assert plans <= {"1", "3", "2"}


def test_the_same_readings_want_the_same_questions() -> None:
    hypotheses = [_hypothesis(cause, 0.3) for cause in ("slow_query", "missing_index")]
    seen = Observations((_statistics(1, 2),))
    assert wanted(INCIDENT, seen, hypotheses) == wanted(INCIDENT, seen, hypotheses[::-1])
