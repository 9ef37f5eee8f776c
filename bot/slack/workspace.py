"""Which workspace is heard: the configured one, or the one that the bot's token belongs to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.slack.payloads import workspaces

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this app is, as Slack says: its workspace's id and address, and its own users."""

    team: str
    url: str
    user: str
    bot: str


class Workspace:
    """The only workspace that is heard. `team`: as configured; None: that of the token, asked once."""

    def __init__(self, client: AsyncWebClient, team: str | None) -> None:
        self._client = client
        self._team = team
        self.identity: Identity | None = None

    @property
    def url(self) -> str:
        """The workspace's address, empty while it is not known."""
        return "" if self.identity is None else self.identity.url

    async def learn(self) -> str:
        """Ask Slack who this app is; why it did not say, empty when it did."""
        from aiohttp import ClientError
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            said = await self._client.auth_test()
        except SlackApiError as error:
            answer = error.response.data
            word = answer.get("error", "") if isinstance(answer, dict) else ""
            return (
                f"Slack refused serve.slack.bot_token: {word}"
                if word
                else f"Slack did not answer: HTTP {error.response.status_code}"
            )
        except (SlackClientError, ClientError, OSError, ValueError, TimeoutError) as error:
            return f"Slack did not answer: {str(error) or type(error).__name__}"
        names = ("team_id", "url", "user_id", "bot_id")
        self.identity = Identity(*(str(said.get(name) or "") for name in names))
        if self._team is not None and self._team != self.identity.team:
            return f"serve.slack.workspace is {self._team}, and the bot's token is of {self.identity.team}"
        return ""

    async def hears(self, body: Mapping[str, Any]) -> bool | None:
        """Whether all that a payload names is the workspace; None while nobody knows which that is."""
        named = workspaces(body)
        if self._team is None and self.identity is None:
            why = await self.learn()
            if why:
                log.error("nobody is heard: %s", why)
                return None
        mine = self._team or (self.identity.team if self.identity is not None else "")
        heard = bool(mine) and named == {mine}
        if not heard:
            log.warning(
                "something of another workspace was not heard: %s", ", ".join(sorted(named)) or "none"
            )
        return heard
