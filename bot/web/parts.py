"""What the application is made of, beside its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Protocol

from starlette.routing import BaseRoute

from bot.desk import Desk
from bot.web.measures import Measures
from connectors.answers import Change


class ChangeStore(Protocol):
    """Where changes are kept."""

    def keep(self, change: Change, told_at: datetime) -> bool:
        """Keep a change; False where it is known already."""
        ...

    def usable(self) -> bool:
        """Whether a change could be kept now."""
        ...


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """The parts. `ready` are further checks of /readyz: a name, and what is wrong ("" for nothing).

    `routes` are further endpoints (Slack's over HTTP); `measures` are counted by whoever has them.
    `patience_seconds`: how long a delivery waits for the store before its sender is asked to come again.
    """

    desk: Desk
    changes: ChangeStore
    ready: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    routes: Sequence[BaseRoute] = ()
    measures: Measures = field(default_factory=lambda: Measures(version("firstcause")))
    now: Callable[[], datetime] = utc_now
    patience_seconds: float = 3.0
