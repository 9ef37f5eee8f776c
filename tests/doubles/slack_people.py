"""What people do in the double's Slack: type, click, submit; and how the app hears of it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests

from tests.doubles.slack_world import Json, Posted, Shown, View, World

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Ack:
    """How the app acknowledged: `status` (0: it closed the connection), `body`, and how long it took."""

    status: int
    body: str
    seconds: float

    @property
    def said(self) -> Json:
        """The body as JSON, empty where it is none."""
        try:
            found = json.loads(self.body or "{}")
        except ValueError:
            return {"text": self.body}
        return found if isinstance(found, dict) else {}

    @property
    def text(self) -> str:
        return str(self.said.get("text", ""))


@dataclass(frozen=True)
class Request:
    """Something the app is told over HTTP, signed; it can be told again, or changed by who has no secret."""

    body: bytes
    headers: Mapping[str, str]


class People(World):
    """The people of the workspace."""

    def __init__(self) -> None:
        super().__init__()
        self.request_url = ""
        self.last: Request | None = None
        self.told: list[Json] = []

    def reach(self, request_url: str) -> None:
        """Tell the app over HTTP from now on; empty: over Socket Mode."""
        self.request_url = request_url

    # what people do

    def say(self, text: str, channel: str = "C0INC", user: str = "U0ANN", **more: Any) -> Posted:
        """Post a message that the app is not told of: an alert of another app, a person's sentence."""
        return self.add(Posted(channel, self.ts(), user, text, more.pop("blocks", []), **more))

    def command(
        self, text: str, user: str = "U0ANN", channel: str = "C0INC", command: str = "/diagnose", **more: Any
    ) -> Ack:
        """Type a slash command; what it is acknowledged with is shown to this person."""
        self.need("commands")
        payload = {
            "token": "verification-token",
            "team_id": self.team,
            "team_domain": "double",
            "channel_id": channel,
            "channel_name": self.channels[channel].name if channel in self.channels else "directmessage",
            "user_id": user,
            "user_name": user.lower(),
            "command": command,
            "text": text,
            "api_app_id": self.app_id,
            "is_enterprise_install": "false",
            "response_url": self.respond_to(user, channel, None, "commands"),
            "trigger_id": self.trigger(),
        } | more
        ack = self.tell_app("slash_commands", payload)
        self._shown(ack, user, channel)
        return ack

    def mention(
        self,
        text: str,
        user: str = "U0ANN",
        channel: str = "C0INC",
        thread_ts: str | None = None,
        **more: Any,
    ) -> Ack:
        """Write a message that mentions the app; Slack tells it three times more where it is not heard."""
        self.need("app_mentions:read")
        said = f"<@{self.bot_user}> {text}"
        posted = self.add(Posted(channel, self.ts(), user, said, [], thread_ts))
        event = {
            "type": "app_mention",
            "user": user,
            "text": said,
            "ts": posted.ts,
            "channel": channel,
            "event_ts": posted.ts,
            "team": self.team,
        }
        event |= ({"thread_ts": thread_ts} if thread_ts else {}) | more.pop("event", {})
        payload = {
            "token": "verification-token",
            "team_id": self.team,
            "context_team_id": self.team,
            "api_app_id": self.app_id,
            "type": "event_callback",
            "event_id": f"Ev{uuid.uuid4().hex[:9].upper()}",
            "event_time": int(time.time()),
            "authorizations": [{"team_id": self.team, "user_id": self.bot_user, "is_bot": True}],
            "event": event,
        } | more
        return self.tell_app("events_api", payload)

    def click(
        self, posted: Posted, action_id: str, user: str = "U0ANN", proposal: str | None = None, **more: Any
    ) -> Ack:
        """Press a button of a message as it is now; `proposal` picks one of several of the same name."""
        element, block = button_of(posted, action_id, proposal)
        action = {**element, "block_id": block, "action_ts": self.ts()}
        container = {"type": "message", "message_ts": posted.ts, "channel_id": posted.channel}
        payload = self._interaction("block_actions", user, posted) | {
            "container": container,
            "message": posted.json(),
            "state": {"values": {}},
            "actions": [action],
            "response_url": self.respond_to(user, posted.channel, posted.ts, "actions"),
        }
        return self.tell_app("interactive", _from(payload | more))

    def shortcut(
        self,
        posted: Posted,
        callback_id: str = "diagnose_message",
        user: str = "U0ANN",
        **more: Any,
    ) -> Ack:
        """Use a message shortcut."""
        self.need("commands")
        payload = self._interaction("message_action", user, posted) | {
            "callback_id": callback_id,
            "action_ts": self.ts(),
            "message_ts": posted.ts,
            "message": posted.json(),
            "response_url": self.respond_to(user, posted.channel, posted.ts, "app"),
        }
        return self.tell_app("interactive", _from(payload | more))

    def submit(self, view: View, values: Mapping[str, str], user: str = "U0ANN", **more: Any) -> Ack:
        """Send a modal with values by `action_id`; it closes where the app finds nothing wrong with it."""
        assert view.open, "the modal is closed"
        state: Json = {}
        for block in view.view["blocks"]:
            element = block.get("element") or block.get("accessory")
            if element:
                state[block.get("block_id") or element["action_id"]] = {
                    element["action_id"]: _typed(element, values.get(element["action_id"]))
                }
        payload = {
            "type": "view_submission",
            "team": {"id": self.team, "domain": "double"},
            "user": {"id": user, "team_id": self.team, "username": user.lower()},
            "api_app_id": self.app_id,
            "token": "verification-token",
            "trigger_id": self.trigger(),
            "view": {**view.view, "id": view.id, "hash": view.hash, "state": {"values": state}},
            "response_urls": [],
        } | more
        ack = self.tell_app("interactive", payload)
        if ack.status == 200 and ack.said.get("response_action") != "errors":
            view.open = False
        return ack

    def opened_view(self, callback_id: str | None = None) -> View:
        """The modal that was opened last, once it is."""

        def found() -> list[View]:
            known = list(self.views.values())
            return [each for each in known if callback_id in (None, each.view.get("callback_id"))]

        self.until(found)
        return found()[-1]

    def _interaction(self, kind: str, user: str, posted: Posted) -> Json:
        return {
            "type": kind,
            "team": {"id": self.team, "domain": "double"},
            "user": {"id": user, "team_id": self.team, "username": user.lower(), "name": user.lower()},
            "channel": {"id": posted.channel, "name": self.channels[posted.channel].name},
            "api_app_id": self.app_id,
            "token": "verification-token",
            "trigger_id": self.trigger(),
            "is_enterprise_install": False,
            "enterprise": None,
        }

    def _shown(self, ack: Ack, user: str, channel: str) -> None:
        if ack.status == 200 and (ack.text or ack.said.get("blocks")):
            self.show(Shown(user, channel, ack.text, ack.said.get("blocks") or [], "ack"))

    # how the app hears of it

    def tell_app(self, kind: str, payload: Json) -> Ack:
        """Tell the app, over HTTP or Socket Mode; events are told again where they are not heard."""
        self.told.append(payload)
        tries = 4 if kind == "events_api" else 1
        ack = Ack(0, "", 0.0)
        for attempt in range(tries):
            ack = self._told_once(kind, payload, attempt)
            if ack.status == 200:
                break
        return ack

    def _told_once(self, kind: str, payload: Json, attempt: int) -> Ack:
        if self.request_url:
            again = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_error"}
            return self.send(self.request(kind, payload), again if attempt else {})
        began = time.monotonic()
        try:
            said = self.socket_sent(kind, payload, attempt)
        except ConnectionError:
            return Ack(0, "", time.monotonic() - began)
        answer = json.dumps(said["payload"]) if "payload" in said else ""
        return Ack(200, answer, time.monotonic() - began)

    def socket_sent(self, kind: str, payload: Json, attempt: int) -> Json:
        """One envelope over Socket Mode."""
        raise NotImplementedError

    def request(self, kind: str, payload: Json) -> Request:
        """The signed request that Slack would send."""
        if kind == "events_api":
            return self.signed(json.dumps(payload).encode(), "application/json")
        form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        return self.signed(urlencode(form).encode(), _FORM)

    def signed(
        self, body: bytes, kind: str = _FORM, at: float | None = None, secret: str | None = None
    ) -> Request:
        """Any body, with its signature."""
        timestamp = str(int(time.time() if at is None else at))
        base = b"v0:" + timestamp.encode() + b":" + body
        digest = hmac.new((secret or self.signing_secret).encode(), base, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": kind,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={digest}",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }
        self.last = Request(body, headers)
        return self.last

    def send(self, request: Request, more: Mapping[str, str] | None = None) -> Ack:
        """Send a request to the request URL, as it is."""
        began = time.monotonic()
        try:
            answer = requests.post(
                self.request_url, data=request.body, headers={**request.headers, **(more or {})}, timeout=30
            )
        except requests.ConnectionError:
            return Ack(0, "", time.monotonic() - began)
        return Ack(answer.status_code, answer.text, time.monotonic() - began)


