"""`firstcause sql-role`."""

from __future__ import annotations

from typing import Annotated, Literal

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
    server: Annotated[Literal["postgres", "mysql"], typer.Option(help="Whose SQL to print.")] = "postgres",
) -> None:
    """Print the SQL that makes a database role which can look and cannot act.

    Nothing is run: an administrator reads it, and runs it with psql (or mysql). Of PostgreSQL, statistics and
    the catalogue need pg_monitor alone; the plans of slow statements need SELECT, which --plans adds for one
    schema. --server mysql prints the role for MySQL and MariaDB.
    """
    if server == "mysql":
        _mysql(role, database, plans)
        return
    from connectors.postgres.role import RoleWish, script

    try:
        text = script(RoleWish(role, database, tuple(plans or ())))
    except ValueError as error:
        raise BadInputError(str(error)) from error
    typer.echo(text, nl=False)


def _mysql(role: str, database: str, plans: list[str] | None) -> None:
    from connectors.mysql.role import grants

    if plans:
        raise BadInputError("--plans is for PostgreSQL: of MySQL no statement is planned")
    if not role.strip() or not database.strip():
        raise BadInputError("--role and --database must not be empty")
    typer.echo(grants(role, database))
