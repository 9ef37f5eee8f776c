"""`firstcause audit`: whether the record of everything still holds, what it tells, and erasing from it."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.investigate import ConfigOption, StoreOption

HeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="HASH",
        help="The head that an earlier run printed, kept elsewhere: shows whether the end was cut off.",
        show_default=False,
    ),
]
AuditJsonOption = Annotated[bool, typer.Option("--json", help="Print the finding as one JSON document.")]
IncidentOption = Annotated[
    str | None,
    typer.Option("--incident", metavar="ID", help="Only what belongs to this incident.", show_default=False),
]
OlderOption = Annotated[
    str | None,
    typer.Option("--older-than", metavar="90d", help="Everything older than this.", show_default=False),
]
WhyOption = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="The reason, as the audit will tell it.")
]

AUDIT_CODES = """
Exit codes: 0 the chain holds; 1 it does not, and the first broken entry is named; 2 the store cannot be
used.
"""

audit = typer.Typer(
    help="Verify, export and erase the append-only record of what was asked, answered, sent and decided.",
    add_completion=False,
    rich_markup_mode=None,
)


@audit.command(epilog=AUDIT_CODES)
def verify(
    head: HeadOption = None,
    json: AuditJsonOption = False,
    config: ConfigOption = None,
    store: StoreOption = None,
) -> None:
    """Walk the whole chain of hashes: has anything been changed, removed, moved or cut off since?

    Keep the head it prints somewhere else: who can write the store could rewrite all of it, but not so that
    this head is still in it.
    """
    from bot import auditing

    if not auditing.verify(config, store, head, as_json=json):
        raise typer.Exit(1)


@audit.command()
def export(incident: IncidentOption = None, config: ConfigOption = None, store: StoreOption = None) -> None:
    """Print the entries, one JSON document a line; `body` is null where it was erased."""
    from bot import auditing

    auditing.export(config, store, incident)


@audit.command()
def erase(
    incident: IncidentOption = None,
    older_than: OlderOption = None,
    why: WhyOption = "retention",
    config: ConfigOption = None,
    store: StoreOption = None,
) -> None:
    """Erase what was read and said, of one incident or before a time. It cannot be undone.

    The entries stay with their hashes, so that the chain still verifies, and one more entry says what was
    erased and why. Decisions stay, without their words.
    """
    from bot import auditing

    auditing.erase(config, store, auditing.Wanted(incident, older_than, why))
