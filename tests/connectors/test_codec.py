"""What is stored comes back as it was, and its hash speaks for it."""

from __future__ import annotations

import dataclasses
import json
import pickle
from datetime import UTC, datetime
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import answers as a
from connectors import codec
from connectors.contract import digest
from connectors.errors import UndecodableAnswerError
from connectors.otlp import read_spans
from tests.connectors.small_case import NOW, request, span

FLOATS = st.floats(width=64)
TEXTS = st.text(max_size=8)


@st.composite
def series(draw: st.DrawFn) -> a.SeriesSet:
    rows, columns = draw(st.integers(0, 4)), draw(st.integers(0, 5))
    keys = tuple(
        a.SeriesKey(draw(TEXTS), tuple(sorted(draw(st.dictionaries(TEXTS, TEXTS, max_size=2)).items())))
        for _ in range(rows)
    )
    values = draw(st.lists(FLOATS, min_size=rows * columns, max_size=rows * columns))
    times = np.array(draw(st.lists(FLOATS, min_size=columns, max_size=columns)), dtype=np.float64)
    return a.SeriesSet(keys, times, np.array(values, dtype=np.float64).reshape(rows, columns))


@st.composite
def logs(draw: st.DrawFn) -> a.LogSet:
    record = st.builds(
        a.LogRecord, FLOATS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2)
    )
    intervals = st.lists(st.tuples(FLOATS, FLOATS), max_size=2).map(tuple)
    return a.LogSet(tuple(draw(st.lists(record, max_size=4))), draw(st.booleans()), draw(intervals))


def same(one: object, other: object) -> bool:
    """Equal bit for bit, NaN included."""
    if dataclasses.is_dataclass(one):
        names = [f.name for f in dataclasses.fields(one)]
        return type(one) is type(other) and all(same(getattr(one, n), getattr(other, n)) for n in names)
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, tuple):
        assert isinstance(other, tuple)
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one == other
    return repr(one) == repr(other)


def spans() -> a.SpanSet:
    child = span(2, 10, parentSpanId=f"{1:016x}", attributes=[{"key": "b", "value": {"intValue": 1}}])
    found = read_spans([request(span(1, 9), child)], now=NOW.timestamp())
    return dataclasses.replace(found, intervals=((1.5, 2.5),), events=((), ("Timeout: é",)))


@given(series())
def test_series_come_back_bit_for_bit(answer: a.SeriesSet) -> None:
    assert same(codec.decode(codec.encode(answer)), answer)


@given(logs())
def test_logs_come_back_bit_for_bit(answer: a.LogSet) -> None:
    assert same(codec.decode(codec.encode(answer)), answer)


def test_spans_come_back_bit_for_bit() -> None:
    assert same(codec.decode(codec.encode(spans())), spans())


def test_text_that_is_no_unicode_comes_back() -> None:
    answer = a.LogSet((a.LogRecord(0.0, "x", "", "half \ud83d"),))
    assert codec.decode(codec.encode(answer)) == answer


AT = datetime(2026, 6, 18, 15, 6, 0, 123456, tzinfo=UTC)
SMALL: list[a.Answer] = [
    a.Timeline(changes=(a.Change(id="é", at=AT, kind="flag", steps=(AT, AT), pods=("a",)),)),
    a.Commits(commits=(a.Commit(sha="x", at=AT, diff=None),)),
    a.CallGraphEdges(edges=(("a", "b"),)),
    a.ClusterState(pods=(a.Pod(namespace="n", name="p", containers=(a.Container(name="c"),)),)),
    a.Indexes(indexes=()),
    a.Plan(queryid="1", query="q", root=a.PlanNode(node_type="x", children=(a.PlanNode(node_type="y"),))),
    a.PatternCounts(patterns=(a.PatternCount(pattern="p", service="s", count=float("inf"), more=-0.0),)),
    a.SourceFiles(files=(a.SourceFile(path="p", text="\u2028\x00"),)),
]


@pytest.mark.parametrize("answer", SMALL, ids=lambda answer: type(answer).__name__)
def test_small_answers_come_back(answer: a.Answer) -> None:
    assert codec.decode(codec.encode(answer)) == answer


@given(FLOATS)
def test_any_number_in_a_small_answer_comes_back(number: float) -> None:
    answer = a.PatternCounts(patterns=(a.PatternCount(pattern="p", service="s", count=number, more=0),))
    assert repr(codec.decode(codec.encode(answer))) == repr(answer)


