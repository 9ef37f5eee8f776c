"""The sender of Slack messages against the double: once, whatever goes wrong, and no stranger's mention."""

from __future__ import annotations

import base64
import os
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.desk import Body, Later, Message, Never, Outgoing, Sent
from bot.slack.sending import SlackSender, hooks, reference
from tests.doubles.slack import Kind, Slack, slack

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "checkout waits for its database"}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Slack]:
    with slack() as double:
        yield double


@pytest.fixture
def workspace(shared: Slack) -> Slack:
    shared.posted.clear()
    shared.shown.clear()
    shared.faults.clear()
    shared.calls.clear()
    shared._recent.clear()
    shared.honours_client_msg_id = False
    return shared


def sender_of(workspace: Slack, seconds: int = 10, now: Any = None) -> SlackSender:
    clock = now or (lambda: datetime.now(UTC))
    return SlackSender(workspace.bot_token, workspace.api, seconds, clock)


@pytest.fixture
def sender(workspace: Slack) -> SlackSender:
    return sender_of(workspace)


def outgoing(operation: str, payload: dict[str, Any], **more: Any) -> Outgoing:
    message = Message(
        key=more.pop("key", "card:INC-1"),
        incident="INC-1",
        operation=operation,
        payload=payload,
        after=more.pop("after", None),
    )
    return Outgoing(message=message, token=1, version=1, **({"attempts": 1} | more))


def sent_until_done(
    sender: SlackSender, operation: str, payload: dict[str, Any], most: int = 5, **more: Any
) -> tuple[Body, int]:
    """The result, and how many attempts it took: each attempt knows of the one before what the desk would."""
    began = None
    for attempt in range(1, most + 1):
        outcome = sender.send(outgoing(operation, payload, attempts=attempt, first_tried_at=began, **more))
        began = began or datetime.now(UTC)
        if isinstance(outcome, Sent):
            return outcome.result, attempt
        assert isinstance(outcome, Later), outcome
    raise AssertionError("it was never sent")


def test_a_card_is_posted_without_previews_and_edited_in_place(workspace: Slack, sender: SlackSender) -> None:
    outcome = sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "card", "blocks": [SECTION]}))
    assert isinstance(outcome, Sent)
    card = workspace.in_channel("C0INC")[0]
    assert outcome.result == {"channel": "C0INC", "ts": card.ts, "thread_ts": card.ts}
    assert card.key == "card:INC-1"
    assert card.arguments["unfurl_links"] is False
    assert card.arguments["unfurl_media"] is False
    edited = sender.send(
        outgoing(
            "slack.update", {"text": "done"}, key="card:INC-1:state", after="card:INC-1", known=outcome.result
        )
    )
    assert isinstance(edited, Sent)
    assert [(each.text, len(each.edits), each.key) for each in workspace.posted] == [
        ("done", 1, "card:INC-1")
    ]


def test_evidence_goes_into_the_cards_thread_also_where_the_card_is_itself_an_answer(
    workspace: Slack, sender: SlackSender
) -> None:
    asked = workspace.say("<@U0BOT> checkout")
    card = sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "card", "thread_ts": asked.ts}))
    assert isinstance(card, Sent)
    evidence = {"text": "evidence", "in_thread": True}
    sent = sender.send(outgoing("slack.post", evidence, key="evidence", after="card", known=card.result))
    assert isinstance(sent, Sent)
    assert [each.text for each in workspace.in_thread("C0INC", asked.ts)] == ["card", "evidence"]


def test_a_chart_is_uploaded_into_the_thread_once(workspace: Slack, sender: SlackSender) -> None:
    card = workspace.say("card")
    payload = {
        "filename": "INC-1-abc.png",
        "content": base64.b64encode(b"\x89PNG picture").decode(),
        "title": "Latency",
        "alt": "Latency rises at 14:02",
        "comment": "Latency of checkout",
        "in_thread": True,
    }
    known = {"channel": "C0INC", "ts": card.ts, "thread_ts": card.ts}
    workspace.fail("files.completeUploadExternal", "drop")
    result, attempts = sent_until_done(sender, "slack.upload", payload, known=known, after="card")
    assert attempts == 2
    answers = workspace.in_thread("C0INC", card.ts)
    assert [(each.files[0]["name"], each.text) for each in answers] == [
        ("INC-1-abc.png", "Latency of checkout")
    ]
    assert workspace.files[str(result["file"])]["content"] == b"\x89PNG picture"
    assert workspace.files[str(result["file"])]["alt_txt"] == "Latency rises at 14:02"


