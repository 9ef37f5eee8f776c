"""Gathers many kinds of objects side by side; a kind that cannot be read is named, and the rest is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from connectors.governor import SourceFailedError
from connectors.kubernetes_api.api import AbsentError, Api
from connectors.kubernetes_api.resources import Resource
from connectors.kubernetes_json import Object

Namespaces = tuple[str | None, ...]
"""The namespaces to read; (None,) is the whole cluster."""


@dataclass(slots=True)
class Gathered:
    """The objects that could be read, and why others could not, by kind."""

    items: list[Object] = field(default_factory=list)
    failures: dict[str, list[SourceFailedError]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)

    @property
    def unread(self) -> tuple[str, ...]:
        """The kinds of which not all was read."""
        return tuple(dict.fromkeys((*self.failures, *self.cut)))

    def notes(self) -> tuple[str, ...]:
        """One line for each thing that limits the answer."""
        lines = [f"partly: {kind}: {each.reason}" for kind, all_ in self.failures.items() for each in all_]
        lines += [f"partly: {kind}: more objects than are read" for kind in self.cut]
        return tuple(dict.fromkeys(lines))

    def failed(self, kind: str) -> SourceFailedError | None:
        """Why nothing at all is known of a kind; None where something is."""
        failures = self.failures.get(kind)
        if failures is None or any(item.get("kind") == kind for item in self.items):
            return None
        return failures[0]


def gather(
    api: Api, resources: Sequence[Resource], namespaces: Namespaces, *, optional: Sequence[Resource] = ()
) -> Gathered:
    """All objects of these kinds. Of an optional kind, absence is no failure.

    Takes no longer than three time-outs of a request: what has not begun by then is not begun.
    """
    deadline = time.monotonic() + 2 * api.limits.timeout_seconds
    jobs = [
        (each, namespace)
        for each in (*resources, *optional)
        for namespace in (namespaces if each.namespaced else (None,))
    ]

    def one(job: tuple[Resource, str | None]) -> tuple[Sequence[Object], bool] | SourceFailedError:
        if time.monotonic() > deadline:
            return SourceFailedError("not asked: the time for this question was used up", retry=True)
        try:
            listing = api.list(*job)
        except SourceFailedError as failure:
            return failure
        return listing.items, listing.cut

    with ThreadPoolExecutor(api.limits.concurrent, thread_name_prefix="kubernetes") as pool:
        replies = list(pool.map(one, jobs))
    gathered = Gathered()
    for (resource, _), reply in zip(jobs, replies, strict=True):
        _add(gathered, resource, reply, optional=resource in optional)
    return gathered


def _add(
    gathered: Gathered,
    resource: Resource,
    reply: tuple[Sequence[Object], bool] | SourceFailedError,
    *,
    optional: bool,
) -> None:
    if not isinstance(reply, SourceFailedError):
        gathered.items += reply[0]
        if reply[1]:
            gathered.cut.append(resource.kind)
    elif not (optional and isinstance(reply, AbsentError)):
        gathered.failures.setdefault(resource.kind, []).append(reply)
