"""Carries out the Slack messages of the outbox, each once.

The payloads, by operation:

- `slack.post`: `text` (notifications and fallback), `blocks`; where: `channel` and, to answer in a thread,
  `thread_ts`; or `in_thread: true` with `after`, to answer in the thread of that message. `otherwise` is the
  channel to post to where the app is not in `channel`. Its result: `channel`, `ts`, and `thread_ts`, the
  thread that answers to it belong to.
- `slack.update`: `text`, `blocks`; the message is that of `after`, or `channel` and `ts`.
- `slack.upload`: `filename`, `content` (base64), `title`, `alt`, `comment` (the text beside it); where: as
  for `slack.post`. The filename names it for ever: it must be this message's alone ("INC-7-a1b2c3.png").
  Its result: `channel`, `file`.
- `slack.respond`: what only one person sees, as an answer to what they said: `text`, `blocks`, and the way
  back of `bot.slack.heard.Back.payload`: `response`, `until`, `channel`, `user`, `thread_ts`. When the
  response URL is used up, it is posted as `slack.ephemeral`.
- `slack.ephemeral`: the same without a response URL: `channel`, `user`, `thread_ts`, `text`, `blocks`.

All may hold `mentions`, the ids of users whom the builder mentions in markup on purpose (rich text needs
none): every other mention is taken out (`bot.slack.guard`). Blocks that Slack refuses are sent once more as
plain text. What is visible to a channel is never sent twice: after an attempt of which nobody knows how it
ended, the message is looked for by its metadata. What one person sees cannot be looked for: after such an
attempt it is given up, and only when this process died while sending may it be seen twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from bot.desk import Body, Later, Never, Outgoing, Sent
from bot.slack.calls import Failed, How, broken, called, refused
from bot.slack.guard import Block, Guarded, MentionError, clean, guarded
from bot.slack.looking import Looking, Places
from connectors.contract import Frozen, Instant

log = logging.getLogger(__name__)

EVENT_TYPE: Final = "firstcause"
_NAMES = uuid.UUID("5b0e4f5e-3d0c-4a53-9a39-6d9a0a7c8f10")
_GIVE_UP = timedelta(hours=24)
_SETTLE_SECONDS: Final = 15.0
"""After an attempt of which nobody knows how it ended: long enough for what is still on its way."""
_MEND_SECONDS: Final = 120.0
_BAD_FORM: Final = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}
)
_ELSEWHERE: Final = frozenset({"not_in_channel", "channel_not_found", "is_archived"})
_HOOKS: Final = {"slack.com": "hooks.slack.com", "slack-gov.com": "hooks.slack-gov.com"}

Outcome = Sent | Later | Never


class Payload(Frozen):
    """What a message's payload may hold; each operation reads what it needs."""

    text: str = ""
    blocks: tuple[Block, ...] = ()
    mentions: tuple[str, ...] = ()
    channel: str = ""
    otherwise: str = ""
    ts: str = ""
    thread_ts: str = ""
    in_thread: bool = False
    user: str = ""
    response: str = ""
    until: Instant | None = None
    filename: str = ""
    content: str = ""
    title: str = ""
    alt: str = ""
    comment: str = ""


def hooks(api: str) -> str:
    """Where Slack's response URLs lead, for the address of its Web API."""
    parts = urlsplit(api)
    host = _HOOKS.get(parts.hostname or "", parts.netloc)
    return f"{parts.scheme}://{host}/"


def reference(response_url: str, api: str) -> str:
    """A response URL without its host; empty where it leads elsewhere than Slack's do."""
    start = hooks(api)
    path = response_url.removeprefix(start)
    return path if path != response_url and 0 < len(path) <= 500 and ".." not in path else ""


