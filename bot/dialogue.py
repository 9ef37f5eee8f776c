"""The conversation after a proposal: what a person types, and which decision it means.

Reading a line is pure; asking reads stdin and speaks on the console it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from bot import wording
from bot.investigation import Confirm, Decision, NothingWrong, Partly, RuleOut, SomethingElse
from bot.safetext import one_line
from graph.model import Proposal

HELP: Final = (
    "c 1 confirm · r 1 rule out · p 1 partly · s TEXT something else · n nothing was wrong · q leave open"
)
_MOST_WORDS: Final = 2_000
_LONGEST_TITLE: Final = 32
_WORDS: Final = {
    "c": "c",
    "confirm": "c",
    "r": "r",
    "rule": "r",
    "p": "p",
    "partly": "p",
    "s": "s",
    "something": "s",
    "n": "n",
    "nothing": "n",
}
_LEAVE: Final = frozenset({"q", "quit", "exit"})


class NotUnderstoodError(Exception):
    """What was typed is no answer; the message says what would be."""


def understood(line: str, proposals: Sequence[Proposal]) -> Decision | None:
    """The decision a typed line means; None is "leave it open".

    Raises:
        NotUnderstoodError: it means none.
    """
    word, _, rest = one_line(line, _MOST_WORDS).partition(" ")
    if word.lower() in _LEAVE:
        return None
    kind = _WORDS.get(word.lower())
    if kind is None:
        raise NotUnderstoodError(f"please type one of: {HELP}")
    if kind == "n":
        return NothingWrong()
    if kind == "s":
        return SomethingElse(text=_said(rest.removeprefix("else ").strip()))
    return _about(kind, rest, proposals)


def _about(kind: str, rest: str, proposals: Sequence[Proposal]) -> Decision:
    number, _, text = rest.removeprefix("out ").strip().partition(" ")
    by_rank = {str(proposal.rank): proposal.id for proposal in proposals}
    if number not in by_rank:
        ranks = f"choose a number from 1 to {len(by_rank)}" if by_rank else "there is nothing to choose"
        raise NotUnderstoodError(f"{ranks}, such as: {kind} 1")
    if kind == "c":
        return Confirm(proposal=by_rank[number])
    if kind == "p":
        return Partly(proposal=by_rank[number], text=text.strip())
    return RuleOut(proposal=by_rank[number])


def _said(text: str) -> str:
    if not text or text.isdecimal():  # a number was meant for another answer
        raise NotUnderstoodError("please say what it was, such as: s the certificate had expired")
    return text


def choices(proposals: Sequence[Proposal]) -> str:
    """What there is to choose from, in a line: the ranking itself has scrolled away."""
    return " · ".join(
        f"{each.rank} {wording.at_a_word(wording.brief(each.title), _LONGEST_TITLE)} "
        f"{wording.percent(each.confidence)}"
        for each in proposals
    )


def ask(console: Console, read: Callable[[], str], proposals: Sequence[Proposal]) -> Decision | None:
    """Ask about the proposals that were shown until an answer is understood; the end leaves it open."""
    if proposals:
        console.print(Text(choices(proposals)), no_wrap=True, overflow="ellipsis")
    console.print(Text(HELP, style="dim"))
    while True:
        console.print(Text("> ", style="bold"), end="")
        line = read()
        if not line:
            console.print()
            return None
        if not line.strip():
            continue
        try:
            return understood(line, proposals)
        except NotUnderstoodError as error:
            console.print(Text(str(error), style="yellow"))
