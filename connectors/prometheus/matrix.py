"""The JSON of a range query as one array of numbers, without an object for each sample. Pure.

A sample is some twenty bytes of text; an investigation reads millions of them. The labels are read by a
JSON parser; the samples go as text through Arrow's CSV reader, which is some ten times faster.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import orjson

from connectors.answers import Floats
from connectors.governor import SourceFailedError

_OPENS = b'"values":[['
_CLOSES = b"]]"
_BETWEEN = b"],["
_LINES = bytes.maketrans(b"]", b"\n")


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants of a range query: `first`, seconds since the epoch, and every `step` seconds after."""

    first: float
    step: float
    count: int

    @property
    def last(self) -> float:
        """The last instant."""
        return self.first + (self.count - 1) * self.step

    def times(self) -> Floats:
        """Every instant."""
        return self.first + self.step * np.arange(self.count, dtype=np.float64)

    def part(self, start: int, count: int) -> Grid:
        """The instants from one position on."""
        return Grid(self.first + start * self.step, self.step, count)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Series of one answer: labels, and `values` (len(labels), grid.count) with NaN for "no sample".

    `histograms`: series that are native histograms and so have no single value. `warnings`: what the server
    said limits the answer.
    """

    labels: tuple[Mapping[str, str], ...]
    values: Floats
    histograms: tuple[Mapping[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def read_matrix(body: bytes, grid: Grid) -> Matrix:
    """The answer of /api/v1/query_range, its samples placed on the grid it was asked for.

    A sample beside the grid or beyond its end is left out: nothing later than was asked for gets through.

    Raises:
        SourceFailedError: the body is not such an answer.
    """
    pieces = _pieces(body)
    document = parsed(_skeleton(body, pieces))
    plain: list[dict[str, Any]] = []
    histograms: list[dict[str, Any]] = []
    for row in _series(document):
        (plain if "values" in row else histograms).append(row)
    values = np.full((len(plain), grid.count), np.nan)
    if len(pieces) == len(plain):
        _place(values, body, pieces, grid)
    else:  # written with spaces: rare, and slow
        _place_slowly(values, _series(parsed(body)), grid)
    labels = tuple(_labels(row) for row in plain)
    return Matrix(labels, values, tuple(_labels(row) for row in histograms), said(document))


def parsed(body: bytes) -> dict[str, Any]:
    """A successful answer of the API as JSON.

    Raises:
        SourceFailedError: it is not JSON, or not a success.
    """
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise SourceFailedError(f"the answer is not JSON: {str(error)[:80]}") from error
    if not isinstance(document, dict) or document.get("status") != "success":
        told = document.get("error") if isinstance(document, dict) else None
        raise SourceFailedError(f"the answer is not a success: {str(told)[:160]}", counts=False)
    return document


def said(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What limits an answer, in the server's words: warnings, and VictoriaMetrics' mark of a partial one."""
    listed = document.get("warnings")
    warnings = [str(each)[:200] for each in listed[:5]] if isinstance(listed, list) else []
    if document.get("isPartial") is True:
        warnings.append("the answer is partial: a storage node did not reply")
    return tuple(warnings)


Piece = tuple[int, int]
"""Where in an answer the samples of a series begin and end."""


def _pieces(body: bytes) -> list[Piece]:
    """Where the samples of each series begin and end.

    A quotation mark inside of a label is escaped, so that the opening can only be the answer's own.
    """
    found = []
    at = body.find(_OPENS)
    while at >= 0:
        start = at + len(_OPENS)
        end = body.find(_CLOSES, start)
        if end < 0:
            raise SourceFailedError("the answer ends early", retry=True)
        found.append((start, end))
        at = body.find(_OPENS, end)
    return found


def _skeleton(body: bytes, pieces: Sequence[Piece]) -> bytes:
    """The answer without its samples: every list of samples is `[[]]`."""
    parts, at = [], 0
    for start, end in pieces:
        parts.append(body[at:start])
        at = end
    parts.append(body[at:])
    return b"".join(parts)


