from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.governor import SourceFailedError
from connectors.prometheus.matrix import Grid, read_matrix

GRID = Grid(1_700_000_000, 15, 4)

Row = tuple[dict[str, str], list[tuple[int, str]]]


def body(rows: list[Row], *, compact: bool = True, **more: object) -> bytes:
    result = [{"metric": labels, "values": [[at, value] for at, value in values]} for labels, values in rows]
    document = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return json.dumps(document, separators=(",", ":") if compact else None).encode()


def test_samples_are_placed_on_the_grid_and_gaps_are_nan() -> None:
    read = read_matrix(body([({"a": "x"}, [(1_700_000_000, "1.5"), (1_700_000_030, "-2")])]), GRID)
    assert read.labels == ({"a": "x"},)
    assert np.array_equal(read.values, [[1.5, np.nan, -2.0, np.nan]], equal_nan=True)


def test_a_sample_after_the_end_or_beside_the_grid_is_left_out() -> None:
    values = [(1_699_999_985, "1"), (1_700_000_007, "2"), (1_700_000_045, "3"), (1_700_000_060, "4")]
    read = read_matrix(body([({}, values)]), GRID)
    assert np.array_equal(read.values, [[np.nan, np.nan, np.nan, 3.0]], equal_nan=True)


def test_infinities_and_nan_are_read_as_the_server_writes_them() -> None:
    values = [(1_700_000_000 + 15 * n, text) for n, text in enumerate(("+Inf", "-Inf", "NaN", "1e+300"))]
    read = read_matrix(body([({}, values)]), GRID)
    assert np.array_equal(read.values, [[np.inf, -np.inf, np.nan, 1e300]], equal_nan=True)


def test_a_label_that_looks_like_samples_is_a_label() -> None:
    hostile = '","values":[[1,"2"]],"x":"]],['
    read = read_matrix(body([({"path": hostile}, [(1_700_000_000, "1")])]), GRID)
    assert read.labels == ({"path": hostile},)
    assert read.values[0][0] == 1.0


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3),
            st.lists(st.floats(), min_size=1, max_size=4),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_every_answer_is_read_as_a_json_parser_reads_it(
    rows: list[tuple[dict[str, str], list[float]]], compact: bool
) -> None:
    made: list[Row] = [
        (labels, [(1_700_000_000 + 15 * n, repr(value)) for n, value in enumerate(values)])
        for labels, values in rows
    ]
    read = read_matrix(body(made, compact=compact), GRID)
    assert [dict(labels) for labels in read.labels] == [labels for labels, _ in rows]
    for row, (_, values) in zip(read.values, rows, strict=True):
        assert np.array_equal(row[: len(values)], values, equal_nan=True)


def test_native_histograms_are_told_apart() -> None:
    raw = b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"h"},'
    raw += b'"histograms":[[1700000000,{"count":"3","sum":"1"}]]}]}}'
    read = read_matrix(raw, GRID)
    assert read.labels == ()
    assert read.histograms == ({"__name__": "h"},)


def test_warnings_and_a_partial_answer_are_told() -> None:
    read = read_matrix(body([], warnings=["a store is away"], isPartial=True), GRID)
    assert read.warnings == ("a store is away", "the answer is partial: a storage node did not reply")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"status":"error","error":"query timed out"}',
        b'{"status":"success"}',
        b'{"status":"success","data":{"result":{}}}',
        b'{"status":"success","data":{"result":[1]}}',
        b'{"status":"success","data":{"result":[{"values":[[1700000000,"1"]]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"values":[[1700000000,"x"]]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"values":[[1700000000,"1","2"]]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"values":[[1700000000,',
        b'{"status":"success","data":{"result":[{"metric":{},"values":[[1700000000\n,"1"]]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"values": [[null,"1"]]}]}}',
    ],
)
def test_what_is_no_answer_is_a_failure_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(SourceFailedError):
        read_matrix(raw, GRID)


def test_an_error_is_told_in_the_servers_words() -> None:
    with pytest.raises(SourceFailedError, match="query timed out"):
        read_matrix(b'{"status":"error","error":"query timed out"}', GRID)
