"""A serving process without its sockets: a real desk and record, and a recorded case as what is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from pydantic import JsonValue
from sqlalchemy import select

from bot import configuration
from bot.configuration import Configuration
from bot.configuration_fields import Vault
from bot.desk import Delivery, DeliveryKind, Desked, JobKind, Lease, Message, Outgoing, Sent
from bot.drawing import Voice
from bot.publishing import publish_one
from bot.serve_fields import ServeFields
from bot.station import Station
from bot.store import Database, Store, database_of
from bot.store.desk import StoredDesk
from bot.store.tables import audit, audit_bodies
from bot.storms import Rules
from bot.surroundings import Surroundings
from bot.web.measures import Measures
from bot.worker import do
from connectors.case import open_case
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.live import LiveSources

CASE = Path(__file__).parents[1] / "incidents" / "missing-index-after-deploy"
RECORDED = open_case(CASE)
NOW = RECORDED.manifest.at
ALL = tuple(kind for kind in JobKind if kind is not JobKind.CHART)
"""What a test has done unless it says more: a chart takes a second or two."""
FIELDS = ServeFields.model_validate(
    {
        "slack": {"bot_token": {"env": "BOT"}, "app_token": {"env": "APP"}, "channel": "C1"},
        "pagerduty": {
            "secrets": [{"env": "SECRET"}],
            "token": {"env": "KEY"},
            "email": "firstcause@shop.example",
            "notes": True,
        },
    },
    context=Vault(Path(), lambda name: f"secret-of-{name}"),
)


@dataclass
class Asked:
    """The recorded case as sources, which note what they are asked, and may be held or break."""

    before: Callable[[Question], None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def available(self) -> Sequence[Source]:
        return [Source.METRICS, Source.CHANGES, Source.DATABASE]

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        with self.lock:
            self.asked.append(question.key())
        self.before(question)
        return RECORDED.ask(question, now=now)


@dataclass
class Sending:
    """A sender that says yes, and gives what is posted a place."""

    sent: list[Message] = field(default_factory=list)

    def operations(self) -> Sequence[str]:
        return ("slack.post", "slack.update", "slack.upload", "slack.respond", "pagerduty.note")

    def send(self, outgoing: Outgoing) -> Sent:
        self.sent.append(outgoing.message)
        return Sent({"channel": "C1", "ts": f"1.{len(self.sent)}", "thread_ts": f"1.{len(self.sent)}"})


@dataclass
class Clock:
    """A wall clock that a test moves."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Post:
    """One process: its station, and what a test looks at."""

    station: Station
    database: Database
    sources: Asked
    clock: Clock

    def take(self, *deliveries: Delivery) -> None:
        for each in deliveries:
            with self.station.desk.begin() as within:
                within.inbox.keep(each)

    def claim(self, *kinds: JobKind, seconds: float = 20.0) -> Lease | None:
        return self.station.desk.claim(self.station.name, self.clock(), seconds, 1, kinds or ALL)

    def claim_and_do(self, *kinds: JobKind) -> bool:
        """Do one job, where there is one."""
        lease = self.claim(*kinds)
        if lease is not None:
            do(self.station, lease)
        return lease is not None

    def put(self, **update: object) -> None:
        """Change INC-1."""
        with self.station.desk.begin() as within:
            found = within.incidents.get("INC-1")
            assert found is not None
            within.incidents.put(found.model_copy(update=update))

    def work(self, *kinds: JobKind) -> int:
        """Do everything that is to be done now, and send what is to be said."""
        done = 0
        while lease := self.claim(*kinds):
            do(self.station, lease)
            done += 1
        return done

    def send(self) -> list[Message]:
        """Everything that is to be sent now, as the publisher does it."""
        sender = Sending()
        while publish_one(self.station, sender):
            pass
        return sender.sent

    def incident(self, name: str = "INC-1") -> Desked:
        with self.station.desk.begin() as within:
            found = within.incidents.get(name)
        assert found is not None
        return found

    def wrote(self, kind: str) -> list[dict[str, JsonValue]]:
        """What the audit holds of a kind."""
        query = (
            select(audit_bodies.c.body)
            .join(audit, audit.c.seq == audit_bodies.c.seq)
            .where(audit.c.kind == kind)
            .order_by(audit.c.seq)
        )
        with self.database.reading() as connection:
            return [json.loads(each) for each in connection.execute(query).scalars()]

    def record(self) -> Store:
        return Store(self.database)


def shop(path: Path) -> Configuration:
    """A configuration, whose sources a test replaces."""
    (path / "firstcause.yaml").write_text(
        "sources: [{kind: changes}]\nservices: {checkout: {databases: [shop]}}\n"
    )
    return configuration.load(path / "firstcause.yaml")


def post(path: Path, name: str = "one", database: Database | None = None, clock: Clock | None = None) -> Post:
    """A process at a store, its own or one it shares."""
    database = database or database_of(path / "store.db")
    clock, sources = clock or Clock(), Asked()
    around = Surroundings(
        shop(path), cast(LiveSources, sources), Rules(FIELDS.storms.window, FIELDS.storms.neighbours), clock
    )
    around.look()
    sources.asked.clear()
    station = Station(
        name=name,
        desk=StoredDesk(database),
        records=lambda: Store(database),
        around=around,
        voice=Voice(FIELDS),
        measures=Measures("test"),
        now=clock,
        lease_seconds=20.0,
    )
    return Post(station, database, sources, clock)


def page(ref: str = "Q1", event: str = "incident.triggered", key: str = "") -> Delivery:
    """PagerDuty's word of the recorded incident."""
    data: JsonValue = {
        "id": ref,
        "type": "incident",
        "title": "checkout p99 latency above 400 ms",
        "status": event.rpartition(".")[2],
        "service": {"id": "P1", "summary": "checkout", "type": "service_reference"},
        "created_at": f"{NOW - timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}",
    }
    return Delivery(
        key=f"pagerduty:{key or ref + event}",
        kind=DeliveryKind.PAGERDUTY,
        received_at=NOW,
        body={"event": {"event_type": event, "occurred_at": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "data": data}},
    )


def click(decision: str, by: str = "U1", **body: JsonValue) -> Delivery:
    """Somebody's answer to the card of INC-1."""
    whole: dict[str, JsonValue] = {
        "decision": decision,
        "incident": "INC-1",
        "back": {"user": by, "channel": "C1"},
        **body,
    }
    key = f"slack:{decision}-{by}-{body.get('weighing', '')}"
    return Delivery(key=key, kind=DeliveryKind.SLACK_ACTION, received_at=NOW, body=whole)
