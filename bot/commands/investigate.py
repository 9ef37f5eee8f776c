"""`firstcause investigate`: live systems or a recorded case, from the trouble to a ranking and an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.errors import BadInputError

if TYPE_CHECKING:
    from bot.session import Subject


def _case_of(written: str) -> Path:
    """The case's path, which an empty text is not, though `Path` takes it for the current directory."""
    if not written:
        raise BadInputError("--case: the path is empty")
    return Path(written)


CaseOption = Annotated[
    Path | None,
    typer.Option(
        "--case",
        metavar="DIR",
        help="A recorded case instead of live systems: a directory with a case.yaml.",
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
    float | None,
    typer.Option(
        "--budget-seconds",
        metavar="N",
        help="How long to investigate before a partial answer (60).",
        show_default=False,
    ),
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
ServiceOption = Annotated[
    str | None,
    typer.Option(
        "--service", metavar="NAME", help="The service in trouble (firstcause services).", show_default=False
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="30m", help="How long the trouble has lasted.", show_default=False),
]
AlertOption = Annotated[
    str | None,
    typer.Option(
        "--alert",
        metavar="FILE|-",
        help="The alert as it was received: a PagerDuty, Alertmanager or Slack body.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; default: firstcause.yaml here (firstcause init).",
        show_default=False,
    ),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="Investigate as of then (ISO 8601) instead of now.", show_default=False
    ),
]
AboutOption = Annotated[
    str,
    typer.Option(
        "--about", metavar="TEXT", help="What is wrong, in words: “p99 above 800 ms”.", show_default=False
    ),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save-case",
        metavar="DIR",
        help="Also save the investigation as a case that replays offline.",
        show_default=False,
    ),
]


def investigate(  # noqa: PLR0913 - one argument an option
    service: ServiceOption = None,
    since: SinceOption = None,
    alert: AlertOption = None,
    at: AtOption = None,
    about: AboutOption = "",
    config: ConfigOption = None,
    save_case: SaveOption = None,
    case: CaseOption = None,
    json: JsonOption = False,
    yes: YesOption = False,
    no_confirm: NoConfirmOption = False,
    report: ReportOption = None,
    budget_seconds: BudgetOption = None,
    store: StoreOption = None,
) -> None:
    """Investigate what is wrong with a service, or a recorded case, and rank what may have caused it.

    Live: --service NAME or --alert FILE, with the sources of firstcause.yaml. Nothing is changed anywhere.
    The result goes to stdout, everything else to stderr.
    """
    from bot import session

    live = {
        "--service": service, "--since": since, "--alert": alert, "--at": at, "--about": about,
        "--config": config, "--save-case": save_case,
    }  # fmt: skip
    subject: Subject
    if case is not None:
        _refuse_with_case([name for name, value in live.items() if value])
        subject = session.RecordedCase(case)
    else:
        subject = live_subject(
            service,
            since,
            alert,
            at,
            config=config,
            about=about,
            save=save_case,
            budget=budget_of(budget_seconds),
        )
    session.run(
        session.Wishes(subject, json, confirm_of(yes, no_confirm), report, budget_of(budget_seconds), store)
    )


def _refuse_with_case(given: list[str]) -> None:
    if given:
        raise BadInputError(f"--case and {given[0]} exclude each other: a case says itself what it is about")


def live_subject(  # noqa: PLR0913 - one argument an option
    service: str | None,
    since: str | None,
    alert: str | None,
    at: str | None,
    *,
    config: Path | None,
    about: str = "",
    save: Path | None = None,
    budget: float | None = None,
) -> Subject:
    """Live systems as the subject, from what was typed.

    Raises:
        BadInputError: an option makes no sense, or nothing says what is in trouble.
    """
    from bot.live_session import LiveSystems

    if not service and not alert:
        raise BadInputError("say what is in trouble: --service NAME, --alert FILE, or --case DIR")
    return LiveSystems(
        config, service or None, _since(since), alert, moment_of(at), about=about, save=save, budget=budget
    )


def _since(written: str | None) -> timedelta | None:
    from bot.configuration_fields import duration

    try:
        return duration(written) if written is not None else None
    except ValueError as error:
        raise BadInputError(f"--since {written}: {error}") from error


def moment_of(written: str | None, option: str = "--at") -> datetime | None:
    """The moment that was typed.

    Raises:
        BadInputError: it is none, or has no time zone.
    """
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        raise BadInputError(
            f"{option} {written}: not a time in ISO 8601, such as 2026-06-18T15:06:00Z"
        ) from error
    if at.tzinfo is None:
        raise BadInputError(f"{option} {written}: has no time zone; end it with Z for UTC")
    return at.astimezone(UTC)


def confirm_of(yes: bool, no_confirm: bool) -> Literal["ask", "yes", "no"]:
    """What the two flags mean together."""
    if yes and no_confirm:
        raise BadInputError("--yes and --no-confirm exclude each other")
    return "yes" if yes else "no" if no_confirm else "ask"


def budget_of(seconds: float | None) -> float | None:
    """A budget that is one; None where the option is not given."""
    if seconds is None:
        return None
    if not 0 < seconds <= 86_400:
        raise BadInputError(f"--budget-seconds must lie between 0 and 86400, not {seconds:g}")
    return seconds
