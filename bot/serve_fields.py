"""`serve:` of `firstcause.yaml`: what the serving process listens for, and where it speaks. Values only."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from bot.configuration_fields import BasicFields, Duration, HttpUrl, Secret, wrong
from connectors.contract import Frozen


class SlackFields(Frozen):
    """Slack: Socket Mode with `app_token`, or HTTP with `signing_secret` (then POST /slack/events)."""

    bot_token: Secret
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    channel: Annotated[str, Field(description="where the cards of pagers' incidents go: a channel's id")] = ""
    channels: dict[str, str] = Field(
        default_factory=dict, description="service to channel, where it is not the one above"
    )
    workspace: Annotated[str | None, Field(description="the only team id that is heard")] = None
    confirmers: Annotated[
        tuple[str, ...], Field(description="ids of user groups that may confirm; empty: everybody")
    ] = ()
    api: HttpUrl = "https://slack.com/api/"

    @model_validator(mode="after")
    def _heard(self) -> SlackFields:
        if self.app_token is None and self.signing_secret is None:
            raise wrong("needs app_token (Socket Mode) or signing_secret (POST /slack/events)")
        return self


class PagerDutyFields(Frozen):
    """PagerDuty: `secrets` of its V3 webhook subscription (POST /webhooks/pagerduty), several to rotate."""

    secrets: tuple[Secret, ...]
    token: Annotated[Secret | None, Field(description="to read details and alerts, and to write notes")] = (
        None
    )
    email: Annotated[str | None, Field(description="whose notes they are: PagerDuty wants a user's")] = None
    notes: bool = False
    api: HttpUrl = "https://api.pagerduty.com"

    @model_validator(mode="after")
    def _complete(self) -> PagerDutyFields:
        if not self.secrets:
            raise wrong("secrets needs at least one: the signing secret of the webhook subscription")
        if self.notes and (self.token is None or not self.email):
            raise wrong(
                "notes need `token`, a REST API key that may write, and `email`, whose notes they are"
            )
        there = urlsplit(self.api)
        if there.scheme != "https" and there.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise wrong("api must be https: the token would be sent to it in the clear")
        return self


class AlertmanagerFields(Frozen):
    """Alertmanager's webhook (POST /webhooks/alertmanager), with a bearer token or basic authentication."""

    token: Secret | None = None
    basic: BasicFields | None = None

    @model_validator(mode="after")
    def _guarded(self) -> AlertmanagerFields:
        if self.token is None and self.basic is None:
            raise wrong("needs `token` (http_config.authorization of Alertmanager) or `basic`")
        return self


class StormFields(Frozen):
    """How alerts fold, and how much is investigated at once."""

    window: Duration = timedelta(minutes=10)
    concurrent: int = Field(default=2, ge=1, le=32)
    per_service: int = Field(default=1, ge=1, le=8)
    neighbours: int = Field(default=1, ge=0, le=3, description="steps in the call graph that still fold")


class RetentionFields(Frozen):
    """How long what was read and said is kept; the chain of hashes outlives it."""

    evidence: Duration = timedelta(days=90)


class ServeFields(Frozen):
    """What `firstcause serve` listens for."""

    listen: Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}$")] = "127.0.0.1:8088"
    changes_token: Secret | None = Field(
        default=None, description="who may tell changes: 16 characters at least, sent as a bearer token"
    )
    incidents_token: Secret | None = Field(
        default=None, description="who may begin incidents by POST /incidents: 16 characters at least"
    )
    url: Annotated[HttpUrl | None, Field(description="how people reach this process: links on cards")] = None
    slack: SlackFields | None = None
    pagerduty: PagerDutyFields | None = None
    alertmanager: AlertmanagerFields | None = None
    storms: StormFields = StormFields()
    retention: RetentionFields = RetentionFields()
    lease: Annotated[
        Duration, Field(description="how long the work of a process that died stays with it")
    ] = timedelta(seconds=20)
    drain: Annotated[
        Duration, Field(description="how long a process that is stopped finishes what it has begun")
    ] = timedelta(seconds=20)
    log: Literal["text", "json"] = "text"
