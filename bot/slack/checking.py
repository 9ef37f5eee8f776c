"""Whether the app is installed as it must be: its tokens, scopes, channels and groups. Posts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bot.serve_fields import SlackFields
from bot.slack.calls import Failed, called
from connectors.live import Check

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.web import SlackResponse

SCOPES: Final = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "usergroups:read",
    }
)
"""What the manifest of docs/slack.md asks for; a test holds the two together."""
_SECONDS: Final = 5
_REINSTALL: Final = "put the manifest of docs/slack.md in again, and reinstall the app"


def checked(fields: SlackFields, seconds: int = _SECONDS) -> Iterator[Check]:
    """What is to be known of the app before somebody needs it; each call lasts `seconds` at most."""
    from slack_sdk import WebClient

    token = fields.bot_token.get_secret_value()
    client = WebClient(token, fields.api, seconds, retry_handlers=[])
    found = list(_token(client, fields))
    yield from found
    if any(each.state == "failed" for each in found):
        return
    if fields.app_token is not None:
        yield _socket(WebClient(None, fields.api, seconds, retry_handlers=[]), fields)
    for channel in dict.fromkeys([fields.channel, *fields.channels.values()]):
        if channel:
            yield _channel(client, channel)
    for group in fields.confirmers:
        yield _group(client, group)


def _token(client: WebClient, fields: SlackFields) -> Iterator[Check]:
    answers: list[SlackResponse] = []

    def who() -> SlackResponse:
        answers.append(client.auth_test())
        return answers[0]

    mine = called(who)
    if isinstance(mine, Failed):
        yield Check("token", "failed", mine.why, "serve.slack.bot_token: the app's xoxb-… token")
        return
    team = str(mine.get("team_id"))
    if fields.workspace not in (None, team):
        yield Check("workspace", "failed", f"the token is of {team}", f"serve.slack.workspace: {team}")
        return
    yield Check("token", "ok", f"{mine.get('user')} in {mine.get('team')} ({team})")
    headers = {name.lower(): value for name, value in answers[0].headers.items()}
    granted = {each.strip() for each in str(headers.get("x-oauth-scopes", "")).split(",")} - {""}
    wanted = SCOPES if fields.confirmers else SCOPES - {"usergroups:read"}
    missing = sorted(wanted - granted) if granted else []
    if missing:
        yield Check("scopes", "warning", f"missing: {', '.join(missing)}", _REINSTALL)
    elif granted:
        yield Check("scopes", "ok", f"{len(granted)} granted")


def _socket(client: WebClient, fields: SlackFields) -> Check:
    assert fields.app_token is not None
    token = fields.app_token.get_secret_value()
    opened = called(lambda: client.apps_connections_open(app_token=token))
    if isinstance(opened, Failed):
        fix = "serve.slack.app_token: an xapp-… token with connections:write; switch Socket Mode on"
        return Check("Socket Mode", "failed", opened.why, fix)
    return Check("Socket Mode", "ok", "a web socket is offered")


def _channel(client: WebClient, channel: str) -> Check:
    read = called(lambda: client.conversations_history(channel=channel, limit=1))
    if isinstance(read, Failed):
        return Check(f"channel {channel}", "warning", read.why, "type /invite @firstcause there")
    return Check(f"channel {channel}", "ok", "the app is in it")


def _group(client: WebClient, group: str) -> Check:
    read = called(lambda: client.usergroups_users_list(usergroup=group))
    if isinstance(read, Failed):
        fix = "serve.slack.confirmers: ids of user groups, S…; until then nobody may confirm"
        return Check(f"group {group}", "warning", read.why, fix)
    users = read.get("users")
    count = len(users) if isinstance(users, list) else 0
    return Check(f"group {group}", "ok" if count else "warning", f"{count} may confirm")
