"""Reads fields of Kubernetes objects that may be of any shape: an odd one is absent, never an error. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

Object = dict[str, object]

_QUANTITY = re.compile(r"^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})$")
_UNITS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def mapping(item: Object, *path: str) -> Object:
    """The object at a path of field names, or an empty one."""
    for name in path:
        value = item.get(name)
        item = value if isinstance(value, dict) else {}
    return item


def listed(item: Object, name: str) -> list[Object]:
    """The objects of a list field."""
    value = item.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text(item: Object, name: str) -> str:
    """A field as text, empty where it is absent."""
    value = item.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def texts(item: Object, name: str) -> dict[str, str]:
    """A field that maps names to texts."""
    return {key: value for key, value in mapping(item, name).items() if isinstance(value, str)}


def number(item: Object, name: str) -> int | None:
    """A whole number of a size that the API knows, or None."""
    value = item.get(name)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if isinstance(value, int) and whole else None


def first(labels: Mapping[str, str], names: Iterable[str]) -> str | None:
    """The value of the first of the names that has one."""
    return next((labels[name] for name in names if labels.get(name)), None)


def instant(value: object) -> datetime | None:
    """A time of the API (RFC 3339) in UTC, or None."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def created(item: Object) -> datetime | None:
    """When the object was created."""
    return instant(mapping(item, "metadata").get("creationTimestamp"))


def later(at: datetime | None, now: datetime) -> bool:
    """Whether it lies after now; what has no time does not."""
    return at is not None and at > now


def quantity(value: object) -> float | None:
    """A Kubernetes quantity (`500m`, `128Mi`) as a number; None where it is none."""
    found = _QUANTITY.match(str(value)) if isinstance(value, str | int | float) else None
    if found is None or found[2] not in _UNITS:
        return None
    try:
        return float(found[1]) * _UNITS[found[2]]
    except ValueError:
        return None


def controller(meta: Object) -> Object | None:
    """The reference to the controller above an object."""
    references = listed(meta, "ownerReferences")
    return next((r for r in references if r.get("controller")), references[0] if references else None)


def identity(item: Object) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    meta = mapping(item, "metadata")
    return (text(item, "kind"), text(meta, "namespace"), text(meta, "name"))


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels and matchExpressions) matches; an empty one matches all."""
    wanted = texts(selector, "matchLabels")
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(each, labels) for each in listed(selector, "matchExpressions")
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    values = expression.get("values")
    among = labels.get(key) in values if isinstance(values, list) else False
    return {
        "In": key in labels and among,
        "NotIn": not among,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(operator, False)
