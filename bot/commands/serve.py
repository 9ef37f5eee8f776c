"""`firstcause serve`: hears pagers, people and pipelines, investigates, and answers in Slack."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.investigate import ConfigOption

ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="Where to listen; default: serve.listen of the configuration.",
        show_default=False,
    ),
]
CheckOption = Annotated[
    bool,
    typer.Option("--check", help="Say what would be served, and end: nothing is heard and nobody is told."),
]


def serve(config: ConfigOption = None, listen: ListenOption = None, check: CheckOption = False) -> None:
    """Hear of incidents and changes, investigate, and tell people in Slack, until stopped.

    What `serve:` of the configuration names is listened for: PagerDuty, Alertmanager, Slack, POST /incidents,
    POST /changes. /healthz and /readyz say whether it can work, /metrics what it did. docs/serve.md has more.
    """
    from bot import serving

    serving.run(config, listen, check)
