"""From readings to a ranking: the one door between the state machine and the judgement.

Pure: the same readings give the same weighing, byte for byte. No clock, no I/O, no randomness.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from connectors.answers import ClusterState, Commits, StatusFeeds, Timeline
from connectors.contract import Reading
from graph.calibration import (
    Calibrated,
    Calibration,
    abstains,
    calibrate,
    conformal_set,
    load_calibration,
)
from graph.hypotheses import Hypothesis, Place, normalised, places, settle
from graph.model import Basis, Likely, Trust, Weighing
from graph.pictures import draw
from graph.proposing import Registry, Scribe, propose
from graph.ranking import ServiceOdds, Weights, load_weights, rank_services
from graph.traits import Traits, traits_of
from graph.verdicts import Rest, conclude
from graph.wanted import wanted
from playbooks.changes import ChangeJudgement, judge_changes
from playbooks.cluster import judge_cluster
from playbooks.database import judge_database
from playbooks.diffs import schema_words
from playbooks.facts import Scene
from playbooks.mechanisms import judge_mechanisms
from playbooks.messages import judge_messages
from playbooks.model import Finding, Incident
from playbooks.observations import Observations
from playbooks.portrait import fault_look, moved_by_tests, service_signals, statement_spans
from playbooks.suspects import Suspects, examine
from playbooks.testimony import Desk, about, messages
from playbooks.verdicts import judge_provider_status

MOST_PROPOSALS: Final = 10
_WORTH_TESTING = 0.01


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everything on the judge's bench."""

    incident: Incident
    seen: Observations
    suspects: Suspects
    tests: Mapping[str, tuple[Finding, ...]]
    changes: ChangeJudgement


@dataclass(frozen=True, slots=True)
class Ranked:
    """All places before any calibration, the likeliest first, with what speaks for none of them."""

    places: tuple[Place, ...]
    none: float
    traits: Traits


@dataclass(frozen=True, slots=True)
class _Believed:
    """The places as calibrated, before anybody ruled one out."""

    places: tuple[Place, ...]
    said: Calibrated
    likely: Likely | None


def weigh(
    incident: Incident,
    readings: Sequence[Reading],
    ruled_out: Collection[str] = (),
    calibration: Calibration | None = None,
) -> Weighing:
    """Weigh all hypotheses by the readings at hand.

    Args:
        incident: the incident; `incident.at` is now.
        readings: every answer so far, in any order: the result does not depend on it.
        ruled_out: ids of proposals that a person ruled out; they leave the ranking.
        calibration: the site's own calibration (`graph.experience`); None is the shipped one.

    Returns:
        The ranking, its evidence, and the questions that might change it.
    """
    seen = Observations(readings)
    suspects = examine(incident, seen)
    odds = rank_services(suspects)
    bench = _bench(incident, suspects, seen, odds)
    model = calibration or load_calibration()
    ranked = _ranked(bench, odds)
    believed = _believed(ranked, model)
    judged = [_settle(bench, place, ruled_out) for place in believed.places]
    settled = [
        replace(each, probability=sure * each.probability / each.place.probability)
        for each, sure in zip(judged, believed.said.confidences, strict=True)
        if each is not None
    ]
    confidence, none = normalised(settled, believed.said.none)
    ordered = _ordered(settled, confidence)
    leads = odds.none >= max((h.place.probability for h in ordered), default=0.0)
    unsure = abstains(Calibrated(tuple(confidence.values()), none, model.calibrated), model)
    weighing = _weighing(bench, ordered, confidence, Rest(none, leads, unsure))
    # Promises and lessons are of whole rankings: before anything is ruled out.
    whole = all(each is not None and each.probability == each.place.probability for each in judged)
    return weighing.model_copy(
        update={
            "calibrated": model.calibrated,
            "trust": Trust(labels=model.labels, doubt=model.doubt),
            "likely": believed.likely if whole else None,
            "basis": _basis(ranked) if whole else None,
        }
    )


def rank_places(incident: Incident, readings: Sequence[Reading], weights: Sequence[Weights]) -> list[Ranked]:
    """The places as each of these weights ranks them; the readings are measured once for all."""
    seen = Observations(readings)
    suspects = examine(incident, seen)
    found = []
    for each in weights:
        odds = rank_services(suspects, each)
        found.append(_ranked(_bench(incident, suspects, seen, odds), odds))
    return found


def _bench(incident: Incident, suspects: Suspects, seen: Observations, odds: ServiceOdds) -> _Bench:
    tests = _all_tests(incident, suspects, seen, odds.probability)
    return _Bench(
        incident, seen, suspects, tests, _changes(incident, suspects, seen, odds.probability, tests)
    )


def _ranked(bench: _Bench, odds: ServiceOdds) -> Ranked:
    found = places(odds, bench.changes)
    first = found[0] if found else None
    also = ("changes",) if first and first.change else ()
    traits = traits_of(bench.suspects, odds, first.service if first else None, also)
    return Ranked(found, odds.none, traits)


def _believed(ranked: Ranked, model: Calibration) -> _Believed:
    """All places with their calibrated confidences: ruling out conditions on these."""
    raw = [place.probability for place in ranked.places]
    shipped = load_calibration()
    size = conformal_set(calibrate(raw, ranked.none, ranked.traits, shipped), shipped)
    promised = shipped.conformal
    likely = (
        Likely(places=size, level=promised.level, cases=promised.cases)
        if 0 < size <= MOST_PROPOSALS
        else None
    )
    return _Believed(ranked.places, calibrate(raw, ranked.none, ranked.traits, model), likely)


