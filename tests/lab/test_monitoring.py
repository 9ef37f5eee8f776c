from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.lab import programs
from tests.lab.monitoring import Levels, rules

PROMTOOL = programs.find("promtool")


@pytest.mark.live
@pytest.mark.skipif(PROMTOOL is None, reason="not installed: promtool")
def test_prometheus_own_tool_accepts_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(rules(Levels())))
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_alert_names_what_a_person_would_read() -> None:
    (_, pages) = yaml.safe_load(yaml.safe_dump(rules(Levels())))["groups"]
    for rule in pages["rules"]:
        assert {"summary", "description", "runbook_url"} <= set(rule["annotations"])


def test_the_level_in_the_summary_is_the_level_of_the_rule() -> None:
    (_, pages) = yaml.safe_load(yaml.safe_dump(rules(Levels(latency_seconds=0.25))))["groups"]
    (rule,) = [rule for rule in pages["rules"] if rule["alert"] == "CheckoutLatencyHigh"]
    assert rule["expr"].endswith("> 0.25")
    assert rule["annotations"]["summary"] == "checkout p99 latency above 250 ms"
