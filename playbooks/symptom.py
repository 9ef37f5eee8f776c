"""The symptom: which series show what the alert complains of, since when, and which samples are the incident.

Pure. Says "not visible" rather than guessing: then the last minutes before now are the incident window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from connectors.answers import Floats, SeriesSet
from playbooks.model import Incident, Symptom
from playbooks.semantics import Meaning, Scope, Signal, meaning, words
from playbooks.shifts import Template, independent_samples, recurring, spread, told_by, uniform

DEFAULT_SECONDS = 300.0
"""Where the symptom is not visible: alerts usually fire within five minutes of the onset."""
_VISIBLE = 3.0
# A run that ended this long before the alert fired is an earlier disturbance, not this symptom.
_EARLIER_SECONDS = 60.0
_LONGEST_SHARE = 0.4
# So many samples at least say what was usual before a symptom that fills most of the window.
_EARLY_SAMPLES = 30

_SIGNALS: dict[Symptom, tuple[Signal, ...]] = {
    Symptom.LATENCY: (Signal.LATENCY,),
    Symptom.ERRORS: (Signal.ERRORS, Signal.SUCCESS),
    Symptom.TRAFFIC: (Signal.TRAFFIC,),
    Symptom.SATURATION: (
        Signal.CPU,
        Signal.THROTTLING,
        Signal.MEMORY,
        Signal.DISK,
        Signal.POOL,
        Signal.QUEUE,
        Signal.RESTARTS,
    ),
    Symptom.UNKNOWN: (Signal.LATENCY, Signal.ERRORS, Signal.SUCCESS),
}


@dataclass(frozen=True, slots=True)
class SymptomView:
    """What the alerted service's own series show.

    `rows`: indices of its series. `excess`: (t,) how far beyond usual, in robust deviations, 0 within
    the usual range. `visible`: whether it shows at all. `onset`, `onset_low`, `onset_high`: seconds since the
    epoch, None where not visible. `ended`: since when it is back in its usual range, None while it goes on.
    `template`: which samples are the incident.
    """

    rows: tuple[int, ...]
    excess: Floats
    visible: bool
    onset: float | None
    onset_low: float | None
    onset_high: float | None
    ended: float | None
    template: Template


def _named(incident: Incident, series: SeriesSet, rows: list[int]) -> list[int]:
    """Of the candidates, those whose metric the alert names; all when it names none of them."""
    if not incident.metric:
        return rows
    exact = [row for row in rows if series.keys[row].metric == incident.metric]
    if exact:
        return exact
    wanted = set(words(incident.metric))
    close = [row for row in rows if wanted and wanted <= set(words(series.keys[row].metric))]
    return close or rows


def _concerns(said: Meaning, incident: Incident) -> bool:
    """Whether a series is the alerted service's own; any service's where the alert names none."""
    return said.service is not None and incident.service in {said.service, None}


def symptom_rows(
    incident: Incident, series: SeriesSet, meanings: Sequence[Meaning] | None = None
) -> tuple[int, ...]:
    """The series that show the symptom: the alerted service's own, of the alert's kind of signal.

    `meanings` are those of the series' keys, where they are known already.
    """
    known = meanings if meanings is not None else [meaning(key) for key in series.keys]
    if incident.metric:
        exact = [
            row
            for row, key in enumerate(series.keys)
            if key.metric == incident.metric and known[row].service in {incident.service, None}
        ]
        if exact:
            return tuple(exact)
    kinds = _SIGNALS[incident.symptom]
    own: list[tuple[int, Meaning]] = [
        (row, said) for row, said in enumerate(known) if _concerns(said, incident) and said.signal in kinds
    ]
    served = [row for row, said in own if said.scope is Scope.SERVICE and not said.counter]
    rows = served or [row for row, said in own if said.scope in {Scope.EDGE, Scope.CLIENT}]
    return tuple(_named(incident, series, rows))


def _excess(series: SeriesSet, rows: tuple[int, ...], history: int) -> Floats:
    """Mean over the symptom's series of how far each sample lies on the bad side, in robust deviations."""
    if not rows or history < 3:
        return np.zeros(len(series.times))
    values = series.values[list(rows)]
    centre, scale = spread(values[:, :history])
    scale = np.where(scale > 0, scale, 1e-9)
    sign = np.array([meaning(series.keys[row]).bad for row in rows], dtype=np.float64)[:, None]
    with np.errstate(invalid="ignore"):
        far = (values - centre[:, None]) / scale[:, None]
    # Of what may be bad either way, traffic for one, every departure counts.
    far = np.where(sign == 0, np.abs(far), sign * far)
    far = np.where(np.isfinite(far), np.clip(far, 0.0, 20.0), 0.0)
    # What the series does again and again is usual, however far it is from its middle.
    far = far / np.maximum(recurring(far[:, :history]) / _VISIBLE, 1.0)[:, None]
    far = told_by(far, independent_samples(_clipped(values[:, :history], centre, scale)))
    top = np.sort(far, axis=0)[-3:]
    return np.asarray(top.mean(axis=0))


