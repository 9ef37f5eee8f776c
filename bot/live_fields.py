"""What every source of a configuration is told, and what a connector is made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import Field, field_validator, model_validator

from bot.configuration_fields import (
    BasicFields,
    BoundsFields,
    CertificateFields,
    Header,
    HttpUrl,
    LocalPath,
    Name,
    Secret,
    no_literal_secret,
    wrong,
)
from bot.service_map import ServiceMap
from connectors.colleagues import Colleagues
from connectors.contract import Frozen
from connectors.http import Endpoint

if TYPE_CHECKING:
    from bot.store import Where as StorePlace


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

    `written`: the service map as far as it is written. `store`: where told changes are kept.
    `colleagues`: what the other sources know.
    """

    written: ServiceMap = field(default_factory=lambda: ServiceMap({}))
    store: StorePlace | None = None
    colleagues: Colleagues = field(default_factory=Colleagues)
