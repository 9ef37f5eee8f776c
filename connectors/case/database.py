"""What a PostgreSQL answered while the case was recorded, from readings.jsonl; and its dump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeVar

from connectors import answers as a
from connectors.case.database_kept import KEPT, kept
from connectors.case.directory import CaseDirectory
from connectors.case.jsonl import Record, objects, optional, text, texts
from connectors.case.reader import Found, instant, missing, unasked, until
from connectors.case.readings import NAME, Readings, Recording
from connectors.contract import Frozen, Question, Source, Unavailable, Window
from connectors.questions import (
    Activity,
    DatabaseQuestion,
    HypotheticalIndexes,
    IndexList,
    LockChain,
    SchemaDump,
    StatementPlan,
    StatementStatistics,
    TableStatistics,
)

Row = TypeVar("Row", bound=Frozen)
_RENAMED: dict[type[Frozen], dict[str, str]] = {
    a.Table: {"schema": "db_schema"},
    a.Index: {"schema": "db_schema", "bytes": "size_bytes"},
}
_MOMENTS = frozenset({"last_analyze", "last_autovacuum"})
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a question's recordings are named, and how an answer is made of them."""

    name: str
    make: Callable[[Question, list[Recording], _Rows], a.Answer]


class DatabaseReader:
    """Answers questions to a database by what it answered then."""

    source: ClassVar[Source] = Source.DATABASE
    questions: ClassVar[tuple[type[Question], ...]] = (
        StatementStatistics,
        TableStatistics,
        IndexList,
        Activity,
        LockChain,
        StatementPlan,
        HypotheticalIndexes,
        SchemaDump,
        *KEPT,
    )

    def __init__(self, directory: CaseDirectory, readings: Readings) -> None:
        self._directory = directory
        self._readings = readings

    def present(self) -> bool:
        """Whether anything of any database was recorded."""
        return self._readings.holds(lambda r: r.connector == "database") or bool(self._directory.databases())

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """What is recorded of the database, by now and in the question's window."""
        if isinstance(question, SchemaDump):
            return self._dump(question)
        kind = _KINDS.get(type(question))
        if kind is None or not isinstance(question, DatabaseQuestion):
            return unasked(self.source, question)
        window = getattr(question, "window", None)
        recordings = self._recordings(question, kind.name, window, now)
        if not recordings:
            return Unavailable(self.source, f"{NAME} holds no {kind.name} of database {question.database}")
        rows = _Rows()
        answer = kind.make(question, recordings, rows)
        last = recordings[-1].at
        query = f"{NAME}: {kind.name} of {question.database}, {len(recordings)} recorded until {last:%FT%TZ}"
        return Found(answer, query, last, self._readings.notes + rows.notes)

    def _recordings(
        self, question: DatabaseQuestion, name: str, window: Window | None, now: datetime
    ) -> list[Recording]:
        queryid = getattr(question, "queryid", None)

        def wanted(recording: Recording) -> bool:
            params = recording.params
            return (
                recording.connector == "database"
                and recording.question == name
                and params.get("database") in (None, question.database)
                and (queryid is None or text(params, "queryid") == queryid)
                and (window is None or recording.at >= window.start)
                and isinstance(recording.answer, dict | list)
            )

        return self._readings.of(wanted, now if window is None else until(window, now))

    def _dump(self, question: SchemaDump) -> Found | Unavailable:
        name = f"database/{question.database}.sql"
        if question.database not in self._directory.databases():
            return missing(self.source, name)
        script = self._directory.read(name).decode("utf-8", "replace")
        return Found(a.SourceFiles(files=(a.SourceFile(path=name, text=script),)), name)


class _Rows:
    """Turns recorded rows into typed ones, and counts those that make no sense."""

    def __init__(self) -> None:
        self.dropped = 0

    def of(self, kind: type[Row], recording: Recording) -> tuple[Row, ...]:
        """The recording's rows."""
        rows = (self.one(kind, record, recording.at) for record in objects(recording.answer))
        return tuple(row for row in rows if row is not None)

    def one(self, kind: type[Row], record: Record, at: datetime) -> Row | None:
        """One row; what it leaves out, or says null of, gets its default."""
        names = _RENAMED.get(kind, {})
        given = {names.get(name, name): value for name, value in record.items() if value is not None}
        fields = {name: value for name, value in given.items() if name in kind.model_fields}
        if "queryid" in fields:
            fields["queryid"] = str(fields["queryid"])
        try:
            for name in _MOMENTS & fields.keys():
                fields[name] = min(instant(fields[name]), at)
            return kind.model_validate(fields)
        except ValueError:
            self.dropped += 1
            return None

    @property
    def notes(self) -> tuple[str, ...]:
        """How many rows were dropped, if any."""
        return (f"{NAME}: {self.dropped} rows cannot be read",) if self.dropped else ()


