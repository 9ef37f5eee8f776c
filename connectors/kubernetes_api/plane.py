"""The health of what the cluster itself runs on: the API server's own checks, and cluster DNS."""

from __future__ import annotations

import re

from connectors.cluster_facts import PlaneCheck
from connectors.governor import SourceFailedError
from connectors.kubernetes_api.api import Api
from connectors.kubernetes_api.resources import PODS, Grant
from connectors.kubernetes_json import Object, listed, mapping, text

_LINE = re.compile(r"^\[(?P<sign>[+-])\](?P<name>\S{1,120}) ?(?P<said>.{0,300})")
_DNS = (("labelSelector", "k8s-app=kube-dns"),)


def plane(api: Api) -> tuple[tuple[PlaneCheck, ...], tuple[str, ...]]:
    """What was checked, and notes on what could not be."""
    found: list[PlaneCheck] = []
    notes: list[str] = []
    for look in (_ready, _dns):
        try:
            found += look(api)
        except SourceFailedError as failure:
            notes.append(f"partly: control plane: {failure.reason}")
    return tuple(found), tuple(notes)


def _ready(api: Api) -> list[PlaneCheck]:
    """`/readyz?verbose`: one line a check; a server that is not ready answers the same with 500."""
    grant = Grant("get", "", "nonResourceURLs: /readyz")
    try:
        body = api.get("/readyz", [("verbose", "true")], grant=grant, accept="text/plain").body
    except SourceFailedError as failure:
        said = re.findall(r"\[-\](\S{1,120})", failure.reason)
        if not said:
            raise
        return [PlaneCheck(name=f"readyz/{name}", healthy=False, detail="failed") for name in said]
    checks = [_LINE.match(line) for line in body.decode("utf-8", "replace").splitlines()]
    return [
        PlaneCheck(name=f"readyz/{check['name']}", healthy=check["sign"] == "+", detail=check["said"].strip())
        for check in checks
        if check is not None
    ]


def _dns(api: Api) -> list[PlaneCheck]:
    """The pods of cluster DNS, which all distributions label alike; none found says nothing."""
    pods = api.list(PODS, "kube-system", parameters=_DNS).items
    if not pods:
        return []
    ready = sum(_is_ready(pod) for pod in pods)
    return [PlaneCheck(name="dns", healthy=ready > 0, detail=f"{ready} of {len(pods)} pods ready")]


def _is_ready(pod: Object) -> bool:
    return any(
        text(condition, "type") == "Ready" and text(condition, "status") == "True"
        for condition in listed(mapping(pod, "status"), "conditions")
    )
