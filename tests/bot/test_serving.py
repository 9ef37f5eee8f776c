"""`firstcause serve` as a process: told changes are kept, a stop is graceful, bad settings are one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

TOKEN = "a-token-of-sixteen"
TOLD = {"id": "d-1", "kind": "flag", "service": "cart", "summary": "new-cart on"}
CONFIGURATION = """sources:
  - kind: changes
serve:
  changes_token: {env: CHANGES_TOKEN}
store: firstcause.db
"""


def _environment(tmp_path: Path, token: str = TOKEN) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHANGES_TOKEN": token}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bot.commands", *arguments]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "firstcause.yaml"
    path.write_text(CONFIGURATION)
    return path


@contextmanager
def _served(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        _command("serve", "--config", str(config), "--listen", f"127.0.0.1:{port}"),
        env=_environment(config.parent),
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(400):
            try:
                httpx.get(f"{url}/healthz").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def test_a_change_that_was_told_to_the_process_outlives_it_and_a_stop_is_graceful(config: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with _served(config) as (process, url):
        assert httpx.post(f"{url}/changes", json=TOLD, headers=headers).status_code == 202
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with _served(config) as (_, url):
        assert httpx.post(f"{url}/changes", json=TOLD, headers=headers).json()["new"] is False


@pytest.mark.parametrize(
    ("text", "token", "arguments", "says"),
    [
        (
            CONFIGURATION.replace("  changes_token: {env: CHANGES_TOKEN}\n", "  listen: 127.0.0.1:1\n"),
            TOKEN,
            (),
            "nobody could be heard",
        ),
        (CONFIGURATION, "short", (), "16 characters"),
        (CONFIGURATION, TOKEN, ("--listen", "nowhere"), "HOST:PORT"),
        (
            CONFIGURATION.replace("changes_token: {env: CHANGES_TOKEN}", "changes_token: written-out-in-it"),
            TOKEN,
            (),
            "changes_token",
        ),
    ],
)
def test_settings_that_do_not_do_are_one_line_that_says_what_to_write(
    config: Path, text: str, token: str, arguments: tuple[str, ...], says: str
) -> None:
    config.write_text(text)
    done = subprocess.run(
        _command("serve", "--config", str(config), *arguments),
        env=_environment(config.parent, token),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "written-out-in-it" not in done.stderr


def test_a_port_that_is_taken_is_one_line(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            _command("serve", "--config", str(config), "--listen", where),
            env=_environment(config.parent),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"cannot listen on {where}" in done.stderr
    assert "listening" not in done.stderr
