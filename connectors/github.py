"""GitHub (or GitHub Enterprise Server) as a forge, over its REST API, with GET requests only.

https://docs.github.com/en/rest: commits, compare, deployments with their statuses, git trees and contents.
A fine-grained token needs read access to contents and deployments, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from connectors.answers import Change, Commit
from connectors.contract import Window
from connectors.governor import SourceFailedError
from connectors.http import HttpClient
from connectors.json_shapes import instant_of, items, mapping, pages, text
from connectors.revisions import revision_in_tag, spellings

API_VERSION = "2022-11-28"
PER_PAGE = 100
MOST_PAGES = 3
MOST_STATUSES = 15
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION}
_STARTED = frozenset({"in_progress", "success", "failure", "error"})


class GitHub:
    """One repository at GitHub. `environment` narrows its deployments, `service` says whose they are."""

    def __init__(
        self,
        client: HttpClient,
        repository: str,
        *,
        service: str | None = None,
        environment: str | None = None,
        branch: str | None = None,
    ) -> None:
        self._client = client
        self._repository = repository
        self._service = service
        self._environment = environment
        self._branch = branch

    @property
    def place(self) -> str:
        """owner/name."""
        return self._repository

    def resolve(self, revision: str) -> str | None:
        """The commit of a name; a tag is found with or without its leading v."""
        for name in spellings(revision):
            reply = self._client.get(
                self._path(f"commits/{quote(name, safe='')}"), headers=_HEADERS, accept=(404, 422)
            )
            if reply.status == 200:
                return text(mapping(reply.json()), "sha") or None
        return None

    def between(self, base: str, head: str, most: int) -> Sequence[Commit]:
        """Commits of head that base has not, newest first. `compare` lists 250 at most a page."""
        if base.endswith("~1"):
            only = self._get(f"commits/{quote(head, safe='')}")
            return [found] if (found := _commit(mapping(only))) else []
        path = f"compare/{quote(base, safe='')}...{quote(head, safe='')}"
        body = mapping(self._get(path, {"per_page": PER_PAGE}))
        found_all = [found for each in items(body.get("commits")) if (found := _commit(mapping(each)))]
        return list(reversed(found_all))[:most]

    def during(self, window: Window, most: int) -> Sequence[Commit]:
        """Commits of the branch, newest first."""
        params: dict[str, str | int | float] = {
            "since": f"{window.start:%FT%TZ}",
            "until": f"{window.end:%FT%TZ}",
        }
        if self._branch:
            params["sha"] = self._branch
        pages = self._pages("commits", params, min(MOST_PAGES, -(-most // PER_PAGE)))
        return [found for each in pages if (found := _commit(each))][:most]

    def with_diff(self, commit: Commit) -> Commit:
        """The commit with its files, and its diff as GitHub renders it."""
        body = mapping(self._get(f"commits/{commit.sha}"))
        files = [mapping(each) for each in items(body.get("files"))]
        return commit.model_copy(
            update={
                "files": tuple(name for each in files if (name := text(each, "filename"))),
                "diff": "".join(map(_file_diff, files)),
            }
        )

    def deployments(self, window: Window) -> Sequence[Change]:
        """Deployments that were made in the window, with the times of their statuses."""
        params: dict[str, str | int | float] = {"environment": self._environment} if self._environment else {}
        made = []
        for each in self._pages("deployments", params, MOST_PAGES):
            at = instant_of(each.get("created_at"))
            if at is not None and at < window.start:
                break
            if at is not None and at <= window.end:
                made.append((at, each))
        return [self._change(at, each, n < MOST_STATUSES, window) for n, (at, each) in enumerate(made)]

    def paths(self, revision: str) -> Sequence[str]:
        """Every file of a revision, as far as one answer holds them."""
        body = mapping(self._get(f"git/trees/{revision}", {"recursive": "1"}))
        blobs = (mapping(each) for each in items(body.get("tree")))
        return [text(each, "path") for each in blobs if text(each, "type") == "blob"]

    def read(self, revision: str, path: str) -> str | None:
        """A file's text."""
        reply = self._client.get(
            self._path(f"contents/{quote(path)}"),
            {"ref": revision},
            headers={**_HEADERS, "Accept": "application/vnd.github.raw+json"},
            accept=(404,),
        )
        if reply.status == 404 or b"\0" in reply.body[:8_000]:
            return None
        return reply.body.decode("utf-8", "replace")

    def check(self) -> str:
        """The repository's visibility and default branch."""
        body = mapping(self._get(""))
        if not text(body, "full_name"):
            raise SourceFailedError(
                "the answer is not that of GitHub's API: is the address right?", counts=False
            )
        return f"{text(body, 'full_name')}, default branch {text(body, 'default_branch')}"

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _change(self, at: datetime, each: Mapping[str, object], look: bool, window: Window) -> Change:
        number = each.get("id")
        steps = self._statuses(number, window) if look else []
        state = steps[-1][1] if steps else ""
        ref = text(each, "ref")
        said = text(each, "description") or f"deployment of {ref} to {text(each, 'environment')}"
        began = next((when for when, what in steps if what in _STARTED), at)
        return Change(
            id=f"github:{self._repository}/deployments/{number}",
            at=began,
            kind="deploy",
            service=self._service,
            summary=f"{said} ({state})" if state in ("failure", "error") else said,
            version=revision_in_tag(ref),
            commit=text(each, "sha") or None,
            steps=tuple(when for when, _ in steps) or (at,),
        )

    def _statuses(self, number: object, window: Window) -> list[tuple[datetime, str]]:
        found = []
        for each in self._pages(f"deployments/{number}/statuses", {}, 1):
            at = instant_of(each.get("created_at"))
            if at is not None and at <= window.end:
                found.append((at, text(each, "state")))
        return sorted(found)

    def _pages(
        self, path: str, params: Mapping[str, str | int | float], most: int
    ) -> Iterator[Mapping[str, object]]:
        full = {**params, "per_page": PER_PAGE}
        return pages(lambda page: self._get(path, {**full, "page": page}), PER_PAGE, most)

    def _get(self, path: str, params: Mapping[str, str | int | float] | None = None) -> object:
        try:
            return self._client.get(self._path(path), params, headers=_HEADERS).json()
        except SourceFailedError as failure:
            raise _explained(failure) from failure

    def _path(self, path: str) -> str:
        return f"repos/{self._repository}/{path}".rstrip("/")


