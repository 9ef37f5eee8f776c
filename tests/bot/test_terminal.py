import dataclasses
import io
import re
import unicodedata

import pytest
from rich.console import Console

from bot import result, terminal
from bot.investigation import Outcome
from graph.model import NextStep, ProposedFile, Verdict
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
    commands = ("psql", "CREATE INDEX", "DROP INDEX", "kubectl")
    for line in shown(samples.outcome(), width).splitlines():
        assert len(line.rstrip()) <= width or line.strip().startswith(commands)


def test_a_narrow_terminal_keeps_the_causes() -> None:
    text = shown(samples.outcome(), 30)
    assert re.search(r" 1 Missing index +87 %", text)
    assert re.search(r"None of these +6 %", text)


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
        "Not yet calibrated here: 3 of 30 confirmed incidents; read the confidences as an order.",
        "The cause is among the first 2 (90 %: so often lists made this way hold it).",
        "None of these",
        "pg_stat_user_tables",
        "Autovacuum ran on orders",
        "EXPLAIN SELECT",
        "CREATE INDEX CONCURRENTLY",
        "does not block, reversible",
        "logs: the case holds no logs.jsonl",
        "DROP INDEX CONCURRENTLY orders_customer_ref_idx",
        "migrations/0012_orders_customer_ref_idx.sql",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
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
            "next_step": NextStep(
                text=HOSTILE,
                command="do " + HOSTILE,
                undo="undo " + HOSTILE,
                files=(ProposedFile(path=HOSTILE, text="file " + HOSTILE),),
            ),
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
    text = shown(samples.outcome(weighed))
    assert ">99 %" in text
    assert "100 %" not in text


def test_a_step_told_before_is_not_told_again_but_one_that_shares_its_command_is() -> None:
    first, second = samples.proposals()
    same = second.model_copy(update={"confidence": 0.1, "next_step": first.next_step})
    text = shown(samples.outcome(samples.weighing(proposals=(first, same))))
    assert text.count("Create the index without blocking writes.") == 1
    assert text.count("Next     as above") == 1
    step = NextStep(text="Look at that query.", command=first.check_yourself)
    text = shown(samples.outcome(samples.weighing(proposals=(first.model_copy(update={"next_step": step}),))))
    assert "Look at that query." in text
    assert text.count("EXPLAIN SELECT") == 1


def test_what_is_below_one_per_cent_is_one_line() -> None:
    first, second = samples.proposals()
    small = tuple(
        second.model_copy(update={"rank": n, "id": f"p{n}", "title": f"Cause {n}", "confidence": 0.001})
        for n in range(2, 8)
    )
    text = shown(samples.outcome(samples.weighing(proposals=(first, *small), none_of_these=0.1269)))
    assert "6 others, each below 1 %" in text
    assert "Cause 2" not in text


def test_what_speaks_against_is_told_once() -> None:
    claim = samples.evidence()["e3"].value
    first = samples.proposals()[0].model_copy(
        update={"against_text": f"Vacuum ran; {claim}; disks are full."}
    )
    text = " ".join(shown(samples.outcome(samples.weighing(proposals=(first,)))).split())
    assert text.count("14 minutes after the onset") == 1
    assert "Against Vacuum ran; disks are full" in text


def test_sources_that_miss_for_one_reason_share_a_line() -> None:
    missing = {"status": "unavailable: none here", "topology": "unavailable: none here", "metrics": "ok"}
    text = shown(dataclasses.replace(samples.outcome(), coverage=missing))
    assert "Missing  status, topology: none here" in text


def test_of_two_proposals_alike_the_one_without_a_change_says_so() -> None:
    first = samples.proposals()[0]
    twin = first.model_copy(update={"rank": 2, "id": "twin", "change": None, "confidence": 0.07})
    text = shown(samples.outcome(samples.weighing(proposals=(first, twin))))
    assert "table orders · without a guilty change" in text
