from __future__ import annotations

import pytest

from connectors.prometheus.rules import AlertRule, alert_rules, rule_of


def rule(expression: str, **labels: str) -> AlertRule:
    return AlertRule("A", expression, 60.0, labels)


@pytest.mark.parametrize(
    ("expression", "measured", "level"),
    [
        ("up == 0", "up", "== 0"),
        ('p99{service="a"} > 0.4', 'p99{service="a"}', "> 0.4"),
        ("sum(rate(x[5m])) / sum(rate(y[5m])) >= 5e-2", "sum(rate(x[5m])) / sum(rate(y[5m]))", ">= 5e-2"),
        ('x{path=~"a > 1"} < -3', 'x{path=~"a > 1"}', "< -3"),
        ("(a > 1 and b) > bool 2", "(a > 1 and b)", "> 2"),
    ],
)
def test_what_is_compared_is_told_from_its_level(expression: str, measured: str, level: str) -> None:
    assert (rule(expression).measured, rule(expression).level) == (measured, level)


@pytest.mark.parametrize(
    "expression",
    ["a > 1 and b > 2", "absent(up)", "a > on(x) b", "a or b > 3", "max(a > 3", "> 3", "a > 1 > 2"],
)
def test_what_is_no_single_comparison_is_measured_whole(expression: str) -> None:
    assert (rule(expression).measured, rule(expression).level) == (expression, None)


def test_of_several_rules_the_one_with_the_alerts_labels_is_meant() -> None:
    page, warn = rule("a > 1", severity="page"), rule("a > 0", severity="warning")
    assert rule_of([warn, page], "A", {"severity": "page", "pod": "x"}) is page
    assert rule_of([warn, page], "B", {}) is None


def test_groups_that_are_not_as_expected_give_no_rules() -> None:
    groups = [None, {}, {"rules": None}, {"rules": [1, {"type": "recording", "query": "x"}]}]
    assert alert_rules(groups) == []
