"""The README's copy of the machine's diagram. `python -m tests.graph.diagram` refreshes it."""

from __future__ import annotations

import re
from pathlib import Path

from graph.machine import diagram

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"(?<=<!-- machine:start -->\n).*?(?=<!-- machine:end -->)", re.DOTALL)


def block() -> str:
    """What belongs between the two marks."""
    return f"```mermaid\n{diagram().strip()}\n```\n"


def copied(text: str) -> list[str]:
    """What stands between the marks."""
    return _BLOCK.findall(text)


if __name__ == "__main__":
    README.write_text(_BLOCK.sub(lambda _: block(), README.read_text()))
