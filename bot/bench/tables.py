"""A benchmark on a terminal: who, how sure, beside the baselines, at what cost. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.bench import wording
from bot.bench.document import BASELINES, Document
from bot.bench.summary import Summary
from bot.safetext import one_line

_WIDEST: Final = 140
_WITH_INTERVALS: Final = 100
_MOST_NAMES: Final = 12
_LEFT_OUT: Final = frozenset({"ac1_by_proposal", "decoy_first", "ece_equal_width"})
"""Figures that the other outputs hold and a terminal has no room for."""


def show(console: Console, outcome: Document) -> None:
    """Print the document."""
    width = min(console.width, _WIDEST)
    parts: Iterable[RenderableType] = (
        _figures("Who it was", wording.WHO, outcome.sets, width),
        _figures("How sure it may be", wording.SURE, outcome.sets, width),
        *_sets(outcome.sets, width),
        *_held_out(outcome, width),
        *_beside(outcome.sets, width),
        _cost(outcome),
        *_named(outcome.overall),
    )
    for part in parts:
        console.print(part, width=width)
        console.print()


def _sets(sets: Sequence[Summary], width: int) -> Iterable[RenderableType]:
    if wording.labelled(wording.SETS, sets):
        yield _figures("Among which it is", wording.SETS, sets, width)


def _held_out(outcome: Document, width: int) -> Iterable[RenderableType]:
    """The same figures of a program that was fitted without the cases it is scored on."""
    if (beside := outcome.held_out) is not None:
        told = f"Held out, {beside.told}"
        yield _figures(f"{told}: who it was", wording.WHO, beside.sets, width)
        yield _figures(f"{told}: how sure it may be", wording.SURE, beside.sets, width)
        yield from _sets(beside.sets, width)
        yield Text("\n".join(wording.calibration(beside.sets[-1])))


def _figures(
    title: str, columns: Sequence[wording.Column], sets: Sequence[Summary], width: int
) -> RenderableType:
    """One row a set; intervals under the figures where there is room."""
    shown = [column for column in wording.labelled(columns, sets) if column.name not in _LEFT_OUT]
    table = _table(["set", "cases", *(column.short for column in shown)])
    for each in sets:
        cells = (_cell(each, column, width >= _WITH_INTERVALS) for column in shown)
        table.add_row(one_line(each.set), str(each.cases), *cells, end_section=each is sets[-1])
    return Group(Text(title, style="bold"), table)


def _cell(summary: Summary, column: wording.Column, with_interval: bool) -> str:
    figure = summary.figures[column.name]
    return wording.figure(figure, summary.cases) if with_interval else wording.value(figure)


def _beside(sets: Sequence[Summary], width: int) -> Iterable[RenderableType]:
    joint = "/" if width >= _WITH_INTERVALS else "\n"
    methods = [method for method in BASELINES if any(method in each.baselines for each in sets)]
    if methods:
        table = _table([f"AC@1{joint}AC@3", "firstcause", *(BASELINES[method] for method in methods)])
        for each in sets:
            told = [each.baselines[method].figures for method in methods]
            cells = (wording.ranking(figures, each.cases, joint) for figures in (each.figures, *told))
            table.add_row(one_line(each.set), *cells)
        yield Group(Text("Beside simple published methods, same data", style="bold"), table)


def _cost(outcome: Document) -> RenderableType:
    cost = outcome.overall.timing
    return Text(
        f"{outcome.overall.cases} cases in {outcome.wall_seconds:.0f} s on {outcome.workers} "
        f"{'process' if outcome.workers == 1 else 'processes'}; a case took {cost.median_seconds:.2f} s "
        f"(median), {cost.p95_seconds:.2f} s (95th percentile), at most {cost.peak_bytes / 2**20:.0f} MB. "
        f"Intervals are 95 %, {outcome.resamples} resamples, seed {outcome.seed}."
    )


def _named(summary: Summary) -> Iterable[RenderableType]:
    """The cases a person should look at."""
    yield Text("\n".join(wording.calibration(summary)))
    for words, names in wording.attention(summary):
        listed = ", ".join(one_line(name) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield Text(f"{words} ({len(names)}): {listed}{more}")


def _table(heads: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, safe_box=True)
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i == 0 else "right", overflow="fold")
    return table