@pytest.mark.parametrize("kind", ["500", "503", "429", "reset", "drop", "hang", "page", "error"])
@pytest.mark.parametrize("thread", [False, True])
def test_a_post_happens_once_whatever_befalls_it(workspace: Slack, kind: Kind, thread: bool) -> None:
    payload: dict[str, Any] = {"channel": "C0INC", "text": "the card"}
    if thread:
        payload["thread_ts"] = workspace.say("an alert").ts
    workspace.fail("chat.postMessage", kind, seconds=3)
    result, attempts = sent_until_done(sender_of(workspace, seconds=1), "slack.post", payload)
    assert [each.text for each in workspace.by_app()] == ["the card"]
    assert result["ts"] == workspace.by_app()[0].ts
    assert attempts == 2
    assert result.get("found", False) is (kind in ("drop", "hang"))


@pytest.mark.parametrize("kind", ["500", "reset", "drop"])
def test_while_nobody_can_look_nothing_is_posted_again(workspace: Slack, kind: Kind) -> None:
    workspace.fail("chat.postMessage", "drop")
    workspace.fail("conversations.history", kind, times=2)
    _, attempts = sent_until_done(sender_of(workspace), "slack.post", {"channel": "C0INC", "text": "card"})
    assert attempts == 4
    assert len(workspace.by_app()) == 1


def test_a_post_is_found_among_hundreds_said_since(workspace: Slack, sender: SlackSender) -> None:
    began = datetime.now(UTC)
    workspace.fail("chat.postMessage", "drop")
    assert isinstance(sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "card"})), Later)
    for number in range(350):
        workspace.say(f"noise {number}")
    again = outgoing("slack.post", {"channel": "C0INC", "text": "card"}, attempts=2, first_tried_at=began)
    assert isinstance(sender.send(again), Sent)
    assert len(workspace.by_app()) == 1


def test_an_edited_card_is_still_found(sender: SlackSender) -> None:
    first = sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "card"}))
    assert isinstance(first, Sent)
    sender.send(outgoing("slack.update", {"text": "edited"}, after="card:INC-1", known=first.result))
    again = outgoing(
        "slack.post",
        {"channel": "C0INC", "text": "card"},
        attempts=2,
        first_tried_at=datetime.now(UTC) - timedelta(minutes=1),
    )
    outcome = sender.send(again)
    assert isinstance(outcome, Sent)
    assert outcome.result["ts"] == first.result["ts"]


def test_a_process_that_dies_after_slack_took_the_post_does_not_post_again(
    workspace: Slack, sender: SlackSender, tmp_path: Path
) -> None:
    code = (
        "import sys\nfrom bot.slack.sending import SlackSender\nfrom bot.desk import Outgoing, Message\n"
        "sender = SlackSender(sys.argv[1], sys.argv[2])\n"
        "message = Message(key='card:INC-1', incident='INC-1', operation='slack.post',"
        " payload={'channel': 'C0INC', 'text': 'card'})\n"
        "sender.send(Outgoing(message=message, token=1, version=1, attempts=1))\n"
    )
    script = tmp_path / "sends.py"
    script.write_text(code)
    workspace.fail("chat.postMessage", "hang", seconds=60)
    began = datetime.now(UTC)
    process = subprocess.Popen(
        [sys.executable, str(script), workspace.bot_token, workspace.api],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        workspace.until(workspace.by_app)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    again = outgoing("slack.post", {"channel": "C0INC", "text": "card"}, attempts=2, first_tried_at=began)
    assert isinstance(sender.send(again), Sent)
    assert len(workspace.by_app()) == 1


def test_a_slack_that_is_down_gets_it_later(workspace: Slack) -> None:
    sender = sender_of(workspace)
    with workspace.down():
        outcome = sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "card"}))
        assert isinstance(outcome, Later)
        assert "refused" in outcome.why
    sent_until_done(sender, "slack.post", {"channel": "C0INC", "text": "card"})
    assert len(workspace.by_app()) == 1


def test_a_limited_call_waits_for_as_long_as_slack_says(workspace: Slack, sender: SlackSender) -> None:
    workspace.fail("chat.postMessage", "429", retry_after=17)
    outcome = sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "card"}))
    assert outcome == Later("Slack: ratelimited", 17.0)


def test_refused_blocks_are_sent_as_text_and_not_lost(workspace: Slack, sender: SlackSender) -> None:
    bad = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    sent = sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "the verdict", "blocks": bad}))
    assert isinstance(sent, Sent)
    changed = {"text": "the verdict, changed", "blocks": bad}
    sender.send(outgoing("slack.update", changed, after="card:INC-1", known=sent.result))
    assert [(each.text, each.blocks) for each in workspace.by_app()] == [("the verdict, changed", [])]


