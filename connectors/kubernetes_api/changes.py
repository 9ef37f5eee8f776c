"""What was changed in a cluster, by what its objects tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.answers import Change, ChangeKind, Rollout
from connectors.contract import Window
from connectors.kubernetes_json import Object, created, first, instant, listed, mapping, number, text, texts
from connectors.kubernetes_owners import VERSION_LABELS, Objects, commit
from connectors.kubernetes_revisions import Revision, Written, history, writers
from connectors.kubernetes_standing import WORKLOADS, configuration_users, values
from connectors.kubernetes_templates import shown
from connectors.redaction import redacted

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_MIGRATION = re.compile(r"migrat|alembic|flyway|liquibase|dbmate|goose", re.IGNORECASE)
_SCALED = re.compile(r"^Scaled (?:up|down) replica set (?P<name>\S{1,253})")
_SETTLING = timedelta(minutes=15)
_FOLDED = timedelta(minutes=10)
_ANSWERED = timedelta(minutes=1)
_MOST_SHOWN = 6
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Carried:
    """A change that Helm, Argo CD or Flux brought about, and the name that its workloads carry."""

    change: Change
    namespace: str
    release: str


def changes(objects: Objects, window: Window, carried: Sequence[Carried] = ()) -> tuple[Change, ...]:
    """Every change of the window that was known by now, by time."""
    rolled = list(_rolled_out(objects))
    found = [
        *folded([change for change, _ in rolled], carried, _released(objects)),
        *_settings(objects),
        *_edited(objects),
        *_scaled(objects, [(change, revision) for change, revision in rolled]),
        *_migrated(objects),
        *_nodes(objects),
    ]
    end = min(window.end, objects.now)
    within = {
        change.id: change
        for change in found
        if change.at <= end and max((change.at, *change.steps)) >= window.start
    }
    return tuple(sorted(within.values(), key=lambda change: (change.at, change.id)))


def _rolled_out(objects: Objects) -> Iterator[tuple[Change, Revision]]:
    pods = _pods_by_owner(objects)
    steps = _steps(objects)
    for revision, rollout in history(objects):
        if rollout.at is None:
            continue
        key = (rollout.namespace, revision.name)
        labels = texts(mapping(revision.template, "metadata"), "labels")
        yield (
            Change(
                id=f"{rollout.namespace}/{rollout.workload}@{rollout.revision or revision.name}",
                at=rollout.at,
                kind=_kind(rollout),
                service=rollout.service,
                summary=_summary(rollout),
                version=first(labels, VERSION_LABELS) or _tag(rollout.images),
                commit=rollout.commit,
                pods=tuple(sorted(pods.get(key, ()))),
                # What is scaled long afterwards is scaled, not rolled out.
                steps=tuple(at for at in steps.get(key, ()) if rollout.at <= at <= rollout.at + _SETTLING),
            ),
            revision,
        )


def _kind(rollout: Rollout) -> ChangeKind:
    """A new image is a deploy, a new setting is configuration, a restart is neither."""
    names = [line.split(" ", 1)[0] for line in rollout.differences]
    if not names or any(re.search(r"(?:^| )image ", line) for line in rollout.differences):
        return "deploy"
    return "other" if all(name == "restarted" for name in names) else "config"


def _summary(rollout: Rollout) -> str:
    said = "; ".join(rollout.differences) or "first revision that is kept"
    by = f" (by {rollout.author})" if rollout.author else ""
    return f"{rollout.workload}: {said}"[:_LONGEST] + by


def _tag(images: Sequence[str]) -> str | None:
    """The tag of the first image: what follows the last colon of its last part."""
    last = images[0].rsplit("/", 1)[-1].split("@", 1)[0] if images else ""
    return last.rsplit(":", 1)[1] if ":" in last else None


def _pods_by_owner(objects: Objects) -> dict[tuple[str, str], set[str]]:
    """The pods of each ReplicaSet and ControllerRevision, by namespace and name."""
    found: dict[tuple[str, str], set[str]] = {}
    for pod in objects.of("Pod"):
        meta = mapping(pod, "metadata")
        owners = objects.owners(pod)
        if not owners:
            continue
        owner, label = (
            text(mapping(owners[0], "metadata"), "name"),
            texts(meta, "labels").get("controller-revision-hash"),
        )
        # A StatefulSet's pods carry the revision's name, a DaemonSet's the end of it.
        names = {owner, label, f"{owner}-{label}"} if label else {owner}
        for name in names - {None}:
            found.setdefault((text(meta, "namespace"), str(name)), set()).add(text(meta, "name"))
    return found


def _steps(objects: Objects) -> dict[tuple[str, str], list[datetime]]:
    """When each ReplicaSet was scaled, by what the events still tell."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for event in objects.of("Event"):
        scaled = _SCALED.match(text(event, "message"))
        if scaled is not None and (at := happened(event, objects.now)) is not None:
            namespace = text(mapping(event, "involvedObject"), "namespace")
            found.setdefault((namespace, scaled["name"]), []).append(at)
    return {key: sorted(times) for key, times in found.items()}


