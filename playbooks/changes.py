"""The judge of changes: which change is guilty of a fault, if any, with the reasons for and against.

Every change starts innocent. Log-odds of guilt add up from reach, order, canary against stable, what the
diff can do and the words it shares with the fault; "no change is guilty" has evidence of its own and may win.
Pure: no clock, no I/O; the same input gives the same judgement whatever its order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from connectors.answers import Change, ClusterState, Commit, StatusEvent
from connectors.contract import Source
from playbooks.change_canary import canary
from playbooks.change_candidates import Candidate, bare, candidates, owners
from playbooks.change_effects import Effect, Shown, describe, effects_of
from playbooks.change_fit import Fit, Fitter
from playbooks.change_reach import TOO_LATE, Step, order, reach, spell, suspects
from playbooks.change_rivals import Rival, rivals
from playbooks.look import FaultLook
from playbooks.model import Finding

NOTHING_AGAINST = "nothing known speaks against it"
_PRIOR = -1.2
_PER_VEHICLE = -0.25
_PER_INSIDE = -0.4
_NOT_NAMED = -0.3
_MAYBE_INSIDE = -0.9
_ANOTHERS = -0.7
_NONE_PRIOR = 0.4
_NONE_UNSPOKEN = -0.1
"""Where no change is guilty, something else mostly says so; its silence speaks a little for a change."""

_SHARED = frozenset(
    {Effect.DATABASE, Effect.LOCK, Effect.RATE_LIMIT, Effect.EXTERNAL, Effect.QUEUE, Effect.DISK}
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a reason rests on: enough for the caller to build `Evidence` from the reading it came from."""

    source: Source
    query: str
    at: datetime
    value: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for or against: the finding, its part of the log-odds, and what it rests on."""

    kind: str
    log_odds: float
    finding: Finding
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class JudgedChange:
    """One change as judged. `change_id` is the commit where it has one; `vehicle` the deploy that carried it.

    `log_odds` is relative to "no change is guilty" before that has evidence of its own.
    `probability` is the softmax over all changes and none.
    """

    change_id: str
    vehicle: Change | None
    commit: Commit | None
    service: str | None
    cause: str
    log_odds: float
    probability: float
    reasons: tuple[Reason, ...]
    why: str
    against: str

    def part(self, kind: str) -> float:
        """One part of the log-odds: prior, reach, order, canary, diff or words."""
        return sum(r.log_odds for r in self.reasons if r.kind == kind)


@dataclass(frozen=True, slots=True)
class NoChange:
    """The case that no change is guilty: its mechanism and cause id, None where nothing speaks for it."""

    mechanism: str | None
    cause: str | None
    log_odds: float
    probability: float
    reasons: tuple[Reason, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ChangeJudgement:
    """All changes, guiltiest first, and the case for none."""

    changes: tuple[JudgedChange, ...]
    none: NoChange

    @property
    def none_log_odds(self) -> float:
        """The log-odds of "no change is guilty"."""
        return self.none.log_odds

    def probability(self, change_id: str | None) -> float:
        """P(this change is the guilty one); None asks for "no change"."""
        if change_id is None:
            return self.none.probability
        return next((c.probability for c in self.changes if c.change_id == change_id), 0.0)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every candidate is weighed against."""

    look: FaultLook
    suspected: dict[str, float]
    fitter: Fitter
    cluster: ClusterState | None
    found: tuple[Candidate, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Weighed:
    candidate: Candidate
    fit: Fit
    steps: tuple[tuple[str, Step], ...]

    @property
    def log_odds(self) -> float:
        return sum(step.value for _, step in self.steps)

    def value(self, kind: str) -> float:
        return sum(step.value for name, step in self.steps if name == kind)


def judge_changes(
    look: FaultLook,
    timeline: Sequence[Change],
    commits: Sequence[Commit],
    cluster: ClusterState | None,
    status: Sequence[StatusEvent],
) -> ChangeJudgement:
    """Judge every change against the fault.

    Args:
        look: the fault as seen from outside, and the suspicion per service.
        timeline: every change known; those after now are ignored.
        commits: commits that may be behind them, with diffs where known.
        cluster: pods and nodes, for canary against stable and pressed nodes.
        status: what providers said about themselves.

    Returns:
        The changes by probability, and the case that none is guilty.
    """
    services = _services(look, timeline)
    shown = effects_of(look)
    found = candidates(timeline, commits, services, datetime.fromtimestamp(look.now, UTC))
    scene = _Scene(look, suspects(look), Fitter(look, shown, found, services), cluster, found, services)
    weighed = _best_vehicles([_weigh(candidate, scene) for candidate in found])
    against = rivals(look, shown, cluster, status)
    none_log_odds = (_NONE_PRIOR if against else _NONE_UNSPOKEN) + _rival_weight(against, weighed, shown)
    total = _log_sum([none_log_odds, *(w.log_odds for w in weighed)])
    judged = [_judged(w, look, math.exp(w.log_odds - total)) for w in weighed]
    judged.sort(key=lambda c: (-c.log_odds, c.change_id))
    return ChangeJudgement(
        tuple(judged), _no_change(against, none_log_odds, math.exp(none_log_odds - total), judged)
    )


def _services(look: FaultLook, timeline: Sequence[Change]) -> tuple[str, ...]:
    names = {s for s in (look.alerted, *(m.service for m in look.moved), *(c.service for c in timeline)) if s}
    names |= {name for edge in look.edges for name in edge} | set(look.suspicion)
    return tuple(sorted(names))


def _weigh(candidate: Candidate, scene: _Scene) -> _Weighed:
    look = scene.look
    fit = scene.fitter.fit(candidate)
    steps = (
        ("prior", _prior(candidate, scene.found, scene.services)),
        ("reach", reach(candidate, look, scene.suspected)),
        ("order", order(candidate, look, fit.slow)),
        ("canary", canary(candidate, look, scene.cluster, _spoils_what_is_shared(fit))),
        ("diff", fit.mechanism),
        ("words", fit.words),
    )
    return _Weighed(candidate, fit, steps)


def _spoils_what_is_shared(fit: Fit) -> bool:
    """Whether what the diff does hurts pods that do not run it: a lock, a slow database, a quota."""
    if fit.trace is None or fit.mechanism.value <= 0 or fit.seen is None:
        return False
    return fit.seen.effect in _SHARED and fit.trace.effects.get(fit.seen.effect, 0.0) >= 0.7


def _prior(candidate: Candidate, found: Sequence[Candidate], services: Sequence[str]) -> Step:
    """Vehicles share the prior; commits inside one that it does not name share what it leaves them."""
    value = _PRIOR + _PER_VEHICLE * math.log(max(1, sum(c.named for c in found)))
    if not candidate.named:
        inside = sum(not c.named and c.vehicle == candidate.vehicle for c in found)
        value += (_NOT_NAMED if candidate.sure else _MAYBE_INSIDE) + _PER_INSIDE * math.log(max(1, inside))
    owned = (
        owners(candidate.commit.files, {bare(s): s for s in services}) if candidate.commit else frozenset()
    )
    if owned and candidate.service and candidate.service not in owned and not candidate.shared:
        value += _ANOTHERS
        return Step(value, f"its files are of {', '.join(sorted(owned))}, not of {candidate.service}")
    return Step(value, "")


def _best_vehicles(weighed: Sequence[_Weighed]) -> list[_Weighed]:
    """A commit that went out several times is judged by the way that fits best."""
    best: dict[str, _Weighed] = {}
    for item in weighed:
        held = best.get(item.candidate.id)
        if held is None or item.log_odds > held.log_odds:
            best[item.candidate.id] = item
    return [best[name] for name in sorted(best)]


def _rival_weight(found: Sequence[Rival], weighed: Sequence[_Weighed], shown: dict[Effect, Shown]) -> float:
    """The strongest rival, a little of the next; less where a change can do that very thing itself."""
    values = sorted((r.log_odds * (1.0 - 0.5 * _taken_over(r, weighed, shown)) for r in found), reverse=True)
    return sum(value * share for value, share in zip(values, (1.0, 0.3, 0.1), strict=False))


def _taken_over(rival: Rival, weighed: Sequence[_Weighed], shown: dict[Effect, Shown]) -> float:
    """How well some change before the onset, within reach, explains what this rival explains."""
    best = 0.0
    for item in weighed:
        trace = item.fit.trace
        if (
            trace is None
            or not trace.telling
            or item.value("order") <= TOO_LATE
            or item.value("reach") < -1
            or item.fit.mechanism.value < 1
        ):
            continue
        best = max(
            [
                best,
                *(
                    trace.effects.get(effect, 0.0) * shown[effect].strength
                    for effect in rival.explains
                    if effect in shown
                ),
            ]
        )
    return best


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


# --- what a person reads ----------------------------------------------------------------------------
def _judged(item: _Weighed, look: FaultLook, probability: float) -> JudgedChange:
    candidate = item.candidate
    reasons = tuple(_reason(kind, step, item) for kind, step in item.steps if step.why)
    return JudgedChange(
        change_id=candidate.id,
        vehicle=candidate.vehicle,
        commit=candidate.commit,
        service=candidate.service,
        cause=item.fit.cause,
        log_odds=item.log_odds,
        probability=probability,
        reasons=reasons,
        why=_why(item, look),
        against=_against(item),
    )


def _reason(kind: str, step: Step, item: _Weighed) -> Reason:
    state: Literal["yes", "no", "unknown"] = (
        "unknown" if abs(step.value) < 0.05 else ("yes" if step.value > 0 else "no")
    )
    finding = Finding(
        judge=f"changes.{kind}",
        state=state,
        strength=round(step.value, 4),
        why=step.why,
        service=item.candidate.service,
        change=item.candidate.id,
    )
    return Reason(kind, step.value, finding, (_ground(kind, item),))


def _ground(kind: str, item: _Weighed) -> Ground:
    candidate = item.candidate
    if kind in ("diff", "words") and candidate.commit is not None:
        trace = item.fit.trace
        text = trace.text[:200] if trace else candidate.commit.message[:200]
        path = trace.path if trace else ""
        return Ground(
            Source.CHANGES,
            f"git show {candidate.commit.sha[:12]} -- {path}".rstrip(" -"),
            candidate.commit.at,
            text,
        )
    if kind == "canary":
        return Ground(Source.CLUSTER, f"kubectl get pods -l app={candidate.service}", candidate.at, "")
    vehicle = candidate.vehicle
    what = f"{vehicle.kind} {vehicle.summary}".strip() if vehicle else f"commit {candidate.id[:12]}"
    return Ground(
        Source.CHANGES, f"changes {vehicle.id if vehicle else candidate.id}", candidate.at, what[:200]
    )


def _why(item: _Weighed, look: FaultLook) -> str:
    candidate, fit = item.candidate, item.fit
    verb = {"deploy": "deployed", "flag": "switched", "migration": "migrated", "scale": "scaled"}.get(
        candidate.vehicle.kind if candidate.vehicle else "", "applied"
    )
    sentence = verb
    if look.onset is not None:
        minutes = (look.onset - candidate.at.timestamp()) / 60.0
        sentence += f" {spell(abs(minutes))} {'before' if minutes >= 0 else 'after'} the onset"
    if fit.trace is not None:
        sentence += f"; its diff {fit.trace.says}"
        if fit.seen is not None and fit.mechanism.value > 0:
            sentence += f", and {describe(fit.seen)}"
    if fit.common:
        sentence += f" (shared words: {', '.join(fit.common[:3])})"
    return sentence


def _against(item: _Weighed) -> str:
    """The weightiest reason against; what is still open where none speaks against it."""
    doubts = sorted(
        (step.value, kind, step.why) for kind, step in item.steps if step.value < -0.1 and step.why
    )
    if doubts:
        return doubts[0][2]
    return "its diff is not known" if item.fit.trace is None else NOTHING_AGAINST


def _no_change(
    found: Sequence[Rival], log_odds: float, probability: float, judged: Sequence[JudgedChange]
) -> NoChange:
    reasons = tuple(
        Reason(
            kind="rival",
            log_odds=rival.log_odds,
            finding=Finding(
                judge=f"changes.{rival.mechanism}",
                state="yes",
                strength=round(rival.log_odds, 4),
                why=rival.why,
            ),
            grounds=(Ground(rival.source, rival.query, datetime.fromtimestamp(rival.at, UTC), rival.value),),
        )
        for rival in found
    )
    top = found[0] if found else None
    harmless = [c for c in judged if c.part("diff") <= -2 or c.part("order") <= TOO_LATE]
    said = (
        f"{len(harmless)} of {len(judged)} changes cannot have done it"
        if judged
        else "no change is on record"
    )
    why = f"{top.why}; {said}" if top else said
    return NoChange(
        top.mechanism if top else None, top.cause if top else None, log_odds, probability, reasons, why
    )
