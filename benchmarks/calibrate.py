"""Fit graph/calibration.json on held-out rankings, and say what a confidence is worth.

    python -m benchmarks.calibrate PATH… [--write]

Everything is nested: a case is scored by weights and by a calibrator that were fitted without its fold, and
the calibrator in turn learned from rankings whose weights had not seen the case ranked. Two kinds of folds:
a system at a time (what a new site gets), and five folds by guilty service within the systems (what a known
one gets). Long fault-free recordings are also looked at when nothing was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.fit import Case, load
from benchmarks.reliability import print_candidates, print_figures, print_healthy, print_sets
from bot.incidents import of_case
from connectors.answers import ClusterState, Commits, Floats, SeriesSet, StatusFeeds, Timeline
from connectors.case import CaseSources, open_case
from connectors.contract import Unavailable, Window
from graph.calibration import CALIBRATION, Calibration
from graph.calibrators import (
    CANDIDATES,
    HEALTHY,
    RIDGE,
    Choice,
    Row,
    Scored,
    abstain_below,
    by,
    choose,
    conformal,
    fit,
    isotonic,
)
from graph.fitting import fit as fit_weights
from graph.fitting import held_out, weights_of
from graph.hypotheses import Place, places
from graph.planning import sweep
from graph.ranking import ServiceOdds, rank_services
from graph.traits import traits_of
from playbooks.changes import ChangeJudgement, judge_changes
from playbooks.model import Incident
from playbooks.observations import Observations
from playbooks.portrait import fault_look
from playbooks.suspects import Suspects, examine

MOST_WRONG = 0.02
_INSTANTS = 4
_LONG = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Instance:
    """A measured instant: an incident, or a fault-free moment of its recording (`case` is the incident's)."""

    case: Case
    healthy: bool
    incident: Incident
    suspects: Suspects
    seen: Observations


def _examined(sources: CaseSources, incident: Incident) -> tuple[Observations, Suspects]:
    answers = [sources.ask(q, now=incident.at) for q in sweep(incident, sources.available())]
    seen = Observations(a for a in answers if not isinstance(a, Unavailable))
    return seen, examine(incident, seen)


def instances(folder: Path, turn: int) -> Iterator[Instance]:
    """The case in a folder and, where its recording is long, fault-free instants before it."""
    case = load(folder)
    if case is None:
        return
    sources = open_case(folder)
    incident = of_case(sources.manifest, sources.alert_bytes)
    seen, _ = _examined(sources, incident)
    yield Instance(case, False, incident, case.suspects, _about_changes(seen))
    series = seen.first(SeriesSet)
    if series is None or incident.window.end - incident.window.start < _LONG:
        return
    for at in _quiet_instants(series.answer.times, turn):
        window = Window(start=incident.window.start, end=at)
        quiet = incident.model_copy(update={"at": at, "window": window, "started_at": None})
        seen, suspects = _examined(sources, quiet)
        yield Instance(case, True, quiet, suspects, _about_changes(seen))


def _quiet_instants(times: Floats, turn: int) -> list[datetime]:
    """Instants from a fifth to nearly all of the recording; each case's lie elsewhere (golden section)."""
    shift = (turn * 0.618034) % 1.0
    parts = [0.2 + 0.19 * (number + shift) for number in range(_INSTANTS)]
    length = float(times[-1] - times[0])
    return [datetime.fromtimestamp(float(times[0]) + part * length * 0.99, UTC) for part in parts]


def _about_changes(seen: Observations) -> Observations:
    """Only what the judge of changes reads: spans and series are large and have been measured."""
    kinds = (Timeline, Commits, StatusFeeds, ClusterState)
    if not seen.all(Timeline) and not seen.all(Commits):
        return Observations(())
    keep = {id(found.reading) for kind in kinds for found in seen.all(kind)}
    return Observations(r for r in seen.everything() if id(r) in keep or isinstance(r.answer, kinds))


def _changes(one: Instance, odds: ServiceOdds) -> ChangeJudgement:
    seen = one.seen
    look = fault_look(one.incident, one.suspects, seen, odds.probability)
    return judge_changes(
        look,
        [change for found in seen.all(Timeline) for change in found.answer.changes],
        [commit for found in seen.all(Commits) for commit in found.answer.commits],
        cluster.answer if (cluster := seen.first(ClusterState)) else None,
        [event for found in seen.all(StatusFeeds) for event in found.answer.events],
    )


def ranked(one: Instance, vector: Floats) -> Row:
    """The ranking of places that graph/judgement.py makes of it, with these weights."""
    odds = rank_services(one.suspects, weights_of(vector, "held out"))
    found = places(odds, _changes(one, odds))
    total = sum(place.probability for place in found) + odds.none
    right = (
        []
        if one.healthy
        else [name for name, hit in zip(one.case.suspects.services, one.case.right, strict=True) if hit]
    )
    first: Place | None = found[0] if found else None
    also = ("changes",) if first and first.change else ()
    return Row(
        name=one.case.name,
        system=one.case.system,
        healthy=one.healthy,
        raw=tuple(place.probability / total for place in found),
        none=odds.none / total,
        truth=next((i for i, place in enumerate(found) if place.service in right), None),
        traits=traits_of(one.suspects, odds, first.service if first else None, also),
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to learn from, ranked by weights that had not seen them, and rows to score."""

    learn: list[Row]
    score: list[Row]


def _learned(measured: Sequence[Instance], inner: Mapping[str, str]) -> list[Row]:
    """The calibrator's training rows: weights leave out each incident's inner fold; no fault, no fold."""
    cases = [one.case for one in measured if not one.healthy]
    apart, together = held_out(cases, dict(inner)), fit_weights(cases)
    return [ranked(one, together if one.healthy else apart[one.case.name]) for one in measured]


def folds(measured: Sequence[Instance], fold_of: Mapping[str, str]) -> list[Fold]:
    """Each fold once held out from everything that is fitted."""
    found = []
    for held in sorted(set(fold_of.values())):
        others = [one for one in measured if fold_of[one.case.name] != held]
        vector = fit_weights([one.case for one in others if not one.healthy])
        score = [ranked(one, vector) for one in measured if fold_of[one.case.name] == held]
        found.append(Fold(_learned(others, fold_of), score))
    return found


def scored(parts: Sequence[Fold]) -> dict[str, list[Scored]]:
    """Every row as each candidate says it that learned without it; grouped by system."""
    out: dict[str, list[Scored]] = {}
    for candidate in CANDIDATES:
        out[candidate.name] = [
            Scored(row, said(row))
            for part in parts
            for said in [by(fit(candidate, part.learn))]
            for row in part.score
        ]
    out["isotonic (reference)"] = [
        Scored(row, said(row)) for part in parts for said in [isotonic(part.learn)] for row in part.score
    ]
    return {name: sorted(rows, key=lambda s: (s.row.system, s.row.name)) for name, rows in out.items()}


def _promise(model: Calibration, learn: Sequence[Row]) -> Calibration:
    """The model with the conformal threshold of its own training rows."""
    said = by(model)
    return model.model_copy(update={"conformal": conformal([Scored(row, said(row)) for row in learn])})


def _incidents(rows: Sequence[Scored]) -> list[Scored]:
    return [each for each in rows if not each.row.healthy]


def _measure(folders: Sequence[Path]) -> list[Instance]:
    found: list[Instance] = []
    for turn, folder in enumerate(folders):
        print(f"\r{turn + 1} of {len(folders)} cases", end="", file=sys.stderr, flush=True)
        found += instances(folder, turn)
    print(file=sys.stderr)
    return found


def _write(
    measured: Sequence[Instance], choice: Choice, across: Sequence[Scored], figures: Mapping[str, str]
) -> None:
    cases = [one.case for one in measured if not one.healthy]
    learn = _learned(measured, {case.name: case.system for case in cases})
    count = Counter(case.system for case in cases)
    model = fit(choice.chosen, learn)
    body = model.model_copy(
        update={
            "version": f"1-{len(cases)}-cases",
            "offset": round(model.offset, 3),
            "rise": round(model.rise, 3),
            "fall": round(model.fall, 3),
            "weights": {name: round(weight, 3) for name, weight in model.weights.items()},
            "abstain_below": abstain_below(across),
            "conformal": conformal(_incidents(across)),
            "provenance": {
                "fitted": f"{choice.chosen.name}; ridge {RIDGE:g} to raw; benchmarks/calibrate.py",
                "date": datetime.now(UTC).date().isoformat(),
                "cases": ", ".join(f"{system} {n}" for system, n in sorted(count.items())),
                "fault-free instants": f"{sum(o.healthy for o in measured)}, weighing {HEALTHY:.0%} together",
                **figures,
            },
        }
    )
    CALIBRATION.write_text(json.dumps(body.model_dump(), indent=2) + "\n")
    print(f"\nwrote {CALIBRATION.name}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="write graph/calibration.json")
    wanted = parser.parse_args()
    measured = _measure(sorted({p.parent for path in wanted.paths for p in path.rglob("truth.yaml")}))
    cases = [one.case for one in measured if not one.healthy]
    groups = sorted({case.group for case in cases})
    systems = folds(measured, {case.name: case.system for case in cases})
    crossed = folds(measured, {case.name: str(groups.index(case.group) % 5) for case in cases})
    across, within = scored(systems), scored(crossed)
    alone = [{name: _incidents(rows) for name, rows in each.items()} for each in (across, within)]
    choice = choose(alone[0], alone[1], MOST_WRONG)
    print_candidates(alone[0], alone[1], choice)
    figures: dict[str, str] = {}
    titles = ("leave one system out", "five folds within the systems")
    for title, parts, rows, mine in zip(titles, (systems, crossed), (across, within), alone, strict=True):
        figures |= print_figures(title, mine["raw"], mine[choice.chosen.name])
        print_healthy(rows["raw"], rows[choice.chosen.name])
        promised = [_promise(fit(choice.chosen, part.learn), part.learn) for part in parts]
        print_sets(
            [
                (model, [row for row in part.score if not row.healthy])
                for model, part in zip(promised, parts, strict=True)
            ]
        )
    print(f"\nunknown below {np.round(abstain_below(across[choice.chosen.name]), 2)}")
    if wanted.write:
        _write(measured, choice, across[choice.chosen.name], figures)


if __name__ == "__main__":
    main()
