"""The app over HTTP: whom it believes, what it keeps, what it answers, and that it answers in time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.cardview import CardView
from bot.desk import AuditKind, DeliveryKind, Desk, Message, Transaction
from bot.slack.card import card
from bot.slack.endpoint import MOST_BYTES
from bot.slack.heard import Asked, Chosen
from tests.bot import samples
from tests.bot.slack.conftest import Scene, Start
from tests.doubles.slack_people import Request, buttons_of


def asked_of(scene: Scene) -> Asked:
    (delivery,) = scene.deliveries()
    return Asked.of(delivery)


# whom it believes


def signed_command(scene: Scene, **more: Any) -> Request:
    payload = {
        "command": "/diagnose",
        "text": "checkout",
        "user_id": "U0ANN",
        "channel_id": "C0INC",
        "team_id": scene.workspace.team,
        "trigger_id": scene.workspace.trigger(),
        "response_url": scene.workspace.respond_to("U0ANN", "C0INC", None, "commands"),
    }
    return scene.workspace.request("slash_commands", payload | more)


def test_what_slack_signed_is_kept(scene: Scene) -> None:
    assert scene.workspace.send(signed_command(scene)).status == 200
    (delivery,) = scene.deliveries()
    assert delivery.kind is DeliveryKind.SLACK_COMMAND
    assert scene.audited(AuditKind.DELIVERY) == 1


@pytest.mark.parametrize(
    "forgery",
    [
        {"secret": "another secret of the same length"},
        {"hours": -1},
        {"hours": 1},
    ],
)
def test_a_signature_that_is_forged_stale_or_of_tomorrow_is_refused(
    scene: Scene, forgery: dict[str, Any]
) -> None:
    body = signed_command(scene).body
    hours = forgery.pop("hours", 0)
    forged = scene.workspace.signed(body, at=time.time() + hours * 3600, **forgery)
    assert scene.workspace.send(forged).status == 401
    assert scene.deliveries() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0=é".encode("latin-1")},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "now"},
        {"X-Slack-Request-Timestamp": "9" * 400},
        {"X-Slack-Request-Timestamp": "another"},
    ],
)
def test_a_header_that_is_missing_senseless_or_swapped_is_refused(
    scene: Scene, changed: dict[str, str | bytes]
) -> None:
    request = signed_command(scene)
    if changed.get("X-Slack-Request-Timestamp") == "another":
        changed = {"X-Slack-Request-Timestamp": str(int(request.headers["X-Slack-Request-Timestamp"]) - 1)}
    assert scene.workspace.send(Request(request.body, {**request.headers, **changed})).status == 401  # type: ignore[dict-item]  # bytes are sent as they are


def test_a_signature_does_not_vouch_for_another_body(scene: Scene) -> None:
    one, other = signed_command(scene), signed_command(scene, text="checkout-db")
    assert scene.workspace.send(Request(other.body, one.headers)).status == 401
    assert scene.deliveries() == []


def test_a_request_that_is_replayed_is_carried_out_once(scene: Scene) -> None:
    request = signed_command(scene)
    assert [scene.workspace.send(request).status for _ in range(3)] == [200] * 3
    again = scene.workspace.signed(request.body)
    assert scene.workspace.send(again).status == 200
    assert len(scene.deliveries()) == 1


def test_a_replayed_click_opens_no_second_window(scene: Scene) -> None:
    scene.open()
    scene.workspace.click(scene.card(), "something_else")
    assert scene.workspace.last is not None
    scene.workspace.send(scene.workspace.last)
    assert scene.workspace.calls["views.open"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"payload=\xff\xfe", 400),
        (b"x" * (MOST_BYTES + 1), 413),
        (b"", 403),
        (b"payload=%7B", 400),
        (b"payload=%5B%5D", 400),
        (b"payload=" + b"%5B" * 50_000, 400),
        (json.dumps({"type": "event_callback"}).encode(), 403),
        (b"command=%2Fdiagnose&text=checkout", 403),
    ],
)
def test_a_body_that_nobody_can_read_is_refused_and_not_kept(scene: Scene, body: bytes, status: int) -> None:
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    assert scene.workspace.send(scene.workspace.signed(body, kind)).status == status
    assert scene.deliveries() == []


def test_slack_can_verify_the_address(scene: Scene) -> None:
    said = {"type": "url_verification", "challenge": "c-123", "token": "x"}
    ack = scene.workspace.send(scene.workspace.signed(json.dumps(said).encode(), "application/json"))
    assert (ack.status, "c-123" in ack.body) == (200, True)


def test_another_workspace_is_not_heard(scene: Scene) -> None:
    assert scene.workspace.command("checkout", team_id="T0OTHER").status == 403
    card = scene.card()
    for elsewhere in ({"user_team": "T0OTHER"}, {"team": {"id": "T0OTHER"}}):
        assert scene.workspace.click(card, "confirm", **elsewhere).status == 403
        assert scene.workspace.shortcut(card, **elsewhere).status == 403
    assert scene.workspace.mention("checkout", event={"user_team": "T0OTHER"}).status == 403
    assert scene.workspace.mention("checkout", team_id="T0OTHER").status == 403
    assert scene.deliveries() == []


def test_the_tokens_own_workspace_is_heard_where_none_is_configured(start: Start) -> None:
    scene = start(workspace=None)
    assert scene.workspace.command("checkout", team_id="T0OTHER").status == 403
    assert scene.workspace.command("checkout").status == 200
    assert scene.workspace.calls["auth.test"] == 1
    assert len(scene.deliveries()) == 1


def test_nobody_is_heard_while_it_is_not_known_who_may_be(start: Start) -> None:
    scene = start(workspace=None)
    scene.workspace.fail("auth.test", "500")
    assert scene.workspace.command("checkout").status == 503
    assert scene.workspace.command("checkout").status == 200


# what people type


def test_a_command_is_kept_with_all_that_was_said(scene: Scene) -> None:
    ack = scene.workspace.command("checkout since 1h30m payments time out, token=abcdefgh12345678")
    assert ack.text == "Understood: checkout, for 90 min."
    asked = asked_of(scene)
    assert (asked.do, asked.service, asked.since_seconds) == ("diagnose", "checkout", 5400)
    assert asked.text.startswith("payments time out")
    assert "abcdefgh12345678" not in asked.text
    assert asked.back.response.startswith("commands/")


def test_an_unknown_service_is_answered_with_the_nearest_names(scene: Scene) -> None:
    ack = scene.workspace.command("chekout since 30m")
    assert "Did you mean `checkout`" in ack.text
    assert scene.deliveries() == []


def test_a_command_cannot_be_made_to_mention_anybody(scene: Scene) -> None:
    for hostile in ("<!channel>", "&lt;!here&gt;", "checkout since <@U0EVE>", "cancel <!everyone>"):
        ack = scene.workspace.command(hostile)
        assert ack.status == 200
        assert not any(each in ack.text for each in ("<!", "<@", "<#")), ack.text


def test_status_lists_what_is_under_way_without_a_worker(scene: Scene) -> None:
    scene.open(title="latency of <!channel>")
    text = scene.workspace.command("status").text
    assert "*1 under way*" in text
    assert "INC-1" in text
    assert "<!" not in text
    assert scene.deliveries() == []


def test_an_incident_is_shown_with_the_link_to_its_card(start: Start) -> None:
    scene = start(workspace=None)
    scene.open(place={"channel": "C0INC", "ts": "1781788000.000100"})
    text = scene.workspace.command("inc-1").text
    assert f"<{scene.workspace.url}/archives/C0INC/p1781788000000100|INC-1>" in text
    assert "There is no incident INC-9" in scene.workspace.command("INC-9").text


def test_cancelling_and_post_mortems_are_kept_for_incidents_that_are_there(scene: Scene) -> None:
    scene.open()
    assert "no incident INC-7" in scene.workspace.command("cancel INC-7").text
    assert scene.workspace.command("cancel inc-1").text == ""
    assert scene.workspace.command("postmortem INC-1").text == ""
    asked = [Asked.of(each) for each in scene.deliveries()]
    assert [(each.do, each.incident) for each in asked] == [("cancel", "INC-1"), ("postmortem", "INC-1")]


def test_a_mention_in_a_thread_means_the_threads_incident(scene: Scene) -> None:
    alert = scene.workspace.say("p99 of checkout is above 2 s")
    assert scene.workspace.mention("cancel", thread_ts=alert.ts).status == 200
    asked = asked_of(scene)
    assert (asked.do, asked.incident, asked.back.thread_ts) == ("cancel", "", alert.ts)


def test_a_mention_names_a_service_also_where_slack_made_a_link_of_it(scene: Scene) -> None:
    scene.workspace.mention("<http://payments.prod|payments.prod> since 2h &amp; slow")
    asked = asked_of(scene)
    assert (asked.service, asked.since_seconds, asked.text) == ("payments.prod", 7200, "& slow")


def test_a_mention_that_is_not_understood_is_answered_to_its_writer_alone(scene: Scene) -> None:
    alert = scene.workspace.say("an alert")
    scene.workspace.mention("chekout", user="U0BEN", thread_ts=alert.ts)
    assert "Did you mean" in scene.told("U0BEN")[0]
    assert scene.workspace.shown[0].thread_ts == alert.ts
    assert scene.workspace.by_app() == []


def test_a_mention_by_another_app_begins_nothing(scene: Scene) -> None:
    assert scene.workspace.mention("checkout", event={"bot_id": "B0OTHER"}).status == 200
    assert scene.deliveries() == []


def test_an_alerts_message_begins_a_diagnosis_of_the_service_it_names(scene: Scene) -> None:
    attachment = {
        "title": "[FIRING:1] HighLatency",
        "fields": [{"title": "service", "value": "Payments.prod"}],
        "fallback": "password=hunter2hunter2",
    }
    alert = scene.workspace.say("", user="B0ALERTS", attachments=[attachment])
    assert scene.workspace.shortcut(alert).status == 200
    asked = asked_of(scene)
    assert asked.service == "payments.prod"
    assert "HighLatency" in asked.text
    assert "hunter2" not in asked.text
    assert asked.said_at is not None
    assert (asked.back.ts, asked.back.channel) == (alert.ts, "C0INC")


def test_a_message_that_names_no_service_says_what_to_type(scene: Scene) -> None:
    scene.workspace.shortcut(scene.workspace.say("everything is slow"))
    assert "Type `/diagnose SERVICE" in scene.told()[0]


def test_a_message_that_names_two_services_says_which_is_begun_with(scene: Scene) -> None:
    scene.workspace.shortcut(scene.workspace.say("checkout cannot reach payments.prod"))
    assert asked_of(scene).service == "checkout"
    assert scene.told() == ["Beginning with checkout; the message also names payments.prod."]


# buttons and windows


def chosen_of(scene: Scene) -> Chosen:
    (delivery,) = scene.deliveries()
    return Chosen.of(delivery)


@pytest.mark.parametrize("action", ["confirm", "partly", "rule_out", "ask_again"])
def test_a_click_is_kept_with_who_clicked_on_what(scene: Scene, action: str) -> None:
    scene.open()
    assert scene.workspace.click(scene.card(), action, user="U0BEN").status == 200
    chosen = chosen_of(scene)
    assert (chosen.decision, chosen.incident, chosen.weighing) == (action, "INC-1", "w1")
    assert chosen.proposal == (None if action == "ask_again" else "p1")
    assert chosen.back.user == "U0BEN"
    assert chosen.back.response.startswith("actions/")


def test_two_people_who_click_at_once_are_both_kept_for_the_decision(scene: Scene) -> None:
    scene.open()
    card = scene.card()
    with ThreadPoolExecutor(2) as people:
        acks = list(
            people.map(
                lambda pair: scene.workspace.click(card, pair[0], user=pair[1]),
                [("confirm", "U0ANN"), ("rule_out", "U0BEN")],
            )
        )
    assert [each.status for each in acks] == [200, 200]
    chosen = [Chosen.of(each) for each in scene.deliveries()]
    assert {(each.back.user, each.decision) for each in chosen} == {
        ("U0ANN", "confirm"),
        ("U0BEN", "rule_out"),
    }


def test_only_members_of_the_group_confirm_and_others_are_told_whom_to_ask(start: Start) -> None:
    scene = start(confirmers=("S0SRE",))
    scene.open()
    card = scene.card()
    for action in ("confirm", "partly", "rule_out", "something_else"):
        scene.workspace.click(card, action, user="U0EVE")
    assert scene.deliveries() == []
    assert len(scene.told("U0EVE")) == 4
    assert "S0SRE" in scene.told("U0EVE")[0]
    assert scene.audited(AuditKind.CLICK) == 4
    scene.workspace.click(card, "ask_again", user="U0EVE")
    scene.workspace.click(card, "confirm", user="U0BEN")
    assert [Chosen.of(each).allowed_by for each in scene.deliveries()] == ["", "S0SRE"]
    assert scene.workspace.calls["usergroups.users.list"] == 1


@pytest.mark.parametrize("fault", ["500", "reset", "error", "429"])
def test_nobody_confirms_while_slack_does_not_say_who_may(start: Start, fault: Any) -> None:
    scene = start(confirmers=("S0SRE",))
    scene.open()
    # A reading whose connection was reset is tried a second time by aiohttp itself.
    scene.workspace.fail("usergroups.users.list", fault, times=2 if fault == "reset" else 1)
    scene.workspace.click(scene.card(), "confirm")
    assert scene.deliveries() == []
    assert "try again in a minute" in scene.told()[0]
    scene.workspace.click(scene.card(), "confirm")
    assert len(scene.deliveries()) == 1


def test_confirming_without_a_source_is_asked_once_more(scene: Scene) -> None:
    scene.open()
    scene.workspace.click(scene.card(unread=("traces", "logs")), "confirm")
    assert scene.deliveries() == []
    window = scene.workspace.opened_view("confirm_unread")
    assert "traces, logs" in json.dumps(window.view)
    assert scene.workspace.submit(window, {}).status == 200
    chosen = chosen_of(scene)
    assert (chosen.decision, chosen.proposal, chosen.unread) == ("confirm", "p1", ("traces", "logs"))


def test_ruling_out_without_a_source_is_not_asked_twice(scene: Scene) -> None:
    scene.open()
    scene.workspace.click(scene.card(unread=("traces",)), "rule_out")
    assert chosen_of(scene).decision == "rule_out"


def test_something_else_asks_what_it_was_and_keeps_it(scene: Scene) -> None:
    scene.open()
    scene.workspace.click(scene.card(), "something_else")
    window = scene.workspace.opened_view("something_else")
    refused = scene.workspace.submit(window, {})
    assert refused.said["response_action"] == "errors"
    assert set(refused.said["errors"]) <= {each["block_id"] for each in window.view["blocks"]}
    said = {"cause": "disk_full", "known": "checkout-db", "text": "WAL, password=hunter2hunter2"}
    assert scene.workspace.submit(window, said, user="U0BEN").status == 200
    chosen = chosen_of(scene)
    assert (chosen.decision, chosen.cause, chosen.service) == (
        "something_else",
        "disk_full",
        "checkout-db",
    )
    assert chosen.text.startswith("WAL")
    assert "hunter2" not in chosen.text
    assert (chosen.back.user, chosen.back.channel) == ("U0BEN", "C0INC")


def test_a_window_that_slack_does_not_open_is_told(scene: Scene) -> None:
    scene.open()
    scene.workspace.fail("views.open", "500")
    scene.workspace.click(scene.card(), "something_else")
    assert "click again" in scene.told()[0]


def test_a_button_of_another_version_is_told_and_a_strange_one_is_left_alone(scene: Scene) -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "x"}}
    old = button | {"action_id": "confirm", "value": '{"thread": "1"}'}
    strange = button | {"action_id": "open_dashboard"}
    block = {"type": "actions", "block_id": "b", "elements": [old, strange]}
    card = scene.workspace.say("card", blocks=[block])
    assert scene.workspace.click(card, "confirm").status == 200
    assert scene.workspace.click(card, "open_dashboard").status == 200
    assert scene.deliveries() == []
    assert len(scene.told()) == 1


def test_every_button_of_a_real_card_is_heard(scene: Scene) -> None:
    """The card as it is drawn, posted by the sender to Slack and clicked there."""
    opened = scene.open()
    view = CardView.found(opened, samples.outcome())
    drawn = card(view)
    shown = {"channel": "C0INC", "text": drawn.text, "blocks": list(drawn.blocks)}
    posting = Message(key="card:INC-1", incident="INC-1", operation="slack.post", payload=shown)
    with scene.desk.begin() as within:
        within.outbox.put(posting, datetime.now(UTC))
    scene.publish()
    (posted,) = scene.workspace.by_app()
    assert len(posted.blocks) == len(drawn.blocks)
    for button, _ in buttons_of(posted):
        ack = scene.workspace.click(
            posted, button["action_id"], proposal=json.loads(button["value"])["proposal"]
        )
        assert ack.status == 200
    windows = scene.workspace.calls["views.open"]
    kept = [Chosen.of(each) for each in scene.deliveries()]
    assert len(kept) + windows == len(buttons_of(posted))
    assert {each.weighing for each in kept} == {view.weighing}
    assert all(each.proposal is None or each.proposal in str(posted.blocks) for each in kept)


# in time


class Stuck:
    """A desk whose transactions wait until they are let go."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.free = threading.Event()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        assert self.free.wait(60)
        with self._desk.begin() as within:
            yield within


