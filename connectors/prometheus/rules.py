"""Alerting rules as the server holds them: what is compared, with what, and for how long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
    found = []
    for group in groups:
        for rule in (group.get("rules") or []) if isinstance(group, dict) else []:
            if isinstance(rule, dict) and rule.get("type") == "alerting" and rule.get("query"):
                labels = rule.get("labels")
                found.append(
                    AlertRule(
                        str(rule.get("name", "")),
                        str(rule["query"]),
                        float(rule.get("duration") or 0.0),
                        labels if isinstance(labels, dict) else {},
                    )
                )
    return found


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
