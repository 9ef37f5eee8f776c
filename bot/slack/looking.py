"""Looks for what was posted already, after an attempt of which nobody knows how it ended.

Slack stores metadata with a message, which only apps see; a file is known by a name that is its alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from bot.desk import Body, Sent
from bot.slack.calls import Failed, How, called

if TYPE_CHECKING:
    from slack_sdk import WebClient

log = logging.getLogger(__name__)

_SKEW = timedelta(minutes=5)
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_NOT_THERE: Final = frozenset({"not_in_channel", "channel_not_found", "thread_not_found"})

Places = tuple[tuple[str, str], ...]
"""Channels with the thread in them that is meant, empty where it is the channel itself."""
Found = Callable[[Mapping[str, object]], bool]


class Looking:
    """Reads the newest messages of a channel or of a thread."""

    def __init__(self, client: WebClient, event_type: str) -> None:
        self._client = client
        self._event_type = event_type

    def message(self, key: str, places: Places, since: datetime | None) -> Sent | Failed | None:
        """Where the message with this key was posted; None where it was not.

        A failure where nobody can say: then it must not be posted either.
        """
        wanted = {"event_type": self._event_type, "event_payload": {"key": key}}
        found = self._found(places, since, lambda message: message.get("metadata") == wanted)
        if found is None or isinstance(found, Failed):
            return found
        channel, thread, message = found
        ts = str(message.get("ts", ""))
        return Sent({"channel": channel, "ts": ts, "thread_ts": thread or ts, "found": True})

    def file(self, filename: str, places: Places, since: datetime | None) -> Sent | Failed | None:
        """Where the file of this name was posted; None where it was not."""
        found = self._found(places, since, lambda message: _named(message, filename) is not None)
        if found is None or isinstance(found, Failed):
            return found
        channel, _, message = found
        return Sent({"channel": channel, "file": _named(message, filename) or "", "found": True})

    def _found(
        self, places: Places, since: datetime | None, is_it: Found
    ) -> tuple[str, str, Mapping[str, object]] | Failed | None:
        for channel, thread in places:
            for message in self._messages(channel, thread, since):
                if isinstance(message, Failed):
                    return message
                if is_it(message):
                    return channel, thread, message
        return None

    def _messages(
        self, channel: str, thread: str, since: datetime | None
    ) -> Iterable[Mapping[str, object] | Failed]:
        oldest = "0" if since is None else f"{(since - _SKEW).timestamp():.6f}"
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = self._page(channel, thread, oldest, cursor)
            if isinstance(page, Failed):
                if page.error not in _NOT_THERE:
                    yield _unknown(page)
                return
            messages = page.get("messages")
            yield from (
                (each for each in messages if isinstance(each, dict)) if isinstance(messages, list) else ()
            )
            more = page.get("response_metadata")
            cursor = str(more.get("next_cursor", "")) if isinstance(more, dict) else ""
            if not cursor:
                return
        yield Failed(How.REFUSED, "nobody can say whether it was posted: too much was said since")

    def _page(self, channel: str, thread: str, oldest: str, cursor: str) -> Body | Failed:
        more = {"cursor": cursor} if cursor else {}
        if thread:
            return called(
                lambda: self._client.conversations_replies(
                    channel=channel,
                    ts=thread,
                    oldest=oldest,
                    limit=_PAGE,
                    include_all_metadata=True,
                    **more,  # type: ignore[arg-type]  # a cursor is a string
                )
            )
        return called(
            lambda: self._client.conversations_history(
                channel=channel,
                oldest=oldest,
                limit=_PAGE,
                include_all_metadata=True,
                **more,  # type: ignore[arg-type]  # a cursor is a string
            )
        )


def _unknown(failed: Failed) -> Failed:
    """While nobody can look, nothing may be posted: a refusal to look is a reason to wait."""
    how = How.MENDABLE if failed.how is How.REFUSED else failed.how
    return Failed(how, f"it may have been posted, and looking failed: {failed.why}", "", failed.seconds)


def _named(message: Mapping[str, object], filename: str) -> str | None:
    files = message.get("files")
    for each in files if isinstance(files, list) else ():
        if isinstance(each, dict) and each.get("name") == filename:
            return str(each.get("id", ""))
    return None
