"""The methods of Slack's Web API that the app calls, with the errors they are documented to give."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from tests.doubles.slack_limits import MOST_METADATA, MOST_TEXT, wrong_with_blocks, wrong_with_view
from tests.doubles.slack_world import Json, Posted, Shown, SlackError, View, World, flag, payload_of

_CURSOR = "after:"


def called(world: World, method: str, token: str, arguments: Json) -> Json:
    """The answer of a method.

    Raises:
        SlackError: it is refused.
    """
    carried = _METHODS.get(method)
    if carried is None:
        raise SlackError("unknown_method")
    _check_token(world, method, token)
    with world.lock:
        world.calls[method] += 1
        world.arguments.append((method, arguments))
        world.allow(method, str(arguments.get("channel") or arguments.get("channel_id") or ""))
        return {"ok": True, **carried(world, arguments)}


def _check_token(world: World, method: str, token: str) -> None:
    if not token:
        raise SlackError("not_authed")
    if token not in (world.bot_token, world.app_token):
        raise SlackError("invalid_auth")
    if (token == world.app_token) != (method == "apps.connections.open"):
        raise SlackError("not_allowed_token_type")


def _content(arguments: Json) -> tuple[str, list[Json]]:
    """Text and blocks of a message, checked."""
    text, blocks = arguments.get("text") or "", payload_of(arguments, "blocks") or []
    if not text and not blocks and not arguments.get("attachments"):
        raise SlackError("no_text")
    if len(text) > MOST_TEXT:
        raise SlackError("msg_too_long")
    wrong = wrong_with_blocks(blocks)
    if wrong:
        raise SlackError("invalid_blocks", wrong, errors=wrong)
    return text, [
        each if each.get("block_id") else {**each, "block_id": uuid.uuid4().hex[:5]} for each in blocks
    ]


def _metadata(arguments: Json) -> Json | None:
    metadata = payload_of(arguments, "metadata")
    if metadata is None:
        return None
    whole = isinstance(metadata, dict) and isinstance(metadata.get("event_payload"), dict)
    if not whole or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > MOST_METADATA:
        raise SlackError("metadata_too_large")
    return dict(metadata)


def _check_thread(world: World, channel: str, thread_ts: object) -> None:
    if not thread_ts:
        return
    parent = world.message(channel, thread_ts)
    if parent is None:
        raise SlackError("thread_not_found")
    if not parent.root:
        raise SlackError("cannot_reply_to_message")


def _post(world: World, arguments: Json) -> Json:
    world.need("chat:write")
    channel = world.channel(arguments.get("channel"), write=True)
    text, blocks = _content(arguments)
    metadata = _metadata(arguments)
    _check_thread(world, channel.id, arguments.get("thread_ts"))
    known = arguments.get("client_msg_id")
    if known and world.honours_client_msg_id:
        for each in world.posted:
            if each.channel == channel.id and each.client_msg_id == known:
                return {"channel": channel.id, "ts": each.ts, "message": each.json()}
    posted = world.add(
        Posted(
            channel.id,
            world.ts(),
            world.bot_user,
            text,
            blocks,
            arguments.get("thread_ts") or None,
            metadata,
            client_msg_id=known,
            arguments=arguments,
        )
    )
    return {"channel": channel.id, "ts": posted.ts, "message": posted.json()}


def _update(world: World, arguments: Json) -> Json:
    world.need("chat:write")
    channel = world.channel(arguments.get("channel"), write=True)
    posted = world.message(channel.id, arguments.get("ts"))
    if posted is None:
        raise SlackError("message_not_found")
    if posted.user != world.bot_user:
        raise SlackError("cant_update_message")
    text, blocks = _content(arguments)
    metadata = _metadata(arguments)
    posted.edits.append({"text": posted.text, "blocks": posted.blocks})
    posted.text, posted.blocks = text, blocks
    posted.metadata = posted.metadata if metadata is None else metadata
    world.tell()
    return {"channel": channel.id, "ts": posted.ts, "text": text, "message": posted.json()}


def _ephemeral(world: World, arguments: Json) -> Json:
    world.need("chat:write")
    channel = world.channel(arguments.get("channel"), write=True)
    user = str(arguments.get("user"))
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    text, blocks = _content(arguments)
    world.show(
        Shown(user, channel.id, text, blocks, "chat.postEphemeral", arguments.get("thread_ts") or None)
    )
    return {"message_ts": world.ts()}


def _history(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    world.need("groups:history" if channel.private else "channels:history")
    return _page(world, arguments, world.in_channel(channel.id)[::-1])


def _replies(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    world.need("groups:history" if channel.private else "channels:history")
    parent = world.message(channel.id, arguments.get("ts"))
    if parent is None:
        raise SlackError("thread_not_found")
    return _page(world, arguments, [*world.in_thread(channel.id, parent.ts)], [parent])


def _readable(world: World, message: Json) -> Json:
    """Without what only an app with `files:read` is shown."""
    if "files" in message and "files:read" not in world.scopes:
        return {name: value for name, value in message.items() if name != "files"}
    world.used |= {"files:read"} if "files" in message else set()
    return message


def _page(world: World, arguments: Json, messages: list[Posted], first: list[Posted] | None = None) -> Json:
    inclusive = flag(arguments.get("inclusive"))
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or 1e12)
    chosen = [
        each
        for each in messages
        if oldest < float(each.ts) < latest or (inclusive and float(each.ts) in (oldest, latest))
    ]
    start = int(str(arguments.get("cursor") or f"{_CURSOR}0").removeprefix(_CURSOR))
    limit = int(arguments.get("limit") or 100)
    if not 1 <= limit <= 999:
        raise SlackError("invalid_limit")
    metadata = flag(arguments.get("include_all_metadata"))
    page = [*(first or []), *chosen[start : start + limit]]
    more = start + limit < len(chosen)
    cursor = f"{_CURSOR}{start + limit}" if more else ""
    return {
        "messages": [_readable(world, each.json(metadata)) for each in page],
        "has_more": more,
        "response_metadata": {"next_cursor": cursor},
    }


def _upload_url(world: World, arguments: Json) -> Json:
    world.need("files:write")
    if not arguments.get("filename") or int(arguments.get("length") or 0) <= 0:
        raise SlackError("invalid_arguments")
    name = f"F{uuid.uuid4().hex[:8].upper()}"
    world.files[name] = {
        "id": name,
        "name": arguments["filename"],
        "length": int(arguments["length"]),
        "alt_txt": arguments.get("alt_txt") or "",
    }
    return {"file_id": name, "upload_url": f"{world.url}/upload/v1/{name}"}


def _complete(world: World, arguments: Json) -> Json:
    world.need("files:write")
    files = payload_of(arguments, "files") or []
    for each in files:
        if "content" not in world.files.get(str(each.get("id")), {}):
            raise SlackError("file_not_found")
        world.files[each["id"]]["title"] = each.get("title") or ""
    public = [{k: v for k, v in world.files[each["id"]].items() if k != "content"} for each in files]
    if arguments.get("channel_id"):
        channel = world.channel(arguments["channel_id"], write=True)
        _check_thread(world, channel.id, arguments.get("thread_ts"))
        comment, thread = arguments.get("initial_comment") or "", arguments.get("thread_ts") or None
        world.add(Posted(channel.id, world.ts(), world.bot_user, comment, [], thread, files=public))
    return {"files": [{"id": each["id"], "title": each.get("title")} for each in files]}


def _open_view(world: World, arguments: Json) -> Json:
    made = world.triggers.pop(str(arguments.get("trigger_id")), None)
    if made is None:
        raise SlackError("invalid_trigger_id" if not arguments.get("trigger_id") else "exchanged_trigger_id")
    if world.moved - made > 3:
        raise SlackError("expired_trigger_id")
    view = payload_of(arguments, "view")
    wrong = wrong_with_view(view)
    if wrong:
        raise SlackError("invalid_arguments", wrong)
    opened = View(f"V{uuid.uuid4().hex[:8].upper()}", view, "", uuid.uuid4().hex[:10])
    world.views[opened.id] = opened
    world.tell()
    return {"view": {**view, "id": opened.id, "hash": opened.hash, "team_id": world.team}}


def _group(world: World, arguments: Json) -> Json:
    world.need("usergroups:read")
    found = world.groups.get(str(arguments.get("usergroup")))
    if found is None:
        raise SlackError("no_such_subteam")
    return {"users": list(found)}


def _user(world: World, arguments: Json) -> Json:
    world.need("users:read")
    if not any(arguments.get("user") in each.members for each in world.channels.values()):
        raise SlackError("user_not_found")
    name = str(arguments["user"]).removeprefix("U0").lower()
    return {"user": {"id": arguments["user"], "team_id": world.team, "name": name}}


def _auth(world: World, arguments: Json) -> Json:
    del arguments
    return {
        "url": f"{world.url}/",
        "team": "The double",
        "user": "firstcause",
        "team_id": world.team,
        "user_id": world.bot_user,
        "bot_id": world.bot_id,
    }


def _permalink(world: World, arguments: Json) -> Json:
    channel = world.channel(arguments.get("channel"))
    if world.message(channel.id, arguments.get("message_ts")) is None:
        raise SlackError("message_not_found")
    ts = str(arguments["message_ts"]).replace(".", "")
    return {"channel": channel.id, "permalink": f"{world.url}/archives/{channel.id}/p{ts}"}


def _connect(world: World, arguments: Json) -> Json:
    del arguments
    return {"url": f"{world.url.replace('http', 'ws', 1)}/link/?ticket={uuid.uuid4().hex}"}


_METHODS: dict[str, Callable[[World, Any], Json]] = {
    "apps.connections.open": _connect,
    "auth.test": _auth,
    "chat.getPermalink": _permalink,
    "chat.postEphemeral": _ephemeral,
    "chat.postMessage": _post,
    "chat.update": _update,
    "conversations.history": _history,
    "conversations.replies": _replies,
    "files.completeUploadExternal": _complete,
    "files.getUploadURLExternal": _upload_url,
    "usergroups.users.list": _group,
    "users.info": _user,
    "views.open": _open_view,
}
