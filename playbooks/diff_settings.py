# ruff: noqa: E501 - a row of a table stays on one line
"""Settings whose number changed, and what turning each up or down can do. A table, and the reading of numbers.

Must not guess a unit that is not written: two numbers are compared only when their units agree or are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from playbooks.change_effects import Effect as E  # noqa: N817 - the rows below name it a hundred times
from playbooks.diff_tidying import words_of
from playbooks.diffs import Line, Pair

Turn = Literal["down", "up", "any"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A kind of setting: how its name looks, which turn matters, what that can do."""

    name: str
    pattern: re.Pattern[str]
    turn: Turn
    effects: Mapping[E, float]
    cause: str
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Turned:
    """One setting that was turned: from, to, and by which factor."""

    setting: Setting | None
    label: str
    old: str
    new: str
    factor: float


def _row(name: str, pattern: str, turn: Turn, effects: Mapping[E, float], cause: str) -> Setting:
    return Setting(
        name, re.compile(pattern, re.IGNORECASE), turn, effects, cause, slow=bool(effects.keys() & _FILLS)
    )


_FILLS = {E.DISK, E.POOL, E.MEMORY, E.QUEUE, E.CACHE}
"""What fills up, or lacks only under load, may show hours after the setting was turned."""

_SQUEEZE = {E.LATENCY: 0.8, E.QUEUE: 0.8, E.TIMEOUT: 0.6, E.CPU: 0.6, E.ERRORS: 0.4, E.THREADS: 0.5}

_PROBED = _row(
    "probe or health check",
    r"(liveness|readiness|startup)_?probe|health_?check",
    "any",
    {E.CRASH: 1.0, E.ERRORS: 0.6, E.STARVED: 0.5, E.ROUTE: 0.4, E.LATENCY: 0.3},
    "config_change",
)

