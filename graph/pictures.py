"""Which series to draw: the symptom, and for each of the first proposals the series that accuses it most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from graph.hypotheses import Hypothesis
from graph.model import Mark, Picture
from playbooks.quantities import unit_of
from playbooks.suspects import Suspects

_MOST_POINTS = 240
_MOST_SUSPECTS = 3
_LIKELY = 0.02


def draw(suspects: Suspects, hypotheses: Sequence[Hypothesis]) -> tuple[Picture, ...]:
    """The symptom first, then one series for each different suspect."""
    view = suspects.measured.symptom
    hypotheses = [h for h in hypotheses if h.probability >= _LIKELY]
    marks = tuple(_marks(suspects, hypotheses))
    shown = np.where(np.isfinite(suspects.measured.shifts.z), np.abs(suspects.measured.shifts.z), -1.0)
    loudest = sorted(view.rows, key=lambda row: (-shown[row], row))[:1]
    rows = [(row, "symptom") for row in loudest]
    seen = {row for row, _ in rows}
    for service in dict.fromkeys(h.place.service for h in hypotheses[:_MOST_SUSPECTS]):
        moves = [m for kind in suspects.moves.get(service, {}).values() for m in kind if m.row not in seen]
        best = max(moves, key=lambda m: (m.z, -m.row), default=None)
        if best is not None and best.z > 1.0:
            rows.append((best.row, f"suspect: {service}"))
            seen.add(best.row)
    return tuple(_picture(suspects, row, role, marks) for row, role in rows)


def _marks(suspects: Suspects, hypotheses: Sequence[Hypothesis]) -> Iterable[Mark]:
    changes = list(dict.fromkeys(h.place.change for h in hypotheses[:_MOST_SUSPECTS] if h.place.change))
    view = suspects.measured.symptom
    if view.onset is not None and view.onset_low is not None and view.onset_high is not None:
        yield Mark(at=view.onset, label="onset")
        # Where a change lies within the onset's uncertainty, which came first is not known: show it.
        when = [change.vehicle.at.timestamp() for change in changes if change.vehicle is not None]
        if any(view.onset_low <= at <= view.onset_high for at in when):
            yield Mark(at=view.onset_low, label="onset at the earliest")
            yield Mark(at=view.onset_high, label="onset at the latest")
    for change in changes:
        if change.vehicle is not None:
            yield Mark(
                at=change.vehicle.at.timestamp(),
                label=f"{change.vehicle.kind} {change.service or ''} {change.change_id[:7]}",
            )


def _picture(suspects: Suspects, row: int, role: str, marks: tuple[Mark, ...]) -> Picture:
    prepared, shifts = suspects.measured.prepared, suspects.measured.shifts
    times, values = prepared.series.times, prepared.series.values[row]
    keep = np.unique(np.linspace(0, len(times) - 1, min(len(times), _MOST_POINTS)).round().astype(np.int64))
    usual = float(shifts.usual[row])
    key = prepared.series.keys[row]
    return Picture(
        title=str(key),
        role=role,
        unit=unit_of(key.metric),
        times=tuple(float(t) for t in times[keep]),
        values=tuple(float(v) if np.isfinite(v) else None for v in values[keep]),
        baseline=usual if np.isfinite(usual) else None,
        marks=marks,
    )
