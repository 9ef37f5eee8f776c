"""`firstcause sql-role`."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.errors import BadInputError


def sql_role(
    database: Annotated[str, typer.Option(help="The database to look at, as psql names it.", metavar="NAME")],
    role: Annotated[str, typer.Option(help="The role's name.", metavar="NAME")] = "firstcause",
    plans: Annotated[
        list[str] | None,
        typer.Option(
            help="A schema whose statements may be planned: adds SELECT on its tables. Repeatable.",
            metavar="SCHEMA",
        ),
    ] = None,
) -> None:
    """Print the SQL that makes a PostgreSQL role which can look and cannot act.

    Nothing is run: an administrator reads it, and runs it with psql. Statistics and the catalogue need
    pg_monitor alone; the plans of slow statements need SELECT, which --plans adds for one schema.
    """
    from connectors.postgres.role import RoleWish, script

    try:
        text = script(RoleWish(role, database, tuple(plans or ())))
    except ValueError as error:
        raise BadInputError(str(error)) from error
    typer.echo(text, nl=False)
