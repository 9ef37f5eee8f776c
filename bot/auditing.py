"""What `firstcause audit` does with the record of everything."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot import configuration
from bot.configuration_fields import duration
from bot.errors import BadInputError
from bot.safetext import one_line
from bot.settings import Settings
from bot.store import Database, database_of
from bot.store import trail as chain
from bot.store.erasing import erase_before, erase_incident


@dataclass(frozen=True)
class Wanted:
    """What is to be erased: one incident, or what is older than a duration."""

    incident: str | None
    older_than: str | None
    why: str


def verify(config: Path | None, store: Path | None, head: str | None, *, as_json: bool) -> bool:
    """Say whether the chain holds."""
    with _opened(config, store) as database:
        found = chain.verify(database, head)
    if as_json:
        _say(json.dumps({"holds": found.broken is None, **asdict(found)}))
    elif found.broken is None:
        erased = f" ({found.erased} bodies erased)" if found.erased else ""
        _say(f"the chain holds: {found.entries} entries{erased}, head {found.head}")
    else:
        _say(f"the chain is broken at entry {found.broken}: {found.why}")
    return found.broken is None


def export(config: Path | None, store: Path | None, incident: str | None) -> None:
    """Print entries as JSON lines."""
    with _opened(config, store) as database:
        for entry in chain.entries(database, incident):
            _say(json.dumps(entry))


def erase(
    config: Path | None,
    store: Path | None,
    wanted: Wanted,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Erase, and say how much it was.

    Raises:
        BadInputError: not exactly one of the two is wanted, or it makes no sense.
    """
    if (wanted.incident is None) == (wanted.older_than is None):
        raise BadInputError("say what to erase: either --incident ID or --older-than 90d")
    why = one_line(wanted.why, 200)
    with _opened(config, store) as database:
        if wanted.incident is not None:
            number = erase_incident(database, wanted.incident, why, now())
        else:
            number = erase_before(database, _before(wanted.older_than or "", now()), why, now())
    _say(f"erased: the bodies of {number} entries, and what belongs to them")


def _before(written: str, now: datetime) -> datetime:
    try:
        return now - duration(written)
    except ValueError as error:
        raise BadInputError(f"--older-than {written}: {error}") from error


@contextmanager
def _opened(config: Path | None, chosen: Path | None) -> Iterator[Database]:
    """The store that is there; none is made for the asking."""
    where = chosen or configuration.store_of(config, Settings())
    if isinstance(where, Path) and not where.is_file():
        raise BadInputError(f"there is no store at {where}; --store FILE names another")
    database = database_of(where)
    try:
        yield database
    except OSError as error:
        raise BadInputError(str(error)) from error
    finally:
        database.close()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
