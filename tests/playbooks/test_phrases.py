from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.change_effects import _PHRASES
from playbooks.change_rivals import _SIGNS
from playbooks.phrases import Phrase, lowered, phrase

LONG_S = "\N{LATIN SMALL LETTER LONG S}"
SHIPPED = (*(each for _, _, each in _PHRASES), *(sign.phrase for sign in _SIGNS))
MADE = (
    r"time[d]? ?out|slow",
    r"(?<!not )found\b|gone",
    r"a{2,3}b?c",
    r"(?:ab|cd)+e",
    r"(ab|cde|)x",
    r"[a-c]z|q",
    r"^ab$|cd.{0,3}ef",
    r"(?i:AB)c|D[^a]e",
    r"(a|b)(?:c|d)(e|f)g?h",
    r"\d{3} error",
)


def _plain(each: Phrase, text: str) -> bool:
    return re.search(each.pattern.pattern, text, re.IGNORECASE) is not None


@pytest.mark.parametrize("each", [*SHIPPED, *map(phrase, MADE)], ids=lambda each: each.pattern.pattern[:24])
@given(data=st.data())
@settings(max_examples=25, deadline=None, database=None)
def test_a_screened_search_finds_what_the_expression_finds(each: Phrase, data: st.DataObject) -> None:
    inside = data.draw(st.from_regex(each.pattern, fullmatch=False))
    around = data.draw(st.sampled_from(("", LONG_S, " x", "K\n")))
    for text in (inside, around + inside, inside.upper(), inside[: len(inside) // 2]):
        assert each.spoken_in(text, lowered(text)) == _plain(each, text)


@pytest.mark.parametrize(
    ("pattern", "text"), [("skew", f"{LONG_S}kew"), ("disk", f"di{LONG_S}k"), ("lock", "loc\N{KELVIN SIGN}")]
)
def test_letters_of_other_alphabets_that_match_are_not_screened_out(pattern: str, text: str) -> None:
    assert phrase(pattern).spoken_in(text, lowered(text))


def test_a_text_without_a_word_of_it_is_not_searched() -> None:
    each = phrase(r"time[d]? ?out|slow(?:er|ness)?|[ab]cd+ef?")
    assert each.words == ("ac", "bc", "slow", "time out", "timed out", "timedout", "timeout")
    assert not each.spoken_in("slow", "not the text")


def test_most_shipped_phrases_are_screened() -> None:
    assert sum(bool(each.words) for each in SHIPPED) >= 0.8 * len(SHIPPED)
