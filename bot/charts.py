"""Pictures as Vega-Lite specifications, and those as SVG. One specification serves the report and chats.

Rendering happens offline: nothing is fetched, nothing leaves. SVG is made in this process, for the report;
`bot.rendering` makes the PNG of chats in a process of its own. Blue and rust are told apart by those who see
no red or green, and marks are dashed and numbered besides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from bot.safetext import one_line
from bot.wording import at_a_word
from graph.model import Mark, Picture

Spec = dict[str, object]

INK: Final = "#101418"
QUIET: Final = "#6b7480"
GRID: Final = "#e3e6ea"
LINE: Final = "#2463b4"
MARK: Final = "#b4441f"
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
MOST_MARKS: Final = 9
_DAY: Final = 36 * 3600.0


@dataclass(frozen=True, slots=True)
class Size:
    """The plot's area in pixels."""

    width: int
    height: int


WIDE: Final = Size(width=620, height=170)
NARROW: Final = Size(width=270, height=150)
STACKED: Final = Size(width=400, height=120)
"""One of several below each other: at the 360 pixels of a chat its letters stay legible."""
MOST_STACKED: Final = 4
_MOST_LETTERS: Final = 62
_ALT: Final = 900


def spec(picture: Picture, size: Size = WIDE) -> Spec:
    """The Vega-Lite specification of one picture: line, usual value, and numbered marks."""
    layers: list[Spec] = [_line(picture)]
    if picture.baseline is not None:
        layers.append(_baseline(picture.baseline))
    if picture.marks:
        layers += _marks(picture)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": size.width,
        "height": size.height,
        "background": "transparent",
        "padding": 4,
        "layer": layers,
        "config": _config(),
    }


def stacked(heading: str, pictures: Sequence[Picture]) -> Spec:
    """The specification of several pictures below each other, each as `spec` draws it, with one legend.

    All show the marks of all, so that a number means the same everywhere.
    """
    shown = _alike(pictures)
    legend = numbered_marks(shown[0]) if shown else []
    lines = [at_a_word(f"{n}  {line}", _MOST_LETTERS) for n, line in enumerate(legend, start=1)]
    words = {"anchor": "start", "frame": "group", "limit": STACKED.width + 20}
    titles = {"fontSize": 14, "color": INK, "subtitleFontSize": 12, "subtitleColor": QUIET, "offset": 16}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "padding": 10,
        "spacing": 24,
        "title": {"text": at_a_word(one_line(heading), 50), "subtitle": lines, "anchor": "start"},
        "vconcat": [_panel(picture) for picture in shown],
        "config": _config() | {"title": words | titles},
    }


def told(pictures: Sequence[Picture]) -> str:
    """What stacked pictures show, for those who cannot see them."""
    shown = _alike(pictures)
    parts = [f"{one_line(each.role, 60)}: {one_line(each.title, 120)}. {describe(each)}" for each in shown]
    if shown and (legend := numbered_marks(shown[0])):
        parts.append(f"Marked: {'; '.join(legend)}.")
    return at_a_word(" ".join(parts), _ALT)


