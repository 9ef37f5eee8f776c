"""GitLab as a forge, over its REST API version 4, with GET requests only.

https://docs.gitlab.com/api/: commits, repository compare, deployments, repository tree and files.
A project access token needs the scope read_api and the role Reporter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from connectors.answers import Change, Commit
from connectors.contract import Window
from connectors.governor import SourceFailedError
from connectors.http import HttpClient
from connectors.json_shapes import instant_of, items, mapping, pages, text
from connectors.revisions import revision_in_tag, spellings

PER_PAGE = 100
MOST_PAGES = 3
_TREE_PAGES = 20


class GitLab:
    """One project at GitLab, by its path (group/name) or number."""

    def __init__(
        self,
        client: HttpClient,
        project: str,
        *,
        service: str | None = None,
        environment: str | None = None,
        branch: str | None = None,
    ) -> None:
        self._client = client
        self._project = project
        self._service = service
        self._environment = environment
        self._branch = branch

    @property
    def place(self) -> str:
        """The project's path."""
        return self._project

    def resolve(self, revision: str) -> str | None:
        """The commit of a name; a tag is found with or without its leading v."""
        for name in spellings(revision):
            path = self._path(f"repository/commits/{quote(name, safe='')}")
            reply = self._client.get(path, accept=(404,))
            if reply.status == 200:
                return text(mapping(reply.json()), "id") or None
        return None

    def between(self, base: str, head: str, most: int) -> Sequence[Commit]:
        """Commits of head that base has not, newest first."""
        if base.endswith("~1"):
            only = mapping(self._get(f"repository/commits/{quote(head, safe='')}"))
            return [found] if (found := _commit(only)) else []
        body = mapping(self._get("repository/compare", {"from": base, "to": head}))
        found_all = [found for each in items(body.get("commits")) if (found := _commit(mapping(each)))]
        return sorted(found_all, key=lambda each: (each.at, each.sha), reverse=True)[:most]

    def during(self, window: Window, most: int) -> Sequence[Commit]:
        """Commits of the branch, newest first."""
        params: dict[str, str | int | float] = {
            "since": f"{window.start:%FT%TZ}",
            "until": f"{window.end:%FT%TZ}",
        }
        if self._branch:
            params["ref_name"] = self._branch
        pages = self._pages("repository/commits", params, min(MOST_PAGES, -(-most // PER_PAGE)))
        return [found for each in pages if (found := _commit(each))][:most]

    def with_diff(self, commit: Commit) -> Commit:
        """The commit with its files and its diff."""
        files = [
            mapping(each)
            for each in items(self._get(f"repository/commits/{commit.sha}/diff", {"per_page": PER_PAGE}))
        ]
        names = tuple(text(each, "new_path") or text(each, "old_path") for each in files)
        return commit.model_copy(update={"files": names, "diff": "".join(map(_file_diff, files))})

    def deployments(self, window: Window) -> Sequence[Change]:
        """Deployments whose last change of state lies in the window."""
        params: dict[str, str | int | float] = {
            "updated_after": f"{window.start:%FT%TZ}",
            "updated_before": f"{window.end:%FT%TZ}",
            "order_by": "updated_at",
            "sort": "desc",
        }
        if self._environment:
            params["environment"] = self._environment
        found = [self._change(each) for each in self._pages("deployments", params, MOST_PAGES)]
        return [change for change in found if change is not None and window.holds(change.at)]

    def paths(self, revision: str) -> Sequence[str]:
        """Every file of a revision, as far as twenty pages hold them."""
        params: dict[str, str | int | float] = {"ref": revision, "recursive": "true"}
        pages = self._pages("repository/tree", params, _TREE_PAGES)
        return [text(each, "path") for each in pages if text(each, "type") == "blob"]

    def read(self, revision: str, path: str) -> str | None:
        """A file's text."""
        reply = self._client.get(
            self._path(f"repository/files/{quote(path, safe='')}/raw"), {"ref": revision}, accept=(404,)
        )
        if reply.status == 404 or b"\0" in reply.body[:8_000]:
            return None
        return reply.body.decode("utf-8", "replace")

    def check(self) -> str:
        """The project's path and default branch."""
        body = mapping(self._get(""))
        if not text(body, "path_with_namespace"):
            raise SourceFailedError(
                "the answer is not that of GitLab's API: is the address right?", counts=False
            )
        return f"{text(body, 'path_with_namespace')}, default branch {text(body, 'default_branch')}"

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _change(self, each: Mapping[str, object]) -> Change | None:
        made, build = instant_of(each.get("created_at")), mapping(each.get("deployable"))
        finished, began = instant_of(build.get("finished_at")), instant_of(build.get("started_at"))
        at = began or made
        if at is None:
            return None
        status, ref = text(each, "status"), text(each, "ref")
        where = text(mapping(each.get("environment")), "name")
        said = f"deployment of {ref} to {where}"
        return Change(
            id=f"gitlab:{self._project}/deployments/{each.get('id')}",
            at=at,
            kind="deploy",
            service=self._service,
            summary=f"{said} ({status})" if status not in ("success", "running") else said,
            version=revision_in_tag(ref),
            commit=text(each, "sha") or None,
            link=text(mapping(build.get("pipeline")), "web_url") or None,
            steps=tuple(sorted({at, finished or at})),
        )

    def _pages(
        self, path: str, params: Mapping[str, str | int | float], most: int
    ) -> Iterator[Mapping[str, object]]:
        full = {**params, "per_page": PER_PAGE}
        return pages(lambda page: self._get(path, {**full, "page": page}), PER_PAGE, most)

    def _get(self, path: str, params: Mapping[str, str | int | float] | None = None) -> object:
        return self._client.get(self._path(path), params).json()

    def _path(self, path: str) -> str:
        return f"api/v4/projects/{quote(self._project, safe='')}/{path}".rstrip("/")


def _commit(body: Mapping[str, object]) -> Commit | None:
    at, sha = instant_of(body.get("committed_date")), text(body, "id")
    if at is None or not sha:
        return None
    return Commit(sha=sha, at=at, author=text(body, "author_name"), message=text(body, "message").strip())


def _file_diff(file: Mapping[str, object]) -> str:
    """A file's part of the unified diff: GitLab gives the hunks, the head is ours."""
    before, name = text(file, "old_path"), text(file, "new_path")
    old = "/dev/null" if file.get("new_file") is True else f"a/{before}"
    new = "/dev/null" if file.get("deleted_file") is True else f"b/{name}"
    return f"diff --git a/{before} b/{name}\n--- {old}\n+++ {new}\n{text(file, 'diff')}"
