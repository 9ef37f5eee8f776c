"""What `doctor` looks at of `serve:`: its secrets, PagerDuty's REST API and Slack. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, SecretStr

from bot.configuration import Configuration
from bot.errors import BadInputError
from bot.serve_fields import PagerDutyFields, ServeFields, SlackFields
from connectors.live import Check

_SECONDS = 8


class Task(NamedTuple):
    """Something to look at beside the sources."""

    title: str
    kind: str
    look: Callable[[], Sequence[Check]]


def tasks(read: Configuration) -> list[Task]:
    """What there is to look at; nothing where nothing is served."""
    try:
        fields = read.serve
    except BadInputError as error:
        why = str(error)
        fix = "set it where `firstcause serve` runs; investigations do without it"
        return [Task("serve", "serve", lambda: [Check("secrets", "failed", why, fix)])]
    if fields == ServeFields():
        return []
    found = [Task("serve", "serve", lambda: [_secrets(fields)])]
    pagerduty, slack = fields.pagerduty, fields.slack
    if pagerduty is not None and pagerduty.token is not None:
        found.append(Task("serve/pagerduty", "pagerduty", lambda: list(_pagerduty(pagerduty))))
    if slack is not None:
        found.append(Task("serve/slack", "slack", lambda: _slack(slack)))
    return found


# --- secrets ----------------------------------------------------------------------------------------------
def _secrets(fields: ServeFields) -> Check:
    from bot.web.credentials import LEAST_SECRET

    heard = {"changes_token", "incidents_token", "pagerduty.secrets", "alertmanager.token"}
    heard.add("alertmanager.basic.password")
    short = sorted(
        {name for name, secret in _secrets_of(fields) if name in heard and len(secret) < LEAST_SECRET}
    )
    if short:
        fix = "a longer one, such as `openssl rand -hex 32` makes"
        return Check("secrets", "failed", f"shorter than {LEAST_SECRET} characters: {', '.join(short)}", fix)
    return Check("secrets", "ok", "every secret is there and long enough")


def _secrets_of(model: BaseModel, above: str = "") -> Iterator[tuple[str, str]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, SecretStr):
                yield f"{above}{name}", each.get_secret_value()
            elif isinstance(each, BaseModel):
                yield from _secrets_of(each, f"{above}{name}.")


# --- PagerDuty --------------------------------------------------------------------------------------------
def _pagerduty(fields: PagerDutyFields) -> Iterator[Check]:
    from bot.pagerduty.calls import Calls, Failed

    assert fields.token is not None
    calls = Calls(fields.token.get_secret_value(), fields.api, seconds=_SECONDS)
    try:
        answer = calls.get("/incidents", {"limit": 1})
        if isinstance(answer, Failed):
            fix = "a REST API key as serve.pagerduty.token, and the account's region as serve.pagerduty.api"
            yield Check("readable", "failed", answer.why, fix)
            return
        yield Check("readable", "ok", "incidents can be listed")
        if fields.notes:
            users = calls.get("/users", {"query": fields.email, "limit": 1})
            yield _author(users.why if isinstance(users, Failed) else "", users)
    finally:
        calls.close()


def _author(why: str, users: object) -> Check:
    if why:
        return Check("notes", "warning", why, "let the key read users, or see whether the first note arrives")
    if not (isinstance(users, Mapping) and users.get("users")):
        fix = "the address of a user of this account as serve.pagerduty.email"
        return Check("notes", "failed", "no user has the address of serve.pagerduty.email", fix)
    return Check("notes", "ok", "the author is known; whether the key may write shows with the first note")


def _slack(fields: SlackFields) -> list[Check]:
    from bot.slack.checking import checked

    return list(checked(fields))