def happened(event: Object, now: datetime) -> datetime | None:
    """When an event last happened by now."""
    named = ("lastTimestamp", "eventTime", "firstTimestamp")
    times = [at for name in named if (at := instant(event.get(name))) is not None and at <= now]
    return times[0] if times else None


def _settings(objects: Objects) -> Iterator[Change]:
    """Each write to a ConfigMap: the keys that it owns since."""
    users = configuration_users(objects)
    for item in objects.of("ConfigMap"):
        meta = mapping(item, "metadata")
        namespace, name = text(meta, "namespace"), text(meta, "name")
        if name == "kube-root-ca.crt" or _LEADER in texts(meta, "annotations"):
            continue
        served = {
            objects.service(namespace, workload, _labels(objects, namespace, workload))
            for workload in users.get((namespace, name), ())
        }
        for written in _writes(item, objects.now):
            yield Change(
                id=f"{namespace}/configmap/{name}@{written.at:%FT%TZ}",
                at=written.at,
                kind="config",
                service=next(iter(served)) if len(served) == 1 else None,
                summary=f"configmap {namespace}/{name}: {_written_keys(item, written)}"[:_LONGEST]
                + _by(written),
            )


def _writes(item: Object, now: datetime) -> list[Written]:
    """Who wrote the object; where nobody is named, its creation."""
    at = created(item)
    known = [each for each in writers(item) if each.at <= now]
    return known or ([Written(at, "", {})] if at is not None else [])


def _by(written: Written) -> str:
    return f" (by {redacted(written.manager)[:100]})" if written.manager else ""


def _written_keys(item: Object, written: Written) -> str:
    present = values(item)
    owned = {
        key.removeprefix("f:") for part in ("f:data", "f:binaryData") for key in mapping(written.fields, part)
    }
    keys = sorted(owned & present.keys()) if written.fields else sorted(present)
    was = _applied(item)
    lines = []
    for key in keys[:_MOST_SHOWN]:
        old, new = was.get(key), present[key]
        edited = old is not None and old != new
        lines.append(
            f"{key} {shown(key, old or '')} -> {shown(key, new)}" if edited else f"{key}={shown(key, new)}"
        )
    if len(keys) > _MOST_SHOWN:
        lines.append(f"and {len(keys) - _MOST_SHOWN} keys more")
    return "; ".join(lines) or "no key of its data"


def _applied(item: Object) -> dict[str, str]:
    """The data as it was last applied; what differs was edited since."""
    import json

    raw = texts(mapping(item, "metadata"), "annotations").get(_APPLIED, "")
    try:
        document = json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        return {}
    return texts(document, "data") if isinstance(document, dict) else {}


_EDITED = ("Service", "NetworkPolicy", "HorizontalPodAutoscaler", "ResourceQuota")


def _edited(objects: Objects) -> Iterator[Change]:
    """Writes to the specification of what stands around the workloads; controllers' own do not count."""
    for item in objects.of(*_EDITED):
        meta, kind = mapping(item, "metadata"), text(item, "kind").lower()
        name = f"{text(meta, 'namespace')}/{text(meta, 'name')}"
        for written in _writes(item, objects.now):
            fields = ", ".join(sorted(key.removeprefix("f:") for key in mapping(written.fields, "f:spec")))
            if written.manager.startswith("kube-") or (written.fields and not fields):
                continue
            yield Change(
                id=f"{text(meta, 'namespace')}/{kind}/{text(meta, 'name')}@{written.at:%FT%TZ}",
                at=written.at,
                kind="config",
                summary=f"{kind} {name}: written{f' ({fields[:200]})' if fields else ''}{_by(written)}",
            )


def _scaled(objects: Objects, rolled: Sequence[tuple[Change, Revision]]) -> Iterator[Change]:
    """An autoscaler's steps, and those of a Deployment that was not being rolled out."""
    rescaled = list(_rescaled(objects))
    yield from rescaled
    for event in objects.of("Event"):
        message, about = text(event, "message"), mapping(event, "involvedObject")
        scaled, at = _SCALED.match(message), happened(event, objects.now)
        if scaled is None or at is None or about.get("kind") != "Deployment":
            continue
        namespace, workload = text(about, "namespace"), f"deployment/{text(about, 'name')}"
        rollouts = [c.at for c, revision in rolled if c.id.startswith(f"{namespace}/{workload}@")]
        if any(began <= at <= began + _SETTLING for began in rollouts):
            continue
        service = objects.service(namespace, workload, _labels(objects, namespace, workload))
        by_autoscaler = (each.service == service and abs(each.at - at) <= _ANSWERED for each in rescaled)
        if not any(by_autoscaler):
            yield Change(
                id=f"{namespace}/{workload}/scale@{at:%FT%TZ}",
                at=at,
                kind="scale",
                service=service,
                summary=f"{workload}: {redacted(message)[:300]}",
            )


