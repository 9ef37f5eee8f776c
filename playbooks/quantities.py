"""Numbers as people read them: units by a metric's name, seconds and bytes scaled. Words only."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from playbooks.semantics import words

_UNITS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"seconds", "second"}), "s"),
    (frozenset({"ms", "milliseconds"}), "ms"),
    (frozenset({"bytes"}), "B"),
    (frozenset({"percent", "pct"}), "%"),
    (frozenset({"ratio"}), "ratio"),
    (frozenset({"cores"}), "cores"),
)
_RATE = re.compile(r":(?:rate|irate)\d*[smhd]?$")
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


@lru_cache(maxsize=8192)
def unit_of(metric: str) -> str:
    """The unit a metric's name states, empty where it states none."""
    name = frozenset(words(metric))
    plain = next((unit for vocabulary, unit in _UNITS if name & vocabulary), "")
    if "per" in name or _RATE.search(metric):
        if "cpu" in name and plain in {"s", "cores"}:
            return "cores"
        return "B/s" if plain == "B" else "/s"
    return plain


def shown(value: float, unit: str) -> str:
    """A value with its unit, three significant digits: 0.0042 s is 4.2 ms, 3e9 B is 2.79 GiB."""
    if not math.isfinite(value):
        return "unknown"
    if unit == "s":
        return _time(value)
    if unit in {"B", "B/s"}:
        return _size(value) + unit[1:]
    text = f"{value:.3g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{text}{unit}" if unit in {"%", "/s"} else f"{text} {unit}".rstrip()


def _time(seconds: float) -> str:
    size = abs(seconds)
    if size >= 1 or size == 0:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if size >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _size(count: float) -> str:
    power = min(int(math.log(max(abs(count), 1.0), 1024)), len(_SIZES) - 1)
    return f"{count / 1024**power:.3g} {_SIZES[power]}"


def clock(at: float) -> str:
    """An instant as people on call read it: UTC time of day."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"


def compared(usual: float, now: float, unit: str) -> str:
    """From what to what, and by which factor where that is telling."""
    text = f"{shown(usual, unit)} → {shown(now, unit)}"
    factor = now / usual if usual > 0 and now > 0 else 0.0
    if factor >= 10:
        return f"{text} ({factor:,.0f} times)"
    return f"{text} ({factor:.2g} times)" if factor >= 1.3 or 0 < factor <= 0.75 else text


def spreads(z: float) -> str:
    """A standardised shift in words: measures are capped, so that a large one is only said to be large."""
    return "far outside its usual range" if z >= 20 else f"to {z:.0f} times its usual spread"
