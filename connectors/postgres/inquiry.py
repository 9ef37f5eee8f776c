"""What every question shares: the session it is asked in, what was asked, and rows made into answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from connectors.contract import Frozen, Question
from connectors.postgres.channel import Row
from connectors.postgres.role import identifier

if TYPE_CHECKING:
    from connectors.postgres.wall import Session

T = TypeVar("T", bound=Frozen)


@dataclass(slots=True)
class Inquiry:
    """One question under way: the statements it sent and what limits its answer.

    `now` is the instant that the answer will speak of: the last moment the database was looked at.
    `sample_seconds` is the time between two looks, where the question takes two.
    """

    session: Session
    database: str
    now: datetime
    question: Question
    sample_seconds: float = 1.0
    statements: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def version(self) -> int:
        """The server's major version."""
        return self.session.version

    def rows(self, sql: str, *values: object) -> tuple[Row, ...]:
        """The rows of one statement, which is kept for a person to run again."""
        if sql not in self.statements:
            self.statements.append(sql)
        found = self.session.rows(sql, *values)
        if found.truncated:
            self.notes.append(f"cut after {len(found.rows):,} rows")
        return found.rows

    def one(self, sql: str, *values: object) -> Row:
        """The only row."""
        return self.rows(sql, *values)[0]

    @property
    def query(self) -> str:
        """What a person can run to get the same answer."""
        return ";\n".join(" ".join(each.split()) for each in self.statements)

    def extension(self, name: str) -> str | None:
        """The quoted schema of an extension, or None where it is not installed."""
        found = self.session.rows(
            "SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = $1",
            name,
        ).rows
        return identifier(str(found[0]["schema"])) if found else None


def typed(kind: type[T], rows: Iterable[Row]) -> tuple[T, ...]:
    """Rows as answers; what is null gets its default."""
    return tuple(
        kind.model_validate({name: value for name, value in row.items() if value is not None}) for row in rows
    )