def _from(payload: Json) -> Json:
    """With `user_team`: the payload of somebody whose home is another workspace (Slack Connect)."""
    team = payload.pop("user_team", None)
    return payload if team is None else payload | {"user": payload["user"] | {"team_id": team}}


def buttons_of(posted: Posted) -> list[tuple[Json, str]]:
    """Every button of a message, with its block's id."""
    found = []
    for block in posted.blocks:
        elements = [*(block.get("elements") or []), *([block["accessory"]] if "accessory" in block else [])]
        found += [(each, str(block.get("block_id"))) for each in elements if each.get("type") == "button"]
    return found


def button_of(posted: Posted, action_id: str, proposal: str | None = None) -> tuple[Json, str]:
    """The button of this name."""
    for element, block in buttons_of(posted):
        value = json.loads(element.get("value") or "{}")
        if element.get("action_id") == action_id and proposal in (None, value.get("proposal")):
            return element, block
    raise AssertionError(f"the message has no button {action_id} {proposal or ''}")


def _typed(element: Json, value: str | None) -> Json:
    if element["type"] == "plain_text_input":
        return {"type": element["type"], "value": value}
    offered = [*element.get("options", [])]
    offered += [option for group in element.get("option_groups", []) for option in group["options"]]
    option = next((each for each in offered if each["value"] == value), None)
    return {"type": element["type"], "selected_option": option}
