from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import LogRecord, LogSet
from playbooks.logmix import pattern, statement
from playbooks.templates import masked, named, templates

NAMES = ("alice", "bob", "carol", "dave", "erin")


def _count(*bodies: str) -> int:
    return len(set(templates(bodies).ids))


# --- what is one statement ------------------------------------------------------------------------------
def test_user_names_in_the_middle_are_one_template_where_the_mask_sees_many() -> None:
    bodies = [f"user {name} logged in from the web" for name in NAMES]
    assert len({pattern(body) for body in bodies}) == len(NAMES)
    found = templates(bodies)
    assert len(set(found.ids)) == 1
    assert found.text(found.ids[0]) == "user <*> logged in from the web"


def test_user_names_at_the_front_are_one_template() -> None:
    found = templates([f"{name} logged in" for name in NAMES])
    assert found.texts == ("<*> logged in",)


def test_two_hosts_are_one_template() -> None:
    assert _count("connect to db-a.shop.internal failed", "connect to db-b.shop.internal failed") == 1


def test_two_values_in_one_line_may_both_vary() -> None:
    bodies = [
        f"moved cart of {a} to {b} as asked by support" for a, b in zip(NAMES, NAMES[::-1], strict=True)
    ]
    assert _count(*bodies) == 1


def test_what_follows_a_colon_is_a_value() -> None:
    assert _count("query station name: berlin", "query station name: paris") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("payment done, state: success", "payment done, state: failed"),
        ("instance started by the scheduler", "instance stopped by the scheduler"),
        ("call ended with java.net.SocketTimeoutException", "call ended with java.net.ConnectException"),
        ("healthy=true for the pool", "healthy=false for the pool"),
        ("order accepted", "stock reserved for an order"),
    ],
)
def test_outcomes_and_other_words_are_not_merged(one: str, other: str) -> None:
    assert _count(one, other) == 2


def test_a_word_with_two_forms_tells_statements_apart() -> None:
    assert _count("entering the queue of orders", "leaving the queue of orders") == 2


def test_data_in_brackets_is_a_value_and_words_in_brackets_are_words() -> None:
    assert masked("result {id=4, names=[a, b]} sent") == "result <data> sent"
    assert masked("[pay][Inside Payment Service]") == "[pay][Inside Payment Service]"


def test_a_template_reads_as_its_line_does() -> None:
    lines = ("KeyError: no price for item", "[pay][Pay] state=failed, giving up (later)")
    assert [templates([line]).texts[0] for line in lines] == [lines[0], lines[1].replace(" (", "(")]


# --- promises -------------------------------------------------------------------------------------------
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.builds("user {} did {}".format, st.sampled_from(NAMES), st.sampled_from(["a", "b-1", "c"])),
        st.builds("[{}][x: {}]".format, st.sampled_from(NAMES), st.integers(0, 99)),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(bodies: list[str], random: Random) -> None:
    shuffled = random.sample(bodies, len(bodies))
    before, after = templates(bodies), templates(shuffled)
    assert before.texts == after.texts
    by_body = dict(zip(shuffled, after.ids, strict=True))
    assert before.ids == tuple(by_body[body] for body in bodies)


_DICE = Random(5)
CHAIN = sorted(
    {" ".join(["go", *(place + _DICE.choice("vvvwxyz") for place in "abcdefg")]) for _ in range(80)}
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.permutations(CHAIN))
def test_the_order_of_lines_that_are_all_a_little_alike_does_not_matter(bodies: list[str]) -> None:
    found, usual = templates(bodies), templates(CHAIN)
    assert found.texts == usual.texts
    assert dict(zip(bodies, found.ids, strict=True)) == dict(zip(CHAIN, usual.ids, strict=True))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TEXTS)
def test_repeated_lines_change_nothing(bodies: list[str]) -> None:
    twice = templates(bodies * 2)
    assert twice.texts == templates(bodies).texts
    assert twice.ids[: len(bodies)] == twice.ids[len(bodies) :]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TEXTS)
def test_every_line_has_a_template_and_no_template_is_empty_of_lines(bodies: list[str]) -> None:
    found = templates(bodies)
    assert len(found.ids) == len(bodies)
    assert set(found.ids) == set(range(len(found.texts)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TEXTS)
def test_lines_with_one_mask_have_one_template(bodies: list[str]) -> None:
    found = dict(zip(bodies, templates(bodies).ids, strict=True))
    by_mask: dict[str, set[int]] = {}
    for body, number in found.items():
        by_mask.setdefault(masked(body), set()).add(number)
    assert all(len(numbers) == 1 for numbers in by_mask.values())


def test_no_lines_have_no_templates() -> None:
    assert templates([]).texts == ()


def test_a_person_in_a_line_is_not_kept() -> None:
    found = templates(['mail to anna.meier@example.com sent by "Anna Meier" at 0171 2345678'])
    assert not any(word in found.texts[0] for word in ("anna", "Anna", "0171"))


@pytest.mark.parametrize(
    "part", ["[", "{a=", "[a,", "(=,", "=[", "'", '"', "a@", "a.", "x: ", "\x00", "é", "9"]
)
def test_hostile_lines_take_no_longer_than_others(part: str) -> None:
    began = time.process_time()
    templates([f"{part * 4000}{n}" for n in range(100)])
    assert time.process_time() - began < 2.0


def test_time_grows_with_the_lines_and_no_faster() -> None:
    def seconds(count: int) -> float:
        words = ("".join(chr(97 + n // 26**i % 26) for i in range(3)) for n in range(count))
        bodies = [f"{word} went by here" for word in words]
        return min(_timed(bodies) for _ in range(2))

    assert seconds(8000) < 8 * seconds(2000) + 0.1


def _timed(bodies: list[str]) -> float:
    began = time.process_time()
    templates(bodies)
    return time.process_time() - began


# --- as loggers -----------------------------------------------------------------------------------------
def _log(service: str, body: str, logger: str = "") -> LogRecord:
    return LogRecord(1.0, service, "INFO", body, logger)


def test_lines_without_a_logger_get_their_template_as_one() -> None:
    logs = named(LogSet(tuple(_log("cart", f"user {name} paid for it") for name in NAMES), truncated=True))
    assert {statement(record) for record in logs.records} == {"user <*> paid for it"}
    assert logs.truncated


def test_a_known_logger_stays() -> None:
    logs = named(LogSet((_log("cart", "order 1", "Orders#7"), _log("cart", "order 2"))))
    assert [record.logger for record in logs.records] == ["Orders#7", "order <n>"]


def test_services_do_not_share_templates() -> None:
    lines = [_log(f"s{i}", f"user {name} paid for it") for i, name in enumerate(NAMES)]
    assert len({record.logger for record in named(LogSet(tuple(lines))).records}) == len(NAMES)
