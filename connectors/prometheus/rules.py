"""Alerting rules as the server holds them: what is compared, with what, and for how long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.prometheus.matrix import text_pairs

_COMPARED = re.compile(r"(==|!=|>=|<=|>|<)(?:\s*bool\b)?\s*([-+]?[\d._]+(?:[eE][-+]?\d+)?)\s*$")
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule; `hold_seconds` is its `for`."""

    name: str
    expression: str
    hold_seconds: float
    labels: Mapping[str, str]

    @property
    def measured(self) -> str:
        """What is compared: the expression less its last comparison with a number, else all of it."""
        found = self._comparison()
        return self.expression[: found.start()].strip() if found else self.expression

    @property
    def level(self) -> str | None:
        """The comparison, such as "> 0.4"; None where it is not one with a number."""
        found = self._comparison()
        return f"{found.group(1)} {found.group(2)}" if found else None

    def _comparison(self) -> re.Match[str] | None:
        found = _COMPARED.search(self.expression)
        return found if found and _whole(self.expression[: found.start()]) else None


def _whole(text: str) -> bool:
    """Whether an expression can stand alone: its brackets are closed, and it neither compares nor joins."""
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`", "", text)
    stack: list[str] = []
    top = []
    for each in bare:
        if each in "([{":
            stack.append(each)
        elif each in _PAIRS:
            if not stack or stack.pop() != _PAIRS[each]:
                return False
        elif not stack:
            top.append(each)
    # `a > 1 and b > 2`, `a or b > 2`: the last number compares with a part only.
    joined = re.search(r"\b(?:and|or|unless)\b|[=!<>]", "".join(top))
    return not stack and bool(text.strip()) and joined is None


def alert_rules(groups: Iterable[Any]) -> list[AlertRule]:
    """The alerting rules among the groups of /api/v1/rules."""
    listed = (group.get("rules") for group in groups if isinstance(group, dict))
    rules = (rule for each in listed if isinstance(each, list) for rule in each)
    return [found for rule in rules if (found := _rule(rule)) is not None]


def _rule(raw: Any) -> AlertRule | None:
    if not isinstance(raw, dict) or raw.get("type") != "alerting" or not isinstance(raw.get("query"), str):
        return None
    labels, hold = raw.get("labels"), raw.get("duration")
    return AlertRule(
        name=str(raw.get("name", "")),
        expression=raw["query"],
        hold_seconds=float(hold) if isinstance(hold, int | float) else 0.0,
        labels=labels if text_pairs(labels) else {},
    )


def rule_of(rules: Iterable[AlertRule], alert: str, labels: Mapping[str, str]) -> AlertRule | None:
    """The rule behind an alert: of several with its name the one whose labels are all the alert's."""
    named = [rule for rule in rules if rule.name == alert]
    fitting = [
        rule
        for rule in named
        if all(labels.get(n) in (v, None) for n, v in rule.labels.items() if "{{" not in v)
    ]
    best = fitting or named
    return (
        max(best, key=lambda rule: sum(labels.get(n) == v for n, v in rule.labels.items())) if best else None
    )
