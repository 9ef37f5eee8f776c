"""The application of `firstcause serve` over a real store and a real socket, and that store taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from bot.configuration_fields import BasicFields
from bot.desk import Delivery
from bot.hearing import Heard, heard
from bot.serve_fields import AlertmanagerFields, PagerDutyFields, ServeFields
from bot.store.changes import PostedChanges
from bot.store.desk import StoredDesk
from bot.web.application import application
from bot.web.parts import Parts
from tests.doubles.serving import serving

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRETS = ("a-secret-of-a-subscription", "its-successor-in-rotation")
TOKEN = "a-token-of-sixteen"
PASSWORD = "a-password-of-more"


def fields(**changes: Any) -> ServeFields:
    """Everybody is heard. Secrets are built, not looked up."""
    everybody = {
        "changes_token": SecretStr(TOKEN),
        "incidents_token": SecretStr(TOKEN),
        "pagerduty": PagerDutyFields.model_construct(secrets=tuple(SecretStr(each) for each in SECRETS)),
        "alertmanager": AlertmanagerFields.model_construct(
            token=SecretStr(TOKEN),
            basic=BasicFields.model_construct(username="am", password=SecretStr(PASSWORD)),
        ),
    }
    return ServeFields.model_construct(**{**everybody, **changes})


@dataclass(frozen=True)
class Web:
    """The application, its store, and somebody who speaks to it."""

    app: FastAPI
    desk: StoredDesk
    path: Path
    parts: Parts

    def kept(self) -> list[Delivery]:
        """Every delivery, read from the store as another process would."""
        with sqlite3.connect(self.path) as other:
            keys = [key for (key,) in other.execute("SELECT key FROM deliveries ORDER BY received_at, key")]
        other.close()
        with self.desk.begin() as within:
            return [found for key in keys if (found := within.inbox.read(key)) is not None]

    def heard(self) -> list[Heard]:
        """What the deliveries mean."""
        return [meant for each in self.kept() if (meant := heard(each)) is not None]

    def everything(self) -> bytes:
        """The store's bytes: whatever was ever written is in them."""
        return b"".join(
            each.read_bytes() for each in self.path.parent.glob(f"{self.path.name}*") if each.is_file()
        )

    @contextmanager
    def store_away(self) -> Iterator[None]:
        """The store's table of deliveries is not there meanwhile."""
        self._said("ALTER TABLE deliveries RENAME TO away")
        try:
            yield
        finally:
            self._said("ALTER TABLE away RENAME TO deliveries")

    def forget(self) -> None:
        """Begin again: nothing came in so far."""
        self._said("DELETE FROM deliveries")
        self._said("DELETE FROM jobs")
        self.parts.measures.deliveries.clear()

    def _said(self, statement: str) -> None:
        with sqlite3.connect(self.path, timeout=20) as other:
            other.execute(statement)
        other.close()


@contextmanager
def made(path: Path, **changes: Any) -> Iterator[Web]:
    """The application over a new store."""
    desk = StoredDesk(path)
    parts = Parts(desk=desk, changes=PostedChanges(desk.database), now=lambda: NOW, **changes)
    try:
        yield Web(application(fields(), parts), desk, path, parts)
    finally:
        desk.close()


@contextmanager
def spoken_to(web: Web) -> Iterator[httpx.Client]:
    """A client of the served application."""
    with serving(web.app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


def outcomes(client: httpx.Client, kind: str) -> dict[str, float]:
    """How the deliveries of a kind went, as /metrics says."""
    start = f'firstcause_deliveries_total{{kind="{kind}",outcome="'
    lines: Sequence[str] = [
        each for each in client.get("/metrics").text.splitlines() if each.startswith(start)
    ]
    return {line.removeprefix(start).partition('"')[0]: float(line.split()[-1]) for line in lines}
