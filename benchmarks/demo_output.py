"""Puts what the demo prints into the README, between its markers: python -m benchmarks.demo_output.

A copy that people read: the verdict, the ranking, the first proposal, one picture, the coverage.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
CUT = "[…]"


def printed() -> list[str]:
    """What `firstcause demo` prints at a width of 100 columns."""
    with tempfile.TemporaryDirectory() as state:
        done = subprocess.run(
            [sys.executable, "-m", "bot.commands", "demo", "--no-confirm"],
            check=True, capture_output=True, text=True, cwd=README.parent,
            env={**os.environ, "XDG_STATE_HOME": state, "COLUMNS": "100"},
        )  # fmt: skip
    return [line.rstrip() for line in done.stdout.splitlines()]


def excerpt(lines: list[str]) -> str:
    """The parts that the README shows."""
    picture = next(i for i, line in enumerate(lines) if "┤" in line)
    while lines[picture - 1]:
        picture -= 1
    # The second proposal is told in detail only where it is likely enough.
    second = next((i for i, line in enumerate(lines) if line.startswith("2. ")), picture)
    ended = next(i for i in range(picture, len(lines)) if not lines[i])
    coverage = next(i for i, line in enumerate(lines) if line.startswith("Answered"))
    parts = (lines[:second], lines[picture:ended], lines[coverage:])
    return f"\n\n{CUT}\n\n".join("\n".join(part).strip("\n") for part in parts)


def main() -> None:
    """Replace the README's copy."""
    shown = f"`make demo`, cut at {CUT}:\n\n```text\n{excerpt(printed())}\n```"
    block = f"<!-- demo:start -->\n{shown}\n<!-- demo:end -->"
    text = README.read_text(encoding="utf-8")
    replaced = re.sub(r"<!-- demo:start -->.*<!-- demo:end -->", lambda _: block, text, flags=re.DOTALL)
    README.write_text(replaced, encoding="utf-8")


if __name__ == "__main__":
    main()
