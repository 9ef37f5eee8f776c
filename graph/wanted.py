"""Which further questions might change the ranking: those the likeliest hypotheses' playbooks name.

A question is wanted for its hypothesis' probability times the gain the playbook declares, per second of cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connectors.answers import StatementSnapshots
from connectors.contract import Question
from connectors.questions import HypotheticalIndexes, StatementPlan
from graph.hypotheses import Hypothesis
from graph.model import Wanted
from playbooks.catalogue import Asked, load_catalogue
from playbooks.model import Incident
from playbooks.observations import Observations

_ALIVE = 0.05
_MOST = 6


def wanted(incident: Incident, seen: Observations, hypotheses: Sequence[Hypothesis]) -> tuple[Wanted, ...]:
    """Questions worth asking, most gain first; never one that was answered."""
    answered = {reading.question.key() for reading in seen.everything()}
    best: dict[str, Wanted] = {}
    for hypothesis in hypotheses:
        if hypothesis.probability < _ALIVE:
            continue
        for asked, question in _questions(incident, seen, hypothesis):
            gain = hypothesis.probability * asked.gain / question.cost_seconds
            if (
                question.key() not in answered
                and gain > best.get(question.key(), Wanted(question=question, gain=0)).gain
            ):
                best[question.key()] = Wanted(question=question, gain=gain)
    return tuple(sorted(best.values(), key=lambda w: (-w.gain, w.question.key()))[:_MOST])


def _questions(
    incident: Incident, seen: Observations, hypothesis: Hypothesis
) -> Iterable[tuple[Asked, Question]]:
    book = load_catalogue().get(hypothesis.mechanism.cause)
    entry = next((s for s in incident.services if s.name == hypothesis.place.service), None)
    if book is None or entry is None or entry.database is None:
        return
    for asked in book.questions:
        if asked.name == "HypotheticalIndexes":
            yield asked, HypotheticalIndexes(database=entry.database)
        if asked.name == "StatementPlan":
            for queryid in _busiest(seen):
                yield asked, StatementPlan(database=entry.database, queryid=queryid)


def _busiest(seen: Observations) -> list[str]:
    """The statements whose total time is largest at the last snapshot, three at most."""
    found = seen.first(StatementSnapshots)
    if found is None or not found.answer.snapshots:
        return []
    last = found.answer.snapshots[-1].statements
    return [s.queryid for s in sorted(last, key=lambda s: (-s.total_exec_time_ms, s.queryid))[:3]]
