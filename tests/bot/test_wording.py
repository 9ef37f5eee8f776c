import pytest

from bot import result, wording
from graph.model import Verdict
from playbooks.model import Entity
from tests.bot import samples

SELECT = "SELECT id, status, total_cents, created_at::text FROM orders WHERE customer_email = $1"


def the_first(**changes: object) -> result.ProposalResult:
    first = samples.proposals()[0].model_copy(update=changes)
    return result.of_outcome(samples.outcome(samples.weighing(proposals=(first,)))).proposals[0]


def test_a_statement_is_shortened_in_its_middle() -> None:
    assert wording.brief(f"{SELECT} filters orders") == (
        "SELECT … FROM orders WHERE customer_email = $1 filters orders"
    )
    inserted = "spans of INSERT INTO orders (customer_id, total_cents) VALUES ($1, $2) RETURNING id: 3 ms"
    assert wording.brief(inserted) == "spans of INSERT INTO orders (…) VALUES (…) RETURNING id: 3 ms"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM t",
        "selected from many",
        "SELECT a, b",
        "SELECT id FROM orders WHERE code = $1: the planner's cost falls from 9 to 1",
        "SELECT id,… (shared words: idx, index); the planner's cost falls from 9 to 1",
        "",
    ],
)
def test_what_is_short_or_no_statement_stays(text: str) -> None:
    assert wording.brief(text) == text


def test_why_is_a_sentence_of_whole_clauses() -> None:
    why = f"deployed 15 s before the onset; {'a ' * 80}reason (both speak of mail); nothing else; {'b' * 90}"
    told = wording.why(the_first(why=why))
    assert len(told) <= wording.LONGEST_WHY
    assert told.startswith("deployed 15 s before the onset; a a")
    assert "(both" not in told
    assert not told.endswith("…")


def test_why_does_not_begin_the_same_statement_twice() -> None:
    told = wording.why(the_first(why=f"it is slow: {SELECT} (both speak of orders); {SELECT} filters orders"))
    assert told.count("SELECT") == 1


def test_a_word_is_never_cut_in_two_where_there_are_words() -> None:
    assert wording.at_a_word("one two three", 9) == "one two…"
    assert len(wording.at_a_word("x" * 300, 200)) == 200
    assert wording.in_the_middle("a" * 50 + "b" * 50, 40) == "a" * 26 + "…" + "b" * 13


def test_no_confidence_is_told_as_certainty() -> None:
    told = [wording.percent(share) for share in (0.0, 0.004, 0.01, 0.5, 0.99, 0.9999, 1.0)]
    assert told == ["<1 %", "<1 %", "1 %", "50 %", "99 %", ">99 %", ">99 %"]


def test_the_words_fit_the_figure_that_is_shown() -> None:
    assert (wording.percent(0.948), wording.degree(0.948)) == ("95 %", "almost certain")
    assert (wording.percent(0.944), wording.degree(0.944)) == ("94 %", "very likely")


def test_a_long_entity_that_the_title_names_is_named_once() -> None:
    entity = Entity(kind="statement", name=SELECT)
    assert wording.where(the_first(title=f"A query became slow: {SELECT}", entity=entity)) == "checkout"
    assert wording.where(the_first()) == "checkout · table orders"


def test_a_short_claim_is_not_cut_out_of_the_middle_of_another() -> None:
    assert wording.remainder("waited 0 of 6 times; none", ["0 of 6"]) == "waited 0 of 6 times; none"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_words(verdict: Verdict) -> None:
    assert wording.VERDICTS[verdict]
    assert wording.none_of_these(verdict)
