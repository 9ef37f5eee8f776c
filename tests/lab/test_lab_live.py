from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import programs
from tests.lab.conformance import complaints, lines

PROJECT = Path(__file__).resolve().parents[2]
MISSING = programs.missing()
# Small and impatient: a minute in all, most of it the alert's own delays.
QUICK = (
    ("--rows", "20000"),
    ("--warm-up", "8"),
    ("--baseline", "16"),
    ("--afterwards", "2"),
    ("--scrape", "1"),
    ("--hold", "2"),
    ("--rate", "15"),
    ("--sampling", "1"),
)


def left_over(home: Path) -> list[str]:
    """Processes whose command line speaks of that directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(home) in command:
            found.append(command)
    return found


@pytest.fixture
def home() -> Iterator[Path]:
    """Where the lab keeps its state: not below pytest's directory, which only root may enter."""
    with tempfile.TemporaryDirectory(prefix="firstcause-live-", dir="/tmp") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.mark.alone
@pytest.mark.live
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_scenario_run_for_real_writes_a_sound_case_and_leaves_no_process(
    home: Path, tmp_path: Path
) -> None:
    case = tmp_path / "slow-dependency"
    command = [sys.executable, "-m", "tests.lab", "run", "slow-dependency", "--record", str(case)]
    command += [part for option in QUICK for part in option]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert complaints(case) == []
    provider = "api.payprovider.example"
    assert any(provider in str(request) for request in lines(case / "traces.jsonl.gz"))
    assert left_over(home) == []
    assert list(home.iterdir()) == []