class SlackSender:
    """Sends to one workspace. A call lasts `seconds` at most."""

    def __init__(
        self,
        token: str,
        api: str = "https://slack.com/api/",
        seconds: int = 15,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        from slack_sdk import WebClient

        # The client's own retries would post twice what was accepted before the connection broke.
        self._client = WebClient(token=token, base_url=api, timeout=seconds, retry_handlers=[])
        self._looking = Looking(self._client, EVENT_TYPE)
        self._hooks = hooks(api)
        self._seconds = seconds
        self._now = now
        self._carried: dict[str, Callable[[Outgoing, Payload], Outcome | Failed]] = {
            "slack.post": self._post,
            "slack.update": self._update,
            "slack.upload": self._upload,
            "slack.respond": self._respond,
            "slack.ephemeral": self._ephemeral,
        }

    def operations(self) -> Sequence[str]:
        """The operations of Slack."""
        return tuple(self._carried)

    def send(self, outgoing: Outgoing) -> Outcome:
        """Carry it out, once."""
        message = outgoing.message
        carried = self._carried.get(message.operation)
        if carried is None:
            return Never(f"nobody carries out {message.operation}")
        try:
            payload = Payload.model_validate(message.payload)
            outcome = carried(outgoing, payload)
        except ValidationError as error:
            return Never(f"the payload is malformed: {error.error_count()} fields, {_fields(error)}")
        except MentionError as error:
            log.error("%s was not sent: %s", message.key, error)
            return Never(str(error))
        return self._told(outgoing, outcome) if isinstance(outcome, Failed) else outcome

    def _told(self, outgoing: Outgoing, failed: Failed) -> Later | Never:
        """A failure, as the outbox takes it."""
        if failed.how is How.REFUSED:
            log.error("%s was refused for good: %s", outgoing.message.key, failed.why)
            return Never(failed.why)
        if failed.how is How.UNCLEAR:
            return Later(failed.why, _SETTLE_SECONDS)
        if failed.how is not How.MENDABLE:
            return Later(failed.why, failed.seconds)
        first = outgoing.first_tried_at
        if first is not None and self._now() - first > _GIVE_UP:
            return Never(failed.why)
        log.warning("%s waits: %s", outgoing.message.key, failed.why)
        return Later(failed.why, _MEND_SECONDS)

    def _post(self, outgoing: Outgoing, payload: Payload) -> Outcome | Failed:
        places = _places(payload, outgoing.known)
        if not places:
            return Never("the message says neither a channel nor a thread")
        key = outgoing.message.key
        if _tried(outgoing):
            found = self._looking.message(key, places, outgoing.first_tried_at)
            if found is not None:
                return found
        safe = guarded(payload.text, payload.blocks, payload.mentions)
        outcome: Outcome | Failed = Never("there was nowhere to post it")
        for channel, thread in places:
            outcome = self._posted(key, channel, thread, safe)
            if not (isinstance(outcome, Failed) and outcome.error in _ELSEWHERE):
                break
        return outcome

    def _posted(self, key: str, channel: str, thread: str, safe: Guarded) -> Outcome | Failed:
        def post(blocks: Sequence[Block]) -> Body | Failed:
            return called(
                lambda: self._client.chat_postMessage(
                    channel=channel,
                    text=safe.text,
                    blocks=list(blocks),
                    thread_ts=thread or None,
                    metadata=_metadata(key),
                    client_msg_id=str(uuid.uuid5(_NAMES, key)),
                    unfurl_links=False,
                    unfurl_media=False,
                    link_names=False,
                    parse="none",
                )
            )

        answer = _or_plain(post, safe.blocks)
        if isinstance(answer, Failed):
            return answer
        ts, where = str(answer.get("ts", "")), str(answer.get("channel", channel))
        return Sent({"channel": where, "ts": ts, "thread_ts": thread or ts})

    def _update(self, outgoing: Outgoing, payload: Payload) -> Outcome | Failed:
        channel = payload.channel or str(outgoing.known.get("channel", ""))
        ts = payload.ts or str(outgoing.known.get("ts", ""))
        if not (channel and ts):
            return Never("the message says neither what it comes after nor which message it changes")
        safe = guarded(payload.text, payload.blocks, payload.mentions)
        after = outgoing.message.after
        # Kept in every edit: a post is looked for by it long after it was edited.
        metadata = None if after is None else _metadata(after)

        def update(blocks: Sequence[Block]) -> Body | Failed:
            return called(
                lambda: self._client.chat_update(
                    channel=channel,
                    ts=ts,
                    text=safe.text,
                    blocks=list(blocks),
                    parse="none",
                    metadata=metadata,
                )
            )

        answer = _or_plain(update, safe.blocks)
        return answer if isinstance(answer, Failed) else Sent({"channel": channel, "ts": ts})

    def _upload(self, outgoing: Outgoing, payload: Payload) -> Outcome | Failed:
        places = _places(payload, outgoing.known)
        if not places or not payload.filename:
            return Never("a file needs its name, and a channel or a thread")
        try:
            content = base64.b64decode(payload.content, validate=True)
        except binascii.Error:
            return Never("the file's content is not base64")
        channel, thread = places[0]
        if _tried(outgoing):
            found = self._looking.file(payload.filename, places[:1], outgoing.first_tried_at)
            if found is not None:
                return found
        ticket = self._uploaded(payload, content)
        if isinstance(ticket, Failed):
            return ticket
        comment = clean(payload.comment, payload.mentions)
        answer = called(
            lambda: self._client.files_completeUploadExternal(
                files=[{"id": ticket, "title": payload.title or payload.filename}],
                channel_id=channel,
                thread_ts=thread or None,
                initial_comment=comment or None,
            )
        )
        return answer if isinstance(answer, Failed) else Sent({"channel": channel, "file": ticket})

    def _uploaded(self, payload: Payload, content: bytes) -> str | Failed:
        """The id of the file that nobody sees yet; doing this again leaves nothing visible."""
        ticket = called(
            lambda: self._client.files_getUploadURLExternal(
                filename=payload.filename, length=len(content), alt_txt=payload.alt or None
            )
        )
        if isinstance(ticket, Failed):
            return ticket
        failed = _put(str(ticket.get("upload_url", "")), content, self._seconds)
        if failed is None:
            return str(ticket.get("file_id", ""))
        # Nothing is visible before it is completed: trying again is safe.
        return Failed(How.UNREACHED, failed.why) if failed.how is How.UNCLEAR else failed

    def _respond(self, outgoing: Outgoing, payload: Payload) -> Outcome | Failed:
        from slack_sdk.webhook import WebhookClient

        late = payload.until is not None and self._now() >= payload.until
        if not payload.response or late:
            return self._ephemeral(outgoing, payload)
        safe = guarded(payload.text, payload.blocks, payload.mentions)
        client = WebhookClient(self._hooks + payload.response, self._seconds, retry_handlers=[])

        def respond(blocks: Sequence[Block]) -> Body | Failed:
            try:
                answer = client.send(
                    text=safe.text, blocks=list(blocks), response_type="ephemeral", replace_original=False
                )
            except (OSError, HTTPException) as error:
                return broken(error)
            word = answer.body.strip()
            good = answer.status_code == 200 and word in ("ok", "", '{"ok":true}')
            return {} if good else refused(answer.status_code, _word(word), answer.headers)

        answer = _or_plain(respond, safe.blocks)
        if not isinstance(answer, Failed):
            return Sent()
        if answer.how in (How.REFUSED, How.MENDABLE):
            return self._ephemeral(outgoing, payload)
        return _given_up(answer)

    def _ephemeral(self, outgoing: Outgoing, payload: Payload) -> Outcome | Failed:
        channel = payload.channel or str(outgoing.known.get("channel", ""))
        if not (channel and payload.user):
            return Never("nobody is left to be told: the response URL is used up, and no channel is known")
        safe = guarded(payload.text, payload.blocks, payload.mentions)

        def show(blocks: Sequence[Block]) -> Body | Failed:
            return called(
                lambda: self._client.chat_postEphemeral(
                    channel=channel,
                    user=payload.user,
                    text=safe.text,
                    blocks=list(blocks),
                    thread_ts=payload.thread_ts or None,
                    link_names=False,
                    parse="none",
                )
            )

        answer = _or_plain(show, safe.blocks)
        if not isinstance(answer, Failed):
            return Sent()
        if answer.how is How.MENDABLE:
            return Never(answer.why)
        return _given_up(answer)


def _given_up(failed: Failed) -> Outcome | Failed:
    """What one person sees cannot be looked for: it is rather lost than doubled."""
    if failed.how is How.UNCLEAR:
        return Never(f"{failed.why}; nobody can say whether it was seen, so it is not sent again")
    return failed


def _or_plain(send: Callable[[Sequence[Block]], Body | Failed], blocks: Sequence[Block]) -> Body | Failed:
    """Send it; where Slack refuses its blocks, send its text alone."""
    answer = send(blocks)
    if isinstance(answer, Failed) and answer.error in _BAD_FORM and blocks:
        log.error("blocks were refused, and their text sent instead: %s", answer.why)
        return send(())
    return answer


def _metadata(key: str) -> dict[str, object]:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def _tried(outgoing: Outgoing) -> bool:
    return outgoing.first_tried_at is not None or outgoing.attempts > 1


def _places(payload: Payload, known: Body) -> Places:
    """Where it may go, the first choice first: channels with their threads."""
    channel = payload.channel or str(known.get("channel", ""))
    thread = payload.thread_ts
    if payload.in_thread:
        channel, thread = str(known.get("channel", "")), str(known.get("thread_ts") or known.get("ts", ""))
        if not (channel and thread):
            return ()
    places = [(channel, thread)] if channel else []
    if payload.otherwise and payload.otherwise != channel:
        places.append((payload.otherwise, ""))
    return tuple(places)


def _put(url: str, content: bytes, seconds: int) -> Failed | None:
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        return Failed(How.REFUSED, "Slack named no page to upload to")
    try:
        with urlopen(Request(url, content, method="POST"), timeout=seconds) as answer:  # noqa: S310 - a page
            answer.read(1024)
    except OSError as error:
        return broken(error)
    return None


def _word(body: str) -> str:
    """Slack's word for what is wrong, of an answer that is text or JSON."""
    word = body.partition('"error":"')[2].partition('"')[0] or body
    return word if len(word) < 80 and " " not in word else "unreadable_answer"


def _fields(error: ValidationError) -> str:
    return ", ".join(sorted({str(each["loc"][0]) if each["loc"] else "payload" for each in error.errors()}))


def digest(content: bytes) -> str:
    """A short name of a file's content, for a filename that is its message's alone."""
    return hashlib.sha256(content).hexdigest()[:12]