@pytest.mark.parametrize("answer", [*SMALL, spans()], ids=lambda answer: type(answer).__name__)
def test_the_hash_is_that_of_the_canonical_bytes(answer: a.Answer) -> None:
    assert (
        codec.sha256(answer) == digest(codec.canonical(answer)) == digest(codec.unpack(codec.encode(answer)))
    )


def test_the_hash_does_not_depend_on_the_order_of_attributes() -> None:
    one = a.LogSet((a.LogRecord(0.0, "x", "", "", attributes={"a": "1", "b": "2"}),))
    other = a.LogSet((a.LogRecord(0.0, "x", "", "", attributes={"b": "2", "a": "1"}),))
    assert codec.sha256(one) == codec.sha256(other)


def test_the_hash_does_not_depend_on_how_an_array_lies_in_memory() -> None:
    values = np.arange(12.0).reshape(3, 4)
    keys = tuple(a.SeriesKey(name, ()) for name in "abc")
    times = np.arange(4.0)
    lying = a.SeriesSet(keys, times, np.asfortranarray(values))
    swapped = a.SeriesSet(keys, times, values.astype(">f8"))
    upright = a.SeriesSet(keys, times, values)
    assert codec.sha256(lying) == codec.sha256(upright) == codec.sha256(swapped)


def test_the_hash_of_an_answer_is_the_same_in_every_version_of_the_code() -> None:
    answer = a.SeriesSet((a.SeriesKey("up", (("a", "é"),)),), np.array([1.0, 2.0]), np.array([[0.5, np.inf]]))
    header = b'{"arrays":{"times":["<f8",[2]],"values":["<f8",[1,2]]},'
    header += b'"fields":{"keys":[["up",[["a","\\u00e9"]]]]},"type":"SeriesSet"}'
    lengths = len(header).to_bytes(8, "little") + (32).to_bytes(8, "little")
    numbers = np.array([1.0, 2.0, 0.5, np.inf]).tobytes()
    assert codec.canonical(answer) == b"firstcause/1\n" + lengths + header + numbers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"firstcause/1\n",
        b"x" * 64,
        pickle.dumps({"a": 1}),
        codec.encode(SMALL[0])[:-1],
        codec.encode(SMALL[0])[:-20] + b"\x00" * 20,
        b"firstcause/1\n" + (2**62).to_bytes(8, "little") + (0).to_bytes(8, "little"),
    ],
)
def test_foreign_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(UndecodableAnswerError):
        codec.decode(data)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}",
        b'{"type":"object","fields":{},"arrays":{}}',
        b'{"type":"Indexes","fields":{"x":1},"arrays":{}}',
        b'{"type":"SeriesSet","fields":{"keys":[]},"arrays":{"times":["|O",[1]],"values":["<f8",[0]]}}',
        b'{"type":"SeriesSet","fields":{"keys":[]},"arrays":{"times":["<f8",[9]],"values":["<f8",[0]]}}',
        b'{"type":"SeriesSet","fields":{"keys":[]},"arrays":{"times":["<f8",[-1]]}}',
        b"[" * 100_000,
    ],
)
def test_a_forged_header_is_refused_by_name(header: bytes) -> None:
    data = b"firstcause/1\n" + len(header).to_bytes(8, "little") + (0).to_bytes(8, "little") + header
    with pytest.raises(UndecodableAnswerError):
        codec.from_canonical(data)


def test_every_kind_of_answer_can_be_decoded() -> None:
    assert {kind.__name__ for kind in get_args(a.Answer)} == set(codec._REBUILD)


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'a"b\\c/d',
        "tab\tline\nreturn\rback\bform\f",
        "\x00\x01\x1f\x7f\x80",
        "größe 测试 🎈",
        "\ud800 half",
    ],
)
def test_labels_are_written_as_the_json_of_the_standard_library(value: str) -> None:
    keys = (a.SeriesKey("metric", (("label", value),)),)
    answer = a.SeriesSet(keys, np.array([1.0, 2.0]), np.array([[1.0, np.nan]]))
    fields = {"keys": [["metric", [["label", value]]]]}
    arrays = {"times": ["<f8", [2]], "values": ["<f8", [1, 2]]}
    header = json.dumps(
        {"type": "SeriesSet", "fields": fields, "arrays": arrays}, sort_keys=True, separators=(",", ":")
    ).encode("ascii")
    assert header in codec.canonical(answer)
