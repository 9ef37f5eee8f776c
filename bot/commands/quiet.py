"""`firstcause quiet`: learns how loud a site gets when nothing is wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.investigate import ConfigOption, StoreOption, moment_of
from bot.errors import BadInputError

QuietServiceOption = Annotated[
    str, typer.Option("--service", metavar="NAME", help="The service as whose alert each moment is taken.")
]
SpanOption = Annotated[
    str, typer.Option("--since", metavar="7d", help="How far back: days in which nothing was wrong.")
]
MomentsOption = Annotated[
    int, typer.Option("--moments", metavar="N", help="How many moments, evenly spaced.")
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="TIME", help="The end of those days (default: an hour ago).", show_default=False
    ),
]
QuietJsonOption = Annotated[bool, typer.Option("--json", help="Print what was heard as one JSON document.")]


def quiet(  # noqa: PLR0913 - one argument an option
    service: QuietServiceOption,
    since: SpanOption = "7d",
    until: UntilOption = None,
    moments: MomentsOption = 20,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: QuietJsonOption = False,
) -> None:
    """Learn from days in which nothing was wrong: what would have been said if an alert had fired?

    You vouch for the days. Each moment is kept as a fault-free hour and lowers confidences that would have
    been false alarms; together they weigh no more than a few confirmed incidents.
    """
    from bot import quiet as learning
    from bot.configuration_fields import duration

    try:
        span = duration(since)
    except ValueError as error:
        raise BadInputError(f"--since {since}: {error}") from error
    learning.run(learning.Wishes(service, span, moments, config, store, json, moment_of(until, "--until")))
