"""Revisions of workloads: what each runs, when it came, and who brought it. Pure.

A Deployment's revisions are its ReplicaSets, the others' are ControllerRevisions (Kubernetes documentation,
"Deployments", "Checking Rollout History"). A rollback makes an old object the newest revision without
touching its creation time: it is then dated by what was written when it came back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connectors.answers import Rollout
from connectors.kubernetes_json import Object, created, instant, listed, mapping, number, text, texts
from connectors.kubernetes_owners import Objects, commit
from connectors.kubernetes_templates import differences, environment
from connectors.redaction import redacted

_REVISION = "deployment.kubernetes.io/revision"
_CAUSE = "kubernetes.io/change-cause"
SCALED_UP = "Scaled up replica set "


@dataclass(frozen=True)
class Revision:
    """One revision: the object that holds it, its workload and its pod template."""

    object: Object
    workload: str
    number: int
    template: Object
    owner: Object

    @property
    def name(self) -> str:
        """The object's name."""
        return text(mapping(self.object, "metadata"), "name")


def revisions(objects: Objects) -> dict[tuple[str, str], list[Revision]]:
    """The revisions of each workload (namespace, workload), oldest first."""
    found: dict[tuple[str, str], list[Revision]] = {}
    for item in objects.of("ReplicaSet", "ControllerRevision"):
        meta = mapping(item, "metadata")
        kind = "replicaset" if item.get("kind") == "ReplicaSet" else "controllerrevision"
        workload = objects.workload(item) or f"{kind}/{text(meta, 'name')}"
        owners = objects.owners(item)
        one = Revision(item, workload, _number(item), _template(item), owners[-1] if owners else {})
        found.setdefault((text(meta, "namespace"), workload), []).append(one)
    for key in found:
        found[key].sort(key=lambda each: (each.number, _stamp(created(each.object)), each.name))
    return found


def rollouts(objects: Objects) -> tuple[Rollout, ...]:
    """Every revision that is still kept, by workload and revision."""
    return tuple(rollout for _, rollout in history(objects))


def history(objects: Objects) -> list[tuple[Revision, Rollout]]:
    """Every revision with what it was, by workload and revision."""
    ups = _scaled_up(objects)
    found = []
    for (namespace, _), kept in sorted(revisions(objects).items()):
        for before, revision in zip((None, *kept), kept, strict=False):
            newest = revision is kept[-1]
            found.append((revision, _rollout(objects, namespace, (before, revision), newest, ups)))
    return found


def _rollout(
    objects: Objects,
    namespace: str,
    pair: tuple[Revision | None, Revision],
    newest: bool,
    ups: dict[tuple[str, str], list[datetime]],
) -> Rollout:
    before, revision = pair
    item, template = revision.object, revision.template
    meta = mapping(item, "metadata")
    labels = {**texts(meta, "labels"), **texts(mapping(template, "metadata"), "labels")}
    containers = listed(mapping(template, "spec"), "containers")
    dated = _dated(pair, newest, ups.get((namespace, revision.name), []))
    return Rollout(
        namespace=namespace,
        workload=revision.workload,
        service=objects.service(namespace, revision.workload, labels),
        revision=str(revision.number) if revision.number else "",
        at=None if dated is not None and dated > objects.now else dated,
        images=tuple(text(container, "image") for container in containers),
        commit=commit([template, item, *objects.owners(item)]),
        replicas=number(mapping(item, "spec"), "replicas"),
        environment=environment(containers[0]) if containers else (),
        author=_author(revision, newest, dated),
        differences=differences(before.template, template) if before is not None else (),
    )


def _dated(pair: tuple[Revision | None, Revision], newest: bool, ups: list[datetime]) -> datetime | None:
    """When the revision became the current one."""
    before, revision = pair
    at = created(revision.object)
    floor = created(before.object) if before is not None else None
    if at is None or floor is None or at >= floor:
        return at
    again = [up for up in ups if up >= floor]
    if again:
        return min(again)
    written = _template_written(revision.owner) if newest else None
    return written.at if written is not None and written.at >= floor else floor


def _author(revision: Revision, newest: bool, dated: datetime | None) -> str:
    """The change cause where someone gave one, else who last wrote the workload's pod template."""
    cause = texts(mapping(revision.object, "metadata"), "annotations").get(_CAUSE)
    if cause:
        return redacted(cause)[:200]
    written = _template_written(revision.owner) if newest else None
    # The controller answers within seconds; a template written later made no new revision.
    close = written is not None and dated is not None and abs((written.at - dated).total_seconds()) <= 60
    return redacted(written.manager)[:100] if written is not None and close else ""


@dataclass(frozen=True, slots=True)
class Written:
    """Who wrote fields of an object, and when (metadata.managedFields)."""

    at: datetime
    manager: str
    fields: Object


def writers(item: Object) -> list[Written]:
    """Everyone who wrote the object itself (not its status), oldest first."""
    found = [
        Written(at, text(entry, "manager"), mapping(entry, "fieldsV1"))
        for entry in listed(mapping(item, "metadata"), "managedFields")
        if (at := instant(entry.get("time"))) is not None and entry.get("subresource") != "status"
    ]
    return sorted(found, key=lambda each: (each.at, each.manager))


def _template_written(owner: Object) -> Written | None:
    wrote = [each for each in writers(owner) if mapping(each.fields, "f:spec", "f:template")]
    return wrote[-1] if wrote else None


def _template(item: Object) -> Object:
    if item.get("kind") == "ControllerRevision":
        return mapping(item, "data", "spec", "template")
    return mapping(item, "spec", "template")


def _number(item: Object) -> int:
    if item.get("kind") == "ControllerRevision":
        return number(item, "revision") or 0
    digits = texts(mapping(item, "metadata"), "annotations").get(_REVISION, "")
    return int(digits) if digits.isdecimal() and len(digits) < 12 else 0


def _scaled_up(objects: Objects) -> dict[tuple[str, str], list[datetime]]:
    """When each ReplicaSet was scaled up, by what the events still tell."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for event in objects.of("Event"):
        message = text(event, "message") or text(event, "note")
        if event.get("reason") != "ScalingReplicaSet" or not message.startswith(SCALED_UP):
            continue
        name = message.removeprefix(SCALED_UP).split(" ", 1)[0]
        about = mapping(event, "involvedObject") or mapping(event, "regarding")
        namespace = text(about, "namespace") or text(mapping(event, "metadata"), "namespace")
        found.setdefault((namespace, name), []).extend(_times(event, objects.now))
    return found


def _times(event: Object, now: datetime) -> Iterable[datetime]:
    named = (event.get("firstTimestamp"), event.get("eventTime"), event.get("lastTimestamp"))
    return [at for each in named if (at := instant(each)) is not None and at <= now]


def _stamp(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
