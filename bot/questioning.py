"""Every question of an investigation for people: of which source, what, why it was asked, what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from connectors.contract import Frozen, Source, Unavailable
from graph.model import Weighing
from graph.planning import sweep
from graph.record import Asked
from playbooks.catalogue import load_catalogue
from playbooks.model import Incident

WORDS: Final = {
    "SeriesSweep": "how every metric moved",
    "SeriesNamed": "how one metric moved",
    "SpanSample": "where requests spend their time and fail",
    "LogSample": "what was logged",
    "LogPatterns": "which messages became more or fewer",
    "ClusterSnapshot": "how workloads, pods and nodes stand",
    "ChangeTimeline": "what was changed",
    "CommitLog": "the commits behind the changes",
    "CallEdges": "who calls whom",
    "ProviderStatus": "what providers say of themselves",
    "StatementStatistics": "which statements cost most",
    "TableStatistics": "how tables are read and grow",
    "IndexList": "which indexes there are",
    "Activity": "what sessions do and wait for",
    "LockChain": "who blocks whom",
    "StatementPlan": "how a statement is carried out",
    "HypotheticalIndexes": "what an index would gain",
    "ConnectionsInUse": "who holds the connections",
    "LongTransactions": "which transactions are old",
    "VacuumState": "whether vacuum keeps up",
    "CheckpointsAndWal": "how often is written to disk",
    "ReplicationLag": "whether standbys keep up",
    "DatabaseTotals": "deadlocks, temporary files, rollbacks",
    "KeysLeft": "whether keys run out",
    "SettingsInForce": "which settings were changed",
    "IndexCondition": "whether indexes are sound",
    "VersionChecks": "whether versions match",
    "MigrationFiles": "the migrations of the deployed revision",
    "SchemaDump": "the schema as it is",
}
"""What a question asks, by its kind."""

FIRST_LOOK: Final = "the first look, before anything is suspected"
_MOST_CAUSES: Final = 3


class QuestionSeen(Frozen):
    """One question. `cited`: what its answer says for or against causes; `unavailable`: why there is none."""

    source: Source
    asked: str
    why: str
    cited: tuple[str, ...] = ()
    unavailable: str = ""


def seen(asked: Sequence[Asked], incident: Incident, weighing: Weighing) -> tuple[QuestionSeen, ...]:
    """The questions in the order of their sources; what came back as far as this weighing cites it."""
    first = {question.key() for question in sweep(incident, frozenset(Source))}
    times = Counter(each.question.name for each in asked)
    return tuple(
        QuestionSeen(
            source=each.question.source,
            asked=_asked(each),
            why=FIRST_LOOK if each.question.key() in first else _why(each.question.name, weighing),
            cited=_cited(each, weighing, times[each.question.name] == 1),
            unavailable=each.answer.reason if isinstance(each.answer, Unavailable) else "",
        )
        for each in asked
    )


def _asked(each: Asked) -> str:
    words = WORDS.get(each.question.name, each.question.name)
    database = getattr(each.question, "database", "")
    return f"{words} ({database})" if database else words


def _why(name: str, weighing: Weighing) -> str:
    """The proposed causes that the question tells apart, by the playbooks that want it asked."""
    wanting = {book.id for book in load_catalogue().playbooks if any(q.name == name for q in book.questions)}
    causes = dict.fromkeys(each.cause for each in weighing.proposals if each.cause in wanting)
    named = [cause.replace("_", " ") for cause in causes][:_MOST_CAUSES]
    return f"may tell {', '.join(named)} from the rest" if named else "causes suspected by then wanted it"


def _cited(each: Asked, weighing: Weighing, only: bool) -> tuple[str, ...]:
    if isinstance(each.answer, Unavailable):
        return ()
    facts = [fact for fact in weighing.evidence.values() if fact.question == each.question.name]
    # A single series has a hash of its own: it is known by its question, where that was asked once.
    return tuple(dict.fromkeys(fact.value for fact in facts if only or fact.sha256 == each.answer.sha256))
