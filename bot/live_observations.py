"""The kinds of source that show what happens: metrics, traces, logs, databases, status pages.

A connector is imported only when one is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bot.configuration_fields import BoundsFields, Dsn, Duration, LocalPath, Name, Secret
from bot.live_fields import Ground, HttpFields, SourceFields
from bot.service_map import Written
from connectors.contract import Frozen
from connectors.live import LiveConnector


class PrometheusFields(HttpFields):
    """A server that speaks Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    kind: Literal["prometheus"]
    matchers: Mapping[str, str] = Field(
        default_factory=dict, description="labels every series must have, on a server that others share"
    )


def prometheus(fields: PrometheusFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.prometheus.connector import PrometheusConnector

    return PrometheusConnector(fields.endpoint(), mapping=Written(ground.written), matchers=fields.matchers)


class DatabaseBoundsFields(Frozen):
    """What one database may be asked."""

    statement: Duration = timedelta(seconds=5)
    connections: int = Field(default=2, ge=1, le=8)
    plan_cost: float = Field(default=1_000_000.0, gt=0, description="in the planner's units")


class PostgresFields(SourceFields):
    """One PostgreSQL database, through a role that can look and cannot act (firstcause sql-role)."""

    kind: Literal["postgres"]
    database: Name = Field(description="what series call `datname`")
    dsn: Dsn
    replica: Dsn | None = None
    bounds: DatabaseBoundsFields = DatabaseBoundsFields()

    @property
    def title(self) -> str:
        """The database it serves."""
        return f"{self.kind}/{self.database}"


def postgres(fields: PostgresFields, _: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.postgres.connector import Instance, PostgresConnector
    from connectors.postgres.limits import Limits

    bounds = fields.bounds
    limits = Limits(
        statement=bounds.statement.total_seconds(),
        connections=bounds.connections,
        plan_cost=bounds.plan_cost,
    )
    replica = fields.replica.get_secret_value() if fields.replica is not None else None
    return PostgresConnector(Instance(fields.database, fields.dsn.get_secret_value(), replica, limits))


class TempoFields(HttpFields):
    """A Tempo's HTTP API."""

    kind: Literal["tempo"]


def tempo(fields: TempoFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.tempo import TempoConnector

    return TempoConnector(fields.endpoint(), exemplars=ground.colleagues.exemplars)


class JaegerFields(HttpFields):
    """A Jaeger's query service."""

    kind: Literal["jaeger"]


def jaeger(fields: JaegerFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.jaeger import JaegerConnector

    return JaegerConnector(fields.endpoint(), exemplars=ground.colleagues.exemplars)


class LokiFields(HttpFields):
    """A Loki. `service_label` names services; the first of the usual ones, where it is left out."""

    kind: Literal["loki"]
    service_label: str | None = None


def loki(fields: LokiFields, _: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.loki import LokiConnector

    return LokiConnector(fields.endpoint(), service_label=fields.service_label)


class MySqlFields(SourceFields):
    """One database of MySQL or MariaDB, through a role that can look only (docs/sources/mysql.md)."""

    kind: Literal["mysql"]
    database: Name
    host: str = Field(min_length=1)
    port: int = Field(default=3306, ge=1, le=65535)
    user: str = "firstcause"
    password: Secret
    ca_file: LocalPath | None = None

    @property
    def title(self) -> str:
        """The database it serves."""
        return f"{self.kind}/{self.database}"


def mysql(fields: MySqlFields, _: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.mysql.connector import MySqlConnector
    from connectors.mysql.wall import Address

    address = Address(
        fields.host,
        fields.database,
        fields.user,
        fields.password.get_secret_value(),
        fields.port,
        fields.ca_file,
    )
    return MySqlConnector(address)


class StatusPageFields(HttpFields):
    """A provider's status page in Statuspage's format; `provider` is what to call it."""

    kind: Literal["status_page"]
    provider: str | None = None


def status_page(fields: StatusPageFields, _: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.status_page import StatusPageConnector

    return StatusPageConnector(fields.endpoint(), provider=fields.provider)


def _plain_off(written: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if written is False else written


class KubernetesFields(SourceFields):
    """A cluster's API, as kubectl would ask it; with neither kubeconfig nor context, from inside of it.

    `namespaces`: those that may be read; the whole cluster, when empty. `helm`: whether releases are read,
    which lie in Secrets.
    """

    kind: Literal["kubernetes"]
    kubeconfig: LocalPath | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    logs: bool = Field(default=False, description="also read the logs of pods, where no log store is")
    helm: Annotated[Literal["off", "metadata", "values"], BeforeValidator(_plain_off)] = "off"
    limits: BoundsFields = BoundsFields()


def kubernetes(fields: KubernetesFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from connectors.kubernetes_api.connector import KubernetesConnector, KubernetesOptions

    return KubernetesConnector(
        fields.title,
        Path(fields.kubeconfig) if fields.kubeconfig else None,
        fields.context,
        fields.namespaces,
        fields.limits.limits(),
        KubernetesOptions(fields.logs, fields.helm, service_of=Written(ground.written).of_workload),
    )
