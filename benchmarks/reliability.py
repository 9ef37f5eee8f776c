"""Tables that say what a confidence was worth: reliability, ECE, Brier, confidently wrong, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from bot.bench import calibration as measures
from bot.bench.intervals import Figure, of_statistic, wilson
from connectors.answers import Floats
from graph.calibration import Calibration, conformal_set
from graph.calibrators import CONFIDENT, Choice, Row, Scored, by

SEED = 20261123
_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def _columns(rows: Sequence[Scored]) -> tuple[Floats, Floats, list[str]]:
    sure = np.array([each.sure for each in rows])
    return sure, np.array([float(each.row.right) for each in rows]), [each.row.system for each in rows]


def _told(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.2f}, {figure.high:.2f}]"


def figures(rows: Sequence[Scored]) -> dict[str, Figure]:
    """The figures of one set of rows, with bootstrap intervals within systems."""
    sure, right, sets = _columns(rows)
    wrong = ((sure >= CONFIDENT) & (right == 0)).astype(np.float64)
    loss = np.array([each.loss for each in rows])

    def mean(values: Floats) -> Figure:
        return of_statistic(lambda w: np.asarray(w @ values / w.sum(axis=1)), sets, SEED)

    return {
        "right": mean(right),
        "mean confidence": mean(sure),
        "confidently wrong": mean(wrong),
        "ECE": of_statistic(lambda w: measures.ece_equal_mass(sure, right, w), sets, SEED),
        "Brier": of_statistic(lambda w: measures.brier(sure, right, w), sets, SEED),
        "log loss": mean(loss),
        "right of the surest half": of_statistic(
            lambda w: measures.accuracy_at(0.5, sure, right, w), sets, SEED, 0.5
        ),
        "right of the surest 80 %": of_statistic(
            lambda w: measures.accuracy_at(0.8, sure, right, w), sets, SEED, 0.8
        ),
    }


def print_candidates(
    across: Mapping[str, Sequence[Scored]], within: Mapping[str, Sequence[Scored]], choice: Choice
) -> None:
    print("\ncandidates (log loss and confidently wrong: leave one system out, five folds)")
    for name, rows in across.items():
        losses = [np.mean([s.loss for s in part]) for part in (rows, within[name])]
        wrong = [sum(s.confidently_wrong for s in part) for part in (rows, within[name])]
        why = choice.reasons.get(name, "")
        print(f"  {name:28} {losses[0]:.3f} {losses[1]:.3f}   {wrong[0]} {wrong[1]}   {why}")


def print_figures(title: str, raw: Sequence[Scored], calibrated: Sequence[Scored]) -> dict[str, str]:
    """Print before and after, per system and pooled; returns the pooled ones after, for the record."""
    kept: dict[str, str] = {}
    for system in [*sorted({each.row.system for each in raw}), "all"]:
        rows = [[e for e in part if system in {e.row.system, "all"}] for part in (raw, calibrated)]
        before, after = figures(rows[0]), figures(rows[1])
        expected = np.mean(measures.expected_ece(np.array([e.sure for e in rows[1]]), 200, SEED))
        print(f"\n{title}: {system}, n={len(rows[0])} (a perfect calibration's ECE here: {expected:.3f})")
        for name, figure in before.items():
            print(f"  {name:26} {_told(figure)}  ->  {_told(after[name])}")
        if system == "all":
            wanted = ("ECE", "Brier", "confidently wrong", "right of the surest half")
            kept = {f"{title}: {name}": _told(after[name]) for name in wanted}
            _print_bins(rows[0], rows[1])
    return kept


def _print_bins(raw: Sequence[Scored], calibrated: Sequence[Scored]) -> None:
    for name, rows in (("raw", raw), ("calibrated", calibrated)):
        sure, right, _ = _columns(rows)
        print(f"  reliability, {name}")
        for low, high in pairwise(_BINS):
            inside = (sure >= low) & ((sure < high) | (high == 1.0))
            n, hits = int(inside.sum()), int(right[inside].sum())
            if n:
                bounds = "[{:.2f}, {:.2f}]".format(*wilson(hits, n))
                said = f"said {sure[inside].mean():.2f}  right {hits / n:.2f} {bounds}"
                print(f"    {low:.1f} to {high:.1f}  n={n:3}  {said}")


def print_healthy(raw: Sequence[Scored], calibrated: Sequence[Scored]) -> None:
    for name, rows in (("raw", raw), ("calibrated", calibrated)):
        sure = np.array([each.sure for each in rows if each.row.healthy])
        if len(sure):
            told = [f"{int((sure >= at).sum())} at {at} or more" for at in (0.5, 0.8)]
            print(
                f"  fault-free instants, {name}: n={len(sure)}, {', '.join(told)}, highest {sure.max():.2f}"
            )


def print_sets(parts: Sequence[tuple[Calibration, Sequence[Row]]]) -> None:
    """How often the sets hold the cause; neither weights, calibrator nor threshold had seen the case."""
    found: dict[str, list[tuple[int, bool]]] = {}
    for model, rows in parts:
        said = by(model)
        for row in rows:
            size = conformal_set(said(row), model)
            held = row.truth is not None and row.truth < size
            found.setdefault(row.system, []).append((size, held))
    found["all"] = [each for rows in found.values() for each in rows]
    for system, sizes in sorted(found.items()):
        stated = [(size, held) for size, held in sizes if size]
        covered = sum(held for _, held in stated)
        low, high = wilson(covered, len(stated))
        bounds = f"[{low:.2f}, {high:.2f}]" if low is not None else ""
        mean = np.mean([size for size, _ in stated]) if stated else 0.0
        print(
            f"  conformal sets, {system}: said of {len(stated)} of {len(sizes)}, hold the cause in {covered}"
            f" {bounds}, {mean:.1f} places on average"
        )
