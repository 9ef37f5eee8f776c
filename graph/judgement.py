"""From readings to a ranking: the one door between the state machine and the judgement.

Pure: the same readings give the same weighing, byte for byte. No clock, no I/O, no randomness.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from connectors.contract import Reading
from graph.model import Verdict, Weighing
from playbooks.model import Incident


def weigh(incident: Incident, readings: Sequence[Reading], ruled_out: Collection[str] = ()) -> Weighing:
    """Weigh all hypotheses by the readings at hand.

    Args:
        incident: the incident; `incident.at` is now.
        readings: every answer so far, in any order: the result does not depend on it.
        ruled_out: ids of proposals that a person ruled out; they leave the ranking.

    Returns:
        The ranking, its evidence, and the questions that might change it.
    """
    del readings, ruled_out
    return Weighing(
        verdict=Verdict.UNKNOWN,
        summary=f"Nothing is known yet about {incident.title}.",
        proposals=(),
        none_of_these=1.0,
        calibrated=False,
        evidence={},
    )
