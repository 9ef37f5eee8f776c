"""Helm's release history, kept in Secrets: which chart came when, and what its values changed.

Read only where it was switched on: a release's Secret holds its values. From labels alone ("metadata") no
value ever leaves the API server. Format: base64 of gzip of JSON, inside of the Secret's own base64
(helm.sh/helm, pkg/storage/driver).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from connectors.answers import Change
from connectors.governor import SourceFailedError
from connectors.kubernetes_api.api import Api
from connectors.kubernetes_api.changes import Carried
from connectors.kubernetes_api.gathering import Namespaces
from connectors.kubernetes_api.resources import SECRETS, Grant
from connectors.kubernetes_json import Object, created, mapping, text, texts
from connectors.kubernetes_templates import REDACTED, plain, shown
from connectors.redaction import redacted

HelmMode = Literal["off", "metadata", "values"]
_SELECTORS = (("labelSelector", "owner=helm"), ("fieldSelector", "type=helm.sh/release.v1"))
_MOST_BYTES = 32 * 1024 * 1024
_MOST_OPENED = 20
_MOST_DIFFERENCES = 12


@dataclass(frozen=True, slots=True)
class Release:
    """One revision of a release, as its Secret's labels tell it."""

    namespace: str
    secret: str
    name: str
    version: int
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What could be read, and what could not."""

    carried: tuple[Carried, ...] = ()
    notes: tuple[str, ...] = ()


def history(api: Api, namespaces: Namespaces, mode: HelmMode, span: tuple[datetime, datetime]) -> History:
    """The releases of the time; with `mode` "values" also what changed in their values."""
    releases: list[Release] = []
    notes: list[str] = []
    for namespace in namespaces:
        try:
            listing = api.list(SECRETS, namespace, parameters=_SELECTORS, metadata=True)
        except SourceFailedError as failure:
            notes.append(f"partly: Helm: {failure.reason}")
            continue
        releases += (release for item in listing.items if (release := _release(item)) is not None)
    known = {(each.namespace, each.name, each.version): each for each in releases}
    carried = []
    recent = sorted(
        (each for each in releases if span[0] <= each.at <= span[1]), key=lambda each: each.at, reverse=True
    )
    for n, release in enumerate(recent):
        before = known.get((release.namespace, release.name, release.version - 1))
        said, version = "", None
        if mode == "values" and n < _MOST_OPENED:
            try:
                said, version = _opened(api, before, release)
            except SourceFailedError as failure:
                notes.append(f"partly: Helm: {failure.reason}")
        carried.append(_carried(release, said, version))
    return History(tuple(carried), tuple(dict.fromkeys(notes)))


def _release(item: Object) -> Release | None:
    meta = mapping(item, "metadata")
    labels = texts(meta, "labels")
    version, modified = labels.get("version", ""), labels.get("modifiedAt", "")
    at = created(item)
    # createdAt is the first writing; modifiedAt also moves when a release is superseded.
    if labels.get("status") in {"deployed", "failed"} and modified.isdecimal() and len(modified) < 12:
        at = datetime.fromtimestamp(int(modified), UTC)
    if not version.isdecimal() or len(version) > 9 or at is None:
        return None
    return Release(
        text(meta, "namespace"),
        text(meta, "name"),
        labels.get("name", ""),
        int(version),
        labels.get("status", ""),
        at,
    )


def _carried(release: Release, said: str, version: str | None) -> Carried:
    told = f": {said}" if said else ""
    state = (
        f", {release.status}" if release.status in {"failed", "pending-upgrade", "pending-rollback"} else ""
    )
    return Carried(
        Change(
            id=f"{release.namespace}/helm/{release.name}@{release.version}",
            at=release.at,
            kind="deploy",
            summary=f"helm release {redacted(release.name)} revision {release.version}{state}{told}",
            version=version,
        ),
        release.namespace,
        release.name,
    )


def _opened(api: Api, before: Release | None, release: Release) -> tuple[str, str | None]:
    """What changed against the revision before, and the application's version."""
    new = _fetched(api, release)
    old = _fetched(api, before) if before is not None else {}
    chart, was = _chart(new), _chart(old)
    lines = [f"chart {was} -> {chart}" if was and was != chart else f"chart {chart}"]
    lines += list(_value_differences(old, new)) if old else []
    description = redacted(text(mapping(new, "info"), "description"))[:120]
    if description and not description.endswith(("complete", "completed")):
        lines.append(description)
    return "; ".join(lines), text(mapping(new, "chart", "metadata"), "appVersion") or None


def _chart(document: Object) -> str:
    meta = mapping(document, "chart", "metadata")
    return redacted(f"{text(meta, 'name')}-{text(meta, 'version')}") if meta else ""


def _fetched(api: Api, release: Release) -> Object:
    path = f"/api/v1/namespaces/{release.namespace}/secrets/{release.secret}"
    secret = api.get(path, grant=Grant("get", "", "secrets", release.namespace)).json()
    return decoded(text(mapping(secret, "data"), "release"))


def decoded(data: str) -> Object:
    """A release as JSON, from the field of its Secret.

    Raises:
        SourceFailedError: it is none, or too large.
    """
    try:
        packed = base64.b64decode(base64.b64decode(data, validate=True), validate=True)
        inflater = zlib.decompressobj(wbits=31)
        plain_bytes = inflater.decompress(packed, _MOST_BYTES) if packed[:2] == b"\x1f\x8b" else packed
        if inflater.unconsumed_tail:
            raise SourceFailedError("a Helm release is larger than is read", counts=False)
        document = json.loads(plain_bytes)
    except (ValueError, RecursionError, binascii.Error, zlib.error) as error:
        raise SourceFailedError("a Helm release cannot be read", counts=False) from error
    return document if isinstance(document, dict) else {}


def _value_differences(old: Object, new: Object) -> Iterator[str]:
    """The values that changed, the chart's defaults overlaid with the user's; secrets are only named."""
    before, after = (_values(each) for each in (old, new))
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    for name in changed[:_MOST_DIFFERENCES]:
        was, now = before.get(name), after.get(name)
        hidden = any(_secret(name, value) for value in (was, now) if value)
        if hidden:
            yield f"{name} changed"
        else:
            yield f"{name} {shown(name, was or 'unset')} -> {shown(name, now or 'unset')}"
    if len(changed) > _MOST_DIFFERENCES:
        yield f"and {len(changed) - _MOST_DIFFERENCES} values more"


def _secret(path: str, value: str) -> bool:
    """A value is a secret by any part of its path, and by its own looks."""
    named = any(plain(part, value) == REDACTED for part in path.split("."))
    return named or redacted(value) != value or (len(value) >= 20 and _random(value))


def _random(value: str) -> bool:
    """Long runs of mixed letters and digits without a separator are keys more often than settings."""
    runs = max(
        (len(run) for run in value.replace("-", " ").replace("/", " ").replace(".", " ").split()), default=0
    )
    return runs >= 20 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def _values(document: Object) -> dict[str, str]:
    """The values in force by their paths: the user's before the chart's own."""
    defaults, given = mapping(document, "chart", "values"), mapping(document, "config")
    return {**dict(_flat(defaults)), **dict(_flat(given))}


def _flat(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < 12:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list) and depth < 12:
        for n, inner in enumerate(value[:200]):
            yield from _flat(inner, f"{path}[{n}]", depth + 1)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)