def _basis(ranked: Ranked) -> Basis | None:
    if not ranked.places:
        return None
    first, total = ranked.places[0], sum(place.probability for place in ranked.places) + ranked.none
    return Basis(
        weights=load_weights().digest,
        service=first.service,
        raw=first.probability / total,
        traits=ranked.traits,
    )


def _changes(
    incident: Incident,
    suspects: Suspects,
    seen: Observations,
    suspicion: Mapping[str, float],
    tests: Mapping[str, tuple[Finding, ...]],
) -> ChangeJudgement:
    timeline = [change for found in seen.all(Timeline) for change in found.answer.changes]
    commits = [commit for found in seen.all(Commits) for commit in found.answer.commits]
    status = [event for found in seen.all(StatusFeeds) for event in found.answer.events]
    cluster = seen.first(ClusterState)
    tested = [moved for name in sorted(tests) for moved in moved_by_tests(tests[name])]
    look = fault_look(incident, suspects, seen, suspicion, tested)
    return judge_changes(look, timeline, commits, cluster.answer if cluster else None, status)


def _settle(bench: _Bench, place: Place, ruled_out: Collection[str]) -> Hypothesis | None:
    change = place.change
    mechanism = change.cause if change else bench.changes.none.cause
    guilt = 1.0 if change else bench.changes.none.probability
    signals = replace(
        service_signals(bench.suspects, place.service, mechanism, guilt), no_change=change is None
    )
    desk = Desk(bench.suspects, bench.seen, bench.incident.at)
    scene = _scene(bench.incident, bench.suspects, place.service)
    findings = (
        *about(desk, place.service),
        *_tests_at(bench, place),
        *judge_messages(messages(desk, place.service), scene),
        judge_provider_status(bench.seen, signals, scene),
    )
    return settle(place, judge_mechanisms(signals, findings), findings, ruled_out)


def _all_tests(
    incident: Incident, suspects: Suspects, seen: Observations, suspicion: Mapping[str, float]
) -> dict[str, tuple[Finding, ...]]:
    """The tests of every service that may be at fault."""
    likely = sorted(name for name, p in suspicion.items() if p >= _WORTH_TESTING)
    return {name: _tests(incident, suspects, seen, name) for name in likely}


def _tests_at(bench: _Bench, place: Place) -> tuple[Finding, ...]:
    """The tests of the place's service.

    A service that its change alone accuses shares a database with those that suffer. Of what the database's
    tests find there, what lies in a table that the change's migrations name is its doing; the rest is not.
    """
    commit = place.change.commit if place.change else None
    if place.service in bench.tests or commit is None:
        return bench.tests.get(place.service, ())
    words = schema_words(commit)
    found = _tests(bench.incident, bench.suspects, bench.seen, place.service) if words else ()
    return tuple(f for f in found if f.entity and f.entity.kind == "table" and f.entity.name in words)


def _scene(incident: Incident, suspects: Suspects, service: str) -> Scene:
    entry = next((s for s in incident.services if s.name == service), None)
    onset = suspects.measured.symptom.onset_low
    return Scene(
        now=incident.at,
        onset=datetime.fromtimestamp(onset, UTC) if onset is not None else None,
        service=service,
        database=entry.database if entry else None,
        namespace=entry.namespace if entry else None,
    )


def _tests(incident: Incident, suspects: Suspects, seen: Observations, service: str) -> tuple[Finding, ...]:
    """What the service's database, migrations and cluster objects say."""
    scene = _scene(incident, suspects, service)
    spans = statement_spans(suspects, seen, service)
    database = judge_database(seen, scene, spans) if scene.database or spans else ()
    return (*database, *judge_cluster(seen, scene))


def _ordered(settled: Sequence[Hypothesis], confidence: Mapping[str, float]) -> list[Hypothesis]:
    """Each hypothesis once, by confidence; ties by id, so that no order of discovery shows."""
    unique = {h.id: h for h in reversed(settled)}
    return sorted(unique.values(), key=lambda h: (-confidence[h.id], h.id))


def _weighing(
    bench: _Bench,
    ordered: Sequence[Hypothesis],
    confidence: Mapping[str, float],
    rest: Rest,
) -> Weighing:
    listed = ordered[:MOST_PROPOSALS]
    scribe = Scribe(bench.incident, bench.seen, Registry(), bench.changes.none)
    proposals = tuple(propose(scribe, h, confidence[h.id], rank) for rank, h in enumerate(listed, 1))
    unlisted = sum(confidence[h.id] for h in ordered[MOST_PROPOSALS:])
    conclusion = conclude(bench.incident, bench.suspects, proposals, replace(rest, none=rest.none + unlisted))
    return Weighing(
        verdict=conclusion.verdict,
        summary=conclusion.summary,
        proposals=conclusion.proposals,
        none_of_these=conclusion.none,
        calibrated=False,
        evidence=scribe.registry.known,
        wanted=wanted(bench.incident, bench.seen, listed),
        pictures=draw(bench.suspects, listed),
    )
