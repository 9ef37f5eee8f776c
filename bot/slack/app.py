"""Hears Slack: slash commands, mentions, message shortcuts, buttons and modals, over HTTP or Socket Mode.

Everything is acknowledged within Slack's three seconds: after one quick transaction of the desk where that
is quick, and before it where it is not. Nothing is investigated here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.concurrency import run_in_threadpool

from bot.desk import Desk
from bot.serve_fields import SlackFields
from bot.slack import answers, windows
from bot.slack.actions import CALLBACKS, Actions, Answered, Wrong, carried
from bot.slack.asking import Asking
from bot.slack.commands import Known
from bot.slack.confirmers import Confirmers
from bot.slack.guard import clean
from bot.slack.payloads import FormError, Reader, Said
from bot.slack.workspace import Workspace
from playbooks.catalogue import load_catalogue

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_bolt.response import BoltResponse

log = logging.getLogger(__name__)

COMMAND: Final = "/diagnose"
SHORTCUT: Final = "diagnose_message"
PROMPT_SECONDS: Final = 2.0
"""After so long it is acknowledged, whatever is still going on: Slack gives up after three seconds."""
_END_SECONDS: Final = 10.0
_CALL_SECONDS: Final = 2
"""A call to Slack that an acknowledgement waits for may take no longer."""

_T = TypeVar("_T")
Json = dict[str, Any]
Acknowledge = Callable[..., Awaitable[Any]]


class SlackApp:
    """The app. `bolt` dispatches; `bot.slack.endpoint` and `bot.slack.socket_mode` bring it what Slack sends.

    Args:
        fields: tokens, workspace, confirmers.
        desk: where everything is kept before it is acknowledged.
        known: the services that may be named.
        now: the clock.
    """

    def __init__(
        self,
        fields: SlackFields,
        desk: Desk,
        known: Known,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        from slack_sdk.web.async_client import AsyncWebClient

        self.fields = fields
        token = fields.bot_token.get_secret_value()
        # No retries of the client's own: an acknowledgement waits for the answer.
        self.client = AsyncWebClient(
            token=token, base_url=fields.api, timeout=_CALL_SECONDS, retry_handlers=[]
        )
        self.workspace = Workspace(self.client, fields.workspace)
        self._desk = desk
        self._now = now
        self._reader = Reader(fields.api, now)
        self._asking = Asking(desk, known, now, lambda: self.workspace.url)
        causes: dict[str, list[str]] = {}
        for each in load_catalogue().playbooks:
            causes.setdefault(each.entity, []).append(each.id)

        def view() -> Json:
            return windows.something_else(causes, known.names())

        self._actions = Actions(self.client, Confirmers(self.client, fields.confirmers), view, now)
        self._late: set[asyncio.Task[Any]] = set()
        self.bolt = self._dispatching(token)

    def _dispatching(self, token: str) -> AsyncApp:
        from slack_bolt.async_app import AsyncApp
        from slack_bolt.authorization import AuthorizeResult
        from slack_sdk.web.async_client import AsyncWebClient

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            # Known beforehand: Slack is not asked while somebody waits.
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

        secret = self.fields.signing_secret
        bolt = AsyncApp(
            name="firstcause",
            client=AsyncWebClient(base_url=self.fields.api, timeout=_CALL_SECONDS, retry_handlers=[]),
            authorize=authorize,
            signing_secret="" if secret is None else secret.get_secret_value(),
            # Verified before anything is parsed (`bot.slack.endpoint`); a web socket is ours by its token.
            request_verification_enabled=False,
            ssl_check_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )
        bolt.middleware(self._only_ours)
        bolt.command(COMMAND)(self._command)
        bolt.event("app_mention", middleware=[self._mention])(_nothing)
        bolt.shortcut({"type": "message_action", "callback_id": SHORTCUT})(self._shortcut)
        bolt.action(re.compile(".*"))(self._click)
        for callback in CALLBACKS:
            bolt.view(callback)(self._view)
        return bolt

    async def _only_ours(self, body: Json, next: Callable[[], Awaitable[Any]]) -> BoltResponse | None:  # noqa: A002 - bolt passes it by this name
        from slack_bolt.response import BoltResponse

        heard = await self.workspace.hears(body)
        if heard:
            await next()
            return None
        # Not known yet: Slack shall send it again.
        return BoltResponse(status=503 if heard is None else 403, body="")

    async def _command(self, body: Json, ack: Acknowledge) -> None:
        said = _read(self._reader.command, body)
        if said is None:
            await ack()
            return
        work = self._work(run_in_threadpool(self._asking.command, said))
        if await self._is_prompt(work):
            await ack(clean(_text(work)))
            return
        await ack(answers.TAKEN)
        await self._say(said, await _awaited(work))

    async def _mention(self, body: Json, next: Callable[[], Awaitable[Any]]) -> BoltResponse | None:  # noqa: A002 - bolt passes it by this name
        from slack_bolt.response import BoltResponse

        said = _read(self._reader.mention, body)
        if said is not None:
            work = self._work(run_in_threadpool(self._asking.mention, said))
            if not await self._is_prompt(work) or _failed(work):
                # Slack tells of a mention again, up to three times; what was kept is known by its key.
                return BoltResponse(status=503, body="")
        await next()
        return None

    async def _shortcut(self, body: Json, ack: Acknowledge) -> None:
        used = _read(self._reader.shortcut, body)
        if used is None:
            await ack()
            return
        work = self._work(run_in_threadpool(self._asking.shortcut, used))
        await self._is_prompt(work)
        await ack()
        if await _awaited(work) is None:
            await self._say(used, None)

    async def _click(self, body: Json, ack: Acknowledge) -> None:
        clicked = _read(self._reader.click, body)
        if clicked is None:
            await ack()
            return
        work = self._work(self._carried(clicked, self._actions.clicked(clicked)))
        await self._is_prompt(work)
        await ack()
        if await _awaited(work) is None:
            await self._say(clicked, None)

    async def _view(self, body: Json, ack: Acknowledge) -> None:
        sent = _read(self._reader.view, body)
        if sent is None:
            await ack()
            return
        work = self._work(self._carried(sent, self._actions.submitted(sent)))
        prompt = await self._is_prompt(work)
        result = None if not prompt or _failed(work) else work.result()
        if isinstance(result, Wrong):
            await ack(response_action="errors", errors=dict(result.errors))
        elif prompt and result is None:
            await ack(response_action="update", view=_notice(answers.NOT_KEPT))
        else:
            await ack()
            await _awaited(work)

    async def _carried(self, said: Said, answering: Awaitable[Answered]) -> Answered:
        answered = await answering
        await run_in_threadpool(carried, self._desk, said, answered, self._now())
        return answered

    def _work(self, coroutine: Awaitable[_T]) -> asyncio.Task[_T]:
        """Something that goes on although it was acknowledged meanwhile."""
        task: asyncio.Task[_T] = asyncio.ensure_future(coroutine)
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task

    async def _is_prompt(self, work: asyncio.Task[Any]) -> bool:
        done, _ = await asyncio.wait({work}, timeout=PROMPT_SECONDS)
        return bool(done)

    async def finished(self) -> None:
        """Wait for what was acknowledged before it was done."""
        if self._late:
            await asyncio.wait(self._late, timeout=_END_SECONDS)

    async def _say(self, said: Said, text: str | None) -> None:
        """Tell somebody at once, where the desk cannot; None: that nothing was kept."""
        from aiohttp import ClientError
        from slack_sdk.webhook.async_client import AsyncWebhookClient

        from bot.slack.sending import hooks

        shown = answers.NOT_KEPT if text is None else clean(text)
        if not (shown and said.back.response):
            return
        hook = AsyncWebhookClient(hooks(self.fields.api) + said.back.response, _CALL_SECONDS)
        try:
            await hook.send(text=shown, response_type="ephemeral", replace_original=False)
        except (ClientError, OSError, TimeoutError) as error:
            log.error("%s could not be answered: %s", said.key, error)


async def _nothing() -> None:
    """A mention was kept already, before it was acknowledged."""


def _read(read: Callable[[Mapping[str, Any]], _T], body: Json) -> _T | None:
    try:
        return read(body)
    except (FormError, ValueError) as error:
        log.warning("something of Slack was not understood: %s", error)
        return None


def _failed(work: asyncio.Task[Any]) -> bool:
    """Whether it failed, as it may; what may not is logged with its place in the code."""
    error = work.exception()
    if error is None:
        return False
    if isinstance(error, OSError | FormError):
        log.error("something of Slack could not be kept: %s", error)
    else:
        log.error("something of Slack failed", exc_info=error)
    return True


def _text(work: asyncio.Task[str]) -> str:
    return answers.NOT_KEPT if _failed(work) else work.result()


async def _awaited(work: asyncio.Task[_T]) -> _T | None:
    """Its result, None where it failed."""
    await asyncio.wait({work})
    return None if _failed(work) else work.result()


def _notice(text: str) -> Json:
    """A window that only says something."""
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": "Not kept"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": [{"type": "section", "text": {"type": "plain_text", "text": text[:3000]}}],
    }
