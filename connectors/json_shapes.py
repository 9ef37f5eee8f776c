"""Takes JSON of strangers apart without trusting its shape: what is not as expected is empty. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast


def mapping(value: object) -> Mapping[str, object]:
    """The value where it is an object, else an empty one."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    """The value where it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def objects(value: object) -> list[Mapping[str, object]]:
    """The objects of an array; whatever else it holds is left out."""
    return [mapping(item) for item in items(value) if isinstance(item, dict)]


def number(value: object) -> float:
    """A finite number, or a text that is one (64-bit integers in JSON); else zero: protobuf leaves it out."""
    try:
        found = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0


def text(fields: Mapping[str, object], name: str) -> str:
    """A field that is a text, else the empty text."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def instant_of(value: object) -> datetime | None:
    """A time in ISO 8601, UTC where it names no zone; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def pages(ask: Callable[[int], object], size: int, most: int) -> Iterator[Mapping[str, object]]:
    """The rows of numbered pages, from the first on, until one is not full or `most` were read."""
    for page in range(1, most + 1):
        rows = items(ask(page))
        yield from (mapping(each) for each in rows)
        if len(rows) < size:
            return
