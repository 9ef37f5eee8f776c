"""`firstcause record`: an investigation of live systems, saved as a case that replays offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.commands.investigate import (
    AboutOption,
    AlertOption,
    AtOption,
    BudgetOption,
    ConfigOption,
    JsonOption,
    ServiceOption,
    SinceOption,
    StoreOption,
    budget_of,
    live_subject,
)

OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="The case's directory; never overwritten.", show_default=False),
]


def record(  # noqa: PLR0913 - one argument an option
    out: OutOption,
    service: ServiceOption = None,
    since: SinceOption = None,
    alert: AlertOption = None,
    at: AtOption = None,
    about: AboutOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
    budget_seconds: BudgetOption = None,
    store: StoreOption = None,
) -> None:
    """Investigate live systems and save what was read as a case, redacted: it replays to the same ranking.

    The same as `firstcause investigate --no-confirm --save-case DIR`.
    """
    from bot import session

    budget = budget_of(budget_seconds)
    subject = live_subject(service, since, alert, at, config=config, about=about, save=out, budget=budget)
    session.run(session.Wishes(subject, json, "no", None, budget, store))
