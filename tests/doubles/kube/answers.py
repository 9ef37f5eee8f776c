"""What the double answers to a request, as values: status, headers and a body. No sockets here.

Each answer has the form of a real API server's (recorded ones hold it to that: test_double_recorded.py).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.doubles.kube.access import Account
from tests.doubles.kube.discovery import groups, resources
from tests.doubles.kube.kinds import Kind
from tests.doubles.kube.protobuf import is_protobuf, review
from tests.doubles.kube.replies import NOT_FOUND, Reply, document, status
from tests.doubles.kube.selecting import SelectorError, by_fields, by_labels
from tests.doubles.kube.store import Object, Store
from tests.doubles.kube.tables import table, utc_now

_PATH = re.compile(
    r"^(?:/api/(?P<core>v1)|/apis/(?P<group>[^/]+)/(?P<version>[^/]+))(?:/namespaces/(?P<ns>[^/]+))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>.+))?$"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.url).path)

    @property
    def query(self) -> dict[str, str]:
        return {
            key: values[-1]
            for key, values in parse_qs(urlsplit(self.url).query, keep_blank_values=True).items()
        }

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")


@dataclass(frozen=True)
class WatchReply:
    """A stream: the kind, the namespace and whom to tell of it."""

    kind: Kind
    namespace: str | None
    query: dict[str, str]


@dataclass(frozen=True)
class Target:
    """What a path names."""

    kind: Kind
    namespace: str | None
    name: str | None
    sub: str


class Answering:
    """Answers from one store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = utc_now
        self.unready: set[str] = set()

    def answer(self, request: Request, account: Account | None) -> Reply | WatchReply:
        if account is None:
            return status(401, "Unauthorized", "Unauthorized")
        return (
            self._about_server(request)
            or self._review(request, account)
            or self._of_objects(request, account)
        )

    # --- what the server says of itself ---------------------------------------------------------------
    def _about_server(self, request: Request) -> Reply | None:
        if request.method != "GET":
            return None
        path = request.path.rstrip("/")
        if path == "/version":
            return document({"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"})
        if path in {"/readyz", "/livez", "/healthz"}:
            return self._ready(verbose="verbose" in request.query)
        if path in {"/api", "/apis"}:
            return groups(self.store.kinds, path, aggregated="as=APIGroupDiscoveryList" in request.accept)
        group_version = re.fullmatch(r"/api/v1|/apis/([^/]+)(?:/([^/]+))?", path)
        return (
            resources(self.store.kinds, group_version[1] or "", group_version[2]) if group_version else None
        )

    def _ready(self, *, verbose: bool) -> Reply:
        checks = (
            "ping",
            "log",
            "etcd",
            "poststarthook/start-apiextensions-controllers",
            "informer-sync",
            "shutdown",
        )
        lines = [
            f"[-]{name} failed: reason withheld" if name in self.unready else f"[+]{name} ok"
            for name in checks
        ]
        if self.unready:
            text = "\n".join([*lines, "readyz check failed", ""])
            return Reply(500, text.encode(), "text/plain; charset=utf-8")
        text = "\n".join([*lines, "readyz check passed", ""]) if verbose else "ok"
        return Reply(200, text.encode(), "text/plain; charset=utf-8")

    # --- rights -----------------------------------------------------------------------------------------
    def _review(self, request: Request, account: Account) -> Reply | None:
        if request.method != "POST" or not request.path.startswith(
            "/apis/authorization.k8s.io/v1/selfsubject"
        ):
            return None
        body = review(request.body) if is_protobuf(request.body) else json.loads(request.body)
        spec = body.get("spec", {})
        if request.path.endswith("rulesreviews"):
            rules = [
                {"verbs": list(r.verbs), "apiGroups": list(r.groups), "resources": list(r.resources)}
                for r in account.rules
            ]
            told: Object = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
        else:
            about = spec.get("resourceAttributes", {})
            resource = about.get("resource", "") + (
                f"/{about['subresource']}" if about.get("subresource") else ""
            )
            asked = (about.get("verb", ""), about.get("group", ""), resource, about.get("namespace", ""))
            told = {"allowed": account.may(*asked)}
        head = {"kind": body["kind"], "apiVersion": body["apiVersion"], "metadata": {}, "spec": spec}
        return document({**head, "status": told}, 201)

    # --- objects ------------------------------------------------------------------------------------------
    def _of_objects(self, request: Request, account: Account) -> Reply | WatchReply:
        target = self._target(request.path)
        if target is None:
            return NOT_FOUND
        refused = self._refused(request, account, target)
        if refused is not None:
            return refused
        if request.method == "GET":
            return self._read(request, target)
        if request.method == "DELETE" and target.name is not None and not target.sub:
            gone = self.store.delete(target.kind, target.namespace or "", target.name)
            return document(self._whole(target.kind, gone)) if gone else self._missing(target)
        return status(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )

    def _target(self, path: str) -> Target | None:
        found = _PATH.match(path)
        if found is None:
            return None
        group, version = found["group"] or "", found["core"] or found["version"]
        for kind in self.store.kinds:
            if (kind.group, kind.version, kind.plural) == (group, version, found["plural"]):
                if found["ns"] and not kind.namespaced:
                    return None
                return Target(kind, found["ns"], found["name"], found["sub"] or "")
        return None

    def _refused(self, request: Request, account: Account, target: Target) -> Reply | None:
        kind, name = target.kind, target.name
        verb = _VERBS.get(request.method) or (
            "get" if name else "watch" if request.query.get("watch") in {"1", "true"} else "list"
        )
        resource = f"{kind.plural}/{target.sub}" if target.sub else kind.plural
        if account.may(verb, kind.group, resource, target.namespace or ""):
            return None
        named = f'{kind.plural} "{name}"' if name else kind.plural
        scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        message = (
            f'{named} is forbidden: User "{account.name}" cannot {verb} resource "{resource}"'
            f' in API group "{kind.group}" {scope}'
        )
        details: Object = {
            **({"name": name} if name else {}),
            **({"group": kind.group} if kind.group else {}),
        }
        return status(403, "Forbidden", message, {**details, "kind": kind.plural})

    def _missing(self, target: Target) -> Reply:
        kind = target.kind
        details: Object = {
            "name": target.name,
            **({"group": kind.group} if kind.group else {}),
            "kind": kind.plural,
        }
        named = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        return status(404, "NotFound", f'{named} "{target.name}" not found', details)

    def _whole(self, kind: Kind, item: Object) -> Object:
        return {"kind": kind.kind, "apiVersion": kind.group_version, **item}

    def _read(self, request: Request, target: Target) -> Reply | WatchReply:
        if target.name is None:
            if request.query.get("watch") in {"1", "true"}:
                return WatchReply(target.kind, target.namespace, request.query)
            return self._list(request, target)
        item = self.store.get(target.kind, target.namespace or "", target.name)
        if item is None:
            return self._missing(target)
        if target.sub == "log":
            return self._log(request.query, item)
        if target.sub:
            return NOT_FOUND
        if "as=Table" in request.accept:
            return document(table(target.kind.kind, [item], {}, self.clock()))
        if "as=PartialObjectMetadata" in request.accept:
            return document(_metadata(item))
        return document(self._whole(target.kind, item))

    def _list(self, request: Request, target: Target) -> Reply:
        query, kind = request.query, target.kind
        version = self.store.version
        wanted_version = query.get("resourceVersion", "")
        if wanted_version.isdigit() and int(wanted_version) > version:
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            message = f"Timeout: Too large resource version: {wanted_version}, current: {version}"
            return status(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
        try:
            labels, fields = (
                by_labels(query.get("labelSelector", "")),
                by_fields(query.get("fieldSelector", ""), kind),
            )
        except SelectorError as error:
            return status(400, "BadRequest", str(error))
        start = ""
        if query.get("continue"):
            token = _token(query["continue"])
            if isinstance(token, Reply):
                return token
            version, start = token
            if version < self.store.compacted and version >= 0:
                return self._expired(start)
            version = version if version >= 0 else self.store.version
        items = self.store.listed(kind, target.namespace, version, lambda item: labels(item) and fields(item))
        # The watch cache answers a request for "any" version, and pays no heed to a limit.
        limit = 0 if wanted_version == "0" else int(query.get("limit") or 0)
        return self._page(request, target, (items, version, start), limit)

    def _page(
        self, request: Request, target: Target, found: tuple[list[Object], int, str], limit: int
    ) -> Reply:
        items, version, start = found
        keys = [_key(item, target) for item in items]
        items = [item for item, key in zip(items, keys, strict=True) if key >= start]
        meta: Object = {"resourceVersion": str(version)}
        if limit and len(items) > limit:
            meta["continue"] = _continue(version, _key(items[limit - 1], target) + "\x00")
            if not (request.query.get("labelSelector") or request.query.get("fieldSelector")):
                meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        return self._shown(request, target.kind, items, meta)

    def _shown(self, request: Request, kind: Kind, items: list[Object], meta: Object) -> Reply:
        if "as=Table" in request.accept:
            return document(table(kind.kind, items, meta, self.clock()))
        if "as=PartialObjectMetadataList" in request.accept:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
            return document({**head, "items": [_metadata(item) for item in items]})
        bare = [
            {key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in items
        ]
        return document(
            {"kind": f"{kind.kind}List", "apiVersion": kind.group_version, "metadata": meta, "items": bare}
        )

    def _expired(self, start: str) -> Reply:
        message = "The provided continue parameter is too old to display a consistent list result."
        return status(410, "Expired", message, token=_continue(-1, start))

    def _log(self, query: dict[str, str], pod: Object) -> Reply:
        meta, containers = pod["metadata"], [each["name"] for each in pod["spec"]["containers"]]
        name, previous = meta["name"], query.get("previous") == "true"
        container = query.get("container") or (containers[0] if len(containers) == 1 else "")
        if not container:
            said = (
                f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
            )
            return status(400, "BadRequest", said)
        if container not in containers:
            return status(400, "BadRequest", f"container {container} is not valid for pod {name}")
        if not pod["spec"].get("nodeName"):
            return Reply(204, b"")
        lines = self.store.logs.get((meta["namespace"], name, container, previous))
        if lines is None and previous:
            said = f'previous terminated container "{container}" in pod "{name}" not found'
            return status(400, "BadRequest", said)
        return Reply(200, _cut(lines or [], query), "text/plain")


def _cut(lines: list[tuple[datetime, str]], query: dict[str, str]) -> bytes:
    since = (
        datetime.fromisoformat(query["sinceTime"])
        if "sinceTime" in query
        else datetime.min.replace(tzinfo=UTC)
    )
    kept = [(at, line) for at, line in lines if at >= since]
    if "tailLines" in query:
        kept = kept[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
    stamped = query.get("timestamps") == "true"
    text = "".join(f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z {line}\n" if stamped else f"{line}\n" for at, line in kept)
    return text.encode()[: int(query["limitBytes"])] if "limitBytes" in query else text.encode()


def _metadata(item: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def _key(item: Object, target: Target) -> str:
    name: str = item["metadata"]["name"]
    return (
        name if target.namespace or not target.kind.namespaced else f"{item['metadata']['namespace']}/{name}"
    )


def _continue(version: int, start: str) -> str:
    token = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def _token(text: str) -> tuple[int, str] | Reply:
    try:
        token: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(token["rv"]), str(token["start"])
    except (ValueError, KeyError, TypeError):
        return status(400, "BadRequest", "invalid continue token: continue key is not valid")
