"""Pictures as text: a series with its usual value and numbered marks, drawn in braille dots.

Plain characters only, any width, the same bytes for the same picture: colour is the terminal's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.charts import MOST_MARKS, number, numbered_marks
from bot.safetext import one_line
from graph.model import Picture

_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a braille cell, by column and row of its dots."""
_DAY: Final = 36 * 3600.0


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the canvas shows: times from left to right, values from low to high."""

    start: float
    end: float
    low: float
    high: float
    columns: int
    rows: int

    def column(self, at: float, parts: int = 1) -> int:
        """The column of an instant, each cell divided into so many parts."""
        share = (at - self.start) / (self.end - self.start)
        return round(min(max(share, 0.0), 1.0) * (self.columns * parts - 1))

    def row(self, value: float, parts: int = 1) -> int:
        """The row of a value, counted from the top."""
        share = (self.high - value) / (self.high - self.low)
        return round(min(max(share, 0.0), 1.0) * (self.rows * parts - 1))


def drawn(picture: Picture, width: int, rows: int = 8, *, legend: bool = True) -> list[str]:
    """The picture as lines of plain text, at most `width` columns wide; empty when it has no samples.

    Without its legend, the marks' numbers are those of a picture above.
    """
    frame = _frame(picture, width, rows)
    if frame is None:
        return []
    cells = _cells(picture, frame)
    return [
        _title(picture, width),
        *_numbers(picture, frame, width),
        *_boxed(cells, frame, width),
        *_legend(picture, width, legend),
    ]


def _frame(picture: Picture, width: int, rows: int) -> _Frame | None:
    points = [(at, v) for at, v in zip(picture.times, picture.values, strict=True) if _known(v)]
    if len(points) < 2 or points[0][0] >= points[-1][0]:
        return None
    values = [v for v in (*(v for _, v in points), picture.baseline) if v is not None]
    low, high = min(values), max(values)
    if 0 <= low < (high - low) / 2:
        low = 0.0
    if low == high:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    gutter = max(len(number(v)) for v in (low, (low + high) / 2, high)) + 1
    return _Frame(picture.times[0], picture.times[-1], low, high, max(width - gutter - 2, 10), rows)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _cells(picture: Picture, frame: _Frame) -> list[list[str]]:
    bits = [[0] * frame.columns for _ in range(frame.rows)]
    before: tuple[int, int] | None = None
    for at, value in zip(picture.times, picture.values, strict=True):
        if value is None or not math.isfinite(value):
            before = None  # a gap is drawn as a gap
            continue
        here = frame.column(at, 2), frame.row(value, 4)
        for x, y in _steps(before or here, here):
            bits[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
        before = here
    cells = [[chr(0x2800 + bit) if bit else " " for bit in row] for row in bits]
    _behind(cells, picture, frame)
    return cells


def _steps(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line."""
    count = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (
            round(start[0] + (end[0] - start[0]) * i / count),
            round(start[1] + (end[1] - start[1]) * i / count),
        )
        for i in range(count + 1)
    ]


def _behind(cells: list[list[str]], picture: Picture, frame: _Frame) -> None:
    """Draw the usual value and the marks where the series leaves room."""
    for column in _mark_columns(picture, frame):
        for row in cells:
            row[column] = "╎" if row[column] == " " else row[column]
    if picture.baseline is not None:
        usual = cells[frame.row(picture.baseline)]
        usual[:] = ["·" if cell == " " else cell for cell in usual]


def _mark_columns(picture: Picture, frame: _Frame) -> list[int]:
    columns: list[int] = []
    for mark in sorted(picture.marks, key=lambda mark: mark.at)[:MOST_MARKS]:
        column = frame.column(mark.at)
        # Marks closer than a cell stand side by side, so that their numbers can be read.
        columns.append(max(column, columns[-1] + 1) if columns else column)
    overflow = max(columns[-1] - frame.columns + 1, 0) if columns else 0
    return [max(column - overflow, 0) for column in columns]


def _title(picture: Picture, width: int) -> str:
    unit = f" ({one_line(picture.unit, 20)})" if picture.unit else ""
    return one_line(picture.title, width - len(unit)) + unit


def _numbers(picture: Picture, frame: _Frame, width: int) -> list[str]:
    """A row with each mark's number above its line."""
    row = [" "] * width
    for n, column in enumerate(_mark_columns(picture, frame), start=1):
        row[width - 1 - frame.columns + column] = str(n)
    return ["".join(row).rstrip()] if picture.marks else []


def _boxed(cells: list[list[str]], frame: _Frame, width: int) -> list[str]:
    gutter = width - frame.columns - 2
    last = frame.rows - 1
    labels = {0: frame.high, last // 2: (frame.high + frame.low) / 2, last: frame.low}
    rows = []
    for n, row in enumerate(cells):
        label = number(labels[n]) if n in labels else ""
        rows.append(f"{label:>{gutter}}{'┤' if label else '│'}{''.join(row)}".rstrip())
    return [*rows, f"{'':>{gutter}}└{'─' * frame.columns}", _clocks(frame, width)]


def _clocks(frame: _Frame, width: int) -> str:
    form = "%d %b %H:%M" if frame.end - frame.start > _DAY else "%H:%M"
    ticks = [frame.start + (frame.end - frame.start) * i / 4 for i in range(5)]
    row = [" "] * width
    for at in ticks:
        text = f"{datetime.fromtimestamp(at, tz=UTC):{form}}"
        middle = width - 1 - frame.columns + frame.column(at)
        left = min(max(middle - len(text) // 2, 0), width - len(text))
        row[left : left + len(text)] = text
    return "".join(row).rstrip()


def _legend(picture: Picture, width: int, told: bool) -> list[str]:
    marks = [f"{n} {text}" for n, text in enumerate(numbered_marks(picture) if told else (), start=1)]
    if picture.baseline is not None:
        marks.append(f"· usual {number(picture.baseline)} {one_line(picture.unit, 20)}".rstrip())
    return [f"  {one_line(text, width - 2)}" for text in marks]
