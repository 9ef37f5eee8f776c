"""The double's store: every version of every object, so that a paged list and a watch are consistent.

As etcd does it: one counter of versions, and a point of compaction behind which nothing is told any more.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types

from tests.doubles.kube.kinds import CUSTOM, KINDS, Kind

Object = dict[str, Any]
VALIDATED = "1.36"


@dataclass(frozen=True)
class Event:
    """One change, for a watch."""

    version: int
    type: str
    kind: Kind
    object: Object


class Store:
    """Objects by kind, namespace and name."""

    def __init__(self, kinds: tuple[Kind, ...] = KINDS) -> None:
        self.kinds = kinds
        self.version = 100
        self.compacted = 0
        self.events: list[Event] = []
        self.logs: dict[tuple[str, str, str, bool], list[tuple[datetime, str]]] = {}
        self.changed = threading.Condition()
        self._objects: dict[tuple[Kind, str, str], list[tuple[int, Object | None]]] = {}

    def kind_of(self, item: Object) -> Kind:
        version = item["apiVersion"]
        return next(k for k in self.kinds if k.kind == item["kind"] and k.group_version == version)

    def put(self, *items: Object, recorded: bool = False) -> None:
        """Create or replace objects; `recorded` ones bring the version that a real server gave them."""
        for item in items:
            self._put(copy.deepcopy(item), recorded=recorded)

    def _put(self, item: Object, *, recorded: bool) -> None:
        kind = self.kind_of(item)
        if kind not in CUSTOM:
            kubernetes_validate.validate(item, VALIDATED, strict=True)
        meta = item["metadata"]
        namespace = meta.get("namespace", "") if kind.namespaced else ""
        with self.changed:
            if recorded:
                self.version = max(self.version, int(meta["resourceVersion"]))
            else:
                self.version += 1
                meta["resourceVersion"] = str(self.version)
                meta.setdefault(
                    "uid", str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{namespace}/{meta['name']}"))
                )
                meta.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
            versions = self._objects.setdefault((kind, namespace, meta["name"]), [])
            existed = bool(versions) and versions[-1][1] is not None
            versions.append((int(meta["resourceVersion"]), item))
            self.events.append(Event(self.version, "MODIFIED" if existed else "ADDED", kind, item))
            self.changed.notify_all()

    def delete(self, kind: Kind, namespace: str, name: str) -> Object | None:
        with self.changed:
            found = self.get(kind, namespace, name)
            if found is None:
                return None
            self.version += 1
            gone = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
            self._objects[(kind, namespace, name)].append((self.version, None))
            self.events.append(Event(self.version, "DELETED", kind, gone))
            self.changed.notify_all()
            return found

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        versions = self._objects.get((kind, namespace if kind.namespaced else "", name))
        return versions[-1][1] if versions else None

    def listed(
        self,
        kind: Kind,
        namespace: str | None,
        at: int | None = None,
        wanted: Callable[[Object], bool] | None = None,
    ) -> list[Object]:
        """The objects in the order of their keys, as they were at a version."""
        found = []
        for (of, space, name), versions in self._objects.items():
            if of is kind and (namespace is None or space == namespace):
                seen = [item for version, item in versions if at is None or version <= at]
                if seen and seen[-1] is not None and (wanted is None or wanted(seen[-1])):
                    found.append((space, name, seen[-1]))
        return [item for _, _, item in sorted(found, key=lambda each: each[:2])]

    def compact(self) -> None:
        """Forget all versions before this one."""
        with self.changed:
            self.compacted = self.version