SETTINGS: tuple[Setting, ...] = (
    _row("pool size", r"pool|max_?(open|idle)?_?conn|connections|maxactive|minimum-idle", "down", {E.POOL: 1.0, E.LATENCY: 0.8, E.TIMEOUT: 0.8, E.ERRORS: 0.5, E.QUEUE: 0.5, E.THREADS: 0.5}, "connection_pool_exhausted"),
    _row("pool size", r"pool|max_?(open|idle)?_?conn|connections|maxactive", "up", {E.DATABASE: 0.5, E.POOL: 0.35, E.LOCK: 0.3, E.CPU: 0.2, E.MEMORY: 0.25}, "config_change"),
    _row("lifetime of cached or issued things", r"ttl|max-?age|expir|lifetime|cache|leeway|retention|refresh|stale", "down", {E.CACHE: 1.0, E.DATABASE: 0.75, E.LATENCY: 0.7, E.AUTH: 0.8, E.LOAD: 0.6, E.CPU: 0.4, E.RATE_LIMIT: 0.5, E.CLOCK: 0.6, E.EXTERNAL: 0.3}, "cache_failure"),
    _row("lifetime of cached or issued things", r"ttl|max-?age|expir|lifetime|cache|leeway|retention|refresh|stale", "up", {E.MEMORY: 0.6, E.DISK: 0.7, E.WRONG: 0.6, E.CRASH: 0.3, E.AUTH: 0.2}, "memory_leak"),
    _row("timeout", r"time_?out|deadline|max_?wait|budget|patience", "down", {E.TIMEOUT: 1.0, E.ERRORS: 0.8, E.RETRY: 0.6, E.EXTERNAL: 0.4, E.POOL: 0.4, E.NETWORK: 0.4, E.LOCK: 0.4, E.DNS: 0.3}, "config_change"),
    _row("timeout", r"time_?out|deadline|max_?wait|budget|patience", "up", {E.LATENCY: 0.5, E.POOL: 0.5, E.THREADS: 0.6, E.QUEUE: 0.4, E.LOCK: 0.4}, "config_change"),
    _row("retries", r"retr(y|ies)|attempts", "up", {E.RETRY: 1.0, E.LOAD: 0.95, E.CPU: 0.6, E.LATENCY: 0.6, E.RATE_LIMIT: 0.7, E.ERRORS: 0.4, E.TIMEOUT: 0.4}, "retry_storm"),
    _row("retries", r"retr(y|ies)|attempts", "down", {E.ERRORS: 0.8, E.EXTERNAL: 0.4, E.TIMEOUT: 0.5, E.NETWORK: 0.5}, "config_change"),
    _row("back-off or interval", r"back_?off|jitter|interval|period|every|schedule|delay|poll|sleep|cron", "down", {E.LOAD: 0.95, E.RETRY: 0.8, E.CPU: 0.7, E.DATABASE: 0.6, E.RATE_LIMIT: 0.8, E.LATENCY: 0.5, E.CRASH: 0.4}, "config_change"),
    _row("back-off or interval", r"back_?off|jitter|interval|period|every|schedule|delay|poll|sleep|cron", "up", {E.QUEUE: 0.7, E.LATENCY: 0.6, E.WRONG: 0.4, E.STARVED: 0.5}, "config_change"),
    _row("memory limit", r"memory|xmx|heap|mem_limit|max-old-space|maxmemory|shared_buffers|work_mem", "down", {E.MEMORY: 1.0, E.CRASH: 0.95, E.CPU: 0.4, E.LATENCY: 0.4, E.ERRORS: 0.3, E.CACHE: 0.6}, "config_change"),
    _row("memory limit", r"memory|xmx|heap|mem_limit|max-old-space|maxmemory|shared_buffers|work_mem", "up", {E.NODE: 0.6, E.MEMORY: 0.45}, "config_change"),
    _row("cpu limit", r"\bcpus?\b|gomaxprocs|cpu_limit|millicores", "down", {E.CPU: 1.0, **_SQUEEZE}, "cpu_saturation"),
    _row("replicas", r"replica_?(s\b|count)|replicas|instances|desired_?(count|capacity)|maxreplicas|minreplicas|scale|node_?count", "down", {E.LOAD: 0.4, E.CRASH: 0.3, **_SQUEEZE, E.CPU: 0.9}, "config_change"),
    _row("replicas", r"replica_?(s\b|count)|replicas|instances|desired_?(count|capacity)|maxreplicas|minreplicas|scale", "up", {E.POOL: 0.6, E.DATABASE: 0.4, E.NODE: 0.5, E.RATE_LIMIT: 0.4}, "config_change"),
    _row("workers or concurrency", r"worker|thread|concurren|parallel|prefetch|max_?in_?flight|consumers|executor", "down", {**_SQUEEZE, E.THREADS: 0.8, E.QUEUE: 0.95}, "config_change"),
    _row("workers or concurrency", r"worker|thread|concurren|parallel|prefetch|max_?in_?flight|consumers|executor", "up", {E.POOL: 0.8, E.CPU: 0.7, E.MEMORY: 0.7, E.DATABASE: 0.6, E.LOCK: 0.5, E.RATE_LIMIT: 0.6, E.LOAD: 0.4}, "config_change"),
    _row("rate limit or quota", r"rate|limit|quota|burst|rps|qps|throttle|max_?requests", "down", {E.RATE_LIMIT: 1.0, E.ERRORS: 0.6, E.STARVED: 0.6, E.CPU: 0.4, E.LATENCY: 0.4, E.QUEUE: 0.4, E.VALIDATION: 0.4, E.THREADS: 0.5}, "config_change"),
    _row("row or result limit", r"limit|page|batch|chunk|fetch|\bsize\b|\btop\b|\bmax", "up", {E.MEMORY: 0.8, E.DATABASE: 0.85, E.LATENCY: 0.8, E.TIMEOUT: 0.5, E.CPU: 0.4, E.QUEUE: 0.3, E.CRASH: 0.4, E.NETWORK: 0.3}, "slow_query"),
    _row("batch or buffer size", r"batch|chunk|buffer|page|fetch|max|size|length", "down", {E.QUEUE: 0.8, E.LOAD: 0.6, E.LATENCY: 0.6, E.DATABASE: 0.5, E.VALIDATION: 0.6, E.ERRORS: 0.4, E.DECODE: 0.4, E.RATE_LIMIT: 0.4}, "config_change"),
    _row("share of traffic or rollout", r"percent|weight|rollout|ratio|fraction|probability|canary|sampl", "any", {E.ERRORS: 0.5, E.LOAD: 0.6, E.STARVED: 0.6, E.CPU: 0.4, E.LATENCY: 0.4}, "config_change"),
    _row("cost of hashing or compression", r"cost|rounds|work_?factor|iterations|level|pbkdf2|bcrypt|scrypt|argon2", "up", {E.CPU: 1.0, E.LATENCY: 0.8, E.TIMEOUT: 0.4}, "cpu_saturation"),
    _row("money or arithmetic", r"price|amount|tax|fee|currency|percent|factor|multipl|divid|round|scale|cents|total", "any", {E.WRONG: 1.0, E.VALIDATION: 0.4}, "bad_deploy"),
    _row("port or address", r"\bport\b|_port|addr", "any", {E.NETWORK: 0.95, E.CRASH: 0.6, E.ROUTE: 0.5, E.ERRORS: 0.6}, "config_change"),
)  # fmt: skip