def _explained(failure: SourceFailedError) -> SourceFailedError:
    """GitHub answers 403 and 429 to a spent rate limit, and 404 to a token that may not see a repository."""
    reason = failure.reason
    if "rate limit" in reason.lower():
        return SourceFailedError(f"GitHub's rate limit is spent: {reason}", retry=False, counts=False)
    if "(404)" in reason:
        return SourceFailedError(f"{reason}; a token without access sees a 404 too", counts=False)
    return failure


def _commit(body: Mapping[str, object]) -> Commit | None:
    inner = mapping(body.get("commit"))
    at = instant_of(mapping(inner.get("committer")).get("date"))
    sha = text(body, "sha")
    if at is None or not sha:
        return None
    author = text(mapping(inner.get("author")), "name")
    return Commit(sha=sha, at=at, author=author, message=text(inner, "message").strip())


def _file_diff(file: Mapping[str, object]) -> str:
    """A file's part of the unified diff: GitHub gives the hunks, the head is ours."""
    name, patch = text(file, "filename"), text(file, "patch")
    before = text(file, "previous_filename") or name
    status = text(file, "status")
    old = "/dev/null" if status == "added" else f"a/{before}"
    new = "/dev/null" if status == "removed" else f"b/{name}"
    head = f"diff --git a/{before} b/{name}\n"
    return f"{head}--- {old}\n+++ {new}\n{patch}\n" if patch else head
