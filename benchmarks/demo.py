"""What the bundled incident costs: seconds of investigation and of the process, peak memory.

Prints medians over some runs beside two baselines of the same session: a bare interpreter, and a process
that only imports what an investigation imports. It measures and judges nothing.

    python -m benchmarks.demo [RUNS] [CASE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bot.commands.demo import bundled

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = "import bot.session, bot.checkpoints"


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to end, peak resident memory, what it printed."""

    seconds: float
    peak_mb: float
    printed: str


def run(*arguments: str) -> Run:
    """Run one Python process and measure it from outside."""
    # As installed: byte code is kept. Where it may not be, every run would compile what was edited.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: exit code {process.returncode}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(time.perf_counter() - started, kilobytes / 1024, printed)


def investigations(runs: int, case: Path) -> list[Run]:
    """Investigate the case as often as asked, each time with an empty store."""
    found = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as place:
            store = str(Path(place) / "store.db")
            options = ["--case", str(case), "--json", "--no-confirm", "--store", store]
            found.append(run("-m", "bot.commands", "investigate", *options))
    return found


def line(name: str, seconds: list[float], peaks: list[float]) -> str:
    """One line of figures: the median, the smallest and the largest."""
    low, high = min(seconds), max(seconds)
    memory = f"{median(peaks):7.0f} MB" if peaks else ""
    return f"{name:<28}{median(seconds):7.2f} s  ({low:.2f} to {high:.2f}){memory}"


def main() -> None:
    """Measure and print."""
    run("-c", IMPORTS)  # once unmeasured: byte code is written, files are in memory
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    case = Path(sys.argv[2]) if len(sys.argv) > 2 else bundled()
    bare = [run("-c", "pass") for _ in range(runs)]
    imports = [run("-c", IMPORTS) for _ in range(runs)]
    whole = investigations(runs, case)
    documents = [json.loads(each.printed) for each in whole]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{case.name}, {runs} runs, {os.cpu_count()} cores, load {load}; median (range), peak memory")
    print(line("bare interpreter", [each.seconds for each in bare], [each.peak_mb for each in bare]))
    print(line("imports only", [each.seconds for each in imports], [each.peak_mb for each in imports]))
    print(line("whole process", [each.seconds for each in whole], [each.peak_mb for each in whole]))
    print(line("the investigation in it", [document["elapsed_s"] for document in documents], []))


if __name__ == "__main__":
    main()
