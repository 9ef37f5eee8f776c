"""The scores of a service as findings, so that signs can name them: `signal.cpu_up` and its kin.

A score becomes yes from 2.5 robust deviations on and no up to 1; between them it stays unknown, so that
no cliff lies where noise lives. Must not weigh.
"""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.facts import STRONGEST
from playbooks.model import Entity, Finding
from playbooks.quantities import spreads
from playbooks.signals import Callee, ServiceSignals

YES_FROM = 2.5
NO_UP_TO = 1.0

WORDS: Mapping[str, str] = {
    "own_latency": "the service's own time",
    "network_gap": "the time between caller's and callee's span",
    "error_origin": "errors that begin here",
    "log_mix": "the change of the mix of log statements",
    "log_new_errors": "new error messages",
    "cpu_up": "processor use",
    "cpu_throttled": "processor throttling",
    "memory_up": "memory use",
    "memory_ramp": "a steady climb of memory",
    "restarts": "restarts",
    "traffic_up": "traffic",
    "traffic_down": "the fall of traffic",
    "disk_up": "disk use",
    "network_io": "network traffic or errors",
    "pool_waiting": "waiting for a pooled connection",
    "queue_up": "the queue's backlog",
    "db_time": "time in database calls",
    "downstream_time": "time in calls to other services",
    "latency_up": "latency",
    "errors_up": "errors",
    "uniform_load": "an equal rise of all services' traffic",
    "retries_up": "repeated calls",
    "cache_misses": "cache misses",
    "node_busy": "load of the node",
    "callee_wait": "waiting for an observed callee",
    "external_wait": "waiting for an external callee",
    "change": "a guilty change",
}
"""How each score is called in a sentence; the keys are all names a sign may use after `signal.`."""


def signal_findings(signals: ServiceSignals) -> tuple[Finding, ...]:
    """Every score as a finding, in a fixed order; those not known are left out."""
    found = [_finding(name, getattr(signals, name), signals.service) for name in _plain_names()]
    found.append(_callees("callee_wait", "service", signals, monitored=True))
    found.append(_callees("external_wait", "external", signals, monitored=False))
    found.append(_change(signals))
    return tuple(one for one in found if one is not None)


def _plain_names() -> list[str]:
    return [name for name in WORDS if name not in {"callee_wait", "external_wait", "change"}]


def _finding(name: str, score: float | None, service: str, entity: Entity | None = None) -> Finding | None:
    if score is None or NO_UP_TO < score < YES_FROM:
        return None
    words = WORDS[name]
    if score >= YES_FROM:
        why = f"{words} rose {spreads(score)}"
        strength = min(STRONGEST, score)
        return Finding(
            judge=f"signal.{name}", state="yes", strength=strength, why=why, service=service, entity=entity
        )
    why = f"{words} did not rise"
    return Finding(
        judge=f"signal.{name}", state="no", strength=6.0 * (1.0 - max(0.0, score)), why=why, service=service
    )


def _worst(callee: Callee) -> float:
    return max(s for s in (callee.score, callee.errors, -99.0) if s is not None)


def _callees(name: str, kind: str, signals: ServiceSignals, monitored: bool) -> Finding | None:
    """The callee that the service waits for most, of the observed or of the external ones.

    Where the service has callees, but none of this kind, it does not wait for one.
    """
    known = [c for c in signals.callees if c.score is not None or c.errors is not None]
    if not known:
        return None
    mine = sorted((c for c in known if c.monitored == monitored), key=lambda c: (-_worst(c), c.name))
    if not mine:
        return _finding(name, 0.0, signals.service)
    worst = mine[0]
    found = _finding(name, _worst(worst), signals.service, Entity(kind=kind, name=worst.name))
    if found is None:
        return None
    by_errors = worst.errors is not None and worst.errors == _worst(worst)
    why = found.why.replace(WORDS[name], "the share of failed answers") if by_errors else found.why
    return found.model_copy(update={"why": f"{worst.name}: {why}"})


def _change(signals: ServiceSignals) -> Finding | None:
    """How sure a change's guilt is, as a score: a quarter is where nothing is known, 0.6 is plain."""
    if signals.change_probability is None:
        return None
    guilt = 1.0 - signals.change_probability if signals.no_change else signals.change_probability
    found = _finding("change", 10.0 * guilt, signals.service)
    why = f"the timing and diff of a change fit ({guilt:.0%})"
    return found.model_copy(update={"why": why}) if found else None