def _series(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = document.get("data")
    rows = data.get("result") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceFailedError("the answer is not a matrix of series", counts=False)
    return rows


def _labels(row: Mapping[str, Any]) -> Mapping[str, str]:
    metric = row.get("metric")
    if not text_pairs(metric):
        raise SourceFailedError("a series without labels", counts=False)
    return metric


def text_pairs(value: object) -> TypeGuard[dict[str, str]]:
    """Whether this is what labels are: names and values, all of them text."""
    return isinstance(value, dict) and all(type(each) is str for each in value.values())


def _place(values: Floats, body: bytes, pieces: Sequence[Piece], grid: Grid) -> None:
    """Read the samples of all series and put them where they belong.

    A series with a sample at each instant, from the first to the last, needs no look at the times between.
    """
    counts = np.array([body.count(b"]", start, end) + 1 for start, end in pieces], dtype=np.int64)
    first, last = b"%d," % grid.first, b"%d," % grid.last
    ends = [
        body.startswith(first, start) and body.startswith(last, body.rfind(b"[", start, end) + 1 or start)
        for start, end in pieces
    ]
    whole = (counts == grid.count) & np.array(ends, dtype=np.bool_)
    rows = np.flatnonzero(whole)
    if len(rows):
        samples = [pieces[row] for row in rows.tolist()]
        table = _columns(body, samples, ("value",), len(rows) * grid.count)
        values[rows] = table["value"].reshape(len(rows), grid.count)
    rows = np.flatnonzero(~whole)
    if len(rows):
        samples = [pieces[row] for row in rows.tolist()]
        table = _columns(body, samples, ("at", "value"), int(counts[rows].sum()))
        _put(values, np.repeat(rows, counts[rows]), table["at"], table["value"], grid)


def _columns(body: bytes, pieces: Sequence[Piece], wanted: Sequence[str], count: int) -> dict[str, Floats]:
    """The times and values of so many samples, as Arrow's CSV reader reads them."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(
            io.BytesIO(_lines(body, pieces)),
            read_options=csv.ReadOptions(column_names=["", "at", "value"], use_threads=False),
            parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={"at": pa.float64(), "value": pa.float64()},
                include_columns=list(wanted),
                null_values=[],
            ),
        )
    except pa.ArrowException as error:
        raise SourceFailedError("a sample is not a number") from error
    if table.num_rows != count:
        raise SourceFailedError("the samples of the answer cannot be told apart")
    return {name: np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in wanted}


def _lines(body: bytes, pieces: Sequence[Piece]) -> bytes:
    """`170,"1.5"],[171,"2"` as a line for each sample, `,170,1.5`: two passes over the text, nothing kept."""
    view = memoryview(body)
    samples: list[bytes | memoryview] = [view[start:end] for start, end in pieces]
    samples[0] = b",[" + bytes(samples[0])
    samples[-1] = bytes(samples[-1]) + b"]"
    text = _BETWEEN.join(samples)
    return text.translate(_LINES, delete=b'["+')


def _put(values: Floats, row: Any, at: Floats, value: Floats, grid: Grid) -> None:
    place = (at - grid.first) / grid.step
    column = np.rint(place)
    inside = (column >= 0) & (column < grid.count) & (np.abs(place - column) < 0.01)
    if inside.all():
        values[row, column.astype(np.int64)] = value
        return
    values[row[inside], column[inside].astype(np.int64)] = value[inside]


def _place_slowly(values: Floats, rows: Sequence[Mapping[str, Any]], grid: Grid) -> None:
    plain = [row for row in rows if "values" in row]
    try:
        for number, row in enumerate(plain):
            pairs = [(float(at), float(value)) for at, value in row["values"]]
            at, value = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
            _put(values, np.full(len(at), number), at, value, grid)
    except (TypeError, ValueError) as error:
        raise SourceFailedError("a sample is not a number") from error


def vector(document: Mapping[str, Any]) -> list[tuple[Mapping[str, str], float]]:
    """The rows of an instant query: labels and value; what is no number is left out."""
    rows = []
    for row in _series(document):
        pair = row.get("value")
        try:
            value = float(pair[1]) if isinstance(pair, list) else math.nan
        except (IndexError, TypeError, ValueError):
            continue
        if math.isfinite(value):
            rows.append((_labels(row), value))
    return rows
