"""A result on a terminal: the verdict first, then the ranking, the evidence, the pictures, the coverage.

Everything shown was written by strangers: it is made visible text before it becomes a `Text`, and
markup is never parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot import wording
from bot.captions import readable
from bot.result import EvidenceResult, NextStepResult, ProposalResult, Result
from bot.safetext import lines, one_line
from bot.terminal_chart import drawn
from graph.model import Picture, Verdict
from playbooks.model import Incident

_BAR: Final = 10
_MOST_DETAILED: Final = 3
_LEAST_DETAILED: Final = 0.05
_MOST_PICTURES: Final = 3
_LEAST_LISTED: Final = 0.01
_MOST_EVIDENCE: Final = 4
_MOST_SAID: Final = 200
_WIDEST: Final = 118
_LEAST_FOR_BARS: Final = 56
_INDENT: Final = 12
_COLOURS: Final = {
    Verdict.CAUSE: "bold red",
    Verdict.EXTERNAL: "bold yellow",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.RECOVERED: "bold green",
    Verdict.NO_FAULT: "bold green",
}


def show(console: Console, incident: Incident, result: Result, pictures: Sequence[Picture]) -> None:
    """Print the result."""
    width = min(console.width, _WIDEST)
    parts: list[RenderableType] = [
        *_verdict(incident, result),
        _ranking(result, width),
        *_Details(incident, result, width).shown(),
        *_pictures(readable(pictures), width),
        *_coverage(incident, result),
    ]
    for part in parts:
        console.print(part, width=width, soft_wrap=isinstance(part, _Copyable))


class _Copyable(Text):
    """Text that people copy: it is never wrapped."""


def _verdict(incident: Incident, result: Result) -> Iterable[RenderableType]:
    badge = wording.VERDICTS[result.verdict].upper()
    yield Text.assemble((badge, _COLOURS[result.verdict]), "  ", (wording.brief(result.summary), "bold"))
    about = f"{one_line(incident.title)} · {wording.instant(incident.at)}"
    yield Text(about, style="dim")
    if result.partial:
        yield Text(f"Partial: {one_line(result.partial)}", style="yellow")
    yield Text()


# --- the ranking --------------------------------------------------------------------------------------
def ranked(result: Result) -> list[ProposalResult]:
    """The proposals that the ranking shows: the first, and those that are not next to nothing."""
    return [p for p in result.proposals if p.rank == 1 or p.confidence >= _LEAST_LISTED]


def _ranking(result: Result, width: int) -> RenderableType:
    listed = ranked(result)
    unlisted = sum(p.confidence for p in result.proposals) - sum(p.confidence for p in listed) + result.others
    rows: list[RenderableType] = []
    for proposal in listed:
        rows += _row_of(proposal, result, width)
    if len(result.proposals) > len(listed) or result.others > 0:
        others = Text(wording.others(result, len(listed)), style="dim")
        rows.append(_ranked("", others, _confidence(unlisted, width, worded=False), width))
    nothing = Text(wording.none_of_these(result.verdict), style="dim")
    rows.append(_ranked("", nothing, _confidence(result.none_of_these, width, worded=False), width))
    for told in filter(None, (wording.likely(result), wording.trust(result))):
        rows.append(Padding(Text(told, style="dim"), (0, 0, 0, 3)))
    confidence = Text("Confidence" if width >= _LEAST_FOR_BARS else "", style="dim")
    return Group(_ranked("#", Text("Cause", style="dim"), confidence, width), *rows, Text())


def _row_of(proposal: ProposalResult, result: Result, width: int) -> Iterable[RenderableType]:
    cause = Text(wording.brief(proposal.title), style="bold" if proposal.rank == 1 else "")
    yield _ranked(str(proposal.rank), cause, _confidence(proposal.confidence, width), width)
    yield Padding(Text(wording.about(proposal, result)), (0, 0, 0, 3))
    if why := wording.why(proposal):
        why = why if proposal.rank == 1 else wording.at_a_word(why, width - 4)
        yield Padding(Text(why, style="dim"), (0, 0, 0, 3))


def _ranked(rank: str, cause: Text, confidence: Text, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(width=2, justify="right", style="dim")
    grid.add_column(ratio=1)
    grid.add_column(width=_BAR + 21 if width >= _LEAST_FOR_BARS else 5, no_wrap=True)
    grid.add_row(rank, cause, confidence)
    return grid


def _confidence(share: float, width: int, *, worded: bool = True) -> Text:
    if width < _LEAST_FOR_BARS:
        return Text(f"{wording.percent(share):>5}")
    text = Text.assemble(f"{wording.percent(share):>5} ", *_bar(share))
    return text.append(" " + wording.degree(share), style="dim") if worded else text


def _bar(share: float) -> tuple[tuple[str, str], tuple[str, str]]:
    full = round(share * _BAR)
    return ("█" * full, "cyan"), ("░" * (_BAR - full), "dim")


# --- what speaks for and against -------------------------------------------------------------------------
class _Details:
    """The first proposals in full. What was shown once (a reading, a step, a command) is not shown again."""

    def __init__(self, incident: Incident, result: Result, width: int) -> None:
        self._incident = incident
        self._result = result
        self._width = width
        self._told: set[str] = set()

    def shown(self) -> Iterable[RenderableType]:
        """One part for each proposal worth it."""
        for proposal in self._result.proposals[:_MOST_DETAILED]:
            if proposal.rank == 1 or proposal.confidence >= _LEAST_DETAILED:
                yield from self._detail(proposal)

    def _detail(self, proposal: ProposalResult) -> Iterable[RenderableType]:
        head = Text(f"{proposal.rank}. {wording.brief(proposal.title)}", style="bold")
        yield head.append(f" · {wording.about(proposal, self._result)}", style="not bold dim")
        most = _MOST_EVIDENCE if proposal.rank == 1 else _MOST_EVIDENCE // 2
        yield from _cited("For", self._readings(proposal.evidence, most))
        said = wording.at_a_word(wording.against(proposal, self._result), _MOST_SAID)
        beside = self._readings(proposal.against, most // 2)
        yield from _cited("Against", [Text(said), *beside] if said else beside)
        if proposal.alternatives:
            alike = ", ".join(cause.replace("_", " ") for cause in proposal.alternatives)
            yield _label("Or else", Text(one_line(alike)))
        if proposal.check_yourself:
            yield from self._do("Check", Text("it yourself, changing nothing:"), proposal.check_yourself)
        yield from self._next(proposal, proposal.next_step)
        yield Text()

    def _readings(self, ids: Sequence[str], most: int) -> list[Text]:
        """The readings cited: some in full, those already shown and the rest by their ids."""
        known = [key for key in ids if key in self._result.evidence]
        shown = [key for key in known if key not in self._told][:most]
        self._told.update(shown)
        rest = [one_line(key) for key in known if key not in shown]
        more = [Text(f"and {', '.join(rest)} (above, or in --report)", style="dim")] if rest else []
        return [self._fact(key, self._result.evidence[key]) for key in shown] + more

    def _fact(self, key: str, fact: EvidenceResult) -> Text:
        """What came back, and how to ask again: on one line where both fit."""
        room = self._width - _INDENT
        value = wording.at_a_word(wording.brief(fact.value), _MOST_SAID)
        other_time = "" if self._is_now(fact.at) else f"{fact.at:%H:%M:%S} UTC · "
        asked = f"{other_time}{fact.source} · {one_line(fact.query)}"
        fits = len(key) + len(value) + len(asked) + 4 <= room
        asked = f" · {asked}" if fits else f"\n{wording.in_the_middle(asked, room)}"
        return Text.assemble((f"{one_line(key)} ", "cyan"), value, (asked, "dim"))

    def _is_now(self, at: datetime) -> bool:
        return abs((at - self._incident.at).total_seconds()) < 1.0

    def _next(self, proposal: ProposalResult, step: NextStepResult) -> Iterable[RenderableType]:
        if step.text in self._told and (not step.command or step.command in self._told):
            yield _label("Next", Text("as above", style="dim"))
            return
        self._told.add(step.text)
        todo = Text.assemble(one_line(step.text), (f" ({wording.manner(proposal)})", "dim"))
        yield from self._do("Next", todo, step.command or "")
        for told in filter(None, (step.estimate, step.locks)):
            yield _label("", Text(one_line(told), style="dim"))
        if step.watch:
            yield from self._do("Watch", Text("how it gets on:"), step.watch)
        if step.undo:
            yield from self._do("Undo", Text("if it does not help:"), step.undo)
        for file in step.files:
            kept = Text(f"to add to the repository, so that the change lasts: {one_line(file.path)}")
            yield from self._do("File", kept, file.text)

    def _do(self, label: str, text: Text, command: str) -> Iterable[RenderableType]:
        """What a person can do, and its command on lines of its own; one that was told is only named."""
        if command in self._told:
            above = "as above" if label == "Check" else f"{text.plain} as above"
            yield _label(label, Text(above, style="dim"))
            return
        yield _label(label, text)
        if command:
            self._told.add(command)
            yield _command(command)


def _cited(label: str, parts: Sequence[Text]) -> Iterable[RenderableType]:
    for n, part in enumerate(parts or [Text("nothing was found", style="dim")]):
        yield _label(label if n == 0 else "", part)


def _label(label: str, content: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=8)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="green" if label == "Next" else "dim"), content)
    return Padding(grid, (0, 0, 0, 3))


def _command(command: str) -> RenderableType:
    indented = "\n".join(f"      {line}" for line in lines(command).splitlines())
    return _Copyable(indented, style="cyan", no_wrap=True)


# --- pictures, coverage, effort ---------------------------------------------------------------
def _pictures(pictures: Sequence[Picture], width: int) -> Iterable[RenderableType]:
    for n, picture in enumerate(pictures[:_MOST_PICTURES]):
        role = one_line(picture.role).partition(":")[0].capitalize()
        titled = picture.model_copy(update={"title": f"{role}: {picture.title}" if role else picture.title})
        legend = n == 0 or picture.marks != pictures[0].marks
        rows = drawn(titled, width - 2, 8 if n == 0 else 5, legend=legend)
        if rows:
            yield Text("\n".join(rows), no_wrap=True)
            yield Text()


def _coverage(incident: Incident, result: Result) -> Iterable[RenderableType]:
    missing = wording.unavailable(result)
    answered = [source for source, state in result.coverage.items() if state == "ok"]
    yield _row("Answered", Text(", ".join(answered) or "no source"))
    label = "Missing"
    for reason, sources in missing.items():
        yield _row(
            label, Text.assemble((", ".join(sources), "yellow"), f": {wording.at_a_word(reason, 200)}")
        )
        label = ""
    label = "Mind"
    for caveat in result.caveats:
        yield _row(label, Text(one_line(caveat, 300), style="dim"))
        label = ""
    if result.evidence:
        yield _row("As of", Text(f"{wording.instant(incident.at)}, for readings without a time of their own"))
    yield _row("Took", Text(wording.effort(result)))


def _row(label: str, content: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=8)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="dim"), content)
    return grid
