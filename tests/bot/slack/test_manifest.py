"""The manifest of docs/slack.md, held to what the program uses of Slack: no less and no more."""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.desk import Later, Message, Outgoing, Sent
from bot.slack import checking
from bot.slack.app import COMMAND, SHORTCUT
from bot.slack.endpoint import PATH
from bot.slack.sending import SlackSender
from tests.bot.slack.conftest import Scene, Start, fields_of
from tests.doubles.slack import Slack
from tests.doubles.slack_world import SlackError

PAGE = Path(__file__).parents[3] / "docs" / "slack.md"
BLOCKS = [
    yaml.safe_load(textwrap.dedent(each))
    for each in re.findall(r"^ *```yaml\n(.*?)^ *```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
]
MANIFEST, CONFIGURATION, OVER_HTTP = BLOCKS
SCOPES = set(MANIFEST["oauth_config"]["scopes"]["bot"])


def test_the_command_and_the_shortcut_are_those_that_are_heard() -> None:
    assert [each["command"] for each in MANIFEST["features"]["slash_commands"]] == [COMMAND]
    assert [(each["type"], each["callback_id"]) for each in MANIFEST["features"]["shortcuts"]] == [
        ("message", SHORTCUT)
    ]
    assert MANIFEST["settings"]["event_subscriptions"]["bot_events"] == ["app_mention"]
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] is True


def test_over_http_everything_leads_to_the_one_endpoint() -> None:
    addresses = re.findall(r"https://[^\s'\"]+", yaml.safe_dump(OVER_HTTP))
    assert len(addresses) == 3
    assert all(each.endswith(PATH) for each in addresses)
    assert OVER_HTTP["settings"]["socket_mode_enabled"] is False


def test_every_scope_has_its_reason_on_the_page() -> None:
    table = PAGE.read_text("utf-8").partition("| Scope |")[2].partition("\n\n")[0]
    told = {name for row in table.splitlines() for name in re.findall(r"`([\w:]+)`", row.split("|")[1])}
    assert told == SCOPES


def test_what_is_checked_is_what_the_manifest_asks_for() -> None:
    assert checking.SCOPES == SCOPES


def found(double: Slack, **more: Any) -> dict[str, tuple[str, str, str]]:
    """What is found of an installation: by what was checked, how it is, and what mends it."""
    fields = fields_of(double, **({"app_token": {"env": "APP"}, "channel": "C0INC"} | more))
    return {each.about: (each.state, each.found, each.fix) for each in checking.checked(fields)}


def test_an_installation_that_works_is_found_to(workspace: Slack) -> None:
    states = {name: state for name, (state, _, _) in found(workspace, confirmers=("S0SRE",)).items()}
    assert states == dict.fromkeys(("token", "scopes", "Socket Mode", "channel C0INC", "group S0SRE"), "ok")
    assert workspace.posted == []


@pytest.mark.parametrize(
    ("written", "about", "fix"),
    [
        ({"bot_token": {"env": "SIGN"}}, "token", "bot_token"),
        ({"workspace": "T0OTHER"}, "workspace", "T0FIRST"),
        ({"app_token": {"env": "SIGN"}}, "Socket Mode", "connections:write"),
        ({"channels": {"payments": "C0OPS"}}, "channel C0OPS", "/invite"),
        ({"confirmers": ("S0NOBODY",)}, "group S0NOBODY", "user groups"),
    ],
)
def test_what_is_wrong_with_an_installation_is_told_with_what_mends_it(
    workspace: Slack, written: dict[str, Any], about: str, fix: str
) -> None:
    state, _, mends = found(workspace, **written)[about]
    assert state != "ok"
    assert fix in mends


def test_missing_scopes_are_named(workspace: Slack) -> None:
    workspace.scopes = SCOPES - {"files:write", "usergroups:read"}
    try:
        state, said, _ = found(workspace)["scopes"]
    finally:
        workspace.scopes = set(SCOPES)
    assert (state, said) == ("warning", "missing: files:write")


def test_a_slack_that_is_away_is_told(workspace: Slack) -> None:
    with workspace.down():
        assert found(workspace)["token"][0] == "failed"


def test_the_configuration_of_the_page_is_one(start: Start) -> None:
    written = CONFIGURATION["serve"]["slack"]
    secrets = {"bot_token": {"env": "BOT"}, "app_token": {"env": "APP"}}
    scene = start(**(written | secrets))
    assert (scene.app.fields.channel, scene.app.fields.confirmers) == ("C0123456789", ("S0123456789",))


def sent(workspace: Slack, operation: str, payload: dict[str, Any], again: bool = False) -> Any:
    message = Message(key=f"{operation}:{payload}", incident="INC-1", operation=operation, payload=payload)
    tried = datetime.now(UTC) if again else None
    outgoing = Outgoing(message=message, token=1, version=1, attempts=1 + again, first_tried_at=tried)
    return SlackSender(workspace.bot_token, workspace.api).send(outgoing)


def everything(scene: Scene) -> None:
    """One of each thing that the app does in Slack."""
    workspace = scene.workspace
    scene.open()
    workspace.command("status")
    workspace.mention("checkout")
    workspace.shortcut(workspace.say("checkout is slow"))
    workspace.click(scene.card(), "something_else")
    assert workspace.calls["views.open"] == 1
    for channel in ("C0INC", "C0TEAM"):
        for again in (False, True):
            assert isinstance(sent(workspace, "slack.post", {"channel": channel, "text": "x"}, again), Sent)
    whisper = {"channel": "C0INC", "user": "U0ANN", "text": "x"}
    assert isinstance(sent(workspace, "slack.ephemeral", whisper), Sent)
    chart = {"channel": "C0INC", "filename": "a.png", "content": base64.b64encode(b"x").decode()}
    for again in (False, True):
        assert isinstance(sent(workspace, "slack.upload", chart, again), Sent)
    assert len([each for each in workspace.by_app() if each.files]) == 1


def test_the_scopes_suffice_and_each_is_used(start: Start) -> None:
    scene = start(confirmers=("S0SRE",))
    scene.workspace.scopes, scene.workspace.used = set(SCOPES), set()
    everything(scene)
    assert scene.workspace.used == SCOPES


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_without_any_one_of_the_scopes_something_fails(start: Start, scope: str) -> None:
    scene = start(confirmers=("S0SRE",))
    scene.workspace.scopes = SCOPES - {scope}
    try:
        with pytest.raises((AssertionError, SlackError)):
            everything(scene)
    finally:
        scene.workspace.scopes = set(SCOPES)


def test_a_missing_scope_is_told_with_the_page_that_mends_it(workspace: Slack) -> None:
    post: Callable[[], Any] = lambda: sent(workspace, "slack.post", {"channel": "C0INC", "text": "x"})  # noqa: E731 - said twice
    workspace.scopes = SCOPES - {"chat:write"}
    try:
        outcome = post()
    finally:
        workspace.scopes = set(SCOPES)
    assert isinstance(outcome, Later)
    assert "docs/slack.md" in outcome.why
    assert isinstance(post(), Sent)
