"""Starts the lab's processes and ends every one of them again, whatever happens to the lab itself.

Each process leads a group of its own and is told by the kernel when the lab dies. It must not know what runs.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """A process of the lab did not come up."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_the_lab(number: int) -> Callable[[], None]:
    """Even after kill -9 of the lab nothing is left: the kernel passes the news on."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, number)

    return ask


@dataclass
class Running:
    """A started process."""

    name: str
    popen: subprocess.Popen[bytes]
    stop_signal: int
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def alive(self) -> bool:
        return self.popen.poll() is None


class Supervisor:
    """All processes of one lab."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Running] = []

    def start(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: int = signal.SIGTERM,
    ) -> Running:
        log = self._logs / f"{name}.log"
        account = pwd.getpwnam(user) if user and os.geteuid() == 0 else None
        with log.open("ab") as output:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(os.environ) | dict(env or {}),
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=_die_with_the_lab(stop_signal),
            )
        running = Running(name, popen, stop_signal, log)
        self._running.append(running)
        return running

    def stop(self, running: Running, patience_seconds: float = 15) -> None:
        if running in self._running:
            self._running.remove(running)
        self._end([running], patience_seconds)

    def kill(self, running: Running) -> None:
        """At once and without a word, as the kernel ends a process that took too much."""
        self._running.remove(running)
        running.popen.kill()
        running.popen.wait()

    def stop_all(self) -> None:
        """In reverse order of the starts, so that nobody loses what it depends on."""
        while self._running:
            self.stop(self._running[-1], patience_seconds=8)

    def dead(self) -> list[Running]:
        return [running for running in self._running if not running.alive()]

    @staticmethod
    def _end(processes: list[Running], patience_seconds: float) -> None:
        for running in processes:
            if running.alive():
                running.popen.send_signal(running.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                running.popen.wait(patience_seconds)
            # Whoever is left of the group, children included, has had its time.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(running.pid, signal.SIGKILL)
            running.popen.wait()


def tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def wait_until(ready: Callable[[], bool], what: str, seconds: float, running: Running | None = None) -> None:
    """Poll until `ready`; a process that died meanwhile is reported with the end of its log."""
    deadline = time.monotonic() + seconds
    while not ready():
        if running is not None and not running.alive():
            raise StartError(f"{what} ended at once:\n{tail(running.log)}")
        if time.monotonic() > deadline:
            detail = f":\n{tail(running.log)}" if running is not None else ""
            raise StartError(f"{what} was not ready within {seconds:.0f} s{detail}")
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether an HTTP server answers 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
