"""Who may confirm: the members of some user groups of the workspace, as Slack lists them. Fails closed."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 60.0
"""How long a list is taken for true: as long may somebody confirm who was taken off it."""
NOT_NOW: Final = (
    "Slack did not say in time whether you may confirm, so nothing was done. Please try again in a minute."
)


@dataclass(frozen=True, slots=True)
class May:
    """Whether somebody may: `group` lets them, empty where everybody may; `why`: what forbids it."""

    group: str = ""
    why: str = ""

    @property
    def allowed(self) -> bool:
        """Whether they may."""
        return not self.why


class Confirmers:
    """The user groups whose members may confirm; none: everybody may."""

    def __init__(self, client: AsyncWebClient, groups: Sequence[str], seconds: float = KEPT_SECONDS) -> None:
        self._client = client
        self._groups = tuple(groups)
        self._seconds = seconds
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    async def may(self, user: str) -> May:
        """Whether this user may confirm, partly confirm, rule out or name another cause."""
        if not self._groups:
            return May()
        answered = True
        for group in self._groups:
            members = await self._members(group)
            if members is None:
                answered = False
            elif user in members:
                return May(group)
        if not answered:
            return May(why=NOT_NOW)
        called = ", ".join(self._groups)
        return May(why=f"Only members of the user group {called} may answer here. Ask one of them to.")

    async def _members(self, group: str) -> frozenset[str] | None:
        """A group's members; None where Slack does not say."""
        from aiohttp import ClientError
        from slack_sdk.errors import SlackClientError

        known = self._known.get(group)
        if known is not None and time.monotonic() - known[0] < self._seconds:
            return known[1]
        try:
            answer = await self._client.usergroups_users_list(usergroup=group)
        except (SlackClientError, ClientError, OSError, ValueError, TimeoutError) as error:
            log.error("the members of user group %s could not be read: %s", group, error)
            return None
        users = answer.get("users")
        members = frozenset(str(each) for each in users) if isinstance(users, list) else frozenset()
        self._known[group] = (time.monotonic(), members)
        return members
