"""Verdicts on the incident as a whole: has it recovered, is it somebody else's.

Decisions over numbers that others measured; thresholds apart for leaving and for returning (hysteresis), so
that a symptom on the edge does not flicker. Must not rank causes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.answers import StatusEvent, StatusFeeds
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, short, unknown
from playbooks.model import Entity
from playbooks.observations import Observations
from playbooks.signals import ServiceSignals

OUT = 4.0
"""Robust deviations from which on a symptom is beyond its usual range."""
BACK = 2.5
"""Robust deviations below which it is back; between the two it stays what it was."""
QUIET_SAMPLES = 3
QUIET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the symptom was beyond its usual range, over time.

    `times`: seconds since the epoch, rising. `deviations`: robust deviations on the harmful side, None where
    there is no sample.
    """

    times: tuple[float, ...]
    deviations: tuple[float | None, ...]


def _samples(reach: Reach) -> list[tuple[float, float]]:
    pairs = zip(reach.times, reach.deviations, strict=True)
    return [(t, d) for t, d in pairs if d is not None]


def judge_recovered(reach: Reach, scene: Scene) -> DetailedFinding:
    """Whether the symptom was out and has been back for long enough: three samples and a minute."""
    samples = _samples(reach)
    if len(samples) < QUIET_SAMPLES + 1:
        return unknown("recovered", f"{len(samples)} samples are too few", scene)
    worst = max(d for _, d in samples)
    if worst < OUT:
        return unknown("recovered", f"the symptom never left its usual range ({worst:.1f} deviations)", scene)
    since = _back_since(samples)
    if since is None:
        why = f"the symptom goes on: {samples[-1][1]:.1f} deviations at the end, {worst:.1f} at its worst"
        return finding(Ruling(judge="recovered", state="no", why=why, strength=6.0), scene)
    quiet = [t for t, _ in samples if t >= since]
    lasted = samples[-1][0] - since
    if len(quiet) < QUIET_SAMPLES or lasted < QUIET_SECONDS:
        why = f"back in its usual range for {lasted:.0f} s only ({len(quiet)} samples)"
        return unknown("recovered", why, scene)
    back = f"back in its usual range for {lasted:.0f} s ({len(quiet)} samples)"
    why = f"{back} after {worst:.1f} times its usual spread"
    strength = 4.0 + min(4.0, lasted / 120.0)
    return finding(Ruling(judge="recovered", state="yes", why=why, strength=strength), scene)


def _back_since(samples: Sequence[tuple[float, float]]) -> float | None:
    """Since when the symptom has been back; a sample between the thresholds does not end either state."""
    out, since = False, None
    for at, deviation in samples:
        if deviation >= OUT:
            out, since = True, None
        elif out and deviation < BACK:
            out, since = False, at
    return None if out else since


_FINE = ("operational", "resolved", "ok", "healthy", "up", "completed", "available")


def judge_provider_status(
    observations: Observations, signals: ServiceSignals, scene: Scene
) -> DetailedFinding:
    """Whether a provider that the service waits for says itself that it is in trouble."""
    judge = "provider_status"
    observed = observations.first(StatusFeeds)
    if observed is None:
        return unknown(judge, "no status page was read", scene)
    latest: dict[tuple[str, str], StatusEvent] = {}
    for event in sorted(observed.answer.events, key=lambda e: e.at):
        if event.at <= scene.now:
            latest[event.provider, event.component] = event
    bad = [e for _, e in sorted(latest.items()) if e.status.lower().strip() not in _FINE]
    external = [c.name for c in signals.callees if not c.monitored]
    ours = [e for e in bad if any(_same(e, host) for host in external)]
    if ours:
        event = ours[0]
        host = next(h for h in external if _same(event, h))
        why = f"{event.provider} reports {event.component}: {short(f'{event.status} {event.detail}', 160)}"
        entity = Entity(kind="external", name=host)
        ruling = Ruling(judge=judge, state="yes", why=why.strip(), strength=6.0, entity=entity)
        return finding(ruling, scene, [cite(observed.reading, why)], {"host": host})
    if bad:
        return unknown(judge, f"{bad[0].provider} reports trouble; whether we use it is not known", scene)
    why = f"all {len(latest)} components on the status pages report to be fine"
    ruling = Ruling(judge=judge, state="no", why=why, strength=2.0)
    return finding(ruling, scene, [cite(observed.reading, why)])


def _same(event: StatusEvent, host: str) -> bool:
    """Whether the status page speaks of this host: a name of four letters or more that both share."""
    page = f"{event.provider} {event.component}".lower()
    parts = [part for part in host.lower().replace("-", ".").split(".") if len(part) >= 4]
    return any(part in page for part in parts if part not in {"example", "https", "cloud", "global"})
