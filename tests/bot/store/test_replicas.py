"""Two processes of `firstcause serve` on one PostgreSQL share the work; one ends what the other left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue, SecretStr
from sqlalchemy import select

from bot.desk import IncidentState
from bot.store import Database, database_of
from bot.store.desk import StoredDesk
from bot.store.tables import audit, audit_bodies
from tests.bot.served import TOKEN, Held, Serve, notification, serving, start_metrics, until
from tests.connectors.prometheus.servers import missing
from tests.doubles.slack import Slack, slack
from tests.doubles.slack_people import buttons_of
from tests.doubles.slack_world import Posted
from tests.lab.supervisor import Supervisor

pytestmark = [
    pytest.mark.live,
    pytest.mark.xdist_group("store"),
    pytest.mark.skipif("prometheus" in missing() or "promtool" in missing(), reason="Prometheus is missing"),
]
SERVICES = ["checkout", "search", "ledger", "mail"]


@pytest.fixture
def database(server_url: SecretStr) -> Iterator[Database]:
    opened = database_of(server_url)
    yield opened
    opened.close()


def events(database: Database, event: str) -> list[dict[str, JsonValue]]:
    """What the audit tells of incidents."""
    query = (
        select(audit_bodies.c.body)
        .join(audit, audit.c.seq == audit_bodies.c.seq)
        .where(audit.c.kind == "incident")
        .order_by(audit.c.seq)
    )
    with database.reading() as connection:
        told = [json.loads(each) for each in connection.execute(query).scalars()]
    return [each for each in told if each["event"] == event]


def cards(workspace: Slack) -> list[Posted]:
    return [each for each in workspace.by_app() if each.root]


def is_final(card: Posted) -> bool:
    """Whether it can be answered."""
    shown = {element.get("action_id") for element, _ in buttons_of(card)}
    return bool(shown & {"confirm", "nothing_wrong"})


def test_two_replicas_share_the_work_and_one_ends_what_the_other_was_killed_in(
    database: Database, server_url: SecretStr, tmp_path: Path
) -> None:
    supervisor = Supervisor(tmp_path)
    metrics = start_metrics(tmp_path / "prometheus", supervisor)
    proxy = Held(metrics.url)
    try:
        with slack() as workspace:
            told = {
                "sources": [{"kind": "prometheus", "url": proxy.url}],
                "serve": {
                    "alertmanager": {"token": {"env": "TOKEN"}},
                    "slack": {
                        "bot_token": {"env": "BOT"},
                        "app_token": {"env": "APP"},
                        "channel": "C0INC",
                        "api": workspace.api,
                    },
                    "lease": "5s",
                },
                "store_url": {"env": "STORE"},
            }
            secrets = {
                "TOKEN": TOKEN,
                "BOT": workspace.bot_token,
                "APP": workspace.app_token,
                "STORE": server_url.get_secret_value(),
            }
            one, two = (Serve(tmp_path, yaml.safe_dump(told), secrets, name=name) for name in ("one", "two"))
            with serving(one), serving(two):
                proxy.hold("query_range")
                for n, service in enumerate(SERVICES):
                    (one, two)[n % 2].alert(notification(metrics.firing_since, service))
                until(lambda: len(events(database, "investigating")) == len(SERVICES))
                workers = {str(each["worker"]).split("/")[0] for each in events(database, "investigating")}
                assert len(workers) == 2
                one.kill()
                proxy.let_go()
                until(lambda: len(events(database, "proposed")) == len(SERVICES), 120)
                until(lambda: sum(is_final(each) for each in cards(workspace)) >= len(SERVICES), 120)
                assert two.stop() == 0
            assert len(cards(workspace)) == len(SERVICES)
    finally:
        proxy.close()
        supervisor.stop_all()
    proposed = Counter(str(each["thread"]) for each in events(database, "proposed"))
    assert set(proposed.values()) == {1}
    with StoredDesk(database).begin() as within:
        states = {each.state for each in within.incidents.recent(10)}
    assert states == {IncidentState.AWAITING_CONFIRMATION}
