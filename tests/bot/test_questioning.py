"""What was asked, for people: every kind has words, a reason, and what came of it."""

from __future__ import annotations

from bot.questioning import WORDS
from connectors import questions as vocabulary
from connectors.contract import Question

NO_KINDS = (Question, vocabulary.DatabaseQuestion)


def test_every_kind_of_question_has_its_words() -> None:
    kinds = {
        name
        for name, kind in vars(vocabulary).items()
        if isinstance(kind, type) and issubclass(kind, Question) and kind not in NO_KINDS
    }
    assert kinds == set(WORDS)
