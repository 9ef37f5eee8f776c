"""`firstcause investigate`: one recorded case, from its alert to a ranking and a person's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bot.errors import BadInputError


def _case_of(written: str) -> Path:
    """The case's path, which an empty text is not, though `Path` takes it for the current directory."""
    if not written:
        raise BadInputError("--case: the path is empty")
    return Path(written)


CaseOption = Annotated[
    Path,
    typer.Option(
        "--case",
        metavar="DIR",
        help="The recorded case: a directory with a case.yaml.",
        show_default=False,
        parser=_case_of,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document (firstcause schema).")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Confirm the first proposal without asking.")]
NoConfirmOption = Annotated[bool, typer.Option("--no-confirm", help="Ask nothing; keep no label.")]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE.html", help="Also write a self-contained page.", show_default=False
    ),
]
BudgetOption = Annotated[
    float,
    typer.Option("--budget-seconds", metavar="N", help="How long to investigate before a partial answer."),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FILE",
        help="Where the record is kept (SQLite); default: the user's state directory.",
        show_default=False,
    ),
]


def investigate(  # noqa: PLR0913 - one argument an option
    case: CaseOption,
    json: JsonOption = False,
    yes: YesOption = False,
    no_confirm: NoConfirmOption = False,
    report: ReportOption = None,
    budget_seconds: BudgetOption = 60.0,
    store: StoreOption = None,
) -> None:
    """Investigate a recorded case and rank what may have caused it.

    The result goes to stdout, everything else to stderr.
    """
    from bot import session

    wishes = session.Wishes(case, json, confirm_of(yes, no_confirm), report, budget_of(budget_seconds), store)
    session.run(wishes)


def confirm_of(yes: bool, no_confirm: bool) -> Literal["ask", "yes", "no"]:
    """What the two flags mean together."""
    if yes and no_confirm:
        raise BadInputError("--yes and --no-confirm exclude each other")
    return "yes" if yes else "no" if no_confirm else "ask"


def budget_of(seconds: float) -> float:
    """A budget that is one."""
    if not 0 < seconds <= 86_400:
        raise BadInputError(f"--budget-seconds must lie between 0 and 86400, not {seconds:g}")
    return seconds
