"""What kinds of object there are, in the forms in which clients ask for it."""

from __future__ import annotations

from tests.doubles.kube.kinds import Kind
from tests.doubles.kube.replies import JSON, NOT_FOUND, Object, Reply, document

Kinds = tuple[Kind, ...]
_AGGREGATED = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def groups(kinds: Kinds, path: str, *, aggregated: bool) -> Reply:
    """What `/api` and `/apis` answer."""
    names = [""] if path == "/api" else sorted({kind.group for kind in kinds} - {""})
    names += ["authorization.k8s.io"] if path == "/apis" else []
    if aggregated:
        items = [_aggregated(kinds, group) for group in names]
        body = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
        return document({**body, "items": items}, content_type=_AGGREGATED)
    if path == "/api":
        return document({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    listed = [_api_group(kinds, group) for group in names]
    return document({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})


def _version(kinds: Kinds, group: str) -> str:
    return next((kind.version for kind in kinds if kind.group == group), "v1")


def _api_group(kinds: Kinds, group: str) -> Object:
    version = {"groupVersion": f"{group}/{_version(kinds, group)}", "version": _version(kinds, group)}
    return {"name": group, "versions": [version], "preferredVersion": version}


def _aggregated(kinds: Kinds, group: str) -> Object:
    resources = [
        {
            "resource": kind.plural,
            "responseKind": {"group": "", "version": "", "kind": kind.kind},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "singularResource": kind.singular,
            "verbs": list(kind.verbs),
            **({"shortNames": list(kind.short)} if kind.short else {}),
            **({"categories": list(kind.categories)} if kind.categories else {}),
        }
        for kind in kinds
        if kind.group == group
    ]
    version = {"version": _version(kinds, group), "resources": resources, "freshness": "Current"}
    return {"metadata": {"name": group} if group else {}, "versions": [version]}


def resources(kinds: Kinds, group: str, version: str | None) -> Reply:
    """What `/api/v1`, `/apis/GROUP` and `/apis/GROUP/VERSION` answer."""
    mine = [kind for kind in kinds if kind.group == group]
    if not mine:
        return NOT_FOUND
    if group and version is None:
        return document({"kind": "APIGroup", "apiVersion": "v1", **_api_group(kinds, group)})
    if group and version != _version(kinds, group):
        return NOT_FOUND
    entries: list[Object] = []
    for kind in mine:
        named: Object = {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
        }
        named |= {"kind": kind.kind, "verbs": list(kind.verbs)}
        named |= {"shortNames": list(kind.short)} if kind.short else {}
        named |= {"categories": list(kind.categories)} if kind.categories else {}
        entries.append(named)
        for sub in kind.subresources:
            entry = {"name": f"{kind.plural}/{sub}", "singularName": "", "namespaced": kind.namespaced}
            entries.append({**entry, "kind": kind.kind, "verbs": ["get"]})
    body = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}
    return document({**body, "groupVersion": mine[0].group_version, "resources": entries})
