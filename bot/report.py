"""A result as one HTML page: no script, nothing loaded from elsewhere, readable in an e-mail or years later.

All text passes through Jinja's autoescape after it was made visible text; the only markup that is
trusted is the SVG this program draws itself. The policy in the page's head forbids the rest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined, select_autoescape
from markupsafe import Markup

import bot
from bot import charts, wording
from bot.captions import readable
from bot.result import Result
from bot.safetext import lines, one_line
from graph.model import Picture
from playbooks.model import Incident

_MOST_PICTURES: Final = 8


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture, drawn twice: for wide screens and for phones."""

    title: str
    role: str
    description: str
    marks: list[str]
    wide: Markup
    narrow: Markup


def page(incident: Incident, result: Result, pictures: Sequence[Picture]) -> str:
    """The page as text."""
    style = _template("report.css")
    policy = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .from_string(_template("report.html.j2"))
        .render(
            incident=incident,
            result=result,
            charts=[_chart(picture, n) for n, picture in enumerate(readable(pictures[:_MOST_PICTURES]))],
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=f"sha256-{policy}",
            words=wording,
            version=bot.__version__,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["line"] = one_line
    environment.filters["lines"] = lines
    return environment


def _template(name: str) -> str:
    return (files("bot") / "templates" / name).read_text(encoding="utf-8")


def _chart(picture: Picture, n: int) -> Chart:
    wide = charts.inline_svg(picture, charts.WIDE, f"chart-{n}")
    narrow = charts.inline_svg(picture, charts.NARROW, f"chart-{n}-narrow")
    return Chart(
        title=one_line(picture.title),
        role=one_line(picture.role),
        description=charts.describe(picture),
        marks=charts.numbered_marks(picture),
        wide=Markup(wide),  # noqa: S704 - drawn by this program; its texts are escaped by the renderer
        narrow=Markup(narrow),  # noqa: S704 - as above
    )
