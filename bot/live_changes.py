"""The kinds of source that show what was changed: repositories, forges, pagers, what was told.

A connector is imported only when one is made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from bot.configuration_fields import HttpUrl, LocalPath, Secret
from bot.errors import BadInputError
from bot.live_fields import Ground, HttpFields, SourceFields
from connectors.live import LiveConnector


class RepositoryFields(SourceFields):
    """What every repository is told. `services`: whose source it holds; all, when empty."""

    branch: str | None = None
    services: tuple[str, ...] = ()
    folder: str = Field(default="", description="where in the tree the migrations are looked for")


class GitFields(RepositoryFields):
    """A local clone, bare or not: as fresh as its last fetch."""

    kind: Literal["git"]
    path: LocalPath


def git(fields: GitFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
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


def github(fields: GitHubFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
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


def gitlab(fields: GitLabFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
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


def pagerduty(fields: PagerDutyFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
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


def told(fields: ToldFields, ground: Ground) -> LiveConnector:
    """The connector behind the fields."""
    from bot.store.changes import PostedChanges
    from connectors.posted_changes import PostedChangesConnector

    if ground.store is None:
        raise BadInputError(f"{fields.title}: there is no store to read told changes from")
    return PostedChangesConnector(PostedChanges(ground.store).during)
