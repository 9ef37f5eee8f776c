from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.supervisor import StartError, Supervisor, wait_until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_stop_all_ends_every_process(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    started = [supervisor.start(name, ["sleep", "60"]) for name in ("one", "two")]
    supervisor.stop_all()
    assert not any(running.alive() for running in started)


def test_a_process_that_ignores_the_signal_is_ended_all_the_same(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    running = supervisor.start("stubborn", [sys.executable, "-c", STUBBORN])
    wait_until(lambda: "up" in running.log.read_text(), "it", 10)
    supervisor.stop(running, patience_seconds=0.2)
    assert not running.alive()


def test_a_process_that_ended_by_itself_is_noticed(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    running = supervisor.start("short", ["true"])
    running.popen.wait()
    assert supervisor.dead() == [running]


def test_waiting_for_a_dead_process_tells_its_last_words(tmp_path: Path) -> None:
    running = Supervisor(tmp_path).start("sad", ["sh", "-c", "echo no such file; exit 1"])
    running.popen.wait()
    with pytest.raises(StartError, match="no such file"):
        wait_until(lambda: False, "sad", 5, running)


def test_even_when_the_lab_is_killed_nothing_is_left(tmp_path: Path) -> None:
    lab = (
        "import sys, time; from pathlib import Path; from tests.lab.supervisor import Supervisor;"
        "print(Supervisor(Path(sys.argv[1])).start('child', ['sleep', '60']).pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", lab, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env={"PYTHONPATH": str(root)}) as popen:
        assert popen.stdout is not None
        child = int(popen.stdout.readline())
        os.kill(popen.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(child)
