"""A benchmark as files: JSON for programs, Markdown for a repository, one HTML page for people.

The page has no script and loads nothing; all text from outside is made visible text and escaped.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files as resources
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bot.bench import drawings, wording
from bot.bench.document import BASELINES, Document
from bot.bench.scoring import Score
from bot.bench.summary import Summary
from bot.safetext import one_line

_MARKED: Final = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>|#~"})


@dataclass(frozen=True, slots=True)
class Drawn:
    """One set's two pictures."""

    summary: Summary
    reliability: Markup
    risk_coverage: Markup


def files(outcome: Document) -> dict[str, str]:
    """Every file of the report, by name."""
    return {
        "bench.json": outcome.to_json() + "\n",
        "bench.md": markdown(outcome),
        "bench.html": page(outcome),
    }


def markdown(outcome: Document) -> str:
    """The report as Markdown tables, every figure with its interval and n."""
    return _render("bench.md.j2", outcome, escaping=False)


def page(outcome: Document) -> str:
    """The report as one page."""
    style = _template("report.css") + _template("bench.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    drawn = [_drawn(summary, str(i)) for i, summary in enumerate([outcome.overall, *outcome.sets[:-1]])]
    held = [_drawn(outcome.held_out.sets[-1], "held")] if outcome.held_out else []
    return _render(
        "bench.html.j2",
        outcome,
        escaping=True,
        style=Markup(style),  # noqa: S704 - our own files
        style_hash=f"sha256-{digest}",
        drawn=drawn,
        drawn_held=held,
    )


def _drawn(summary: Summary, i: str) -> Drawn:
    return Drawn(
        summary,
        drawings.reliability(summary, f"reliability-{i}"),
        drawings.risk_coverage(summary, f"risk-{i}"),
    )


def _render(name: str, outcome: Document, *, escaping: bool, **more: object) -> str:
    environment = Environment(
        autoescape=escaping,  # noqa: S701 - off for Markdown alone, whose filter escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["line"] = one_line if escaping else _marked
    template = environment.from_string(_template(name))
    return template.render(outcome=outcome, words=wording, methods=BASELINES, said=_said, **more)


def _said(score: Score) -> str:
    """What the answer was, in a few words."""
    if score.answer is None:
        return f"failed: {score.error}"
    if not score.answer.proposals:
        return score.answer.verdict.value
    first = score.answer.proposals[0]
    changed = f", change {first.change}" if first.change else ""
    return f"{score.answer.verdict.value}: {first.cause} in {first.place}{changed}"


def _marked(text: str) -> str:
    """Text from outside, for a Markdown table's cell."""
    return one_line(text).translate(_MARKED)


def _template(name: str) -> str:
    return (resources("bot") / "templates" / name).read_text(encoding="utf-8")
