"""Runs the checks of every configured source side by side, and shows what was found. Changes nothing."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import configuration, doctor_serving, live
from bot.doctor_serving import Task
from bot.errors import BadInputError
from bot.live_kinds import Ground, SourceFields, made
from bot.safetext import one_line
from bot.settings import Settings
from connectors.live import Check
from connectors.redaction import redacted

log = logging.getLogger(__name__)

WARNINGS, FAILED = 1, 2
_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


@dataclass
class Examined:
    """One source and what its checks found. `checks` is empty as long as it has not answered."""

    source: str
    kind: str
    checks: Sequence[Check] = field(default=())


def run(config: Path | None, *, as_json: bool, seconds: float) -> int:
    """Check everything a configuration names, print it, and say how it went as an exit code.

    Raises:
        BadInputError: the configuration cannot be used.
    """
    if not 0 < seconds <= 600:
        raise BadInputError(f"--timeout must lie between 0 and 600, not {seconds:g}")
    settings = Settings()
    read = configuration.load(configuration.find(config, settings))
    ground = live.ground_of(read, read.store or settings.store_path)
    examined = examine(read.sources, ground, datetime.now(UTC), seconds, doctor_serving.tasks(read))
    if as_json:
        sys.stdout.write(json.dumps(document(examined), indent=2) + "\n")
    else:
        _show(examined, settings)
    return exit_code(examined)


def examine(
    sources: Sequence[SourceFields],
    ground: Ground,
    now: datetime,
    seconds: float,
    more: Sequence[Task] = (),
) -> list[Examined]:
    """The checks of all sources, in the order of the configuration, and of `more`, within so many seconds."""
    tasks = [*(_source(fields, ground, now) for fields in sources), *more]
    examined = [Examined(task.title, task.kind) for task in tasks]
    threads = [
        threading.Thread(target=_check, args=(task, into), daemon=True)
        for task, into in zip(tasks, examined, strict=True)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return [
        each
        if each.checks
        else Examined(
            each.source, each.kind, (Check("reachable", "failed", f"no answer within {seconds:g} s"),)
        )
        for each in list(examined)
    ]


def _source(fields: SourceFields, ground: Ground, now: datetime) -> Task:
    def look() -> Sequence[Check]:
        connector = made(fields, ground)
        try:
            return connector.check(now=now)
        finally:
            connector.close()

    return Task(fields.title, fields.kind, look)


def _check(task: Task, into: Examined) -> None:
    """Look at one thing; whatever that raises is a finding too."""
    began = time.monotonic()
    try:
        found = tuple(task.look())
        into.checks = found or (Check("checked", "warning", "the source has no check"),)
    except Exception as error:  # noqa: BLE001 - a thread's edge: doctor tells what is wrong, and goes on
        why = redacted(one_line(f"{type(error).__name__}: {error}", 300))
        log.info("%s: the check failed: %s", task.title, why)
        into.checks = (Check("checked", "failed", why, seconds=time.monotonic() - began),)


def exit_code(examined: Sequence[Examined]) -> int:
    """0 where all is fine, 1 for warnings, 2 where a source failed."""
    states = {check.state for each in examined for check in each.checks}
    return FAILED if "failed" in states else WARNINGS if "warning" in states else 0


def document(examined: Sequence[Examined]) -> dict[str, object]:
    """The findings as JSON."""
    return {
        "format": 1,
        "state": ("ok", "warning", "failed")[exit_code(examined)],
        "sources": [
            {
                "source": each.source,
                "kind": each.kind,
                "checks": [
                    {
                        "about": check.about,
                        "state": check.state,
                        "found": one_line(redacted(check.found), 500),
                        "fix": one_line(redacted(check.fix), 500),
                        "seconds": round(check.seconds, 3),
                    }
                    for check in each.checks
                ],
            }
            for each in examined
        ],
    }


def _show(examined: Sequence[Examined], settings: Settings) -> None:
    out = Console(no_color=settings.no_color or None, highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, show_edge=False)
    for title in ("Source", "Check", "State", "Found"):
        table.add_column(title, overflow="fold")
    for each in examined:
        shown = each.source
        for check in each.checks:
            found = one_line(redacted(check.found), 300)
            table.add_row(shown, check.about, Text(check.state, style=_STYLES[check.state]), Text(found))
            if check.fix:
                table.add_row("", "", "fix", Text(one_line(redacted(check.fix), 500)))
            shown = ""
    out.print(table)
