import io
import re
import unicodedata

import pytest
from rich.console import Console

from bot import result, terminal
from bot.investigation import Outcome
from graph.model import NextStep, Verdict
from playbooks.model import Entity
from tests.bot import samples

HOSTILE = "a\x1b[2J\x1b]0;t\x07[bold]b[/bold][link=http://x]c\u202ed\u200be\rf\x9b1mg\x08 :boom:"


def shown(outcome: Outcome, width: int = 80, *, terminal_codes: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=terminal_codes, highlight=False, markup=False, emoji=False
    )
    terminal.show(console, outcome.incident, result.of_outcome(outcome), outcome.weighing.pictures)
    return out.getvalue()


def test_the_verdict_comes_first() -> None:
    first = shown(samples.outcome()).splitlines()[0]
    assert first.startswith("CAUSE FOUND  checkout is slow since 14:48")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal_but_commands(width: int) -> None:
    commands = ("psql", "CREATE INDEX", "kubectl")
    for line in shown(samples.outcome(), width).splitlines():
        assert len(line.rstrip()) <= width or line.strip().startswith(commands)


def test_a_command_is_never_wrapped() -> None:
    command = "kubectl -n shop " + "--flag=value " * 12 + "rollout"
    step = NextStep(text="Do it.", command=command)
    first = samples.proposals()[0].model_copy(update={"next_step": step})
    assert command in shown(samples.outcome(samples.weighing(proposals=(first,))))


def test_everything_a_person_needs_is_there() -> None:
    text = shown(samples.outcome(), 100)
    for words in (
        "Missing index",
        "table orders",
        "87 %",
        "very likely",
        "not yet calibrated",
        "None of these",
        "pg_stat_user_tables",
        "Autovacuum ran on orders",
        "EXPLAIN SELECT",
        "CREATE INDEX CONCURRENTLY",
        "does not block, reversible",
        "logs: the case holds no logs.jsonl",
        "0.8 s, 41 questions",
        "2 14:48:00 onset",
        "one trace in ten was kept",
    ):
        assert words in text, words


def test_hostile_text_cannot_write_control_characters_or_markup() -> None:
    about = samples.incident(title=HOSTILE, service=HOSTILE, caveats=(HOSTILE,))
    proposal = samples.proposals()[0].model_copy(
        update={
            "title": HOSTILE,
            "service": HOSTILE,
            "entity": Entity(kind=HOSTILE, name="x" + HOSTILE),
            "why": HOSTILE,
            "against_text": HOSTILE,
            "check_yourself": HOSTILE,
            "change": HOSTILE,
            "alternatives": (HOSTILE,),
            "next_step": NextStep(text=HOSTILE, command=HOSTILE),
        }
    )
    fact = samples.evidence()["e1"].model_copy(update={"value": HOSTILE, "query": HOSTILE})
    picture = samples.pictures()[0].model_copy(update={"title": HOSTILE, "unit": HOSTILE})
    weighed = samples.weighing(
        summary=HOSTILE, proposals=(proposal,), evidence={"e1": fact}, pictures=(picture,)
    )
    text = shown(samples.outcome(weighed, about), terminal_codes=True)
    own = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert not [c for c in own if c != "\n" and unicodedata.category(c) in {"Cc", "Cf"}]
    assert "[bold]b[/bold]" in own
    assert ":boom:" in own


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_result_without_proposals_is_shown_too(verdict: Verdict) -> None:
    weighed = samples.weighing(verdict=verdict, proposals=(), none_of_these=1.0, evidence={}, pictures=())
    assert "100 %" in shown(samples.outcome(weighed))
