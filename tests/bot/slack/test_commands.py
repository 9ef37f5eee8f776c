"""The grammar of `/diagnose`, on what people type at three in the morning and on what strangers do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.commands import (
    Cancel,
    Diagnose,
    Help,
    Misread,
    Postmortem,
    Show,
    Status,
    Typed,
    mentioned,
    read,
    seen,
)
from bot.slack.guard import clean, cut
from tests.bot.slack.conftest import SERVICES


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("checkout", Diagnose("checkout")),
        ("Checkout", Diagnose("checkout")),
        ("co", Diagnose("checkout")),
        ("checkout api since 30m", Diagnose("checkout", minutes(30))),
        ("checkout since 1h30m it is slow", Diagnose("checkout", minutes(90), "it is slow")),
        ("checkout: it is slow since 2h for all", Diagnose("checkout", minutes(120), "it is slow for all")),
        ("checkout slow since the deploy", Diagnose("checkout", None, "slow since the deploy")),
        ("diagnose checkout", Diagnose("checkout")),
        ("investigate checkout since 1.5h", Diagnose("checkout", minutes(90))),
        ("`checkout-db` since 45m.", Diagnose("checkout-db", minutes(45))),
        ('"status" since 30m', Diagnose("status", minutes(30))),
        ("“status”", Diagnose("status")),
        ("  checkout\n\tsince   30m\u202e ", Diagnose("checkout", minutes(30))),
        ("", Help()),
        ("help", Help()),
        ("?", Help()),
        ("status", Status()),
        ("STATUS", Status()),
        ("status INC-4", Show("INC-4")),
        ("INC-42", Show("INC-42")),
        ("inc42", Show("INC-42")),
        ("inc-042?", Show("INC-42")),
        ("cancel INC-3", Cancel("INC-3")),
        ("stop inc3", Cancel("INC-3")),
        ("postmortem INC-3", Postmortem("INC-3")),
        ("post-mortem INC-3", Postmortem("INC-3")),
    ],
)
def test_what_is_typed_is_understood(text: str, typed: Typed) -> None:
    assert read(text, SERVICES) == typed


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("", Show("")),
        ("cancel", Cancel("")),
        ("postmortem", Postmortem("")),
        ("checkout", Diagnose("checkout")),
    ],
)
def test_in_a_thread_its_incident_need_not_be_named(text: str, typed: Typed) -> None:
    assert read(text, SERVICES, in_thread=True) == typed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("chekout", "Did you mean `checkout`"),
        ("zzzzzz since 30m", "none is called nearly so"),
        ("checkout since yesterday", "since 30m"),
        ("checkout since", "since 30m"),
        ("checkout since 3d", "at most two days"),
        ("checkout since 0m", "since 30m"),
        ("checkout since 14:02", "since 30m"),
        ("cancel", "/diagnose cancel INC-42"),
        ("cancel checkout", "`checkout` is no incident"),
        ("postmortem it", "/diagnose postmortem INC-42"),
    ],
)
def test_what_is_not_understood_is_answered_with_what_to_type(text: str, says: str) -> None:
    typed = read(text, SERVICES)
    assert isinstance(typed, Misread)
    assert says in typed.why


@given(st.text(max_size=400))
def test_no_text_breaks_the_grammar_or_gets_markup_into_its_answer(text: str) -> None:
    typed = read(seen(text), SERVICES)
    if isinstance(typed, Misread):
        assert clean(typed.why) == typed.why
        assert len(typed.why) < 1_000
    elif isinstance(typed, Diagnose):
        assert SERVICES.find(typed.service) is not None


@given(st.text(alphabet="<>@!#|&; aU1:/", max_size=300))
def test_cleaned_text_stays_clean_and_mentions_nobody(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not any(each in cleaned for each in ("<@", "<!", "<#"))
    assert len(cut(cleaned, 50)) <= 50


@pytest.mark.parametrize("text", ["since " * 3_000, "<" * 5_000, "1h" * 5_000, '"' * 5_000, "a|b<" * 2_000])
def test_a_long_hostile_text_is_answered(text: str) -> None:
    assert isinstance(read(seen(text), SERVICES), Misread)


def test_a_text_of_slacks_is_read_as_it_is_seen() -> None:
    assert seen("<@U1> <#C1|ops> <!here> <http://a.example|a> <http://b.example> 1 &lt; 2 &amp; 3") == (
        "@U1 #ops @here a http://b.example 1 < 2 & 3"
    )


def test_the_services_that_a_message_names_are_found_in_its_order() -> None:
    text = "[FIRING] *payments.prod*: checkout (alias co) waits, service=checkout-db; recheckout is nothing"
    assert mentioned(text, SERVICES) == ["payments.prod", "checkout", "checkout-db"]
    assert mentioned("nothing here", SERVICES) == []
