"""Answers of a database that a case holds as they are: one JSON object, named as the answer's fields are."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from connectors import answers as a
from connectors import database_answers as d
from connectors import questions as q
from connectors.case.readings import NAME, Recording
from connectors.contract import Frozen, Question
from connectors.errors import CaseError

KEPT: Mapping[type[Question], tuple[str, type[Frozen]]] = {
    q.ConnectionsInUse: ("connections_in_use", d.ConnectionUse),
    q.LongTransactions: ("long_transactions", d.OldTransactions),
    q.VacuumState: ("vacuum_state", d.VacuumHealth),
    q.CheckpointsAndWal: ("checkpoints_and_wal", d.WriteAhead),
    q.ReplicationLag: ("replication_lag", d.ReplicationState),
    q.DatabaseTotals: ("database_totals", d.DatabaseCounters),
    q.KeysLeft: ("keys_left", d.KeySpace),
    q.SettingsInForce: ("settings_in_force", d.ServerSettings),
    q.IndexCondition: ("index_condition", d.IndexProblems),
    q.VersionChecks: ("version_checks", d.VersionMismatches),
}
"""The name under which each question's answer is recorded, and what the answer is."""


def kept(question: Question, recordings: list[Recording]) -> a.Answer:
    """The answer recorded last.

    Raises:
        CaseError: it is not what this question's answer looks like.
    """
    name, kind = KEPT[type(question)]
    try:
        answer: a.Answer = kind.model_validate(recordings[-1].answer)  # type: ignore[assignment]  # one of Answer
    except (ValidationError, ValueError) as error:
        raise CaseError(f"{NAME}: the answer to {name} cannot be read") from error
    return answer
