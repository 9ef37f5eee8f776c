"""A result on a terminal: the verdict first, then the ranking, the evidence, the pictures, the coverage.

Everything shown was written by strangers: it is made visible text before it becomes a `Text`, and
markup is never parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot import wording
from bot.result import EvidenceResult, ProposalResult, Result
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
_MOST_SAID: Final = 240
_MOST_QUERY: Final = 160
_WIDEST: Final = 118
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
        *_details(result),
        *_pictures(pictures, width),
        *_coverage(incident, result),
    ]
    for part in parts:
        console.print(part, width=width, soft_wrap=isinstance(part, _Copyable))


class _Copyable(Text):
    """Text that people copy: it is never wrapped."""


def _verdict(incident: Incident, result: Result) -> Iterable[RenderableType]:
    badge = wording.VERDICTS[result.verdict].upper()
    yield Text.assemble((badge, _COLOURS[result.verdict]), "  ", (one_line(result.summary), "bold"))
    about = f"{one_line(incident.title)} · {wording.instant(incident.at)}"
    yield Text(about, style="dim")
    if result.partial:
        yield Text(f"Partial: {one_line(result.partial)}", style="yellow")
    yield Text()


# --- the ranking --------------------------------------------------------------------------------------
def _ranking(result: Result, width: int) -> RenderableType:
    listed = [p for p in result.proposals if p.rank == 1 or p.confidence >= _LEAST_LISTED]
    unlisted = sum(p.confidence for p in result.proposals) - sum(p.confidence for p in listed) + result.others
    rows: list[RenderableType] = []
    for proposal in listed:
        rows += _row_of(proposal, width)
    count = len(result.proposals) - len(listed)
    if count or result.others > 0:
        others = f"{count} others, each below 1 %" if count else "Others considered"
        rows.append(_ranked("", Text(others, style="dim"), _confidence(unlisted, worded=False)))
    nothing = Text(wording.none_of_these(result.verdict), style="dim")
    rows.append(_ranked("", nothing, _confidence(result.none_of_these, worded=False)))
    if not result.calibrated:
        rows.append(Text(wording.NOT_CALIBRATED_WHY, style="dim"))
    return Group(_ranked("#", Text("Cause", style="dim"), Text("Confidence", style="dim")), *rows, Text())


def _row_of(proposal: ProposalResult, width: int) -> Iterable[RenderableType]:
    cause = Text(one_line(proposal.title), style="bold" if proposal.rank == 1 else "")
    yield _ranked(str(proposal.rank), cause, _confidence(proposal.confidence))
    yield Padding(Text(f"{wording.where(proposal)}{_change(proposal)}"), (0, 0, 0, 3))
    if proposal.why:
        room = (width - 4) * (2 if proposal.rank == 1 else 1) - 2
        yield Padding(Text(one_line(proposal.why, room), style="dim"), (0, 0, 0, 3))


def _ranked(rank: str, cause: Text, confidence: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(width=2, justify="right", style="dim")
    grid.add_column(ratio=1)
    grid.add_column(width=_BAR + 20, no_wrap=True)
    grid.add_row(rank, cause, confidence)
    return grid


def _confidence(share: float, *, worded: bool = True) -> Text:
    text = Text.assemble(f"{wording.percent(share):>5} ", *_bar(share))
    return text.append(" " + wording.degree(share), style="dim") if worded else text


def _bar(share: float) -> tuple[tuple[str, str], tuple[str, str]]:
    full = round(share * _BAR)
    return ("█" * full, "cyan"), ("░" * (_BAR - full), "dim")


def _change(proposal: ProposalResult) -> str:
    return f" · change {wording.change(proposal.change)}" if proposal.change else ""


# --- what speaks for and against -------------------------------------------------------------------------
def _details(result: Result) -> Iterable[RenderableType]:
    told: set[str] = set()
    for proposal in result.proposals[:_MOST_DETAILED]:
        if proposal.rank == 1 or proposal.confidence >= _LEAST_DETAILED:
            yield from _detail(proposal, result, told)


def _detail(proposal: ProposalResult, result: Result, told: set[str]) -> Iterable[RenderableType]:
    head = Text(f"{proposal.rank}. {one_line(proposal.title)}", style="bold")
    yield head.append(f" · {wording.where(proposal)}{_change(proposal)}", style="not bold dim")
    most = _MOST_EVIDENCE if proposal.rank == 1 else _MOST_EVIDENCE // 2
    against = [Text(one_line(proposal.against_text, _MOST_SAID))] if proposal.against_text else []
    yield from _cited("For", [], _readings(proposal.evidence, result, told, most))
    yield from _cited("Against", against, _readings(proposal.against, result, told, most // 2))
    if proposal.alternatives:
        yield _label("Or else", Text(one_line(", ".join(proposal.alternatives))))
    yield from _do(
        "Check it", Text("yourself, changing nothing:", style="dim"), proposal.check_yourself, told
    )
    step = proposal.next_step
    todo = Text.assemble(one_line(step.text), (f" ({wording.manner(proposal)})", "dim"))
    yield from _do("Next", todo, step.command or "", told)
    yield Text()


def _do(label: str, text: Text, command: str, told: set[str]) -> Iterable[RenderableType]:
    """What a person can do; a command that was shown above is not shown again."""
    if command and command in told:
        yield _label(label, Text("as above", style="dim"))
    elif command or label == "Next":
        yield _label(label, text)
    if command and command not in told:
        told.add(command)
        yield _command(command)


def _cited(label: str, said: Sequence[Text], readings: Sequence[Text]) -> Iterable[RenderableType]:
    for n, part in enumerate([*said, *readings] or [Text("nothing was found", style="dim")]):
        yield _label(label if n == 0 else "", part)


def _readings(ids: Sequence[str], result: Result, told: set[str], most: int) -> list[Text]:
    """The readings cited: some in full, those already shown and the rest by their ids."""
    known = [key for key in ids if key in result.evidence]
    shown = [key for key in known if key not in told][:most]
    told.update(shown)
    rest = [one_line(key) for key in known if key not in shown]
    more = [Text(f"and {', '.join(rest)} (above, or in --report)", style="dim")] if rest else []
    return [_fact(key, result.evidence[key]) for key in shown] + more


def _fact(key: str, fact: EvidenceResult) -> Text:
    text = Text.assemble((f"{one_line(key)} ", "cyan"), one_line(fact.value, _MOST_SAID))
    asked = f"\n{fact.at:%H:%M:%S} UTC · {fact.source} · {one_line(fact.query, _MOST_QUERY)}"
    return text.append(asked, style="dim")


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
        rows = drawn(picture, width - 2, 8 if n == 0 else 5)
        if rows:
            yield Text("\n".join(rows), no_wrap=True)
            yield Text()


def _coverage(incident: Incident, result: Result) -> Iterable[RenderableType]:
    missing = wording.unavailable(result)
    answered = [source for source in result.coverage if source not in missing]
    yield _row("Answered", Text(", ".join(answered) or "no source"))
    label = "Missing"
    for source, reason in missing.items():
        yield _row(label, Text.assemble((source, "yellow"), f": {one_line(reason, 200)}"))
        label = ""
    label = "Mind"
    for caveat in incident.caveats:
        yield _row(label, Text(one_line(caveat, 300), style="dim"))
        label = ""
    yield _row("Took", Text(wording.effort(result)))


def _row(label: str, content: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=8)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="dim"), content)
    return grid
