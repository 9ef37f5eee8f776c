"""Learn delays from labelled cases: how long after the guilty change the symptom began, by class.

    python -m benchmarks.delays PATH… [--write]

The onset is the one the program measures, the class the one it sees in the guilty diff; only the guilty
change is taken from the label. The only script that writes playbooks/delays.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from bot.incidents import of_case
from connectors.answers import Commits, Timeline
from connectors.case import open_case
from connectors.contract import Unavailable
from graph.planning import sweep
from playbooks.change_candidates import candidates
from playbooks.delays import DELAYS, DelayClass, load_delays
from playbooks.diff_effects import power_of
from playbooks.diffs import read_diff
from playbooks.observations import Observations
from playbooks.suspects import examine


def observed(folder: Path) -> tuple[DelayClass, float] | None:
    """The class and the delay in minutes; None where no change is guilty or no onset is seen after it."""
    guilty = (yaml.safe_load((folder / "truth.yaml").read_text()) or {}).get("commit")
    if guilty in (None, "none"):
        return None
    sources = open_case(folder)
    incident = of_case(sources.manifest, sources.alert_bytes)
    answers = [sources.ask(q, now=incident.at) for q in sweep(incident, sources.available())]
    seen = Observations(a for a in answers if not isinstance(a, Unavailable))
    onset = examine(incident, seen).measured.symptom.onset
    timeline = [c for found in seen.all(Timeline) for c in found.answer.changes]
    commits = [c for found in seen.all(Commits) for c in found.answer.commits]
    carried = [c for c in candidates(timeline, commits, (), incident.at) if c.id == str(guilty)]
    if onset is None or not carried:
        return None
    minutes = [(onset - c.at.timestamp()) / 60.0 for c in carried]
    after = [m for m in minutes if m >= 0]
    diff = carried[0].commit.diff if carried[0].commit else None
    slow = any(trace.slow and trace.telling for trace in power_of(read_diff(diff)).traces)
    return ("gradual" if slow else "immediate", min(after)) if after else None


def main() -> int:
    """Print what was observed; write the file when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = {}
    for folder in sorted({p.parent for path in given.paths for p in path.rglob("truth.yaml")}):
        said = observed(folder)
        if said is not None:
            found[folder.name] = said
            sys.stdout.write(f"{folder.name}: {said[0]}, {said[1]:.1f} min\n")
    file = load_delays().model_dump(mode="json")
    for name, held in file["classes"].items():
        held["observed"] = {case: round(m, 1) for case, (kind, m) in found.items() if kind == name}
    file["provenance"] = (
        "Medians, spreads and backgrounds are declared (judgement: a request meets an edited line within "
        f"minutes, pools, leaks and data grow over hours). {len(found)} labelled cases with a guilty change "
        "moved the medians (benchmarks/delays.py). That is few, and the lab's faults are injected promptly: "
        "the spreads stay as declared, and countdown has no case."
    )
    if given.write:
        DELAYS.write_text(json.dumps(file, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
