"""Kubernetes objects as a whole: who owns whom, which workload and service something is of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from connectors.kubernetes_json import (
    Object,
    controller,
    created,
    first,
    identity,
    later,
    mapping,
    text,
    texts,
)

SERVICE_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")
VERSION_LABELS = ("app.kubernetes.io/version", "version")
_COMMIT = "org.opencontainers.image.revision"

ServiceOf = Callable[[str, str | None], str | None]
"""Which service of the catalogue a namespace's workload is, if any."""


def no_catalogue(namespace: str, workload: str | None) -> str | None:  # noqa: ARG001 - the signature is the contract
    """Where no catalogue is given."""
    return None


class Objects:
    """The objects that existed by now."""

    def __init__(self, items: Iterable[Object], now: datetime, service_of: ServiceOf = no_catalogue) -> None:
        self.now = now
        self._service_of = service_of
        self._items = list(items)
        self._by_identity = {identity(item): item for item in self._items}
        self._by_kind: dict[str, list[Object]] = {}
        for item in self._items:
            if not later(created(item), now):
                self._by_kind.setdefault(text(item, "kind"), []).append(item)

    def of(self, *kinds: str) -> list[Object]:
        """The objects of these kinds, in the order given."""
        return [item for kind in kinds for item in self._by_kind.get(kind, ())]

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object of that name."""
        return self._by_identity.get((kind, namespace, name))

    def owners(self, child: Object) -> list[Object]:
        """The chain of controllers above an object; one that is not in the list ends it as a stub."""
        chain: list[Object] = []
        namespace = text(mapping(child, "metadata"), "namespace")
        while len(chain) < 5:
            reference = controller(mapping(chain[-1] if chain else child, "metadata"))
            if reference is None:
                break
            kind, name = text(reference, "kind"), text(reference, "name")
            stub: Object = {"kind": kind, "metadata": {"name": name, "namespace": namespace}}
            chain.append(self.find(kind, namespace, name) or stub)
        return chain

    def workload(self, child: Object) -> str | None:
        """`deployment/checkout`: the topmost controller; an absent one by what its ReplicaSet's name says."""
        owners = self.owners(child)
        if not owners:
            return None
        kind, name = text(owners[-1], "kind"), text(mapping(owners[-1], "metadata"), "name")
        hash_ = texts(mapping(child, "metadata"), "labels").get("pod-template-hash", "")
        if kind == "ReplicaSet" and hash_ and name.endswith(f"-{hash_}"):
            return f"deployment/{name.removesuffix(f'-{hash_}')}"
        return f"{kind.lower()}/{name}"

    def service(self, namespace: str, workload: str | None, labels: dict[str, str]) -> str | None:
        """The service that a workload is: the catalogue's name before the labels'."""
        return self._service_of(namespace, workload) or first(labels, SERVICE_LABELS)


def commit(objects: Iterable[Object]) -> str | None:
    """The commit that the first of the objects to know one was built from."""
    for item in objects:
        meta = mapping(item, "metadata")
        found = texts(meta, "annotations").get(_COMMIT) or texts(meta, "labels").get(_COMMIT)
        if found:
            return found
    return None
