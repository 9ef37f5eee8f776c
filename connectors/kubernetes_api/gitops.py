"""What Argo CD and Flux tell of the revisions they brought into the cluster. Pure.

Argo CD: status.history of an Application (Argo CD documentation, "Application Specification"). Flux:
status.history of a HelmRelease (helm.toolkit.fluxcd.io/v2); of a Kustomization status.history where it is
kept, else its Ready condition and status.lastAppliedRevision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.answers import Change
from connectors.kubernetes_api.changes import Carried
from connectors.kubernetes_json import Object, instant, listed, mapping, text
from connectors.kubernetes_owners import Objects
from connectors.redaction import redacted

_COMMIT = re.compile(r"(?:^|[:@/])(?P<sha>[0-9a-f]{40})$")


def carried(objects: Objects) -> list[Carried]:
    """Every revision that Argo CD and Flux still tell of."""
    return [*_argo(objects), *_flux_kustomizations(objects), *_flux_releases(objects)]


def _argo(objects: Objects) -> Iterator[Carried]:
    for item in objects.of("Application"):
        meta, status = mapping(item, "metadata"), mapping(item, "status")
        name = text(meta, "name")
        target = text(mapping(item, "spec", "destination"), "namespace")
        before = ""
        for entry in listed(status, "history"):
            revision, at = _revision(entry), instant(entry.get("deployedAt"))
            if at is not None and at <= objects.now:
                by = text(mapping(entry, "initiatedBy"), "username")
                yield Carried(
                    Change(
                        id=f"{text(meta, 'namespace')}/argocd/{name}@{text(entry, 'id') or revision}",
                        at=at,
                        kind="deploy",
                        summary=_told("argo cd application", name, (before, revision), by),
                        commit=_sha(revision),
                    ),
                    target,
                    name,
                )
            before = revision


def _revision(entry: Object) -> str:
    """The revision of one source, or of several joined."""
    several = entry.get("revisions")
    if isinstance(several, list) and several:
        return " + ".join(str(each) for each in several[:5])
    return text(entry, "revision")


def _flux_kustomizations(objects: Objects) -> Iterator[Carried]:
    for item in objects.of("Kustomization"):
        meta, status = mapping(item, "metadata"), mapping(item, "status")
        name = text(meta, "name")
        told = [
            (text(mapping(entry, "metadata"), "revision"), instant(entry.get("firstReconciled")))
            for entry in listed(status, "history")
        ]
        ready = next((c for c in listed(status, "conditions") if c.get("type") == "Ready"), {})
        if not told and ready.get("status") == "True":
            told = [(text(status, "lastAppliedRevision"), instant(ready.get("lastTransitionTime")))]
        for revision, at in told:
            if revision and at is not None and at <= objects.now:
                yield Carried(
                    Change(
                        id=f"{text(meta, 'namespace')}/flux/{name}@{revision}",
                        at=at,
                        kind="deploy",
                        summary=_told("flux kustomization", name, ("", revision), ""),
                        commit=_sha(revision),
                    ),
                    text(mapping(item, "spec"), "targetNamespace") or text(meta, "namespace"),
                    name,
                )


def _flux_releases(objects: Objects) -> Iterator[Carried]:
    for item in objects.of("HelmRelease"):
        meta, status = mapping(item, "metadata"), mapping(item, "status")
        name = text(meta, "name")
        entries = sorted(listed(status, "history"), key=lambda entry: text(entry, "lastDeployed"))
        before = ""
        for entry in entries:
            at = instant(entry.get("lastDeployed"))
            chart = f"{text(entry, 'chartName')}-{text(entry, 'chartVersion')}"
            if at is not None and at <= objects.now:
                state = text(entry, "status")
                yield Carried(
                    Change(
                        id=f"{text(meta, 'namespace')}/flux-helm/{name}@{text(entry, 'version')}",
                        at=at,
                        kind="deploy",
                        summary=_told("flux helm release", name, (before, chart), "")
                        + (f", {state}" if state and state != "deployed" else ""),
                        version=text(entry, "appVersion") or text(entry, "chartVersion") or None,
                    ),
                    text(entry, "namespace") or text(meta, "namespace"),
                    text(entry, "name") or name,
                )
            before = chart


def _told(what: str, name: str, revisions: tuple[str, str], by: str) -> str:
    before, after = (redacted(each)[:120] for each in revisions)
    step = f"{before} -> {after}" if before and before != after else after
    return f"{what} {name}: {step}" + (f" (by {redacted(by)[:80]})" if by else "")


def _sha(revision: str) -> str | None:
    found = _COMMIT.search(revision)
    return found["sha"] if found else None