def svg(specification: Spec) -> str:
    """Render a specification to SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(specification, allowed_base_urls=[]))


def inline_svg(picture: Picture, size: Size, identity: str) -> str:
    """SVG to stand inside a page: named and described for those who cannot see it, scaled by the page."""
    from markupsafe import escape

    drawn = svg(spec(picture, size))
    name = "wide" if size == WIDE else "narrow"
    opening = re.search(r"<svg\b[^>]*>", drawn)
    viewbox = re.search(r'viewBox="[-\d. ]+"', drawn)
    if opening is None or viewbox is None:
        raise ValueError("the renderer gave no SVG")
    head = (
        f'<svg class="{name}" xmlns="http://www.w3.org/2000/svg" {viewbox[0]} role="img" '
        f'aria-labelledby="{identity}-title {identity}-desc">'
        f'<title id="{identity}-title">{escape(one_line(picture.title))}</title>'
        f'<desc id="{identity}-desc">{escape(describe(picture))}</desc>'
    )
    return head + re.sub(r' (?:aria-[a-z]+|role|style)="[^"]*"', "", drawn[opening.end() :])


def describe(picture: Picture) -> str:
    """What the picture shows, in a sentence."""
    known = [value for value in picture.values if value is not None]
    if not known:
        return "No samples."
    unit = f" {one_line(picture.unit)}" if picture.unit else ""
    usual = "" if picture.baseline is None else f" Usual: {number(picture.baseline)}{unit}."
    return f"From {number(min(known))} to {number(max(known))}{unit}, last {number(known[-1])}{unit}.{usual}"


def numbered_marks(picture: Picture) -> list[str]:
    """The legend of the marks, in the order of their numbers."""
    spans_days = bool(picture.times) and picture.times[-1] - picture.times[0] > _DAY
    form = "%Y-%m-%d %H:%M:%S" if spans_days else "%H:%M:%S"
    return [f"{_clock(mark.at):{form}} {one_line(mark.label, 120)}" for mark in _shown(picture)]


def number(value: float) -> str:
    """A value with as many digits as people read."""
    if value != 0 and (abs(value) < 0.001 or abs(value) >= 1e7):
        return f"{value:.2e}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _alike(pictures: Sequence[Picture]) -> list[Picture]:
    """Those that are stacked, each with the marks of all."""
    chosen = [each for each in pictures if any(value is not None for value in each.values)][:MOST_STACKED]
    marks = tuple(dict.fromkeys(mark for each in chosen for mark in each.marks))
    return [each.model_copy(update={"marks": marks}) for each in chosen]


def _panel(picture: Picture) -> Spec:
    """A picture as one of several: what holds for all of them is said once."""
    whole = ("$schema", "background", "padding", "config")
    drawn = {name: value for name, value in spec(picture, STACKED).items() if name not in whole}
    title = at_a_word(f"{one_line(picture.role)}: {one_line(picture.title)}", 56)
    return drawn | {"title": {"text": title, "subtitle": describe(picture)}}


def _shown(picture: Picture) -> list[Mark]:
    return sorted(picture.marks, key=lambda mark: mark.at)[:MOST_MARKS]


def _line(picture: Picture) -> Spec:
    values = [{"t": _iso(at), "v": value} for at, value in zip(picture.times, picture.values, strict=True)]
    days = bool(picture.times) and picture.times[-1] - picture.times[0] > _DAY
    x_axis = {
        "title": None,
        "format": "%d %b %H:%M" if days else "%H:%M",
        "tickCount": 6,
        "labelOverlap": True,
    }
    return {
        "data": {"values": values},
        "mark": {"type": "line", "color": LINE, "strokeWidth": 1.6, "invalid": "break-paths-show-domains"},
        "encoding": {
            "x": {"field": "t", "type": "temporal", "scale": {"type": "utc"}, "axis": x_axis},
            "y": {
                "field": "v",
                "type": "quantitative",
                "scale": {"zero": False, "nice": True},
                "axis": {
                    "title": one_line(picture.unit, 30) or None,
                    "tickCount": 4,
                    "format": _form(picture),
                },
            },
        },
    }


def _form(picture: Picture) -> str:
    """How the axis writes numbers: 12k where they are many, 0.4 (never 400m) where they are small."""
    highest = max((abs(value) for value in picture.values if value is not None), default=0.0)
    return "~s" if highest >= 10_000 else "~r"


def _baseline(usual: float) -> Spec:
    return {
        "data": {"values": [{"v": usual}]},
        "mark": {"type": "rule", "color": QUIET, "strokeDash": [2, 3], "strokeWidth": 1.2},
        "encoding": {"y": {"field": "v", "type": "quantitative"}},
    }


def _marks(picture: Picture) -> list[Spec]:
    marks = _shown(picture)
    x = {"field": "t", "type": "temporal", "scale": {"type": "utc"}}
    rules: Spec = {
        "data": {"values": [{"t": _iso(mark.at)} for mark in marks]},
        "mark": {"type": "rule", "color": MARK, "strokeWidth": 1.2, "strokeDash": [4, 2]},
        "encoding": {"x": x},
    }
    numbers: list[Spec] = [
        {
            "data": {"values": [{"t": _iso(mark.at), "n": str(n)}]},
            "mark": {
                "type": "text",
                "color": MARK,
                "align": _alignment(marks, n - 1),
                "baseline": "bottom",
                "dy": -3,
                "fontWeight": "bold",
            },
            "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "n", "type": "nominal"}},
        }
        for n, mark in enumerate(marks, start=1)
    ]
    return [rules, *numbers]


def _alignment(marks: list[Mark], i: int) -> str:
    """Numbers of neighbouring marks lean away from each other, so that both can be read."""
    gaps = [after.at - before.at for before, after in pairwise(marks)]
    after = gaps[i] if i < len(gaps) else math.inf
    before = gaps[i - 1] if i > 0 else math.inf
    if min(after, before) == math.inf:
        return "center"
    return "right" if after < before else "left"


def _config() -> Spec:
    axis = {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    }
    return {"font": _FONT, "axis": axis, "axisX": {"grid": False}, "view": {"stroke": None}}


def _clock(at: float) -> datetime:
    return datetime.fromtimestamp(at, tz=UTC)


def _iso(at: float) -> str:
    return _clock(at).isoformat()
