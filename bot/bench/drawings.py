"""The reliability diagram and the risk-coverage curve: Vega-Lite specifications, drawn as inline SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup, escape

from bot import charts
from bot.bench.summary import Summary
from bot.charts import Spec
from bot.safetext import one_line

_SIDE: Final = 260
_OPENING: Final = re.compile(r"<svg\b[^>]*>")
_VIEWBOX: Final = re.compile(r'viewBox="[-\d. ]+"')
_TOLD_TWICE: Final = re.compile(r' (?:aria-[a-z]+|role|style)="[^"]*"')
_SHARE: Final[Spec] = {"domain": [0, 1], "nice": False}

Row = Mapping[str, float | None]


def reliability(summary: Summary, identity: str) -> Markup:
    """How often claims of each confidence were right, beside the line on which all would lie."""
    claims = [each for each in summary.reliability if each.n]
    rows = [
        {
            "c": each.confidence,
            "a": each.accuracy,
            "low": each.accuracy_low,
            "high": each.accuracy_high,
            "n": each.n,
        }
        for each in claims
    ]
    spread = {"x": _axis("c", "confidence"), "y": _axis("low", "right"), "y2": {"field": "high"}}
    size = {"field": "n", "type": "quantitative", "scale": {"range": [25, 260]}, "legend": None}
    layers: list[Spec] = [
        _layer(
            [{"x": 0, "y": 0}, {"x": 1, "y": 1}],
            {"type": "line", "color": charts.QUIET, "strokeDash": [3, 3]},
            {"x": _axis("x", "confidence"), "y": _axis("y", "right")},
        ),
        _layer(rows, {"type": "rule", "color": charts.LINE, "opacity": 0.6}, spread),
        _layer(
            rows,
            {"type": "circle", "color": charts.LINE, "opacity": 1},
            {"x": _axis("c", "confidence"), "y": _axis("a", "right"), "size": size},
        ),
    ]
    told = "; ".join(
        f"confidence {each.confidence:.2f}: right {each.accuracy:.2f} (n={each.n})" for each in claims
    )
    return _inline(layers, f"Reliability, {summary.set}", told or "No claims.", identity)


def risk_coverage(summary: Summary, identity: str) -> Markup:
    """How often the surest share of cases is wrong, as that share grows."""
    points = summary.risk_coverage
    rows = [{"x": point.coverage, "y": point.risk} for point in points]
    axes = {"x": _axis("x", "share answered"), "y": _axis("y", "wrong")}
    ordered = {**axes, "order": {"field": "x", "type": "quantitative"}}
    layers = [
        _layer(rows, {"type": "line", "color": charts.LINE, "strokeWidth": 1.4}, ordered),
        _layer(rows, {"type": "circle", "color": charts.LINE, "size": 18, "opacity": 1}, axes),
    ]
    few = points[:: max(len(points) // 8, 1)]
    told = "; ".join(f"{point.coverage:.0%} answered: {point.risk:.0%} wrong" for point in few)
    return _inline(layers, f"Risk and coverage, {summary.set}", told or "No cases.", identity)


def _layer(rows: Sequence[Row], mark: Spec, encoding: Mapping[str, object]) -> Spec:
    return {"data": {"values": [dict(row) for row in rows]}, "mark": mark, "encoding": encoding}


def _axis(field: str, title: str) -> Spec:
    axis = {"title": title, "tickCount": 5, "format": ".0%"}
    return {"field": field, "type": "quantitative", "scale": _SHARE, "axis": axis}


def _inline(layers: list[Spec], title: str, told: str, identity: str) -> Markup:
    """SVG to stand inside a page, named and described for those who cannot see it."""
    drawn = charts.svg(_specification(layers))
    opening, viewbox = _OPENING.search(drawn), _VIEWBOX.search(drawn)
    if opening is None or viewbox is None:
        raise ValueError("the renderer gave no SVG")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {viewbox[0]} role="img" '
        f'aria-labelledby="{identity}-title {identity}-desc"><title id="{identity}-title">'
        f'{escape(one_line(title))}</title><desc id="{identity}-desc">{escape(told)}</desc>'
    )
    return Markup(head + _TOLD_TWICE.sub("", drawn[opening.end() :]))  # noqa: S704 - drawn and escaped here


def _specification(layers: list[Spec]) -> Spec:
    colours = {"labelColor": charts.QUIET, "titleColor": charts.QUIET, "gridColor": charts.GRID}
    lines = {"domainColor": charts.GRID, "tickColor": charts.GRID, "titleFontWeight": "normal"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": _SIDE,
        "height": _SIDE,
        "background": "transparent",
        "padding": 4,
        "layer": layers,
        "config": {"axis": {**colours, **lines}, "view": {"stroke": None}},
    }