class Full:
    """A desk that cannot be written."""

    def __init__(self, _: Desk) -> None: ...

    def begin(self) -> AbstractContextManager[Transaction]:
        raise OSError("no space left on the device")


def test_a_stuck_desk_holds_up_no_acknowledgement_and_loses_nothing(start: Start) -> None:
    stuck: list[Stuck] = []

    def before(desk: Desk) -> Any:
        stuck.append(Stuck(desk))
        return stuck[0]

    scene = start(before=before)
    card = scene.card()
    acts = [
        lambda: scene.workspace.command("checkout"),
        lambda: scene.workspace.click(card, "confirm"),
        lambda: scene.workspace.shortcut(scene.workspace.say("checkout is slow")),
    ] * 4
    with ThreadPoolExecutor(len(acts)) as people:
        acks = [each.result(60) for each in [people.submit(act) for act in acts]]
    # Nothing could be written so far: every acknowledgement came first.
    assert not stuck[0].free.is_set()
    assert [each.status for each in acks] == [200] * 12
    assert acks[0].text.startswith("Taken")
    stuck[0].free.set()
    kept: list[DeliveryKind] = []

    def all_are_kept() -> bool:
        kept.extend(each.kind for each in scene.deliveries())
        return len(kept) == 12

    scene.workspace.until(all_are_kept)


def test_a_mention_that_cannot_be_kept_in_time_is_asked_for_again(start: Start) -> None:
    scene = start(before=Full)
    assert scene.workspace.mention("checkout").status == 503
    assert scene.workspace.calls["chat.postMessage"] == 0


def test_a_full_disk_is_told_to_whoever_asked(start: Start) -> None:
    scene = start(before=Full)
    assert "could not be written down" in scene.workspace.command("checkout").text
    scene.workspace.click(scene.card(), "confirm")
    scene.workspace.until(lambda: scene.workspace.calls["response_url"] == 1)
    assert "could not be written down" in scene.workspace.seen_by("U0ANN")[-1]
    assert scene.workspace.command("help").text.startswith("*What you can type*")
