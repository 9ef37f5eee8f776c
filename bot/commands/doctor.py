"""`firstcause doctor`: whether every configured source works, and what would mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.investigate import ConfigOption

DoctorJsonOption = Annotated[bool, typer.Option("--json", help="Print the findings as one JSON document.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="N", help="How many seconds all checks together may take.")
]

DOCTOR_CODES = """
Exit codes: 0 every check is fine; 1 there are warnings: investigations work, and know less than they
could; 2 a source failed its check, or the configuration cannot be used.
"""


def doctor(
    config: ConfigOption = None, json: DoctorJsonOption = False, timeout: TimeoutOption = 30.0
) -> None:
    """Check every configured source, and say the exact grant, flag or setting that mends what is wrong.

    Reachable, allowed, fresh, clock: all are checked side by side, with real questions that change nothing.
    """
    from bot import doctor as checks

    code = checks.run(config, as_json=json, seconds=timeout)
    if code:
        raise typer.Exit(code)