def _statements(_: Question, recordings: list[Recording], rows: _Rows) -> a.StatementSnapshots:
    snapshots = (a.StatementSnapshot(at=r.at, statements=rows.of(a.Statement, r)) for r in recordings)
    return a.StatementSnapshots(snapshots=tuple(snapshots))


def _tables(_: Question, recordings: list[Recording], rows: _Rows) -> a.TableSnapshots:
    snapshots = (a.TableSnapshot(at=r.at, tables=rows.of(a.Table, r)) for r in recordings)
    return a.TableSnapshots(snapshots=tuple(snapshots))


def _indexes(_: Question, recordings: list[Recording], rows: _Rows) -> a.Indexes:
    return a.Indexes(indexes=rows.of(a.Index, recordings[-1]))


def _activity(_: Question, recordings: list[Recording], rows: _Rows) -> a.ActivitySnapshots:
    snapshots = (a.ActivitySnapshot(at=r.at, groups=rows.of(a.ActivityGroup, r)) for r in recordings)
    return a.ActivitySnapshots(snapshots=tuple(snapshots))


def _locks(_: Question, recordings: list[Recording], rows: _Rows) -> a.Locks:
    return a.Locks(locks=rows.of(a.Lock, recordings[-1]))


def _plan(question: Question, recordings: list[Recording], _rows: _Rows) -> a.Plan:
    last = recordings[-1]
    answer = last.answer if isinstance(last.answer, dict) else {"plan": last.answer}
    tree = next(iter(objects(answer.get("plan"))), {})
    inner = tree.get("Plan", tree)
    queryid = question.queryid if isinstance(question, StatementPlan) else text(last.params, "queryid")
    root = _node(inner if isinstance(inner, dict) else {}, 0)
    return a.Plan(queryid=queryid, query=text(last.params, "query"), root=root)


def _node(tree: Record, depth: int) -> a.PlanNode:
    below = objects(tree.get("Plans")) if depth < _DEEPEST else []
    return a.PlanNode(
        node_type=text(tree, "Node Type"),
        relation=optional(tree, "Relation Name"),
        filter=optional(tree, "Filter"),
        index=optional(tree, "Index Name"),
        total_cost=_number(tree.get("Total Cost")),
        rows=_number(tree.get("Plan Rows")),
        children=tuple(_node(child, depth + 1) for child in below),
    )


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        return 0.0


def _gains(_: Question, recordings: list[Recording], rows: _Rows) -> a.IndexGains:
    """Every index tried; tried again, the last trial counts."""
    found: dict[tuple[str, str], a.IndexGain] = {}
    for recording in recordings:
        params = recording.params
        about = {"queryid": text(params, "queryid"), "table": text(params, "table")}
        for trial in objects(recording.answer):
            gain = rows.one(
                a.IndexGain, {**about, "columns": texts(params, "columns"), **trial}, recording.at
            )
            if gain is not None:
                found[gain.queryid, gain.definition] = gain
    return a.IndexGains(gains=tuple(found.values()))


def _kept(question: Question, recordings: list[Recording], _rows: _Rows) -> a.Answer:
    return kept(question, recordings)


_KINDS: dict[type[Question], _Kind] = {
    StatementStatistics: _Kind("statement_statistics", _statements),
    TableStatistics: _Kind("table_statistics", _tables),
    IndexList: _Kind("indexes", _indexes),
    Activity: _Kind("activity", _activity),
    LockChain: _Kind("lock_chain", _locks),
    StatementPlan: _Kind("plan", _plan),
    HypotheticalIndexes: _Kind("hypothetical_index", _gains),
    **{kind: _Kind(name, _kept) for kind, (name, _) in KEPT.items()},
}
