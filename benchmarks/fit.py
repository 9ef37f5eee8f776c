"""Fit the weights of graph/weights.json from labelled cases, and say how well they carry over.

    python -m benchmarks.fit PATH… [--write]

A conditional logit (McFadden 1974) over the suspects' features, non-negative, pulled towards declared
starting values by a ridge; every system counts alike. Reports leave-one-system-out and five-fold figures
beside the fit, because weights that only hold at home are worth little. The only script that writes the
weights file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from bot.incidents import of_case
from connectors.answers import Floats
from connectors.case import open_case
from connectors.contract import Unavailable
from graph.fitting import DECLARED, EXPLAINED, NONE, UNSEEN, fit, held_out
from graph.planning import sweep
from graph.ranking import WEIGHTS, Weights, explained
from playbooks.observations import Observations
from playbooks.suspects import FEATURES, Suspects, examine


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled case: what was measured, which rows are right, and the system it came from."""

    name: str
    system: str
    group: str
    suspects: Suspects
    right: Floats

    @property
    def features(self) -> Floats:
        """One row a service."""
        return self.suspects.features


def load(folder: Path) -> Case | None:
    """Measure one case; None where its label names no service."""
    truth = yaml.safe_load((folder / "truth.yaml").read_text())
    if not truth.get("services"):
        return None
    sources = open_case(folder)
    incident = of_case(sources.manifest, sources.alert_bytes)
    answers = [sources.ask(q, now=incident.at) for q in sweep(incident, sources.available())]
    suspects = examine(incident, Observations(a for a in answers if not isinstance(a, Unavailable)))
    right = np.array([float(name in truth["services"]) for name in suspects.services])
    system = folder.parent.name.split("-substitute")[0]
    return Case(folder.name, system, f"{system}/{truth['services'][0]}", suspects, right)


def probabilities(case: Case, weights: Floats, temperature: float) -> Floats:
    """The model of graph/ranking.py, with "none of these" last."""
    scores = case.suspects.features @ weights
    scores = scores - EXPLAINED * explained(case.suspects, scores)
    none = NONE + (0.0 if case.suspects.measured.symptom.visible else UNSEEN)
    logits = np.append(scores, none) / temperature
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())


def temperature(cases: Sequence[Case], folds: dict[str, Floats]) -> float:
    """The temperature with the best log-likelihood on cases that did not fit their own weights.

    Never below 1: sharper than the likelihood is not a mistake that a person on call should pay for.
    """

    def loss(value: float) -> float:
        right = [float(probabilities(c, folds[c.name], value)[:-1] @ c.right) for c in cases]
        return -float(np.log(np.maximum(right, 1e-9)).sum())

    return min((round(1.0 + 0.1 * i, 1) for i in range(21)), key=loss)


def report(title: str, cases: Sequence[Case], weights: dict[str, Floats], heat: float) -> None:
    """AC@1, AC@3, mean confidence and confidently wrong, per system."""
    by_system: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for case in cases:
        p = probabilities(case, weights[case.name], heat)[:-1]
        order = np.argsort(-p, kind="stable")
        rank = next((i for i, row in enumerate(order, 1) if case.right[row]), 999)
        by_system[case.system].append((rank, float(p[order[0]])))
    print(f"\n{title} (temperature {heat})")
    for system, rows in sorted(by_system.items()):
        n = len(rows)
        first, third = sum(r == 1 for r, _ in rows) / n, sum(r <= 3 for r, _ in rows) / n
        sure = sum(p >= 0.8 and r != 1 for r, p in rows)
        print(f"  {system:24} n={n:3}  AC@1 {first:.2f}  AC@3 {third:.2f}"
              f"  mean confidence {np.mean([p for _, p in rows]):.2f}  confidently wrong {sure}")  # fmt: skip


def write(cases: Sequence[Case], weights: Floats, heat: float) -> None:
    """Write graph/weights.json with its provenance."""
    count = Counter(case.system for case in cases)
    body = Weights(
        format=1,
        version=f"1-{len(cases)}-cases",
        features={name: round(float(w), 3) for name, w in zip(FEATURES, weights, strict=True)},
        none=NONE,
        unseen=UNSEEN,
        explained=EXPLAINED,
        temperature=heat,
        provenance={
            "fitted": "conditional logit, ridge to declared values, non-negative; benchmarks/fit.py",
            "cases": ", ".join(f"{system} {n}" for system, n in sorted(count.items())),
            "calibrated": "no: confidences do not carry over between systems by themselves",
        },
    )
    WEIGHTS.write_text(json.dumps(body.model_dump(), indent=2) + "\n")
    print(f"\nwrote {WEIGHTS.name}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="write graph/weights.json")
    wanted = parser.parse_args()
    folders = sorted({p.parent for path in wanted.paths for p in path.rglob("truth.yaml")})
    with ProcessPoolExecutor() as pool:
        cases = [case for case in pool.map(load, folders) if case is not None]
    everywhere = fit(cases)
    systems = held_out(cases, {c.name: c.system for c in cases})
    groups = sorted({c.group for c in cases})
    crossed = held_out(cases, {c.name: str(groups.index(c.group) % 5) for c in cases})
    heat = temperature(cases, systems)
    declared = np.array([DECLARED[name] for name in FEATURES])
    report("declared, nothing fitted", cases, {c.name: declared for c in cases}, heat)
    report("leave one system out", cases, systems, heat)
    report("five folds by system and guilty service", cases, crossed, heat)
    report("fitted on all of them (not a result)", cases, {c.name: everywhere for c in cases}, heat)
    print("\n" + "  ".join(f"{n} {w:.2f}" for n, w in zip(FEATURES, everywhere, strict=True)))
    if wanted.write:
        write(cases, everywhere, heat)


if __name__ == "__main__":
    main()
