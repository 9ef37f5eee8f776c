"""Which questions to ask: the first sweep, and what is still worth its time after a weighing.

Pure: values in, values out. Nothing here asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connectors import questions as vocabulary
from connectors.contract import Question, Source, Window, digest
from graph.errors import UnknownQuestionError
from graph.model import Weighing
from playbooks.model import Incident

WORTH_ASKING = 0.01
"""A question whose expected gain per second is lower than this is left alone."""

ROUND = 4
"""Questions asked between two weighings: few, because each answer may make the others pointless."""

_CHANGES_BEFORE = timedelta(days=3)
_KINDS: dict[str, type[Question]] = {
    name: kind
    for name, kind in vars(vocabulary).items()
    if isinstance(kind, type) and issubclass(kind, Question) and hasattr(kind, "source")
}
_ORDER = (
    Source.METRICS,
    Source.TRACES,
    Source.CHANGES,
    Source.CLUSTER,
    Source.LOGS,
    Source.DATABASE,
    Source.REPOSITORY,
    Source.TOPOLOGY,
    Source.STATUS,
)


def question_id(question: Question) -> str:
    """A short name for a question, equal for equal questions: its answer is kept under it."""
    return "q" + digest(question.key().encode())[:16]


def question_of(key: str) -> Question:
    """The question that a key was made of.

    Raises:
        UnknownQuestionError: the key is of a kind that is not in the vocabulary.
    """
    name, _, params = key.partition(":")
    if name not in _KINDS:
        raise UnknownQuestionError(f"the question {name!r} is unknown here")
    return _KINDS[name].model_validate_json(params)


def horizon(incident: Incident) -> Window:
    """The incident's window, ending no later than its now."""
    end = min(incident.window.end, incident.at)
    start = incident.window.start
    return Window(start=start if start < end else end - timedelta(hours=1), end=end)


def sweep(incident: Incident, available: Collection[Source]) -> tuple[Question, ...]:
    """The first, wide and cheap questions, the most telling first: one a source, then the next of each.

    HypotheticalIndexes and StatementPlan are not among them: they make the planner of a struggling
    database work, and wait until a weighing wants them.
    """
    window = horizon(incident)
    # A leak or a lapsed limit may take days to show: what changed is asked for longer than what moved.
    changed = Window(start=window.start - _CHANGES_BEFORE, end=window.end)
    everything: list[Question] = [
        vocabulary.SeriesSweep(window=window),
        vocabulary.SpanSample(window=window),
        vocabulary.ChangeTimeline(window=changed),
        vocabulary.CommitLog(window=changed),
        vocabulary.ClusterSnapshot(window=window, namespaces=_namespaces(incident)),
        vocabulary.LogSample(window=window),
        vocabulary.LogPatterns(window=window),
        *(question for name in _databases(incident) for question in _database_sweep(name, window)),
        vocabulary.MigrationFiles(),
        vocabulary.CallEdges(),
        vocabulary.ProviderStatus(window=window),
    ]
    return _in_turns(question for question in everything if question.source in available)


def _namespaces(incident: Incident) -> tuple[str, ...]:
    return tuple(sorted({entry.namespace for entry in incident.services if entry.namespace}))


def _databases(incident: Incident) -> list[str]:
    """The databases of the service map, the alerting service's own first."""
    own = {entry.database for entry in incident.services if entry.name == incident.service}
    names = {entry.database for entry in incident.services if entry.database}
    return sorted(names, key=lambda name: (name not in own, name))


def _database_sweep(name: str, window: Window) -> list[Question]:
    return [
        vocabulary.StatementStatistics(database=name, window=window),
        vocabulary.TableStatistics(database=name, window=window),
        vocabulary.IndexList(database=name),
        vocabulary.LockChain(database=name, window=window),
        vocabulary.Activity(database=name, window=window),
        vocabulary.SchemaDump(database=name),
        vocabulary.ConnectionsInUse(database=name),
        vocabulary.LongTransactions(database=name),
        vocabulary.VacuumState(database=name),
        vocabulary.KeysLeft(database=name),
        vocabulary.ReplicationLag(database=name),
        vocabulary.CheckpointsAndWal(database=name),
        vocabulary.SettingsInForce(database=name),
    ]


def _in_turns(questions: Iterable[Question]) -> tuple[Question, ...]:
    turn: dict[Source, int] = defaultdict(int)
    placed: list[tuple[int, int, Question]] = []
    for question in questions:
        placed.append((turn[question.source], _ORDER.index(question.source), question))
        turn[question.source] += 1
    return tuple(question for _, _, question in sorted(placed, key=lambda place: place[:2]))


@dataclass(frozen=True, slots=True)
class Plan:
    """Questions to ask next, and why others that were worth asking had to be left out (or nothing)."""

    questions: tuple[Question, ...]
    left_out: tuple[Question, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds that are left, and the queries that the whole investigation may make."""

    seconds_left: float
    queries: int


def within(questions: Sequence[Question], queries: int, made: int = 0) -> Plan:
    """As many of the questions, in their order, as the budget of queries holds beside those made."""
    room = max(queries - made, 0)
    if len(questions) <= room:
        return Plan(tuple(questions))
    allowed = "1 query" if queries == 1 else f"{queries} queries"
    return Plan(tuple(questions[:room]), tuple(questions[room:]), f"the budget of {allowed} is spent")


def following(
    weighing: Weighing, asked: Collection[str], available: Collection[Source], budget: Budget
) -> Plan:
    """The wanted questions that are worth their time, never asked and affordable, the best first."""
    wanted = [question for question in _wanted(weighing, asked) if question.source in available]
    in_time = [question for question in wanted if question.cost_seconds <= budget.seconds_left]
    if wanted and not in_time:
        return Plan((), tuple(wanted), "the time left has no room for another question")
    return within(in_time[:ROUND], budget.queries, len(asked))


def _wanted(weighing: Weighing, asked: Collection[str]) -> tuple[Question, ...]:
    """The questions worth asking that nobody asked, each once, by gain and then by key."""
    by_gain = sorted(weighing.wanted, key=lambda each: (-each.gain, each.question.key()))
    worth = {each.question.key(): each.question for each in by_gain if each.gain >= WORTH_ASKING}
    return tuple(question for question in worth.values() if question_id(question) not in asked)
