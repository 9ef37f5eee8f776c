"""Socket Mode: heard without a port of one's own, through refreshes, breaks and absences of Slack."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.desk import DeliveryKind, Desk, Transaction
from bot.slack.app import SlackApp
from bot.slack.socket_mode import SocketMode
from bot.store.desk import StoredDesk
from tests.bot.slack.conftest import SERVICES, Scene, fields_of
from tests.doubles.slack import Slack


@contextmanager
def connected(workspace: Slack, desk: StoredDesk, before: Any = None) -> Iterator[Scene]:
    fields = fields_of(workspace, app_token={"env": "APP"}, signing_secret=None)
    app = SlackApp(fields, before or desk, SERVICES)
    socket = SocketMode(app, ping_seconds=0.2)
    socket.start()
    try:
        yield Scene(workspace, desk, app)
    finally:
        socket.stop()
    assert socket.problem() != ""


def test_everything_people_do_is_heard_over_the_web_socket(workspace: Slack, desk: StoredDesk) -> None:
    with connected(workspace, desk) as scene:
        scene.open()
        assert workspace.command("checkout since 30m").text == "Understood: checkout, for 30 min."
        assert "INC-1" in workspace.command("status").text
        assert workspace.mention("checkout-db").status == 200
        assert workspace.click(scene.card(), "confirm").status == 200
        workspace.click(scene.card(), "something_else")
        window = workspace.opened_view("something_else")
        assert workspace.submit(window, {}).said["response_action"] == "errors"
        assert workspace.submit(window, {"text": "a full disk"}).status == 200
        kinds = [each.kind for each in scene.deliveries()]
    assert kinds == [
        DeliveryKind.SLACK_COMMAND,
        DeliveryKind.SLACK_MENTION,
        DeliveryKind.SLACK_ACTION,
        DeliveryKind.SLACK_VIEW,
    ]


@pytest.mark.parametrize("warn", [True, False])
def test_a_refreshed_or_broken_web_socket_is_opened_again(
    workspace: Slack, desk: StoredDesk, warn: bool
) -> None:
    with connected(workspace, desk):
        workspace.until(lambda: workspace.connections)
        opened = workspace.opened
        workspace.refresh(warn)
        workspace.until(lambda: workspace.opened > opened and workspace.connections)
        # The client may change over once more: a person types again what was not answered.
        workspace.until(lambda: workspace.command("help").status == 200)


def test_a_slack_that_is_away_at_the_start_is_connected_to_when_it_is_back(
    workspace: Slack, desk: StoredDesk
) -> None:
    with workspace.down():
        fields = fields_of(workspace, app_token={"env": "APP"}, signing_secret=None)
        socket = SocketMode(SlackApp(fields, desk, SERVICES), ping_seconds=0.1)
        socket.start()
        assert socket.problem() != ""
    try:
        workspace.until(lambda: workspace.connections)
        workspace.until(lambda: socket.problem() == "")
        assert workspace.command("help").status == 200
    finally:
        socket.stop()


def test_a_client_that_cannot_reconnect_any_more_is_replaced(workspace: Slack, desk: StoredDesk) -> None:
    fields = fields_of(workspace, app_token={"env": "APP"}, signing_secret=None)
    socket = SocketMode(SlackApp(fields, desk, SERVICES), ping_seconds=0.1)
    socket.start()
    try:
        workspace.until(lambda: socket.problem() == "")
        client = socket._handler.client if socket._handler is not None else None
        assert client is not None
        asyncio.run_coroutine_threadsafe(client.connect_operation_lock.acquire(), socket._loop).result(30)
        client.auto_reconnect_enabled = client.default_auto_reconnect_enabled = False
        workspace.refresh(False)
        workspace.until(lambda: socket._handler is not None and socket._handler.client is not client)
        workspace.until(lambda: workspace.connections)
        assert workspace.command("help").status == 200
    finally:
        socket.stop()


class Held:
    """A desk that keeps what it is told, and answers when it is let go."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.kept = threading.Event()
        self.free = threading.Event()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._desk.begin() as within:
            yield within
        self.kept.set()
        assert self.free.wait(60)


def test_what_was_kept_and_not_acknowledged_is_told_again_and_kept_once(
    workspace: Slack, desk: StoredDesk
) -> None:
    held = Held(desk)
    with connected(workspace, desk, held) as scene:
        told = threading.Thread(target=workspace.mention, args=("checkout",))
        told.start()
        assert held.kept.wait(30)
        workspace.refresh(False)
        held.free.set()
        told.join(60)
        assert not told.is_alive()
        assert len(scene.deliveries()) == 1


def test_a_slack_that_goes_away_later_leaves_the_process_ready_for_pagers(
    workspace: Slack, desk: StoredDesk
) -> None:
    fields = fields_of(workspace, app_token={"env": "APP"}, signing_secret=None)
    socket = SocketMode(SlackApp(fields, desk, SERVICES), ping_seconds=0.1)
    assert socket.beginning() != ""
    socket.start()
    try:
        workspace.until(lambda: socket.beginning() == "")
        with workspace.down():
            workspace.until(lambda: socket.problem() != "")
            assert socket.beginning() == ""
        workspace.until(lambda: socket.problem() == "")
    finally:
        socket.stop()


def test_it_says_what_it_needs(workspace: Slack, desk: StoredDesk) -> None:
    with pytest.raises(ValueError, match="app_token"):
        SocketMode(SlackApp(fields_of(workspace), desk, SERVICES))
