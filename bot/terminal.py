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
_MOST_EVIDENCE: Final = 6
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
    table = Table(
        box=None, padding=(0, 2, 0, 0), expand=True, width=width, header_style="dim", pad_edge=False
    )
    table.add_column("#", width=2, justify="right")
    table.add_column("Cause and why", ratio=5)
    table.add_column("Where", ratio=3, overflow="fold")
    table.add_column("Confidence", width=_BAR + 10, no_wrap=True)
    for proposal in result.proposals:
        table.add_row(
            str(proposal.rank),
            _cause(proposal),
            Text(wording.where(proposal)),
            _confidence(proposal.confidence),
        )
    if result.others > 0:
        table.add_row(
            "", Text("Others considered", style="dim"), "", _confidence(result.others, worded=False)
        )
    nothing = Text(wording.none_of_these(result.verdict), style="dim")
    table.add_row("", nothing, "", _confidence(result.none_of_these, worded=False))
    if result.calibrated:
        return Group(table, Text())
    return Group(table, Text(wording.NOT_CALIBRATED_WHY, style="dim"), Text())


def _cause(proposal: ProposalResult) -> Text:
    cause = Text(one_line(proposal.title), style="bold" if proposal.rank == 1 else "")
    if proposal.why:
        cause.append("\n" + one_line(proposal.why), style="not bold dim")
    return cause


def _confidence(share: float, *, worded: bool = True) -> Text:
    text = Text.assemble(f"{wording.percent(share):>5} ", *_bar(share))
    return text.append("\n      " + wording.degree(share), style="dim") if worded else text


def _bar(share: float) -> tuple[tuple[str, str], tuple[str, str]]:
    full = round(share * _BAR)
    return ("█" * full, "cyan"), ("░" * (_BAR - full), "dim")


# --- what speaks for and against -------------------------------------------------------------------------
def _details(result: Result) -> Iterable[RenderableType]:
    for proposal in result.proposals[:_MOST_DETAILED]:
        if proposal.rank == 1 or proposal.confidence >= _LEAST_DETAILED:
            yield from _detail(proposal, result)


def _detail(proposal: ProposalResult, result: Result) -> Iterable[RenderableType]:
    head = Text.assemble(
        (f"{proposal.rank}. {one_line(proposal.title)}", "bold"), f" · {wording.where(proposal)}"
    )
    yield head.append(f" · change {wording.change(proposal.change)}" if proposal.change else "", style="dim")
    yield from _cited("For", proposal.evidence, result)
    yield from _cited("Against", proposal.against, result, proposal.against_text)
    if proposal.alternatives:
        yield _label("Or else", Text(one_line(", ".join(proposal.alternatives))))
    if proposal.check_yourself:
        yield _label("Check it", Text("yourself, changing nothing:", style="dim"))
        yield _command(proposal.check_yourself)
    step = proposal.next_step
    yield _label("Next", Text.assemble(one_line(step.text), (f" ({wording.manner(proposal)})", "dim")))
    if step.command:
        yield _command(step.command)
    yield Text()


def _cited(label: str, ids: Sequence[str], result: Result, said: str = "") -> Iterable[RenderableType]:
    facts = [(key, result.evidence[key]) for key in ids if key in result.evidence]
    if said or not facts:
        yield _label(label, Text(one_line(said) or "nothing was found", style="" if said else "dim"))
        label = ""
    for key, fact in facts[:_MOST_EVIDENCE]:
        yield _label(label, _fact(key, fact))
        label = ""
    if len(facts) > _MOST_EVIDENCE:
        yield _label("", Text(f"and {len(facts) - _MOST_EVIDENCE} more (--report or --json)", style="dim"))


def _fact(key: str, fact: EvidenceResult) -> Text:
    text = Text.assemble((f"{one_line(key)} ", "cyan"), one_line(fact.value, 300))
    asked = f"\n{fact.source} · {one_line(fact.query, 300)} · {fact.at:%H:%M:%S} UTC"
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
    for picture in pictures[:_MOST_PICTURES]:
        rows = drawn(picture, width - 2)
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