_NUMBER = re.compile(r"(?:(?<![\w.])|(?<=Xm[xsn]))(\d[\d_]*(?:\.\d+)?)(\.?[A-Za-z%]{0,12})(?![\w])")
_VAGUE = re.compile(
    r"^(max|min|maximum|minimum)?[_-]?(size|limit|count|value|length|max|min|number|num)$", re.IGNORECASE
)
"""Names that say little without the key they lie under."""
_UNITS: Mapping[str, float] = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "millis": 1e-3, "milliseconds": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0,
    "k": 1e3, "kb": 1e3, "ki": 1024.0, "mb": 1e6, "mi": 2.0**20, "gb": 1e9, "g": 1e9, "gi": 2.0**30, "ti": 2.0**40, "": 1.0, "%": 1.0,
}  # fmt: skip
_SPELLED = re.compile(
    r"(?:time\.)?(nano(?:second)?|micro(?:second)?|milli(?:second)?|second|minute|hour)s?\b", re.IGNORECASE
)
_SPELLED_UNITS = {
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
}


def turned(pair: Pair) -> Turned | None:
    """The setting that a replaced line turned, None when more than numbers and their units changed."""
    old, new = _numbers(pair.old.text), _numbers(pair.new.text)
    if not old or len(old) != len(new) or _frame(pair.old.text) != _frame(pair.new.text):
        return None
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    if not changed:
        return None
    (before, before_text), (after, after_text) = changed[0]
    factor = after / before if before > 0 else (float("inf") if after > 0 else 1.0)
    label = _label(pair.new)
    return Turned(_known(label, pair.new, factor), label, before_text, after_text, factor)


def _numbers(text: str) -> list[tuple[float, str]]:
    spelled = _SPELLED.search(text)
    outer = _SPELLED_UNITS[spelled.group(1).lower()] if spelled else 1.0
    found: list[tuple[float, str]] = []
    for digits, unit in _NUMBER.findall(text)[:12]:
        bare = unit.lstrip(".").lower()
        scale = _of_m(text) if bare == "m" else _UNITS.get(bare, 1.0)
        own = scale if bare in _UNITS and bare else outer
        found.append((float(digits.replace("_", "")) * own, digits + unit))
    return found


def _of_m(text: str) -> float:
    """`m` is a thousandth of a core, a mebibyte or a minute, by what the line is about."""
    if re.search(r"\bcpu", text, re.IGNORECASE):
        return 1e-3
    return 2.0**20 if re.search(r"mem|heap|Xm[xsn]", text) else 60.0


def _frame(text: str) -> tuple[str, ...]:
    return tuple(words_of(_SPELLED.sub("T", _NUMBER.sub("0", text))))


def _label(line: Line) -> str:
    return _NUMBER.sub("", _SPELLED.sub("", line.text)).strip(" -:=;,*'\"()")[:60]


def _known(label: str, line: Line, factor: float) -> Setting | None:
    """The first row whose name the line itself carries; then one that the lines it lies under carry."""
    turn: Turn = "up" if factor > 1 else "down"
    if any(_PROBED.pattern.search(parent) for parent in line.parents[:2]):
        return _PROBED
    above = " ".join(line.parents[:2])
    texts = (above, label) if _VAGUE.search(label) else (label, *line.parents[:2])
    for text in texts:
        for setting in SETTINGS:
            if setting.turn in (turn, "any") and setting.pattern.search(text):
                return setting
    return None
