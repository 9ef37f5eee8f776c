"""`firstcause demo`: the bundled incident, offline, without keys and servers."""

from __future__ import annotations

from pathlib import Path

from bot.commands.investigate import (
    BudgetOption,
    JsonOption,
    NoConfirmOption,
    ReportOption,
    StoreOption,
    YesOption,
    budget_of,
    confirm_of,
)
from bot.errors import BadInputError

NAME = "missing-index-after-deploy"


def demo(  # noqa: PLR0913 - one argument an option
    json: JsonOption = False,
    yes: YesOption = False,
    no_confirm: NoConfirmOption = False,
    report: ReportOption = None,
    budget_seconds: BudgetOption = None,
    store: StoreOption = None,
) -> None:
    """Investigate the bundled incident: a deploy without its index migration, and an innocent one near it."""
    from bot import session

    wishes = session.Wishes(
        session.RecordedCase(bundled()),
        json,
        confirm_of(yes, no_confirm),
        report,
        budget_of(budget_seconds),
        store,
    )
    session.run(wishes)


def bundled() -> Path:
    """The bundled case: inside of an installed package, or in the checkout's tests."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "demo_case", package.parent / "tests" / "incidents" / NAME)
    found = next((place for place in places if (place / "case.yaml").is_file()), None)
    if found is None:
        raise BadInputError("the bundled incident is not part of this installation")
    return found
