"""A small Slack workspace: who is in it, what was posted there, and how often it may be called."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SCOPES = (
    "app_mentions:read", "channels:history", "chat:write", "commands", "files:read", "files:write",
    "groups:history", "usergroups:read",
)  # fmt: skip

PER_MINUTE = {
    "chat.postMessage": 60,
    "chat.update": 50,
    "chat.postEphemeral": 100,
    "conversations.history": 50,
    "conversations.replies": 50,
    "files.getUploadURLExternal": 100,
    "files.completeUploadExternal": 100,
    "usergroups.users.list": 20,
    "users.info": 100,
    "views.open": 100,
}
"""The documented tiers; chat.postMessage: one a second and channel, in short bursts more."""


class SlackError(Exception):
    """A call that Slack refuses."""

    def __init__(
        self,
        error: str,
        messages: Sequence[str] = (),
        status: int = 200,
        retry_after: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(error)
        self.status, self.retry_after = status, retry_after
        self.body: Json = {"ok": False, "error": error, **more}
        if messages:
            self.body["response_metadata"] = {"messages": list(messages)}


@dataclass
class Channel:
    id: str
    name: str
    private: bool = False
    archived: bool = False
    members: set[str] = field(default_factory=set)


@dataclass
class Posted:
    """A message, with everything it ever said."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json]
    thread_ts: str | None = None
    metadata: Json | None = None
    files: list[Json] = field(default_factory=list)
    client_msg_id: str | None = None
    arguments: Json = field(default_factory=dict)
    edits: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)

    @property
    def root(self) -> bool:
        return self.thread_ts is None or self.thread_ts == self.ts

    @property
    def key(self) -> str:
        """The key of its metadata."""
        return str((self.metadata or {}).get("event_payload", {}).get("key", ""))

    def json(self, metadata: bool = True) -> Json:
        body: Json = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        optional = {
            "blocks": self.blocks,
            "thread_ts": self.thread_ts,
            "metadata": self.metadata if metadata else None,
            "files": self.files,
            "attachments": self.attachments,
            "client_msg_id": self.client_msg_id,
        }
        return body | {name: value for name, value in optional.items() if value}


@dataclass
class Shown:
    """What one person alone saw. `by`: "ack", "response_url" or "chat.postEphemeral"."""

    user: str
    channel: str
    text: str
    blocks: list[Json]
    by: str
    thread_ts: str | None = None


@dataclass
class Response:
    """A response URL. It is judged by the double's own clock, which only `advance` moves."""

    user: str
    channel: str
    message: str | None
    made: float
    uses: int = 0


@dataclass
class View:
    id: str
    view: Json
    user: str
    hash: str
    open: bool = True


