"""What a ranking looks like from outside: the traits that tell a sure ranking from a lucky one. Pure.

All of them mean the same in every system: counts of kinds of evidence, shares and log-odds, never a name,
a unit or a level.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from graph.ranking import ServiceOdds
from playbooks.suspects import FEATURES, Suspects

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "latency": ("latency", "latency_share"),
    "errors": ("errors", "errors_share"),
    "resources": ("cpu", "memory", "disk", "network", "pressure", "ramp", "surge"),
    "traces": ("self_time", "self_share", "gap", "gap_share", "wait_share", "error_origin", "structure"),
    "logs": ("log_mix", "log_errors"),
}
"""The kinds of evidence in a row of features; `changes` and `database` are told by whoever judged them."""

_SHARES = ("self_share", "gap_share", "wait_share", "latency_share", "errors_share")
# Half a unit of loudness: z of about 2.1, where a shift begins to be more than chance.
_SPEAKS = 0.5
_FEWEST_TRACES = 4
_COLUMNS = {name: column for column, name in enumerate(FEATURES)}


@dataclass(frozen=True, slots=True)
class Traits:
    """How a ranking came about.

    `ahead`: log-odds of the proposed service over the next one, negative where another is ahead.
    `strength`: its log-odds, unscaled.
    `agreeing`: kinds of evidence in which no other service is louder; `opposing`: in which one is.
    `sources`: how many of metrics, traces of the incident window and logs could be compared at all.
    `visible`: whether the alerted service's own series show the symptom; `excess`: how far at its worst, in
    robust deviations, 0 where it is not visible.
    `share`: the largest part of the symptom that the proposed service explains itself, 0..1.
    """

    ahead: float
    strength: float
    agreeing: int
    opposing: int
    sources: int
    visible: bool
    excess: float
    share: float


def traits_of(
    suspects: Suspects, odds: ServiceOdds, service: str | None, also: Collection[str] = ()
) -> Traits:
    """The traits of proposing `service` first; `also`: further kinds that accuse it (changes, database)."""
    if service not in suspects.services:
        return Traits(
            ahead=0.0,
            strength=0.0,
            agreeing=len(set(also)),
            opposing=0,
            sources=_sources(suspects),
            visible=suspects.measured.symptom.visible,
            excess=_excess(suspects),
            share=0.0,
        )
    row = suspects.services.index(service)
    others = [score for name, score in odds.scores.items() if name != service]
    own = odds.scores[service]
    agreeing, opposing = _sides(suspects, row)
    return Traits(
        ahead=own - max(others, default=0.0),
        strength=own,
        agreeing=agreeing + len(set(also)),
        opposing=opposing,
        sources=_sources(suspects),
        visible=suspects.measured.symptom.visible,
        excess=_excess(suspects),
        share=float(min(max(suspects.features[row, _COLUMNS[name]] for name in _SHARES), 1.0)),
    )


def _sides(suspects: Suspects, row: int) -> tuple[int, int]:
    """In how many kinds of evidence the row is the loudest, and in how many another one is."""
    agreeing = opposing = 0
    for names in KINDS.values():
        loudness = suspects.features[:, [_COLUMNS[name] for name in names]].max(axis=1)
        if float(loudness.max()) < _SPEAKS:
            continue
        if loudness[row] >= loudness.max():
            agreeing += 1
        else:
            opposing += 1
    return agreeing, opposing


def _sources(suspects: Suspects) -> int:
    measured = suspects.measured
    traced = measured.spans is not None and min(measured.spans.traces) >= _FEWEST_TRACES
    logged = measured.logs is not None and bool(measured.logs.all_shifts)
    return int(bool(measured.prepared.meanings)) + int(traced) + int(logged)


def _excess(suspects: Suspects) -> float:
    view = suspects.measured.symptom
    return float(view.excess[view.template.first :].max()) if view.visible else 0.0
