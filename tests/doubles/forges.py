"""GitHub's and GitLab's REST APIs over a real git repository: the few read-only calls that a forge needs.

Held to the official shapes by PyGithub and python-gitlab (tests/connectors/test_forges.py).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pygit2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.doubles.shop_history import History

TOKEN = "a-token-of-the-test"


@dataclass
class Deployed:
    """One deployment as a forge keeps it."""

    number: int
    sha: str
    ref: str
    at: datetime
    statuses: list[tuple[datetime, str]]
    environment: str = "production"


@dataclass
class Forge:
    """What both doubles tell of. `asked` holds every path, `trouble` may answer instead."""

    history: History
    deployed: list[Deployed]
    asked: list[str] = field(default_factory=list)
    trouble: Callable[[Request], Response | None] = lambda _: None

    @property
    def git(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.history.path))

    def commit(self, name: str) -> pygit2.Commit | None:
        try:
            return self.git.revparse_single(name).peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def log(self, since: datetime | None, until: datetime | None) -> list[pygit2.Commit]:
        tip = self.git.revparse_single("main").id
        found = list(self.git.walk(tip, pygit2.enums.SortMode.TIME))
        return [
            each
            for each in found
            if (since is None or _at(each) >= since) and (until is None or _at(each) <= until)
        ]

    def between(self, base: str, head: str) -> list[pygit2.Commit] | None:
        start, end = self.commit(base), self.commit(head)
        if start is None or end is None:
            return None
        walker = self.git.walk(end.id, pygit2.enums.SortMode.TIME)
        walker.hide(start.id)
        return list(walker)

    def patches(self, commit: pygit2.Commit) -> list[pygit2.Patch]:
        diff = (
            commit.parents[0].tree.diff_to_tree(commit.tree)
            if commit.parents
            else commit.tree.diff_to_tree(swap=True)
        )
        return [each for each in diff if each is not None]

    def files(self, name: str) -> list[tuple[str, bytes]] | None:
        commit = self.commit(name)
        return None if commit is None else _blobs(commit.tree, "")


def _blobs(tree: pygit2.Tree, before: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in tree:
        if isinstance(entry, pygit2.Tree):
            found += _blobs(entry, f"{before}{entry.name}/")
        elif isinstance(entry, pygit2.Blob):
            found.append((f"{before}{entry.name}", entry.data))
    return found


def _at(commit: pygit2.Commit) -> datetime:
    return datetime.fromtimestamp(commit.commit_time, UTC)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _z(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _page(request: Request, rows: Sequence[Any]) -> list[Any]:
    size = min(int(request.query_params.get("per_page", "30")), 100)
    page = int(request.query_params.get("page", "1"))
    return list(rows[(page - 1) * size : page * size])


def _hunks(patch: pygit2.Patch) -> str:
    text = patch.data.decode()
    start = text.find("@@")
    return text[start:].rstrip("\n") if start >= 0 else ""


def _status(patch: pygit2.Patch) -> str:
    return {"A": "added", "D": "removed", "R": "renamed"}.get(patch.delta.status_char(), "modified")


# --- GitHub ---------------------------------------------------------------------------------------------
class _GitHub:
    """GitHub's API for the repository shop/shop."""

    base = "/repos/shop/shop"

    def __init__(self, forge: Forge) -> None:
        self.forge = forge

    def guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            self.forge.asked.append(request.url.path)
            if (instead := self.forge.trouble(request)) is not None:
                return instead
            scheme, _, said = request.headers.get("authorization", "").partition(" ")
            if said != TOKEN or scheme.lower() not in ("bearer", "token"):
                return JSONResponse({"message": "Bad credentials", "status": "401"}, 401)
            return answer(request)

        return endpoint

    def missing(self) -> Response:
        return JSONResponse({"message": "Not Found", "status": "404"}, 404)

    def short(self, commit: pygit2.Commit) -> dict[str, Any]:
        who = {"name": commit.author.name, "email": commit.author.email, "date": _z(_at(commit))}
        return {
            "sha": str(commit.id),
            "url": f"https://api.github.example{self.base}/commits/{commit.id}",
            "commit": {"author": who, "committer": who, "message": commit.message.strip()},
            "parents": [{"sha": str(each)} for each in commit.parent_ids],
        }

    def whole(self, commit: pygit2.Commit) -> dict[str, Any]:
        files = [
            {
                "filename": each.delta.new_file.path,
                "status": _status(each),
                "additions": each.line_stats[1],
                "deletions": each.line_stats[2],
                "changes": each.line_stats[1] + each.line_stats[2],
                "patch": _hunks(each),
            }
            for each in self.forge.patches(commit)
        ]
        return {**self.short(commit), "files": files}

    def repository(self, _: Request) -> Response:
        owner = {"login": "shop", "id": 1}
        return JSONResponse(
            {"id": 7, "name": "shop", "full_name": "shop/shop", "owner": owner, "default_branch": "main"}
        )

    def commits(self, request: Request) -> Response:
        rows = self.forge.log(
            _time(request.query_params.get("since")), _time(request.query_params.get("until"))
        )
        return JSONResponse([self.short(each) for each in _page(request, rows)])

    def commit(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self.forge.commit(name)
        if found is None:
            return JSONResponse({"message": f"No commit found for SHA: {name}", "status": "422"}, 422)
        return JSONResponse(self.whole(found))

    def compare(self, request: Request) -> Response:
        base_name, _, head_name = request.path_params["range"].partition("...")
        found = self.forge.between(base_name, head_name)
        if found is None:
            return self.missing()
        rows = [self.short(each) for each in reversed(found)]  # oldest first
        state = {"status": "ahead", "ahead_by": len(rows), "behind_by": 0, "total_commits": len(rows)}
        return JSONResponse({**state, "commits": rows, "files": []})

    def deployments(self, request: Request) -> Response:
        wanted = request.query_params.get("environment")
        rows = [
            {
                "id": each.number,
                "url": f"{str(request.base_url).rstrip('/')}{self.base}/deployments/{each.number}",
                "sha": each.sha,
                "ref": each.ref,
                "task": "deploy",
                "environment": each.environment,
                "description": None,
                "created_at": _z(each.at),
                "updated_at": _z(each.at),
            }
            for each in sorted(self.forge.deployed, key=lambda each: each.at, reverse=True)
            if wanted in (None, each.environment)
        ]
        return JSONResponse(_page(request, rows))

    def statuses(self, request: Request) -> Response:
        number = request.path_params["number"]
        found = next((each for each in self.forge.deployed if each.number == number), None)
        if found is None:
            return self.missing()
        rows = [
            {"id": n, "state": state, "created_at": _z(at), "environment": found.environment}
            for n, (at, state) in enumerate(found.statuses)
        ]
        return JSONResponse(_page(request, list(reversed(rows))))

    def tree(self, request: Request) -> Response:
        files = self.forge.files(request.path_params["name"])
        if files is None:
            return self.missing()
        rows = [{"path": path, "type": "blob", "size": len(data), "mode": "100644"} for path, data in files]
        return JSONResponse({"sha": request.path_params["name"], "tree": rows, "truncated": False})

    def contents(self, request: Request) -> Response:
        files = dict(self.forge.files(request.query_params.get("ref", "main")) or [])
        data = files.get(request.path_params["path"])
        if data is None:
            return self.missing()
        if "raw" in request.headers.get("accept", ""):
            return Response(data, media_type="application/vnd.github.raw+json")
        packed = base64.b64encode(data).decode()
        return JSONResponse(
            {"type": "file", "path": request.path_params["path"], "encoding": "base64", "content": packed}
        )

    def routes(self) -> list[Route]:
        answers: list[tuple[str, Callable[[Request], Response]]] = [
            (self.base, self.repository),
            (f"{self.base}/commits", self.commits),
            (f"{self.base}/commits/{{name:path}}", self.commit),
            (f"{self.base}/compare/{{range:path}}", self.compare),
            (f"{self.base}/deployments", self.deployments),
            (f"{self.base}/deployments/{{number:int}}/statuses", self.statuses),
            (f"{self.base}/git/trees/{{name}}", self.tree),
            (f"{self.base}/contents/{{path:path}}", self.contents),
        ]
        return [Route(path, self.guarded(answer)) for path, answer in answers]


# --- GitLab ---------------------------------------------------------------------------------------------
class _GitLab:
    """GitLab's API for the project shop/shop."""

    base = "/api/v4/projects/{project:str}"

    def __init__(self, forge: Forge) -> None:
        self.forge = forge

    def guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            self.forge.asked.append(request.url.path)
            if (instead := self.forge.trouble(request)) is not None:
                return instead
            said = request.headers.get("private-token") or request.headers.get("authorization", "")[7:]
            if said != TOKEN:
                return JSONResponse({"message": "401 Unauthorized"}, 401)
            return answer(request)

        return endpoint

    def missing(self, what: str) -> Response:
        return JSONResponse({"message": f"404 {what} Not Found"}, 404)

    def short(self, commit: pygit2.Commit) -> dict[str, Any]:
        at = _at(commit).isoformat(timespec="milliseconds")
        return {
            "id": str(commit.id),
            "short_id": str(commit.id)[:8],
            "title": commit.message.strip(),
            "message": commit.message,
            "author_name": commit.author.name,
            "author_email": commit.author.email,
            "created_at": at,
            "authored_date": at,
            "committed_date": at,
            "parent_ids": [str(each) for each in commit.parent_ids],
        }

    def project(self, _: Request) -> Response:
        return JSONResponse({"id": 7, "path_with_namespace": "shop/shop", "default_branch": "main"})

    def commits(self, request: Request) -> Response:
        rows = self.forge.log(
            _time(request.query_params.get("since")), _time(request.query_params.get("until"))
        )
        return JSONResponse([self.short(each) for each in _page(request, rows)])

    def commit(self, request: Request) -> Response:
        found = self.forge.commit(unquote(request.path_params["name"]))
        return self.missing("Commit") if found is None else JSONResponse(self.short(found))

    def diff(self, request: Request) -> Response:
        found = self.forge.commit(unquote(request.path_params["name"]))
        if found is None:
            return self.missing("Commit")
        rows = [
            {
                "old_path": each.delta.old_file.path or each.delta.new_file.path,
                "new_path": each.delta.new_file.path,
                "new_file": _status(each) == "added",
                "deleted_file": _status(each) == "removed",
                "renamed_file": False,
                "diff": _hunks(each) + "\n",
            }
            for each in self.forge.patches(found)
        ]
        return JSONResponse(_page(request, rows))

    def compare(self, request: Request) -> Response:
        found = self.forge.between(request.query_params["from"], request.query_params["to"])
        if found is None:
            return self.missing("Ref")
        rows = [self.short(each) for each in reversed(found)]
        return JSONResponse({"commit": rows[-1] if rows else None, "commits": rows, "diffs": []})

    def deployments(self, request: Request) -> Response:
        after = _time(request.query_params.get("updated_after"))
        before = _time(request.query_params.get("updated_before"))
        rows = [
            {
                "id": each.number,
                "iid": each.number,
                "sha": each.sha,
                "ref": each.ref,
                "status": each.statuses[-1][1] if each.statuses else "created",
                "created_at": each.at.isoformat(timespec="milliseconds"),
                "updated_at": each.statuses[-1][0].isoformat() if each.statuses else each.at.isoformat(),
                "environment": {"id": 1, "name": each.environment},
                "deployable": {
                    "id": each.number,
                    "started_at": each.statuses[0][0].isoformat() if each.statuses else None,
                    "finished_at": each.statuses[-1][0].isoformat() if each.statuses else None,
                    "pipeline": {"id": 3, "web_url": "https://gitlab.example/shop/shop/-/pipelines/3"},
                },
            }
            for each in sorted(self.forge.deployed, key=lambda each: each.at, reverse=True)
            if request.query_params.get("environment") in (None, each.environment)
        ]
        shown = [
            row
            for row in rows
            if (after is None or datetime.fromisoformat(str(row["updated_at"])) >= after)
            and (before is None or datetime.fromisoformat(str(row["updated_at"])) <= before)
        ]
        return JSONResponse(_page(request, shown))

    def tree(self, request: Request) -> Response:
        files = self.forge.files(request.query_params.get("ref", "main"))
        if files is None:
            return self.missing("Tree")
        rows = [
            {"id": "0", "name": path.rpartition("/")[2], "path": path, "type": "blob"} for path, _ in files
        ]
        return JSONResponse(_page(request, rows))

    def raw(self, request: Request) -> Response:
        files = dict(self.forge.files(request.query_params.get("ref", "main")) or [])
        data = files.get(unquote(request.path_params["path"]))
        return self.missing("File") if data is None else PlainTextResponse(data)

    def routes(self) -> list[Route]:
        answers: list[tuple[str, Callable[[Request], Response]]] = [
            (self.base, self.project),
            (f"{self.base}/repository/commits", self.commits),
            (f"{self.base}/repository/commits/{{name:str}}", self.commit),
            (f"{self.base}/repository/commits/{{name:str}}/diff", self.diff),
            (f"{self.base}/repository/compare", self.compare),
            (f"{self.base}/deployments", self.deployments),
            (f"{self.base}/repository/tree", self.tree),
            (f"{self.base}/repository/files/{{path:str}}/raw", self.raw),
        ]
        return [Route(path, self.guarded(answer)) for path, answer in answers]


def github(forge: Forge) -> ASGIApp:
    """The double of GitHub."""
    return Starlette(routes=_GitHub(forge).routes())


def gitlab(forge: Forge) -> ASGIApp:
    """The double of GitLab."""
    return _with_raw_paths(Starlette(routes=_GitLab(forge).routes()))


def _with_raw_paths(app: ASGIApp) -> ASGIApp:
    """GitLab takes `shop%2Fshop` for one segment: the path is matched as it was sent."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope["raw_path"].decode("ascii").partition("?")[0]
        await app(dict(scope, path=raw), receive, send)

    return call
