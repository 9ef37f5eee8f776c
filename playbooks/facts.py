"""How judges put their findings: the scene, the facts behind a finding, and evidence from readings.

Words and numbers only. Must not judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from connectors.answers import Answer, Dialect
from connectors.contract import Reading
from playbooks.model import Entity, Evidence, Finding
from playbooks.observations import Observations, Observed

State = Literal["yes", "no", "unknown"]
A = TypeVar("A", bound=Answer)

STRONGEST = 10.0
"""No finding speaks louder than this: a single number must not decide alone."""

LONGEST_TEXT = 400
"""Characters of a statement or message kept in a finding."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a judge looks at: a service and its database, and when the trouble began.

    `onset` is None where unknown. `now` is the incident's now. `namespace` helps to word commands.
    `dialect` is that of the database.
    """

    now: datetime
    onset: datetime | None = None
    service: str | None = None
    database: str | None = None
    namespace: str | None = None
    dialect: Dialect = "postgresql"


class DetailedFinding(Finding):
    """A finding with named facts, from which titles and commands are filled. Sorted by name."""

    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a judge says before it is tied to scene and readings."""

    judge: str
    state: State
    why: str
    strength: float = 0.0
    entity: Entity | None = None


def finding(
    ruling: Ruling, scene: Scene, evidence: Iterable[Evidence] = (), facts: dict[str, str] | None = None
) -> DetailedFinding:
    """The finding of a ruling; an unknown has no strength."""
    strength = 0.0 if ruling.state == "unknown" else round(min(STRONGEST, max(0.0, ruling.strength)), 3)
    known = {name: value for name, value in (facts or {}).items() if value}
    if scene.database and known:
        known.setdefault("database", scene.database)
    if known and scene.dialect != "postgresql":
        known.setdefault("dialect", scene.dialect)
    return DetailedFinding(
        judge=ruling.judge,
        state=ruling.state,
        strength=strength,
        why=ruling.why,
        service=scene.service,
        entity=ruling.entity,
        evidence=tuple(evidence),
        facts=tuple(sorted(known.items())),
    )


def unknown(judge: str, why: str, scene: Scene) -> DetailedFinding:
    """No answer, and why. It moves nothing."""
    return finding(Ruling(judge=judge, state="unknown", why=why), scene)


def cite(reading: Reading, value: str) -> Evidence:
    """The reading as evidence, with what it showed in readable text."""
    return Evidence(
        source=reading.source,
        question=reading.question.name,
        query=reading.query,
        at=reading.at,
        value=value,
        sha256=reading.sha256,
    )


def of_database(observations: Observations, kind: type[A], database: str | None) -> Observed[A] | None:
    """The first answer of this type about the database; of any when none is named."""
    for observed in observations.all(kind):
        asked = getattr(observed.reading.question, "database", None)
        if database is None or asked is None or asked == database:
            return observed
    return None


def short(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text on one line, without control characters, cut with an ellipsis."""
    plain = "".join(c if c.isprintable() else " " for c in text[: longest * 4])
    line = " ".join(plain.split())
    return line if len(line) <= longest and len(text) <= longest * 4 else line[: longest - 1] + "…"


def ms(value: float) -> str:
    """Milliseconds as a person writes them; seconds from 10,000 on."""
    if value >= 10_000:
        return f"{value / 1000:,.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2g} ms"


def number(value: float) -> str:
    """A count as a person writes it: 312, 4,100, 2.1 million."""
    if value >= 1e6:
        return f"{value / 1e6:,.1f} million"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