@pytest.mark.parametrize(
    ("channel", "why"),
    [("C0OPS", "/invite"), ("C0NOWHERE", "no such channel"), ("C0SECRET", "private"), ("C0OLD", "archived")],
)
def test_what_a_person_can_mend_in_slack_waits_for_a_day(workspace: Slack, channel: str, why: str) -> None:
    sender = sender_of(workspace)
    waits = sender.send(outgoing("slack.post", {"channel": channel, "text": "card"}))
    assert isinstance(waits, Later)
    assert why in waits.why
    old = datetime.now(UTC) - timedelta(hours=25)
    given_up = outgoing("slack.post", {"channel": channel, "text": "x"}, attempts=9, first_tried_at=old)
    assert isinstance(sender.send(given_up), Never)


def test_a_card_asked_for_where_the_app_is_not_goes_to_the_other_channel(
    workspace: Slack, sender: SlackSender
) -> None:
    payload = {"channel": "C0OPS", "thread_ts": "1.5", "text": "card", "otherwise": "C0INC"}
    workspace.fail("chat.postMessage", "error", error="not_in_channel")
    outcome = sender.send(outgoing("slack.post", payload))
    assert isinstance(outcome, Sent)
    assert [(each.channel, each.thread_ts) for each in workspace.by_app()] == [("C0INC", None)]
    again = outgoing("slack.post", payload, attempts=2, first_tried_at=datetime.now(UTC))
    assert isinstance(sender.send(again), Sent)
    assert len(workspace.by_app()) == 1


def test_a_message_that_is_gone_is_not_edited_for_ever(sender: SlackSender) -> None:
    known: Body = {"channel": "C0INC", "ts": "1.000001"}
    gone = sender.send(outgoing("slack.update", {"text": "x"}, after="card", known=known))
    assert gone == Never("Slack: message_not_found")


@pytest.mark.parametrize(
    ("operation", "payload"),
    [
        ("slack.post", {"text": "nowhere"}),
        ("slack.post", {"text": "x", "in_thread": True}),
        ("slack.post", {"channel": "C0INC", "text": "x", "colour": "red"}),
        ("slack.upload", {"channel": "C0INC", "filename": "a.png", "content": "no base64!"}),
        ("slack.ephemeral", {"text": "to nobody"}),
        ("pagerduty.note", {"text": "x"}),
    ],
)
def test_a_malformed_message_is_refused_for_good(
    sender: SlackSender, workspace: Slack, operation: str, payload: dict[str, Any]
) -> None:
    assert isinstance(sender.send(outgoing(operation, payload)), Never)
    assert not workspace.calls


# what one person sees


def back(workspace: Slack, **more: Any) -> dict[str, Any]:
    path = reference(workspace.respond_to("U0ANN", "C0INC", None, "commands"), workspace.api)
    return {"response": path, "channel": "C0INC", "user": "U0ANN"} | more


def test_an_answer_to_one_person_uses_the_response_url(workspace: Slack, sender: SlackSender) -> None:
    outcome = sender.send(outgoing("slack.respond", back(workspace, text="only you", blocks=[SECTION])))
    assert isinstance(outcome, Sent)
    assert [(each.by, each.text, each.user) for each in workspace.shown] == [
        ("response_url", "only you", "U0ANN")
    ]
    assert workspace.posted == []


def test_a_used_up_response_url_gives_way_to_an_ephemeral_message(
    workspace: Slack, sender: SlackSender
) -> None:
    way = back(workspace)
    for number in range(6):
        assert isinstance(sender.send(outgoing("slack.respond", way | {"text": str(number)})), Sent)
    assert [each.by for each in workspace.shown] == ["response_url"] * 5 + ["chat.postEphemeral"]


def test_an_expired_response_url_is_not_even_tried(workspace: Slack, sender: SlackSender) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    sender.send(outgoing("slack.respond", back(workspace, text="late", until=past)))
    assert workspace.calls["response_url"] == 0
    assert workspace.seen_by("U0ANN") == ["late"]


@pytest.mark.parametrize("operation", ["slack.respond", "slack.ephemeral"])
@pytest.mark.parametrize("kind", ["drop", "500", "429", "reset"])
def test_what_one_person_sees_is_never_shown_twice(workspace: Slack, operation: str, kind: Kind) -> None:
    sender = sender_of(workspace)
    method = "response_url" if operation == "slack.respond" else "chat.postEphemeral"
    workspace.fail(method, kind)
    payload = back(workspace, text="once")
    first = sender.send(outgoing(operation, payload))
    if kind == "429":
        assert isinstance(first, Later)
        assert isinstance(sender.send(outgoing(operation, payload, attempts=2)), Sent)
    else:
        assert isinstance(first, Never)
        assert "nobody can say" in first.why
    assert len(workspace.seen_by("U0ANN")) == (1 if kind in ("drop", "429") else 0)


