"""The one table of the kinds of source a configuration may name: what each is told, and how it is made.

A connector is imported only when one is made. Adding a kind is one model, one function and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from bot.configuration_fields import (
    BasicFields,
    BoundsFields,
    CertificateFields,
    Dsn,
    Duration,
    Header,
    HttpUrl,
    LocalPath,
    Name,
    Secret,
    no_literal_secret,
    wrong,
)
from bot.errors import BadInputError
from bot.service_map import ServiceMap, Written
from connectors.colleagues import Colleagues
from connectors.contract import Frozen
from connectors.http import Endpoint
from connectors.live import LiveConnector


class SourceFields(Frozen):
    """What every source is told."""

    kind: str
    name: Name | None = None

    @property
    def title(self) -> str:
        """The instance's name, as people see it."""
        return f"{self.kind}/{self.name}" if self.name else self.kind


class HttpFields(SourceFields):
    """What every source behind HTTP is told."""

    url: HttpUrl
    limits: BoundsFields = BoundsFields()
    token: Secret | None = Field(default=None, description="sent as Authorization: Bearer")
    basic: BasicFields | None = None
    headers: Mapping[str, Header] = Field(default_factory=dict)
    tenant: str | None = Field(default=None, description="sent as X-Scope-OrgID")
    ca_file: LocalPath | None = None
    client_certificate: CertificateFields | None = None
    verify: bool = True

    @field_validator("headers", mode="wrap")
    @classmethod
    def _no_literal_secret(
        cls, written: object, handler: Callable[[object], Mapping[str, Header]]
    ) -> Mapping[str, Header]:
        headers = handler(written)
        no_literal_secret(headers, written)
        return headers

    @model_validator(mode="after")
    def _one_way_in(self) -> HttpFields:
        if self.token is not None and self.basic is not None:
            raise wrong("token and basic exclude each other")
        return self

    def endpoint(self) -> Endpoint:
        """Where the source is and how to be let in, as connectors take it."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        if self.tenant is not None:
            headers["X-Scope-OrgID"] = self.tenant
        basic, certificate = self.basic, self.client_certificate
        return Endpoint(
            name=self.title,
            url=self.url,
            headers=headers,
            basic=(basic.username, basic.password.get_secret_value()) if basic else None,
            ca_file=self.ca_file,
            client_certificate=(certificate.certificate, certificate.key) if certificate else None,
            verify=self.verify,
            limits=self.limits.limits(),
        )


@dataclass(frozen=True)
class Ground:
    """What a connector may need besides its own fields.

    `written`: the service map as far as it is written. `store`: the file where told changes are kept.
    `colleagues`: what the other sources know.
    """

    written: ServiceMap = field(default_factory=lambda: ServiceMap({}))
    store: Path | None = None
    colleagues: Colleagues = field(default_factory=Colleagues)


Fields = TypeVar("Fields", bound=SourceFields)


@dataclass(frozen=True)
class Kind(Generic[Fields]):
    """A kind of source: the model of its fields, how a connector is made of them, and what it answers."""

    model: type[Fields]
    make: Callable[[Fields, Ground], LiveConnector]
    about: str


class PrometheusFields(HttpFields):
    """A server that speaks Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    kind: Literal["prometheus"]
    matchers: Mapping[str, str] = Field(
        default_factory=dict, description="labels every series must have, on a server that others share"
    )


def _prometheus(fields: PrometheusFields, ground: Ground) -> LiveConnector:
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


def _postgres(fields: PostgresFields, _: Ground) -> LiveConnector:
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


class RepositoryFields(SourceFields):
    """What every repository is told. `services`: whose source it holds; all, when empty."""

    branch: str | None = None
    services: tuple[str, ...] = ()
    folder: str = Field(default="", description="where in the tree the migrations are looked for")


class GitFields(RepositoryFields):
    """A local clone, bare or not: as fresh as its last fetch."""

    kind: Literal["git"]
    path: LocalPath


def _git(fields: GitFields, ground: Ground) -> LiveConnector:
    from connectors.git_local import LocalClone
    from connectors.repository import Place, RepositoryConnector

    place = Place(fields.title, fields.services, fields.folder)
    return RepositoryConnector(
        place, LocalClone(Path(fields.path), fields.branch), ground.colleagues.rollouts
    )


class ForgeFields(RepositoryFields, HttpFields):
    """What a repository behind a forge's API is told."""

    environment: str | None = None
    deployments: bool = True


class GitHubFields(ForgeFields):
    """A repository at GitHub; for an Enterprise Server give its API's address as `url`."""

    kind: Literal["github"]
    url: HttpUrl = "https://api.github.com"
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")


def _github(fields: GitHubFields, ground: Ground) -> LiveConnector:
    from connectors.github import GitHub
    from connectors.http import HttpClient
    from connectors.repository import Place, RepositoryConnector

    forge = GitHub(
        HttpClient(fields.endpoint()),
        fields.repository,
        service=fields.services[0] if len(fields.services) == 1 else None,
        environment=fields.environment,
        branch=fields.branch,
    )
    place = Place(fields.title, fields.services, fields.folder, fields.deployments)
    return RepositoryConnector(place, forge, ground.colleagues.rollouts)


