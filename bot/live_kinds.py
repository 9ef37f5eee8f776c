"""The one table of the kinds of source a configuration may name: what each is told, and how it is made.

Adding a kind is one model and one function in `live_observations` or `live_changes`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot import live_changes as c
from bot import live_observations as o
from bot.live_fields import Ground, SourceFields
from connectors.live import LiveConnector

__all__ = ["KINDS", "Ground", "Kind", "SourceFields", "databases", "made"]

Fields = TypeVar("Fields", bound=SourceFields)


@dataclass(frozen=True)
class Kind(Generic[Fields]):
    """A kind of source: the model of its fields, how a connector is made of them, and what it answers."""

    model: type[Fields]
    make: Callable[[Fields, Ground], LiveConnector]
    about: str


KINDS: Mapping[str, Kind[Any]] = {
    "prometheus": Kind(o.PrometheusFields, o.prometheus, "metrics"),
    "tempo": Kind(o.TempoFields, o.tempo, "traces"),
    "jaeger": Kind(o.JaegerFields, o.jaeger, "traces"),
    "postgres": Kind(o.PostgresFields, o.postgres, "a database's catalogue, statistics and plans"),
    "loki": Kind(o.LokiFields, o.loki, "logs"),
    "mysql": Kind(o.MySqlFields, o.mysql, "a database's catalogue and statistics"),
    "status_page": Kind(o.StatusPageFields, o.status_page, "what a provider says of itself"),
    "kubernetes": Kind(o.KubernetesFields, o.kubernetes, "workloads, rollouts, events, logs of pods"),
    "git": Kind(c.GitFields, c.git, "commits and migrations"),
    "github": Kind(c.GitHubFields, c.github, "commits, migrations and deployments"),
    "gitlab": Kind(c.GitLabFields, c.gitlab, "commits, migrations and deployments"),
    "pagerduty": Kind(c.PagerDutyFields, c.pagerduty, "change events"),
    "changes": Kind(c.ToldFields, c.told, "changes that were told"),
}


def made(fields: SourceFields, ground: Ground) -> LiveConnector:
    """The connector behind a source of the configuration.

    Raises:
        BadInputError: its fields do not go together.
    """
    return KINDS[fields.kind].make(fields, ground)


def databases(sources: Sequence[SourceFields]) -> list[str]:
    """The names of the databases that the configured sources serve."""
    names = (getattr(fields, "database", None) for fields in sources)
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))
