"""Objects of any shape are read as far as they go: nothing they hold raises, or comes from after now."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.codec import decode, encode
from connectors.contract import Window
from connectors.kubernetes_api.api import Answer
from connectors.kubernetes_api.changes import changes
from connectors.kubernetes_api.gitops import carried
from connectors.kubernetes_objects import read_cluster
from connectors.kubernetes_owners import Objects
from tests.doubles.kube.shop import NOW, meta, shop, stamp

Object = dict[str, Any]
Place = tuple[int, tuple[Any, ...]]
HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
ODD: tuple[object, ...] = (
    None, True, -1, 10**400, float("nan"), "", "x" * 9_000, "\ud83d", "9999-12-31T23:59:59-01:00", stamp(-5),
    [], {}, [None], [[]], [{}], {"a": 1}, {"f:data": 3}, "Scaled up replica set ", "[+]x",
)  # fmt: skip
GITOPS: list[Object] = [
    {
        "kind": "Application",
        "metadata": meta("app", 100),
        "status": {"history": [{"id": 1, "revision": "r", "deployedAt": stamp(5)}]},
    },
    {
        "kind": "Kustomization",
        "metadata": meta("app", 100),
        "status": {"history": [{"metadata": {"revision": "r"}, "firstReconciled": stamp(5)}]},
    },
    {
        "kind": "HelmRelease",
        "metadata": meta("app", 100),
        "status": {"history": [{"chartName": "c", "version": 2, "lastDeployed": stamp(5)}]},
    },
    {"kind": "Job", "metadata": meta("migrate", 5), "spec": {"template": {"spec": {"containers": [{}]}}}},
]


def test_half_a_character_is_not_passed_on() -> None:
    body = b'{"half": "\\ud83d!", "whole": "\\ud83d\\ude00", "plain": "\\\\ud"}'
    assert Answer(body).json() == {"half": "?!", "whole": "\U0001f600", "plain": "\\ud"}


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every field of an object, at any depth."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for step, inner in steps:
        found += places(inner, (*path, step))
    return found


SOUND: list[Object] = [*shop(), *GITOPS]
PLACES = [(n, path) for n, item in enumerate(SOUND) for path in places(item)]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), max_size=6))
def test_whatever_a_field_holds_the_rest_is_read(
    broken: list[tuple[tuple[int, tuple[Any, ...]], object]],
) -> None:
    items = copy.deepcopy(SOUND)
    for (n, path), odd in broken:
        inner: Any = items[n]
        for step in path[:-1]:
            inner = inner[step] if isinstance(inner, dict | list) and _has(inner, step) else {}
        if _has(inner, path[-1]):
            inner[path[-1]] = odd
    objects = Objects(items, NOW)
    told = changes(objects, HOUR, carried(objects))
    state = read_cluster(items, NOW)
    assert all(max((each.at, *each.steps)) <= NOW for each in told)
    assert all(event.at <= NOW for event in state.events)
    assert decode(encode(state)) == state


def _has(inner: object, step: Any) -> bool:
    if isinstance(inner, dict):
        return step in inner
    return isinstance(inner, list) and isinstance(step, int) and step < len(inner)