class GitLabFields(ForgeFields):
    """A project at GitLab, by its path or number; for an own server give its address as `url`."""

    kind: Literal["gitlab"]
    url: HttpUrl = "https://gitlab.com"
    project: str = Field(min_length=1)


def _gitlab(fields: GitLabFields, ground: Ground) -> LiveConnector:
    from connectors.gitlab import GitLab
    from connectors.http import HttpClient
    from connectors.repository import Place, RepositoryConnector

    endpoint = fields.endpoint()
    if fields.token is not None:
        endpoint = replace(endpoint, headers={"PRIVATE-TOKEN": fields.token.get_secret_value()})
    forge = GitLab(
        HttpClient(endpoint),
        fields.project,
        service=fields.services[0] if len(fields.services) == 1 else None,
        environment=fields.environment,
        branch=fields.branch,
    )
    place = Place(fields.title, fields.services, fields.folder, fields.deployments)
    return RepositoryConnector(place, forge, ground.colleagues.rollouts)


class PagerDutyFields(HttpFields):
    """PagerDuty's change events; `token` is a read-only REST API key."""

    kind: Literal["pagerduty"]
    url: HttpUrl = "https://api.pagerduty.com"
    token: Secret


def _pagerduty(fields: PagerDutyFields, ground: Ground) -> LiveConnector:
    from connectors.http import HttpClient
    from connectors.pagerduty_changes import PagerDutyChanges

    endpoint = fields.endpoint()
    headers = {**endpoint.headers, "Authorization": f"Token token={fields.token.get_secret_value()}"}
    return PagerDutyChanges(
        fields.title, HttpClient(replace(endpoint, headers=headers)), ground.written.spellings
    )


class ToldFields(SourceFields):
    """The changes that were told to `POST /changes`, from the store."""

    kind: Literal["changes"]


def _told(fields: ToldFields, ground: Ground) -> LiveConnector:
    from bot.posted_changes import PostedChanges
    from connectors.posted_changes import PostedChangesConnector

    if ground.store is None:
        raise BadInputError(f"{fields.title}: there is no store to read told changes from")
    return PostedChangesConnector(PostedChanges(ground.store).during)


class TempoFields(HttpFields):
    """A Tempo's HTTP API."""

    kind: Literal["tempo"]


def _tempo(fields: TempoFields, ground: Ground) -> LiveConnector:
    from connectors.tempo import TempoConnector

    return TempoConnector(fields.endpoint(), exemplars=ground.colleagues.exemplars)


class JaegerFields(HttpFields):
    """A Jaeger's query service."""

    kind: Literal["jaeger"]


def _jaeger(fields: JaegerFields, ground: Ground) -> LiveConnector:
    from connectors.jaeger import JaegerConnector

    return JaegerConnector(fields.endpoint(), exemplars=ground.colleagues.exemplars)


class MySqlFields(SourceFields):
    """One database of a MySQL or MariaDB server; `database` is what its series call `datname`."""

    kind: Literal["mysql"]
    host: str = "127.0.0.1"
    port: int = Field(default=3306, ge=1, le=65535)
    database: Name
    user: str = "firstcause"
    password: Secret
    ca_file: LocalPath | None = None


def _mysql(fields: MySqlFields, ground: Ground) -> LiveConnector:
    from connectors.mysql.connector import MySqlConnector
    from connectors.mysql.wall import Address

    del ground  # a database needs nothing of the other sources
    password = fields.password.get_secret_value()
    return MySqlConnector(
        Address(fields.host, fields.database, fields.user, password, fields.port, fields.ca_file)
    )


class LokiFields(HttpFields):
    """A Loki's HTTP API."""

    kind: Literal["loki"]
    service_label: str | None = Field(default=None, description="the label that names services")


def _loki(fields: LokiFields, _ground: Ground) -> LiveConnector:
    from connectors.loki import LokiConnector

    return LokiConnector(fields.endpoint(), service_label=fields.service_label)


class StatusPageFields(HttpFields):
    """A provider's status page in Statuspage's format."""

    kind: Literal["status_page"]
    provider: str | None = Field(default=None, description="what to call it, else what it calls itself")


def _status_page(fields: StatusPageFields, _ground: Ground) -> LiveConnector:
    from connectors.status_page import StatusPageConnector

    return StatusPageConnector(fields.endpoint(), provider=fields.provider)


KINDS: Mapping[str, Kind[Any]] = {
    "prometheus": Kind(PrometheusFields, _prometheus, "metrics"),
    "tempo": Kind(TempoFields, _tempo, "traces"),
    "jaeger": Kind(JaegerFields, _jaeger, "traces"),
    "postgres": Kind(PostgresFields, _postgres, "a database's catalogue, statistics and plans"),
    "loki": Kind(LokiFields, _loki, "logs and patterns of them"),
    "status_page": Kind(StatusPageFields, _status_page, "what a provider says of itself"),
    "git": Kind(GitFields, _git, "commits and migrations"),
    "github": Kind(GitHubFields, _github, "commits, migrations and deployments"),
    "gitlab": Kind(GitLabFields, _gitlab, "commits, migrations and deployments"),
    "pagerduty": Kind(PagerDutyFields, _pagerduty, "change events"),
    "mysql": Kind(MySqlFields, _mysql, "the inside of a MySQL or MariaDB database"),
    "changes": Kind(ToldFields, _told, "changes that were told"),
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
