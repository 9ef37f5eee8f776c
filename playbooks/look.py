"""What the fault looks like by metrics, traces and logs: what a change is held against."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Moved:
    """One thing that moved: a series, a span operation, a log pattern, a statement.

    `signal`: latency, errors, traffic, cpu, memory, disk, network, pool, queue, log, database, other.
    `direction`: +1 rose, -1 fell. `size`: standardised shift (robust z, capped). `onset`: seconds since the
    epoch, None where unknown. `text`: the words it carries (metric name, log pattern, statement, span name).
    """

    service: str | None
    signal: str
    direction: int
    size: float
    onset: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """Requests to one version or pod of a service: bad and all since the onset, bad and all before it.

    `label`: version or pod. `measure`: failed or slow. Numbers are effective, so they may be fractions.
    """

    service: str
    label: str
    value: str
    measure: str
    bad: float = 0.0
    total: float = 0.0
    bad_before: float = 0.0
    total_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """A version's or pod's latency, or errors a request: median since the onset, its spread, and before it.

    `usual` is None where there was none of it before.
    """

    service: str
    label: str
    value: str
    measure: str
    now: float
    spread: float
    usual: float | None


@dataclass(frozen=True, slots=True)
class FaultLook:
    """The fault as seen from outside.

    `onset`: best estimate of when it began (seconds since the epoch), `onset_low`..`onset_high` around it,
    None where unknown. `shape`: step, ramp, countdown or unknown. `suspicion`: probability per service that
    the fault sits there, by everything but changes. `edges`: caller, callee. `shares` and `levels`: how
    versions and pods of one service fare beside each other.
    """

    now: float
    alerted: str | None
    alert_text: str
    onset: float | None
    onset_low: float | None
    onset_high: float | None
    shape: str
    moved: tuple[Moved, ...]
    suspicion: dict[str, float] = field(default_factory=dict)
    edges: tuple[tuple[str, str], ...] = ()
    shares: tuple[Share, ...] = ()
    levels: tuple[Level, ...] = ()