def _rescaled(objects: Objects) -> Iterator[Change]:
    for event in objects.of("Event"):
        about, at = mapping(event, "involvedObject"), happened(event, objects.now)
        if event.get("reason") != "SuccessfulRescale" or at is None:
            continue
        namespace, name = text(about, "namespace"), text(about, "name")
        scaler = objects.find("HorizontalPodAutoscaler", namespace, name) or {}
        target = mapping(scaler, "spec", "scaleTargetRef")
        workload = (
            f"{text(target, 'kind').lower()}/{text(target, 'name')}" if target else f"deployment/{name}"
        )
        yield Change(
            id=f"{namespace}/hpa/{name}@{at:%FT%TZ}",
            at=at,
            kind="scale",
            service=objects.service(namespace, workload, _labels(objects, namespace, workload)),
            summary=f"autoscaler {name}: {redacted(text(event, 'message'))[:300]}",
        )


def _migrated(objects: Objects) -> Iterator[Change]:
    """Jobs that migrate a database, by their name, image or command."""
    for job in objects.of("Job"):
        meta, at = mapping(job, "metadata"), created(job)
        containers = listed(mapping(job, "spec", "template", "spec"), "containers")
        told = [
            text(meta, "name"),
            *(str(c.get(part)) for c in containers for part in ("image", "command", "args")),
        ]
        if at is None or not any(_MIGRATION.search(each[:2_000]) for each in told):
            continue
        labels = {**texts(mapping(job, "spec", "template", "metadata"), "labels"), **texts(meta, "labels")}
        failed = number(mapping(job, "status"), "failed")
        images = tuple(text(container, "image") for container in containers)
        yield Change(
            id=f"{text(meta, 'namespace')}/job/{text(meta, 'name')}",
            at=at,
            kind="migration",
            service=objects.service(text(meta, "namespace"), f"job/{text(meta, 'name')}", labels),
            summary=f"job {text(meta, 'name')}: {', '.join(images)}"
            + (f", failed {failed} times" if failed else ""),
            version=_tag(images),
            commit=commit([mapping(job, "spec", "template"), job]),
        )


def _nodes(objects: Objects) -> Iterator[Change]:
    """Nodes that joined, and those that were cordoned."""
    for node in objects.of("Node"):
        name, at = text(mapping(node, "metadata"), "name"), created(node)
        if at is not None:
            yield Change(id=f"node/{name}", at=at, kind="infrastructure", summary=f"node {name} joined")
    for event in objects.of("Event"):
        at = happened(event, objects.now)
        if event.get("reason") == "NodeNotSchedulable" and at is not None:
            name = text(mapping(event, "involvedObject"), "name")
            yield Change(
                id=f"node/{name}/cordoned@{at:%FT%TZ}",
                at=at,
                kind="infrastructure",
                summary=f"node {name} cordoned",
            )


def _labels(objects: Objects, namespace: str, workload: str) -> dict[str, str]:
    """The labels by which a workload's service is known."""
    kind = next((each for each in WORKLOADS if workload.startswith(f"{each.lower()}/")), "")
    item = objects.find(kind, namespace, workload.partition("/")[2]) or {}
    template = mapping(item, "spec", "template", "metadata")
    return {**texts(template, "labels"), **texts(mapping(item, "metadata"), "labels")}


def _released(objects: Objects) -> dict[str, set[str]]:
    """Workloads (namespace/kind/name) by the names of the releases and applications that brought them."""
    found: dict[str, set[str]] = {}
    for item in objects.of(*WORKLOADS):
        meta = mapping(item, "metadata")
        labels, notes = texts(meta, "labels"), texts(meta, "annotations")
        name = f"{text(meta, 'namespace')}/{text(item, 'kind').lower()}/{text(meta, 'name')}"
        tracked = notes.get("argocd.argoproj.io/tracking-id", "").split(":", 1)[0]
        marks = (
            notes.get("meta.helm.sh/release-name"),
            labels.get("app.kubernetes.io/instance"),
            labels.get("argocd.argoproj.io/instance"),
            labels.get("kustomize.toolkit.fluxcd.io/name"),
            tracked.rsplit("_", 1)[-1],
        )
        for mark in marks:
            if mark:
                found.setdefault(mark, set()).add(name)
    return found


def folded(
    rolled: Sequence[Change], carried: Sequence[Carried], released: Mapping[str, set[str]]
) -> list[Change]:
    """Rollouts with what brought them: one change told twice is one change."""
    kept: list[Change] = list(rolled)
    for each in carried:
        mine = released.get(each.release, set())
        brought = [
            n
            for n, change in enumerate(kept)
            if change.id.rsplit("@", 1)[0] in mine
            and each.change.at - _FOLDED <= change.at <= each.change.at + _FOLDED
        ]
        for n in brought:
            summary = f"{kept[n].summary}; brought by {each.change.summary}"[: 2 * _LONGEST]
            kept[n] = kept[n].model_copy(update={"summary": summary})
        if not brought:
            kept.append(_of_one_service(each.change, rolled, mine))
    return kept


def _of_one_service(change: Change, rolled: Iterable[Change], mine: set[str]) -> Change:
    served = {each.service for each in rolled if each.id.rsplit("@", 1)[0] in mine and each.service}
    return change.model_copy(update={"service": next(iter(served))}) if len(served) == 1 else change
