"""Label and field selectors, as the API server parses and applies them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.doubles.kube.kinds import Kind

Object = dict[str, Any]
_SET = re.compile(r"^(?P<key>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_PLAIN = re.compile(r"^(?P<not>!)?(?P<key>[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*))?$")


class SelectorError(ValueError):
    """The selector is not one; the message is the server's."""


def by_labels(selector: str) -> Callable[[Object], bool]:
    requirements = [_requirement(each.strip()) for each in _split(selector)]
    return lambda item: all(holds(item["metadata"].get("labels") or {}) for holds in requirements)


def _split(selector: str) -> list[str]:
    """At commas that stand outside of parentheses."""
    if selector.count("(") != selector.count(")"):
        raise SelectorError("unable to parse requirement: found '', expected: ',', ')' or identifier")
    return [each for each in re.split(r",(?![^(]*\))", selector) if each.strip()]


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    within = _SET.match(text)
    if within is not None:
        key, values = within["key"], {each.strip() for each in within["values"].split(",")}
        if within["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    plain = _PLAIN.match(text)
    if plain is None:
        raise SelectorError(f"unable to parse requirement: {text!r}")
    key, operator, value = plain["key"], plain["op"], plain["value"]
    if operator is None:
        return lambda labels: (key in labels) is (plain["not"] is None)
    if operator == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def by_fields(selector: str, kind: Kind) -> Callable[[Object], bool]:
    tests = []
    for each in filter(None, selector.split(",")):
        found = re.match(r"^([\w.]+)(==|=|!=)(.*)$", each)
        if found is None:
            raise SelectorError(f"invalid field selector: {each}")
        name, operator, value = found[1], found[2], found[3]
        if name not in {"metadata.name", "metadata.namespace", *kind.fields}:
            raise SelectorError(f"field label not supported: {name}")
        tests.append((name, operator == "!=", value))
    return lambda item: all((_field(item, name) == value) is not negated for name, negated, value in tests)


def _field(item: Object, path: str) -> str:
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if path == "source" and isinstance(value, dict):
        value = value.get("component")
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
