"""Whatever lies in a case's files, an answer or a reason comes out, never an exception."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import connectors.case
import connectors.otlp
from connectors import questions
from connectors.case.database_kept import KEPT
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.questions import DatabaseQuestion
from tests.connectors.small_case import NOW, WIDE, SmallCase, iso, recording, request, span
from tests.connectors.small_cluster import deployment, event, pod, replica_set, thing

FILES = (
    "traces.jsonl",
    "logs.jsonl",
    "changes.jsonl",
    "commits.jsonl",
    "readings.jsonl",
    "kubernetes.json",
    "topology.csv",
)


def _field_names() -> list[str]:
    """Every word in quotes that a reader looks for."""
    package = Path(connectors.case.__file__).parent
    readers = (
        *package.glob("*.py"),
        Path(connectors.otlp.__file__),
        *package.parent.glob("kubernetes_*.py"),
    )
    words = {word for file in readers for word in re.findall(r'"([A-Za-z_][\w .]*)"', file.read_text())}
    return sorted(words)


NAMES = st.sampled_from(_field_names())
TIMES = (iso(10), iso(70), "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00")
NUMBERS = (0, -1, 3.5, float("nan"), float("inf"), 10**18, 10**400)
SHAPES: tuple[object, ...] = (
    None,
    True,
    "",
    "12",
    "\ud83d",
    "1" * 5000,
    [],
    {},
    [[]],
    [None],
    [{}],
    {"a": 1},
)
LEAVES = st.text(max_size=4) | NAMES | st.sampled_from((*TIMES, *NUMBERS, *SHAPES))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)


def sound_files() -> dict[str, list[object]]:
    """Files that are as they should be, with every field in use."""
    nested = [{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}]
    raised = [{"name": "exception", "attributes": [{"key": "exception.type", "value": {"stringValue": "x"}}]}]
    about: dict[str, Any] = {
        "parentSpanId": "2",
        "traceState": "ot=th:8",
        "attributes": nested,
        "events": raised,
    }
    line = {"timestamp": iso(10), "service": "c", "severity_text": "INFO", "body": "b", "trace_id": "1"}
    change = {"id": "1", "at": iso(10), "kind": "deploy", "service": "c", "commit": "x", "pods": ["a"]}
    commit = {"sha": "c", "at": iso(10), "author": "a", "message": "m", "files": ["f"], "diff": "d"}
    node = thing("Node", "n", status={"conditions": [{"type": "Ready", "status": "False"}]})
    objects = [pod(), replica_set(), deployment(), event("a", 1, 2), node]
    return {
        "traces.jsonl": [request(span(1, 10, kind=2, status={"code": 2}, **about))],
        "logs.jsonl": [{**line, "attributes": {"logger": "x", "a": 1}}],
        "changes.jsonl": [change],
        "commits.jsonl": [commit],
        "readings.jsonl": recordings(),
        "kubernetes.json": [{"kind": "List", "items": objects}],
    }


def recordings() -> list[object]:
    """One recorded answer of each kind."""
    statement = {"queryid": 1, "query": "q", "calls": 1, "total_exec_time_ms": 1}
    lock = {"blocked_pid": 1, "blocked_query": "u", "blocker_pid": 2}
    plan = {"plan": {"Node Type": "x", "Total Cost": 1, "Plans": [{"Node Type": "y"}]}}
    gain = {"definition": "d", "cost_before": 1, "cost_after": 1}
    page = {"source": "x", "component": "c", "events": [{"timestamp": iso(9), "status": "s"}]}
    pattern = {
        "signature": "x",
        "service": "s",
        "count": 1,
        "delta_vs_baseline": "+1",
        "sentiment": "negative",
    }
    patterns = recording("log patterns against the baseline", 10, [pattern])
    return [
        recording("statement_statistics", 10, [statement]),
        recording("table_statistics", 10, [{"schema": "p", "table": "t", "last_analyze": iso(5)}]),
        recording("indexes", 10, [{"table": "t", "index": "i", "columns": ["a"], "valid": True, "bytes": 1}]),
        recording("activity", 10, [{"state": "a", "count": 1, "oldest_seconds": 1}]),
        recording("lock_chain", 10, [lock]),
        recording("plan", 10, plan, queryid="1", query="q"),
        recording("hypothetical_index", 10, gain, queryid="1", table="t", columns=["a"]),
        recording("provider status", 10, page),
        {**patterns, "connector": "logs"},
    ]


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The way to every value inside a value."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def spoilt(draw: st.DrawFn, name: str, records: list[object]) -> bytes:
    """The file's bytes after one value in it, however deep, was replaced by another."""
    *way, last = draw(st.sampled_from(list(places(records))))
    inner: Any = records
    for key in way:
        inner = inner[key]
    inner[last] = draw(LEAVES)
    return json.dumps(records[0]).encode() if name.endswith(".json") else lines(records)


@st.composite
def spoilt_files(draw: st.DrawFn) -> dict[str, bytes]:
    return {name: spoilt(draw, name, records) for name, records in sound_files().items()}


def every_question() -> Iterator[Question]:
    for kind in vars(questions).values():
        if isinstance(kind, type) and issubclass(kind, Question) and kind not in (Question, DatabaseQuestion):
            given_ = {"window": WIDE, "database": "shop", "queryid": "1", "metric": "up"}
            yield kind.model_validate({k: v for k, v in given_.items() if k in kind.model_fields})


QUESTIONS = tuple(every_question())


def ask_everything(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = SmallCase(Path(folder)).manifest()
        for name, content in files.items():
            (case.path / name).write_bytes(content)
        sources = case.open()
        assert set(sources.available()) <= set(Source)
        for question in QUESTIONS:
            assert isinstance(sources.ask(question, now=NOW), Reading | Unavailable)


def lines(records: list[object]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@settings(max_examples=60, deadline=None)
@given(spoilt_files())
def test_one_odd_value_anywhere_is_answered_or_refused(files: dict[str, bytes]) -> None:
    ask_everything(files)


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_any_json_in_any_file_is_answered_or_refused(records: list[object]) -> None:
    ask_everything(
        {**dict.fromkeys(FILES, lines(records)), "kubernetes.json": json.dumps(records[0]).encode()}
    )


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FILES), st.binary(max_size=60))
def test_any_bytes_in_any_file_are_answered_or_refused(name: str, content: bytes) -> None:
    ask_everything({name: content})


def test_sound_files_answer_every_question_they_can() -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = SmallCase(Path(folder)).manifest()
        for name, records in sound_files().items():
            content = json.dumps(records[0]).encode() if name.endswith(".json") else lines(records)
            (case.path / name).write_bytes(content)
        sources = case.open()
        silent = {q.name for q in QUESTIONS if isinstance(sources.ask(q, now=NOW), Unavailable)}
    unrecorded = {kind.__name__ for kind in KEPT}
    assert silent == {"SeriesSweep", "SeriesNamed", "CallEdges", "MigrationFiles", "SchemaDump"} | unrecorded


@pytest.mark.parametrize("name", [f"{name}.gz" for name in FILES if name.endswith("jsonl")])
def test_bytes_that_are_no_gzip_are_refused(name: str) -> None:
    ask_everything({name: b"\x1f\x8b" + b"\x00" * 40})
