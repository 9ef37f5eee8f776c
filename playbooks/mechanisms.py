"""How likely each mechanism is for one service: P(cause | service, evidence).

Signs declared in the catalogue move log-odds; unknown moves nothing; a hypothesis that nothing could have
contradicted earns nothing. Pure. Must not decide which service is at fault: that is the caller's judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playbooks.model import Entity, Finding
from playbooks.signals import Callee, ServiceSignals

__all__ = ["UNKNOWN_MECHANISM", "Callee", "Mechanism", "ServiceSignals", "judge_mechanisms"]

UNKNOWN_MECHANISM = "unknown_mechanism"
"""The rival of every known mechanism: something is wrong here, and no playbook says what."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism of one service.

    `cause`: id of the playbook or `UNKNOWN_MECHANISM`. `probability`: over all mechanisms of the service, adds
    up to 1. `entity`: what is at fault, as far as the findings name it. `findings` speak for it, `against`
    against it, strongest first.
    """

    cause: str
    probability: float
    entity: Entity | None
    findings: tuple[Finding, ...]
    against: tuple[Finding, ...]
    log_odds: float = 0.0


def judge_mechanisms(
    signals: ServiceSignals, findings: Sequence[Finding], catalogue: object = None
) -> tuple[Mechanism, ...]:
    """Rank the mechanisms of one service, likeliest first.

    Args:
        signals: what metrics, traces and logs say of the service.
        findings: what judges said of the service, its database and its cluster objects, in any order.
        catalogue: the playbooks; the project's own when None.

    Returns:
        Every mechanism with its probability; they add up to 1 with `UNKNOWN_MECHANISM` among them.
    """
    del findings, catalogue, signals
    return (Mechanism(UNKNOWN_MECHANISM, 1.0, None, (), ()),)
