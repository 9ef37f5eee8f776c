"""The window that asks what else it was: inside Slack's limits, and what is chosen becomes the label."""

from __future__ import annotations

from bot.answering import decision_of
from bot.cardview import Said
from bot.result import of_outcome
from bot.slack.heard import Back, Chosen
from bot.slack.windows import something_else
from graph.decisions import Label, SomethingElse, label, parse
from tests.bot import samples
from tests.doubles.slack_limits import wrong_with_view

GROUPS = {"table": ["missing_index"], "host": ["disk_full"]}


def test_causes_are_offered_in_groups_and_services_by_name() -> None:
    blocks = {each["block_id"]: each["element"] for each in something_else(GROUPS, ["cart"])["blocks"]}
    groups = blocks["cause"]["option_groups"]
    told = {each["label"]["text"]: [one["text"]["text"] for one in each["options"]] for each in groups}
    assert told == {"Host": ["Disk full"], "Table": ["Missing index"]}
    assert [each["value"] for each in blocks["known"]["options"]] == ["cart"]


def test_more_services_and_longer_names_than_slack_takes_still_open_the_window() -> None:
    many = {f"kind {n}": [f"cause_{n}_{k}" for k in range(120)] for n in range(120)}
    services = ["s" * 149, "x" * 200, "", *(f"service-{n}" for n in range(300))]
    assert wrong_with_view({"type": "modal", **something_else(many, services)}) == []
    assert wrong_with_view({"type": "modal", **something_else({}, [])}) == []


def test_what_was_chosen_is_kept_as_cause_and_service_of_the_label() -> None:
    back = Back(user="U1")
    chosen = Chosen(
        decision="something_else", incident="INC-1", cause="disk_full", service="db", text="WAL", back=back
    )
    decision = decision_of(chosen)
    kept = label(decision, "w1", samples.weighing())
    assert (kept.cause, kept.service, kept.text, kept.proposal) == ("disk_full", "db", "WAL", None)
    assert Label.model_validate_json(kept.model_dump_json()) == kept
    said = Said.of(decision, of_outcome(samples.outcome()), "U1", samples.AT)
    assert said.text == "disk full at db: WAL"


def test_an_answer_that_an_earlier_version_wrote_is_still_read() -> None:
    assert parse('{"kind": "something_else", "text": "a cut cable"}') == SomethingElse(text="a cut cable")
