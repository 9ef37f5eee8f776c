import io

import pytest
from rich.console import Console

from bot import dialogue
from bot.investigation import Confirm, Decision, NothingWrong, Partly, RuleOut, SomethingElse
from tests.bot import samples

PROPOSALS = samples.proposals()


@pytest.mark.parametrize(
    ("typed", "decision"),
    [
        ("c 1", Confirm(proposal="p-missing-index")),
        ("CONFIRM 2", Confirm(proposal="p-bad-deploy")),
        ("r 2", RuleOut(proposal="p-bad-deploy")),
        ("rule out 1", RuleOut(proposal="p-missing-index")),
        ("p 1 and a cold cache", Partly(proposal="p-missing-index", text="and a cold cache")),
        ("s the certificate had expired", SomethingElse(text="the certificate had expired")),
        ("something else a full disk", SomethingElse(text="a full disk")),
        ("n", NothingWrong()),
        ("nothing was wrong", NothingWrong()),
        ("q", None),
    ],
)
def test_what_is_typed_is_understood(typed: str, decision: Decision | None) -> None:
    assert dialogue.understood(typed, PROPOSALS) == decision


@pytest.mark.parametrize("typed", ["yes", "c 3", "c", "r", "p", "p x", "s 1", "r x", "p 0", "s", "1", "c -1"])
def test_what_is_not_understood_is_said_and_never_guessed(typed: str) -> None:
    with pytest.raises(dialogue.NotUnderstoodError):
        dialogue.understood(typed, PROPOSALS)


def test_asking_goes_on_until_an_answer_is_understood() -> None:
    typed = iter(["what\n", "\n", "r 1\n"])
    out = io.StringIO()
    decision = dialogue.ask(Console(file=out), lambda: next(typed), PROPOSALS)
    assert decision == RuleOut(proposal="p-missing-index")
    assert "please type one of" in out.getvalue()
    assert "1 Missing index 87 % · 2 Bad deploy 7 %\n" in out.getvalue()


def test_the_numbers_are_those_that_were_shown() -> None:
    with pytest.raises(dialogue.NotUnderstoodError, match="choose a number from 1 to 1, such as: r 1"):
        dialogue.understood("r 2", PROPOSALS[:1])


def test_the_end_of_input_leaves_it_open() -> None:
    assert dialogue.ask(Console(file=io.StringIO()), lambda: "", PROPOSALS) is None
