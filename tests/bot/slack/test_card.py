"""Cards: everything to decide on before the buttons, inside every limit, whatever strangers wrote."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cardview import CardView, Said, Underway, unread
from bot.desk import Body, Desked, IncidentState
from bot.questioning import FIRST_LOOK, QuestionSeen
from bot.result import Result, of_outcome
from bot.slack.blocks import MOST_WEIGHT, weight
from bot.slack.card import card
from bot.slack.payloads import _ACTION
from bot.slack.thread import thread
from connectors.contract import Source
from graph.context import Progress
from graph.model import Verdict
from tests.bot import samples
from tests.doubles.slack_limits import wrong_with_blocks

HOSTILE = "<!channel> <@U123456> @here ```x``` *b* \u202ereversed\u200b https://evil.example :boom: 🔥"


def desked(**changes: object) -> Desked:
    given_ = Desked(
        id="INC-42", state=IncidentState.AWAITING_CONFIRMATION, service="checkout",
        title="checkout p99 above 800 ms", started_at=samples.ONSET, opened_at=samples.AT,
        last_alert_at=samples.AT, joined=12, services=("checkout", "cart"),
    )  # fmt: skip
    return given_.model_copy(update=changes)


def view(result: Result | None = None, **changes: object) -> CardView:
    given_ = CardView(
        incident=desked(), result=result or of_outcome(samples.outcome()), weighing="w" + "a" * 64
    )
    return given_.model_copy(update=changes)


def words(block: Body) -> str:
    """What a person reads of a block."""
    found: list[str] = []

    def read(each: object) -> None:
        if isinstance(each, dict):
            found.extend(value for key, value in each.items() if key == "text" and isinstance(value, str))
            for value in each.values():
                read(value)
        elif isinstance(each, list):
            for value in each:
                read(value)

    read(block)
    return " ".join(found)


def buttons(shown: CardView) -> list[str]:
    return [
        str(element["action_id"])
        for block in card(shown).blocks
        if block["type"] == "actions"
        for element in block["elements"]  # type: ignore[union-attr]  # what an actions block holds
        if isinstance(element, dict)
    ]


def with_verdict(verdict: Verdict) -> CardView:
    return view(of_outcome(samples.outcome(samples.weighing(verdict=verdict))))


def test_the_verdict_is_the_headline() -> None:
    assert words(card(view()).blocks[0]).startswith("checkout is slow since 14:48")


def test_what_speaks_against_and_the_check_come_before_the_buttons() -> None:
    blocks = card(view()).blocks
    first = next(i for i, block in enumerate(blocks) if block["type"] == "actions")
    before = " ".join(words(block) for block in blocks[:first])
    for needed in ("Against:", "Autovacuum ran on orders", "EXPLAIN SELECT", "CREATE INDEX CONCURRENTLY",
                   "87 %", "3 of 30", "Logs unavailable", "12 alerts in one: checkout, cart"):  # fmt: skip
        assert needed in before


def test_the_notification_is_a_sentence_with_verdict_and_confidence() -> None:
    text = card(view()).text
    assert "INC-42" in text
    assert "checkout is slow since 14:48" in text
    assert "(87 %)" in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_button_of_every_verdict_is_heard(verdict: Verdict) -> None:
    actions = buttons(with_verdict(verdict))
    assert {"something_else", "ask_again", "nothing_wrong"} <= set(actions)
    assert all(_ACTION.fullmatch(action) for action in actions)


def test_nobody_is_led_to_confirm_a_cause_where_nothing_seems_wrong() -> None:
    shown = with_verdict(Verdict.NO_FAULT)
    assert buttons(shown)[0] == "nothing_wrong"
    assert "confirm" not in buttons(shown)


def test_a_button_carries_what_was_not_read() -> None:
    result = of_outcome(samples.outcome())
    assert unread(result) == ("logs",)
    row = next(block for block in card(view()).blocks if block["type"] == "actions")
    value = json.loads(row["elements"][0]["value"])  # type: ignore[index,call-overload,arg-type]  # a button
    assert value == {
        "incident": "INC-42", "weighing": "w" + "a" * 64, "proposal": "p-missing-index", "unread": ["logs"]
    }  # fmt: skip


def test_what_is_not_configured_is_not_asked_about() -> None:
    result = of_outcome(samples.outcome()).model_copy(
        update={"coverage": {"traces": "unavailable: no source of this kind", "logs": "ok"}}
    )
    assert unread(result) == ()


def test_a_source_that_was_read_in_part_is_not_called_unavailable() -> None:
    result = of_outcome(samples.outcome()).model_copy(
        update={"coverage": {"changes": "partly: no source that is configured answers CommitLog"}}
    )
    drawn = json.dumps(card(view(result=result)).blocks)
    assert "Changes read in part: no source that is configured answers CommitLog" in drawn


def test_a_closed_card_says_who_decided_what_and_has_no_buttons() -> None:
    said = Said(
        by="U0123456", at=samples.AT, decision="confirm", proposal="p-missing-index", title="Missing index"
    )
    shown = view(incident=desked(state=IncidentState.CLOSED), answers=(said,))
    told = " ".join(words(block) for block in card(shown).blocks)
    assert "@U0123456 confirmed: Missing index, 2026-06-18 15:06:00 UTC" in told
    assert "CREATE INDEX CONCURRENTLY" in told
    assert buttons(shown) == []


def test_a_card_under_way_tells_stages_and_what_was_asked() -> None:
    underway = Underway()
    for at, event in (
        (0.0, Progress("gather", "started")),
        (0.1, Progress("gather", "started", Source.METRICS, "q")),
        (1.0, Progress("gather", "answered", Source.METRICS, "q", 0.9)),
        (1.2, Progress("gather", "unavailable", Source.TRACES, "q", 1.0, "timed out")),
        (2.0, Progress("weigh", "started")),
    ):
        underway = underway.heard(event, at)
    shown = view(
        incident=desked(state=IncidentState.INVESTIGATING), underway=underway, seconds=2.5, resumed=True
    )
    told = " ".join(words(block) for block in card(shown).blocks)
    for needed in ("✓ asked every source · 2.0 s", "▸ weighed causes · 0.5 s", "1 answered", "timed out",
                   "Taken up again after a restart."):  # fmt: skip
        assert needed in told
    assert buttons(shown) == []


def test_an_error_is_told_with_a_way_on() -> None:
    shown = view(incident=desked(state=IncidentState.OPEN), error="the store is away")
    assert buttons(shown) == ["ask_again"]
    assert "the store is away" in card(shown).text


def test_a_resolved_pager_confirms_nothing() -> None:
    shown = view(incident=desked(resolved_at=samples.AT + timedelta(minutes=2)))
    assert "that confirms no cause" in words(card(shown).blocks[2])


def test_a_command_is_whole_or_absent() -> None:
    result = of_outcome(samples.outcome())
    command = "psql -c 'DELETE FROM orders WHERE id = 1 " + "AND x = 1 " * 400 + "'"
    step = result.proposals[0].next_step.model_copy(update={"command": command})
    first = result.proposals[0].model_copy(update={"next_step": step})
    told = " ".join(
        words(block) for block in card(view(result.model_copy(update={"proposals": [first]}))).blocks
    )
    assert "DELETE FROM" not in told
    assert "the command is in the thread" in told


hostile = st.one_of(
    st.just(HOSTILE),
    st.text(max_size=60),
    st.text(alphabet="`<>&🔥\u202e\n", min_size=1, max_size=40).map(lambda text: text * 150),
)


@settings(max_examples=25, deadline=None)
@given(text=hostile, verdict=st.sampled_from(Verdict), state=st.sampled_from(IncidentState))
def test_whatever_strangers_wrote_the_card_fits_and_mentions_nobody(
    text: str, verdict: Verdict, state: IncidentState
) -> None:
    result = of_outcome(samples.outcome(samples.weighing(verdict=verdict, summary=text)))
    proposals = [
        each.model_copy(update={
            "title": text, "why": text, "against_text": text, "check_yourself": text, "confidence": 0.3,
            "next_step": each.next_step.model_copy(update={"text": text, "command": text}),
        })
        for each in (*result.proposals, result.proposals[0])
    ]  # fmt: skip
    result = result.model_copy(update={"proposals": proposals, "coverage": {text: f"unavailable: {text}"}})
    incident = desked(title=text, service=text, services=(text,) * 9, note=text, state=state)
    shown = card(view(result, incident=incident, error=text if state is IncidentState.OPEN else ""))
    assert wrong_with_blocks(list(shown.blocks)) == []
    assert weight(shown.blocks) <= MOST_WEIGHT
    assert "<" not in shown.text
    written = json.dumps(list(shown.blocks), ensure_ascii=False)
    assert "\u202e" not in written
    assert not {"mrkdwn", "broadcast", "user", "usergroup"} & {
        part.strip('"') for part in written.replace(":", " ").replace(",", " ").replace("}", " ").split()
        if part in ('"mrkdwn"', '"broadcast"', '"user"', '"usergroup"')
    }  # fmt: skip


def asked_everything() -> tuple[QuestionSeen, ...]:
    found = [
        QuestionSeen(
            source=Source.METRICS, asked="how every metric moved", why=FIRST_LOOK, cited=("up", "x")
        ),
        QuestionSeen(source=Source.LOGS, asked="what was logged", why=FIRST_LOOK, unavailable="no logs here"),
    ]
    many = [
        QuestionSeen(
            source=Source.DATABASE, asked="a plan", why="may tell missing index", cited=("&<>" * 90,)
        )
        for _ in range(50)
    ]
    return (*found, *many)


def test_the_thread_says_what_was_asked_why_and_what_came_back() -> None:
    messages = [each for each in thread(view(questions=asked_everything())) if "What was asked" in each.text]
    told = " ".join(words(block) for each in messages for block in each.blocks)
    assert FIRST_LOOK in told
    assert "metrics, how every metric moved:  up (and 1 more)" in told
    assert "logs, what was logged:  no answer, no logs here" in told
    assert "22 more are in the record" in told
    assert all(weight(each.blocks) <= MOST_WEIGHT for each in messages)
    assert len(messages) <= 6


def test_the_thread_says_who_ruled_out_what_and_what_speaks_against_it() -> None:
    outcome = replace(samples.outcome(), rejected=samples.proposals()[:1])
    said = Said(by="U1234567", at=samples.AT, decision="rule_out", proposal="p-missing-index")
    messages = thread(view(of_outcome(outcome), answers=(said,)))
    told = " ".join(words(block) for each in messages for block in each.blocks)
    assert "Missing index:  ruled out by @U1234567; Autovacuum ran on orders" in told


def test_a_next_step_says_what_it_takes_and_how_to_watch_it() -> None:
    first = samples.proposals()[0]
    step = first.next_step.model_copy(
        update={"estimate": "12 GB, some 20 min", "locks": "waits for open transactions", "watch": "SELECT 7"}
    )
    weighed = samples.weighing(proposals=(first.model_copy(update={"next_step": step}),))
    told = " ".join(words(each) for each in card(view(of_outcome(samples.outcome(weighed)))).blocks)
    assert "12 GB, some 20 min; waits for open transactions" in told
    assert "SELECT 7" in told


def test_a_card_links_to_the_page_where_one_is_reached() -> None:
    assert "https://firstcause.example" in json.dumps(card(view(url="https://firstcause.example/i/1")).blocks)
    assert '"link"' not in json.dumps(card(view()).blocks)


def test_the_thread_holds_the_evidence_and_the_way_back() -> None:
    told = thread(view())
    first = " ".join(words(block) for block in told[0].blocks)
    assert "pg_stat_user_tables" in first
    assert "DROP INDEX CONCURRENTLY" in first
    assert all(wrong_with_blocks(list(each.blocks)) == [] for each in told)
    assert all(weight(each.blocks) <= MOST_WEIGHT for each in told)