def _clipped(values: Floats, centre: Floats, scale: Floats) -> Floats:
    """Residuals in which one wild sample tells no more than a far one."""
    return np.asarray(np.clip((values - centre[:, None]) / scale[:, None], -5.0, 5.0))


def _run(excess: Floats, longest: int, fewest: int) -> tuple[int, int] | None:
    """First and last index of the newest run of visible excess; gaps of two samples do not end a run."""
    high = np.flatnonzero(excess[-longest:] >= _VISIBLE) + len(excess) - longest
    if not len(high):
        return None
    first = int(high[-1])
    for index in high[::-1]:
        if first - int(index) > 3:
            break
        first = int(index)
    last = int(high[-1])
    return (first, last) if int((excess[first : last + 1] >= _VISIBLE).sum()) >= fewest else None


def _sought(
    series: SeriesSet, rows: tuple[int, ...], longest: int, fewest: int
) -> tuple[Floats, tuple[int, int] | None]:
    """How far the symptom's series are beyond usual, and the run of it that is looked for.

    Where the last hour shows nothing, what has lasted for longer may hide in what was taken for usual: then
    the first third says what is usual, and only what never came back since counts.
    """
    samples = len(series.times)
    excess = _excess(series, rows, samples - longest)
    found = _run(excess, longest, fewest) if samples >= 6 else None
    early = samples // 3
    if found is not None or early < _EARLY_SAMPLES:
        return excess, found
    since = _excess(series, rows, early)
    lasting = _run(since, samples - early, fewest)
    if lasting is None or lasting[1] < samples - 2 or not bool((since[lasting[0] :] >= _VISIBLE).all()):
        return excess, None
    return (since, lasting) if samples - lasting[0] > longest else (excess, None)


def _template(excess: Floats, first: int, samples: int) -> Template:
    start = min(first, samples - 3)
    weights = np.clip(excess[start:] - 1.0, 0.0, 10.0)
    total = float(weights.sum())
    if total <= 0:
        return uniform(samples, samples - start)
    return Template(weights / total, start)


def usual_until(times: Floats) -> int:
    """How many of the first samples say what is usual: all but the last 40 %, at most an hour."""
    samples = len(times)
    step = float(np.median(np.diff(times))) if samples > 1 else 60.0
    longest = max(min(int(_LONGEST_SHARE * samples), int(3600 / step) if step <= 300 else 24), 3)
    return max(samples - longest, 0)


def view(incident: Incident, series: SeriesSet, meanings: Sequence[Meaning] | None = None) -> SymptomView:
    """Look at the alerted service's own series.

    What repeats by the clock is to be taken out of the series before. `meanings`: as for `symptom_rows`.
    """
    times = series.times
    samples = len(times)
    step = float(np.median(np.diff(times))) if samples > 1 else 60.0
    longest = samples - usual_until(times)
    rows = symptom_rows(incident, series, meanings)
    # One sample is a spike, not a symptom, unless it stands for minutes.
    fewest = 3 if step <= 30.0 else 2 if step < 120.0 else 1
    excess, found = _sought(series, rows, longest, fewest)
    fired = (incident.started_at or incident.at).timestamp()
    if found is None or times[found[1]] < fired - 2 * step - _EARLIER_SECONDS:
        length = int(np.clip(round(DEFAULT_SECONDS / step), 3, max(samples // 3, 3)))
        return SymptomView(
            rows, excess, False, None, None, None, None, uniform(samples, min(length, max(samples - 1, 1)))
        )
    first, last = found
    ended = float(times[last + 1]) if samples - 1 - last >= 3 else None
    onset = float(times[first])
    low = float(times[max(first - 2, 0)])
    return SymptomView(rows, excess, True, onset, low, onset + step, ended, _template(excess, first, samples))