def test_refused_blocks_in_an_answer_become_its_text(workspace: Slack, sender: SlackSender) -> None:
    payload = back(workspace, text="text", blocks=[{"type": "header"}])
    assert isinstance(sender.send(outgoing("slack.respond", payload)), Sent)
    assert [(each.text, each.blocks) for each in workspace.shown] == [("text", [])]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://hooks.slack.com/commands/T1/2/abc", "commands/T1/2/abc"),
        ("https://hooks.slack.com.evil.example/commands/T1", ""),
        ("http://169.254.169.254/latest/meta-data", ""),
        ("https://hooks.slack.com/../x", ""),
        ("https://hooks.slack.com/", ""),
        ("", ""),
    ],
)
def test_only_slacks_own_response_urls_are_ever_called(url: str, path: str) -> None:
    assert reference(url, "https://slack.com/api/") == path
    assert hooks("https://slack-gov.com/api/") == "https://hooks.slack-gov.com/"


# mentions


@pytest.mark.parametrize(
    "hostile",
    [
        "<!channel>",
        "<!here|here>",
        "<!everyone>",
        "<@U0EVE>",
        "<@U0EVE|eve>",
        "<#C0OPS>",
        "<!subteam^S0SRE>",
        "<javascript:alert(1)|click>",
        "<!date^1^{date}^javascript:x|y>",
        "<https://a.example|<!channel>>",
        "<\n!channel>",
    ],
)
@pytest.mark.parametrize("operation", ["slack.post", "slack.respond", "slack.ephemeral"])
def test_no_strangers_markup_mentions_or_links(
    workspace: Slack, sender: SlackSender, operation: str, hostile: str
) -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": hostile}, "fields": [
        {"type": "mrkdwn", "text": hostile}
    ]}  # fmt: skip
    sender.send(outgoing(operation, back(workspace, text=hostile, blocks=[block])))
    seen: Any = workspace.by_app()[0] if operation == "slack.post" else workspace.shown[0]
    texts = [seen.text, seen.blocks[0]["text"]["text"], seen.blocks[0]["fields"][0]["text"]]
    for text in texts:
        assert not any(each in text for each in ("<!", "<@", "<#", "<javascript", "<\n")), text
    assert seen.blocks[0]["text"]["verbatim"] is True


def test_a_mention_that_is_meant_stays_and_links_to_pages_stay(workspace: Slack, sender: SlackSender) -> None:
    text = "by <@U0BEN>, see <https://example.com/a?b=1|the page>; not <@U0EVE>"
    sender.send(outgoing("slack.post", {"channel": "C0INC", "text": text, "mentions": ["U0BEN"]}))
    assert (
        workspace.by_app()[0].text
        == "by <@U0BEN>, see <https://example.com/a?b=1|the page>; not &lt;@U0EVE&gt;"
    )


@pytest.mark.parametrize(
    "element",
    [
        {"type": "broadcast", "range": "channel"},
        {"type": "usergroup", "usergroup_id": "S0SRE"},
        {"type": "link", "url": "javascript:alert(1)"},
    ],
)
def test_a_structure_that_mentions_many_is_never_posted(
    workspace: Slack, sender: SlackSender, element: dict[str, Any]
) -> None:
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [element]}]}
    assert isinstance(
        sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "x", "blocks": [rich]})), Never
    )
    assert workspace.posted == []


def test_a_long_text_is_cut_without_a_torn_link_or_escape(workspace: Slack, sender: SlackSender) -> None:
    for tail in ("<https://example.com/" + "a" * 300 + "|x>", "&lt;" * 200):
        sender.send(outgoing("slack.post", {"channel": "C0INC", "text": "y" * 3_700 + tail}))
    for each in workspace.by_app():
        assert len(each.text) <= 3_900
        assert each.text.endswith("…")
        assert each.text.rfind("<") <= each.text.rfind(">")
        assert not each.text.rstrip("…").endswith(("&", "&l", "&lt"))


def test_an_answer_of_slack_that_breaks_off_is_not_said_twice_to_one_person() -> None:
    class BreaksOff(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nok")

    with socketserver.TCPServer(("127.0.0.1", 0), BreaksOff) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            sender = SlackSender("xoxb-token", f"http://127.0.0.1:{server.server_address[1]}/api/", 5)
            way = {"user": "U0ANN", "channel": "C0INC", "response": "commands/T0/1/x", "text": "only you"}
            outcome = sender.send(outgoing("slack.respond", way))
        finally:
            server.shutdown()
            serving.join()
    assert isinstance(outcome, Never)
    assert "nobody can say whether it was seen" in outcome.why
