"""readings.jsonl: what a database, the cluster, a log store's patterns and status pages answered.

Names and fields are those that the readers of a case know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors import answers as a
from connectors.case.database_kept import KEPT
from connectors.contract import Frozen, Reading
from connectors.questions import DatabaseQuestion, HypotheticalIndexes
from connectors.recording.documents import iso
from connectors.redaction import redacted, redacted_pairs

NAME = "readings.jsonl"
Object = dict[str, object]
_TEXTS = frozenset({"query", "blocked_query", "blocker_query", "filter", "message", "detail", "pattern"})
_WRITTEN: dict[type[Frozen], dict[str, str]] = {
    a.Table: {"db_schema": "schema"},
    a.Index: {"db_schema": "schema", "size_bytes": "bytes"},
}


def write(case: Path, found: Sequence[Reading]) -> None:
    """Write a line for each recorded moment of each reading, where there are any."""
    lines = [line for reading in found for line in _lines(reading)]
    if lines:
        text = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
        (case / NAME).write_text(text, encoding="utf-8")


def _lines(reading: Reading) -> Iterator[Object]:
    maker = MAKERS.get(type(reading.answer))
    if maker is not None:
        yield from maker(reading)
    elif type(reading.question) in KEPT and isinstance(reading.answer, Frozen):
        name, _ = KEPT[type(reading.question)]
        yield _database(reading, name, reading.at, _tree(reading.answer.model_dump(mode="json")))


def _database(reading: Reading, question: str, at: datetime, answer: object, **more: object) -> Object:
    assert isinstance(reading.question, DatabaseQuestion)
    params: Object = {"database": reading.question.database, **more}
    return {"connector": "database", "question": question, "params": params, "at": iso(at), "answer": answer}


def _row(row: Frozen) -> Object:
    """A row by the names the case's format has, its free texts redacted."""
    names = _WRITTEN.get(type(row), {})
    fields = row.model_dump(mode="json", exclude_none=True)
    return {names.get(name, name): _clean(name, value) for name, value in fields.items()}


def _clean(name: str, value: object) -> object:
    return redacted(value) if name in _TEXTS and isinstance(value, str) else value


def _tree(value: object) -> object:
    """A nested answer, its free texts redacted."""
    if isinstance(value, dict):
        return {name: _clean(name, _tree(inner)) for name, inner in value.items()}
    return [_tree(inner) for inner in value] if isinstance(value, list) else value


def _statements(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.StatementSnapshots)
    for each in reading.answer.snapshots:
        yield _database(reading, "statement_statistics", each.at, [_row(row) for row in each.statements])


def _tables(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.TableSnapshots)
    for each in reading.answer.snapshots:
        yield _database(reading, "table_statistics", each.at, [_row(row) for row in each.tables])


def _indexes(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.Indexes)
    yield _database(reading, "indexes", reading.at, [_row(row) for row in reading.answer.indexes])


def _activity(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.ActivitySnapshots)
    for each in reading.answer.snapshots:
        yield _database(reading, "activity", each.at, [_row(row) for row in each.groups])


def _locks(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.Locks)
    yield _database(reading, "lock_chain", reading.at, [_row(row) for row in reading.answer.locks])


def _plan(reading: Reading) -> Iterator[Object]:
    plan = reading.answer
    assert isinstance(plan, a.Plan)
    about = {"queryid": plan.queryid, "query": redacted(plan.query)}
    yield _database(reading, "plan", reading.at, {"plan": _node(plan.root)}, **about)


def _node(node: a.PlanNode) -> Object:
    tree: Object = {
        "Node Type": node.node_type,
        "Relation Name": node.relation,
        "Filter": redacted(node.filter) if node.filter is not None else None,
        "Index Name": node.index,
        "Total Cost": node.total_cost,
        "Plan Rows": node.rows,
        "Plans": [_node(child) for child in node.children],
    }
    return {name: value for name, value in tree.items() if value not in (None, [])}


def _gains(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.IndexGains)
    for gain in reading.answer.gains:
        about = {"queryid": gain.queryid, "table": gain.table, "columns": list(gain.columns)}
        yield _database(reading, "hypothetical_index", reading.at, _row(gain), **about)
    if not reading.answer.gains:
        question = reading.question
        asked = question.queryid if isinstance(question, HypotheticalIndexes) else None
        yield _database(
            reading, "hypothetical_index", reading.at, [], **({"queryid": asked} if asked else {})
        )


def _kept(reading: Reading) -> Iterator[Object]:
    """An answer that a case holds as it is, its free texts redacted."""
    assert isinstance(reading.answer, Frozen)
    name, _ = KEPT[type(reading.question)]
    yield _database(reading, name, reading.at, _deep(reading.answer.model_dump(mode="json")))


def _deep(value: object, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: _deep(inner, key) for key, inner in value.items()}
    return [_deep(inner) for inner in value] if isinstance(value, list) else _clean(name, value)


def _cluster(reading: Reading) -> Iterator[Object]:
    """The cluster as it was read: the kubectl form would need what the answer does not hold any more."""
    state = reading.answer
    assert isinstance(state, a.ClusterState)
    told = tuple(each.model_copy(update={"message": redacted(each.message)}) for each in state.events)
    rollouts = tuple(
        each.model_copy(update={"environment": redacted_pairs(each.environment)}) for each in state.rollouts
    )
    answer = state.model_copy(update={"events": told, "rollouts": rollouts}).model_dump(mode="json")
    yield {
        "connector": "cluster",
        "question": "cluster state",
        "params": {},
        "at": iso(reading.at),
        "answer": answer,
    }


def _patterns(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.PatternCounts)
    rows = [
        {
            "signature": redacted(each.pattern),
            "service": each.service,
            "count": each.count,
            "delta_vs_baseline": each.more,
            **({} if each.negative is None else {"sentiment": "negative" if each.negative else "positive"}),
        }
        for each in reading.answer.patterns
    ]
    yield {
        "connector": "logs", "question": "log patterns against the baseline", "params": {},
        "at": iso(reading.at), "answer": rows,
    }  # fmt: skip


def _status(reading: Reading) -> Iterator[Object]:
    assert isinstance(reading.answer, a.StatusFeeds)
    pages = [
        {
            "source": each.provider,
            "component": each.component,
            "events": [{"timestamp": iso(each.at), "status": each.status, "detail": redacted(each.detail)}],
        }
        for each in reading.answer.events
    ]
    yield {
        "connector": "status", "question": "provider status", "params": {},
        "at": iso(reading.at), "answer": pages,
    }  # fmt: skip


MAKERS: dict[type, Callable[[Reading], Iterator[Any]]] = {
    a.StatementSnapshots: _statements,
    a.TableSnapshots: _tables,
    a.Indexes: _indexes,
    a.ActivitySnapshots: _activity,
    a.Locks: _locks,
    a.Plan: _plan,
    a.IndexGains: _gains,
    a.ClusterState: _cluster,
    a.PatternCounts: _patterns,
    a.StatusFeeds: _status,
    **{kind: _kept for _, kind in KEPT.values()},
}