class World:
    """The workspace. Its clock for what expires stands still until it is moved."""

    team = "T0FIRST"
    bot_user = "U0BOT"
    bot_id = "B0BOT"
    app_id = "A0FIRST"
    bot_token = "xoxb-of-the-double"
    app_token = "xapp-of-the-double"
    signing_secret = "signing-secret-of-the-double"

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        everybody = {"U0ANN", "U0BEN", "U0EVE"}
        self.channels = {
            "C0INC": Channel("C0INC", "incidents", members=everybody | {self.bot_user}),
            "C0PAY": Channel("C0PAY", "payments", members=everybody | {self.bot_user}),
            "C0OPS": Channel("C0OPS", "ops", members=set(everybody)),
            "C0SECRET": Channel("C0SECRET", "secret", private=True, members={"U0EVE"}),
            "C0TEAM": Channel("C0TEAM", "team", private=True, members=everybody | {self.bot_user}),
            "C0OLD": Channel("C0OLD", "old", archived=True, members=everybody | {self.bot_user}),
        }
        self.groups = {"S0SRE": ["U0ANN", "U0BEN"]}
        self.scopes = set(SCOPES)
        self.used: set[str] = set()
        self.posted: list[Posted] = []
        self.shown: list[Shown] = []
        self.views: dict[str, View] = {}
        self.files: dict[str, Json] = {}
        self.responses: dict[str, Response] = {}
        self.triggers: dict[str, float] = {}
        self.calls: Counter[str] = Counter()
        self.arguments: list[tuple[str, Json]] = []
        self.per_minute = dict(PER_MINUTE)
        self.honours_client_msg_id = False
        self.url = ""
        self._recent: dict[tuple[str, str], deque[float]] = {}
        self._moved = 0.0
        self._last = 0.0

    # time

    def advance(self, seconds: float) -> None:
        """Let time pass for what expires."""
        with self.lock:
            self._moved += seconds

    @property
    def moved(self) -> float:
        return self._moved

    def ts(self) -> str:
        with self.lock:
            self._last = max(time.time() + self._moved, self._last + 0.000_001)
            return f"{self._last:.6f}"

    def until(self, true: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until it is true."""
        end = time.monotonic() + seconds
        # Asked without the lock: what is waited for may itself speak to the double.
        while not true():
            assert time.monotonic() < end, "what was waited for did not happen"
            with self.changed:
                self.changed.wait(0.02)

    def tell(self) -> None:
        """Wake those who wait."""
        with self.changed:
            self.changed.notify_all()

    # limits

    def allow(self, method: str, channel: str) -> None:
        """Count the call.

        Raises:
            SlackError: there were too many in the last minute.
        """
        most = self.per_minute.get(method)
        if most is None:
            return
        now = time.monotonic() + self._moved
        recent = self._recent.setdefault((method, channel), deque())
        while recent and now - recent[0] >= 60:
            recent.popleft()
        if len(recent) >= most:
            wait = max(int(60 - (now - recent[0])) + 1, 1)
            raise SlackError("ratelimited", status=429, retry_after=wait)
        recent.append(now)

    def need(self, *scopes: str) -> None:
        """Check that the app has one of the scopes.

        Raises:
            SlackError: it has none.
        """
        with self.lock:
            self.used.update(self.scopes.intersection(scopes))
        if not self.scopes.intersection(scopes):
            raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.scopes)))

    # what is there

    def channel(self, name: object, write: bool = False) -> Channel:
        """A channel that the app may use.

        Raises:
            SlackError: it may not.
        """
        found = self.channels.get(str(name))
        if found is None or (found.private and self.bot_user not in found.members):
            raise SlackError("channel_not_found")
        if self.bot_user not in found.members:
            raise SlackError("not_in_channel")
        if write and found.archived:
            raise SlackError("is_archived")
        return found

    def message(self, channel: str, ts: object) -> Posted | None:
        return next((each for each in self.posted if each.channel == channel and each.ts == ts), None)

    def add(self, posted: Posted) -> Posted:
        with self.changed:
            self.posted.append(posted)
            self.changed.notify_all()
        return posted

    def show(self, shown: Shown) -> None:
        with self.changed:
            self.shown.append(shown)
            self.changed.notify_all()

    def respond_to(self, user: str, channel: str, message: str | None, kind: str) -> str:
        """A new response URL."""
        path = f"{kind}/{self.team}/{len(self.responses) + 1}/{uuid.uuid4().hex[:24]}"
        self.responses[path] = Response(user, channel, message, self._moved)
        return f"{self.url}/{path}"

    def trigger(self) -> str:
        """A new trigger id."""
        name = f"{len(self.triggers) + 1}.{uuid.uuid4().int % 10**9}.{uuid.uuid4().hex}"
        self.triggers[name] = self._moved
        return name

    # what tests ask

    def in_channel(self, channel: str) -> list[Posted]:
        """What was posted in a channel outside of threads, the oldest first."""
        with self.lock:
            return [each for each in self.posted if each.channel == channel and each.root]

    def in_thread(self, channel: str, ts: str) -> list[Posted]:
        """The answers in a thread."""
        with self.lock:
            return [
                each
                for each in self.posted
                if each.channel == channel and each.thread_ts == ts and each.ts != ts
            ]

    def by_app(self) -> list[Posted]:
        """Everything the app posted."""
        with self.lock:
            return [each for each in self.posted if each.user == self.bot_user]

    def seen_by(self, user: str) -> list[str]:
        """What this person alone was shown, as text."""
        with self.lock:
            return [each.text for each in self.shown if each.user == user]


def flag(value: object) -> bool:
    """A boolean argument, as the clients write it."""
    return str(value).lower() in ("1", "true")


def payload_of(arguments: Mapping[str, Any], name: str) -> Any:
    """An argument that is JSON, sent as such or as text."""
    import json

    value = arguments.get(name)
    if isinstance(value, str) and value:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
