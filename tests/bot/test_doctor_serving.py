"""`firstcause doctor` on `serve:`: what works, and the setting that mends what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from tests.doubles import pagerduty as pager
from tests.doubles.serving import serving
from tests.doubles.slack import Slack, slack

SERVE = """
  changes_token: {env: TOLD}
  pagerduty:
    secrets: [{env: TOLD}]
    token: {env: KEY}
    notes: true
    email: EMAIL
    api: PAGERDUTY
  slack:
    bot_token: {env: BOT}
    app_token: {env: APP}
    api: SLACK
"""


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[pager.PagerDuty, str]]:
    account = pager.PagerDuty()
    with serving(account.app()) as url:
        yield account, url


@pytest.fixture(scope="module")
def workspace() -> Iterator[Slack]:
    with slack() as started:
        yield started


@pytest.fixture
def looked(
    account: tuple[pager.PagerDuty, str],
    workspace: Slack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRSTCAUSE_STORE", str(tmp_path / "store.db"))
    given = {"TOLD": "a-token-of-sixteen", "KEY": account[0].key}
    given |= {"BOT": workspace.bot_token, "APP": workspace.app_token}

    def look(email: str = "bot@shop.example", **changes: str) -> dict[str, dict[str, dict[str, str]]]:
        for name, value in (given | changes).items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
        text = SERVE.replace("EMAIL", email).replace("PAGERDUTY", account[1]).replace("SLACK", workspace.api)
        Path("firstcause.yaml").write_text(f"sources: [{{kind: changes}}]\nserve:{text}")
        cli.run(["doctor", "--json"])
        found = json.loads(capsys.readouterr().out)["sources"]
        return {each["source"]: {check["about"]: check for check in each["checks"]} for each in found}

    return look


def test_what_works_is_said_of_each(looked: Any) -> None:
    found = looked()
    about = {name: {key: check["state"] for key, check in checks.items()} for name, checks in found.items()}
    assert about == {
        "changes": {"told": "ok"},
        "serve": {"secrets": "ok"},
        "serve/pagerduty": {"readable": "ok", "notes": "ok"},
        "serve/slack": {"token": "ok", "scopes": "ok", "Socket Mode": "ok"},
    }


@pytest.mark.parametrize(
    ("changes", "source", "about", "says", "fix"),
    [
        ({"TOLD": ""}, "serve", "secrets", "TOLD is not set", "where `firstcause serve` runs"),
        ({"TOLD": "tiny-one"}, "serve", "secrets", "changes_token, pagerduty.secrets", "openssl rand"),
        ({"KEY": "wrong-key"}, "serve/pagerduty", "readable", "401", "serve.pagerduty.token"),
        ({"email": "x@y.example"}, "serve/pagerduty", "notes", "no user", "serve.pagerduty.email"),
        ({"BOT": "xoxb-wrong"}, "serve/slack", "token", "serve.slack.bot_token", "serve.slack.bot_token"),
        ({"APP": "xapp-wrong"}, "serve/slack", "Socket Mode", "invalid_auth", "connections:write"),
    ],
)
def test_what_does_not_work_is_said_with_the_setting_that_mends_it_and_without_its_secret(
    looked: Any, changes: dict[str, str], source: str, about: str, says: str, fix: str
) -> None:
    check = looked(**changes)[source][about]
    assert check["state"] == "failed"
    assert says in check["found"]
    assert fix in check["fix"]
    assert not any(value in json.dumps(check) for value in changes.values() if value)
