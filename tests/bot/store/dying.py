"""Processes that the tests of the store start.

`python -m tests.bot.store.dying kill STORE`: writes in one transaction, says so, and waits to be killed.
`python -m tests.bot.store.dying work STORE NAME`: takes every job there is, a line each, and tells the audit.
STORE is a path or a URL.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from bot.desk import AuditKind, Delivery, DeliveryKind, Desked, Message
from bot.store import Where
from bot.store.desk import StoredDesk

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DELIVERY = Delivery(key="pagerduty:1", kind=DeliveryKind.PAGERDUTY, received_at=NOW, body={"title": "p99"})
OPENED = Desked(id="", service="cart", title="p99", started_at=NOW, opened_at=NOW, last_alert_at=NOW)


def where_of(written: str) -> Where:
    return SecretStr(written) if written.startswith("postgresql:") else Path(written)


def kill(desk: StoredDesk) -> None:
    with desk.begin() as within:
        within.inbox.keep(DELIVERY)
        opened = within.incidents.open(OPENED)
        within.outbox.put(Message(key="card", incident=opened.id, operation="slack.post", payload={}), NOW)
        print("written", flush=True)
        time.sleep(600)


def work(desk: StoredDesk, name: str) -> None:
    while (lease := desk.claim(name, NOW, 600)) is not None:
        print(lease.job.subject, flush=True)
        with desk.begin() as within:
            within.audit.append(AuditKind.CLICK, lease.job.subject, {"by": name}, NOW)


if __name__ == "__main__":
    desk = StoredDesk(where_of(sys.argv[2]))
    if sys.argv[1] == "kill":
        kill(desk)
    else:
        work(desk, sys.argv[3])
