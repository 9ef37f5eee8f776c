"""The double of Slack, held to the official clients and to the documented limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook import WebhookClient

from tests.doubles.slack import Slack, slack
from tests.doubles.slack_limits import wrong_with_blocks, wrong_with_view

BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "{}"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Slack]:
    with slack() as double:
        yield double


@pytest.fixture
def workspace(shared: Slack) -> Slack:
    shared.posted.clear()
    shared.shown.clear()
    shared.faults.clear()
    shared._recent.clear()
    return shared


@pytest.fixture
def client(workspace: Slack) -> WebClient:
    return WebClient(workspace.bot_token, base_url=workspace.api, timeout=20, retry_handlers=[])


def error_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response["error"])


def text(length: int, kind: str = "mrkdwn") -> dict[str, str]:
    return {"type": kind, "text": "x" * length}


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ({"type": "section", "text": text(3001)}, "less than 3001"),
        ({"type": "section", "text": text(0)}, "more than 0"),
        ({"type": "section"}, "missing required field"),
        ({"type": "section", "fields": [text(1)] * 11}, "no more than 10"),
        ({"type": "section", "fields": [text(2001)]}, "less than 2001"),
        ({"type": "header", "text": text(151, "plain_text")}, "less than 151"),
        ({"type": "header", "text": text(3)}, "must be plain_text"),
        ({"type": "context", "elements": [text(1)] * 11}, "1 to 10"),
        ({"type": "actions", "elements": []}, "1 to 25"),
        ({"type": "actions", "elements": [BUTTON | {"action_id": str(n)} for n in range(26)]}, "1 to 25"),
        ({"type": "actions", "elements": [BUTTON, BUTTON]}, "action_id go already exists"),
        ({"type": "actions", "elements": [BUTTON | {"text": text(76, "plain_text")}]}, "less than 76"),
        ({"type": "actions", "elements": [BUTTON | {"value": "v" * 2001}]}, "less than 2001"),
        ({"type": "actions", "elements": [BUTTON | {"action_id": "a" * 256}]}, "less than 256"),
        ({"type": "actions", "elements": [BUTTON | {"style": "green"}]}, "valid enum"),
        ({"type": "divider", "block_id": "b" * 256}, "less than 256"),
        ({"type": "rich_text", "elements": []}, "missing required field"),
        ({"type": "hero"}, "unsupported type"),
    ],
)
def test_a_block_beyond_a_limit_is_refused_with_its_reason(block: dict[str, Any], why: str) -> None:
    found = wrong_with_blocks([block])
    assert any(why in each and "json-pointer:/blocks/0" in each for each in found), found


def test_fifty_blocks_are_taken_and_one_more_is_not() -> None:
    assert wrong_with_blocks([{"type": "divider"}] * 50) == []
    assert "no more than 50" in wrong_with_blocks([{"type": "divider"}] * 51)[0]


def test_two_blocks_of_one_id_are_refused() -> None:
    assert "already exists" in wrong_with_blocks([{"type": "divider", "block_id": "one"}] * 2)[0]


def test_a_modal_has_a_title_of_twenty_four_characters_and_a_hundred_blocks() -> None:
    view = {"type": "modal", "title": text(24, "plain_text"), "blocks": [{"type": "divider"}] * 100}
    assert wrong_with_view(view) == []
    assert wrong_with_view(view | {"title": text(25, "plain_text")})
    assert wrong_with_view(view | {"blocks": [{"type": "divider"}] * 101})
    assert wrong_with_view(view | {"private_metadata": "x" * 3001})


def test_what_the_client_posts_is_in_the_history_with_its_metadata(
    workspace: Slack, client: WebClient
) -> None:
    metadata = {"event_type": "firstcause", "event_payload": {"key": "card:INC-1"}}
    sent = client.chat_postMessage(channel="C0INC", text="one", metadata=metadata)
    client.chat_postMessage(channel="C0INC", text="two", thread_ts=sent["ts"])
    client.chat_update(channel="C0INC", ts=sent["ts"], text="one, changed")
    history = client.conversations_history(channel="C0INC", include_all_metadata=True)
    assert [each["text"] for each in history["messages"]] == ["one, changed"]
    assert history["messages"][0]["metadata"] == metadata
    replies = client.conversations_replies(channel="C0INC", ts=sent["ts"])
    assert [each["text"] for each in replies["messages"]] == ["one, changed", "two"]
    assert "metadata" not in replies["messages"][0]
    assert [each["text"] for each in workspace.posted[0].edits] == ["one"]


def test_the_client_reads_a_long_history_page_by_page(workspace: Slack, client: WebClient) -> None:
    for number in range(7):
        workspace.say(f"message {number}")
    pages = client.conversations_history(channel="C0INC", limit=3)
    # The client's pages are one object that changes: they are counted while they are read.
    assert [[each["text"][-1] for each in page["messages"]] for page in pages] == [
        ["6", "5", "4"],
        ["3", "2", "1"],
        ["0"],
    ]
    oldest = workspace.posted[4].ts
    newer = client.conversations_history(channel="C0INC", oldest=oldest)["messages"]
    assert [each["text"] for each in newer] == ["message 6", "message 5"]


def test_a_refused_call_names_slacks_error(workspace: Slack, client: WebClient) -> None:
    post = client.chat_postMessage
    assert error_of(post, channel="C0OPS", text="x") == "not_in_channel"
    assert error_of(post, channel="C0SECRET", text="x") == "channel_not_found"
    assert error_of(post, channel="C0OLD", text="x") == "is_archived"
    nothing = {"channel": "C0INC"}
    assert error_of(client.api_call, api_method="chat.postMessage", json=nothing) == "no_text"
    assert error_of(post, channel="C0INC", text="x" * 40_001) == "msg_too_long"
    assert error_of(post, channel="C0INC", text="x", blocks=[{"type": "hero"}]) == "invalid_blocks"
    assert error_of(post, channel="C0INC", text="x", thread_ts="1.2") == "thread_not_found"
    assert (
        error_of(post, channel="C0INC", text="x", metadata={"event_type": "a"}) == "invalid_metadata_format"
    )
    other = workspace.say("of a person")
    assert error_of(client.chat_update, channel="C0INC", ts=other.ts, text="x") == "cant_update_message"
    assert error_of(client.chat_update, channel="C0INC", ts="1.2", text="x") == "message_not_found"
    assert error_of(client.chat_postEphemeral, channel="C0INC", user="U9", text="x") == "user_not_in_channel"
    stranger = WebClient("xoxb-another", base_url=workspace.api)
    assert error_of(stranger.auth_test) == "invalid_auth"
    assert [each.text for each in workspace.by_app()] == []


def test_too_many_calls_are_told_when_to_come_again(workspace: Slack, client: WebClient) -> None:
    workspace.per_minute["chat.postMessage"] = 2
    try:
        client.chat_postMessage(channel="C0INC", text="1")
        client.chat_postMessage(channel="C0INC", text="2")
        client.chat_postMessage(channel="C0PAY", text="another channel is counted by itself")
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel="C0INC", text="3")
        assert caught.value.response.status_code == 429
        assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 61
        workspace.advance(61)
        client.chat_postMessage(channel="C0INC", text="3")
    finally:
        workspace.per_minute["chat.postMessage"] = 60


def test_a_dropped_call_was_carried_out_and_a_reset_one_was_not(workspace: Slack, client: WebClient) -> None:
    workspace.fail("chat.postMessage", "reset")
    with pytest.raises(OSError, match=r".+"):
        client.chat_postMessage(channel="C0INC", text="never there")
    workspace.fail("chat.postMessage", "drop")
    with pytest.raises(OSError, match=r".+"):
        client.chat_postMessage(channel="C0INC", text="there")
    assert [each.text for each in workspace.posted] == ["there"]


def test_a_slack_that_is_down_refuses_connections_and_comes_back(workspace: Slack, client: WebClient) -> None:
    with workspace.down(), pytest.raises(OSError, match="refused"):
        client.auth_test()
    assert client.auth_test()["team_id"] == workspace.team


def test_the_client_uploads_a_file_into_a_thread(workspace: Slack, client: WebClient) -> None:
    parent = client.chat_postMessage(channel="C0INC", text="card")
    client.files_upload_v2(
        filename="chart.png", content=b"png", title="Chart", channel="C0INC", thread_ts=parent["ts"]
    )
    answers = workspace.in_thread("C0INC", parent["ts"])
    assert [each.files[0]["name"] for each in answers] == ["chart.png"]


def test_a_response_url_answers_five_times_and_for_thirty_minutes(workspace: Slack) -> None:
    path = workspace.respond_to("U0ANN", "C0INC", None, "commands")
    hook = WebhookClient(path)
    assert [hook.send(text=str(number)).status_code for number in range(6)] == [200] * 5 + [404]
    late = WebhookClient(workspace.respond_to("U0ANN", "C0INC", None, "commands"))
    workspace.advance(31 * 60)
    assert late.send(text="late").body == "expired_url"
    assert workspace.seen_by("U0ANN") == ["0", "1", "2", "3", "4"]


def test_a_trigger_opens_one_view_and_not_after_three_seconds(workspace: Slack, client: WebClient) -> None:
    view = {"type": "modal", "title": text(5, "plain_text"), "blocks": [{"type": "divider"}]}
    trigger = workspace.trigger()
    assert client.views_open(trigger_id=trigger, view=view)["view"]["id"] in workspace.views
    assert error_of(client.views_open, trigger_id=trigger, view=view) == "exchanged_trigger_id"
    late = workspace.trigger()
    workspace.advance(4)
    assert error_of(client.views_open, trigger_id=late, view=view) == "expired_trigger_id"


def test_what_the_double_signs_the_official_verifier_takes(workspace: Slack) -> None:
    request = workspace.signed(b"payload=1")
    verifier = SignatureVerifier(workspace.signing_secret)
    assert verifier.is_valid_request(request.body, dict(request.headers))
    assert not verifier.is_valid_request(b"payload=2", dict(request.headers))


def test_the_official_socket_mode_client_hears_acknowledges_and_comes_back(workspace: Slack) -> None:
    heard: list[str] = []

    async def hear(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        heard.append(str(request.payload.get("text") or request.type))
        payload = {"text": "heard"} if request.accepts_response_payload else None
        await client.send_socket_mode_response(
            SocketModeResponse(envelope_id=request.envelope_id, payload=payload)
        )

    async def connected() -> None:
        web_client = AsyncWebClient(workspace.bot_token, base_url=workspace.api)
        client = SocketModeClient(workspace.app_token, web_client=web_client, ping_interval=0.2)
        client.socket_mode_request_listeners.append(hear)
        opened = workspace.opened
        await client.connect()  # type: ignore[no-untyped-call]  # the client's
        ack = await asyncio.to_thread(workspace.command, "checkout")
        assert (ack.status, ack.text) == (200, "heard")
        workspace.refresh()
        await asyncio.to_thread(workspace.until, lambda: workspace.opened > opened + 1)
        assert (await asyncio.to_thread(workspace.mention, "status")).status == 200
        await client.close()  # type: ignore[no-untyped-call]  # the client's

    workspace.reach("")
    asyncio.run(connected())
    assert heard == ["checkout", "events_api"]
    assert json.dumps(workspace.told[0])
