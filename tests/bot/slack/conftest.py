"""A desk, the app in front of it, and the double that speaks to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.configuration_fields import Vault
from bot.desk import AuditKind, Delivery, Desk, Desked, IncidentState, JobKind, Never, Sent
from bot.serve_fields import SlackFields
from bot.service_map import ServiceMap, Told, resolved
from bot.slack.app import SlackApp
from bot.slack.endpoint import PATH, SlackEndpoint
from bot.slack.heard import Choice
from bot.slack.sending import SlackSender
from bot.store.desk import StoredDesk
from tests.doubles.serving import serving
from tests.doubles.slack import Slack, slack
from tests.doubles.slack_world import Posted

SERVICES = resolved(
    [
        Told("checkout", "written", {"aliases": ("Checkout API", "co")}),
        Told("checkout-db", "written", {}),
        Told("payments.prod", "written", {}),
        Told("status", "written", {}),
    ]
)


@pytest.fixture(scope="session")
def shared() -> Iterator[Slack]:
    with slack() as double:
        yield double


@pytest.fixture
def workspace(shared: Slack) -> Slack:
    shared.posted.clear()
    shared.shown.clear()
    shared.views.clear()
    shared.faults.clear()
    shared.calls.clear()
    shared._recent.clear()
    shared.told.clear()
    shared.reach("")
    return shared


class Front:
    """One server for all tests; each puts its own application behind it."""

    def __init__(self) -> None:
        self.url = ""
        self.app: ASGIApp = Starlette()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    there = Front()
    with serving(there) as there.url:
        yield there


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was made once, to be copied: making one takes longer than a test."""
    made = tmp_path_factory.mktemp("store") / "store.db"
    StoredDesk(made).close()
    return made


@pytest.fixture
def desk(empty_store: Path, tmp_path: Path) -> Iterator[StoredDesk]:
    opened = StoredDesk(Path(shutil.copy(empty_store, tmp_path)))
    yield opened
    opened.close()


@dataclass
class Scene:
    """The app over HTTP, as Slack sees it, and what it wrote."""

    workspace: Slack
    desk: StoredDesk
    app: SlackApp

    def deliveries(self) -> list[Delivery]:
        """What was kept, the oldest first."""
        found, now = [], datetime.now(UTC)
        while lease := self.desk.claim("test", now, 3600, kinds=(JobKind.HANDLE,)):
            with self.desk.begin() as within:
                kept = within.inbox.read(lease.job.subject)
                assert kept is not None
                found.append(kept)
                within.jobs.done(lease)
        return found

    def publish(self) -> None:
        """Send what waits in the outbox."""
        sender = SlackSender(self.workspace.bot_token, self.workspace.api)
        now = datetime.now(UTC)
        while outgoing := self.desk.outgoing(sender.operations(), now, 60):
            outcome = sender.send(outgoing)
            assert isinstance(outcome, Sent | Never), outcome
            self.desk.settle(outgoing, outcome, now)

    def told(self, user: str = "U0ANN") -> list[str]:
        """What this person alone was shown, the outbox sent."""
        self.publish()
        return self.workspace.seen_by(user)

    def open(self, **more: Any) -> Desked:
        """An incident on the desk."""
        now = datetime.now(UTC)
        state = more.pop("state", IncidentState.AWAITING_CONFIRMATION)
        incident = Desked(
            id="",
            state=state,
            service="checkout",
            title=more.pop("title", "p99 above 2 s"),
            started_at=now,
            opened_at=now,
            last_alert_at=now,
            **more,
        )
        with self.desk.begin() as within:
            return within.incidents.open(incident)

    def card(self, unread: tuple[str, ...] = (), incident: str = "INC-1") -> Posted:
        """A card with its buttons, as the app posts it."""
        choice = Choice(incident=incident, weighing="w1", proposal="p1", unread=unread)
        again = Choice(incident=incident, weighing="w1")
        sections = [
            ("confirm", choice), ("partly", choice), ("rule_out", choice), ("something_else", again),
            ("ask_again", again),
        ]  # fmt: skip
        buttons = [
            {
                "type": "button",
                "action_id": name,
                "text": {"type": "plain_text", "text": name},
                "value": each.value(),
            }
            for name, each in sections
        ]
        block = {"type": "actions", "block_id": "answers", "elements": buttons}
        return self.workspace.say("card", user=self.workspace.bot_user, blocks=[block])

    def audited(self, kind: AuditKind) -> int:
        """How many entries of a kind the record has."""
        from sqlalchemy import text

        with self.desk.database.reading() as connection:
            query = text("select count(*) from audit where kind = :kind")
            return int(connection.execute(query, {"kind": kind.value}).scalar_one())


Start = Callable[..., Scene]


@pytest.fixture
def start(workspace: Slack, front: Front, desk: StoredDesk) -> Iterator[Start]:
    """Starts the app over HTTP; `before` may put something before the desk."""

    def started(
        before: Callable[[Desk], Desk] = lambda desk: desk, services: ServiceMap = SERVICES, **more: Any
    ) -> Scene:
        app = SlackApp(fields_of(workspace, **more), before(desk), services)
        endpoint = SlackEndpoint(app.bolt, workspace.signing_secret)
        front.app = Starlette(routes=list(endpoint.routes()))
        workspace.reach(front.url + PATH)
        return Scene(workspace, desk, app)

    yield started
    workspace.reach("")


@pytest.fixture
def scene(start: Start) -> Scene:
    return start()


def fields_of(double: Slack, **more: Any) -> SlackFields:
    """The configuration of the double's workspace."""
    secrets = {"BOT": double.bot_token, "APP": double.app_token, "SIGN": double.signing_secret}
    written = {
        "bot_token": {"env": "BOT"},
        "signing_secret": {"env": "SIGN"},
        "workspace": double.team,
        "api": double.api,
    }
    return SlackFields.model_validate(written | more, context=Vault(Path(), secrets.get))
