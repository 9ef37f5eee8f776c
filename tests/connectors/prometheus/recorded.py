"""A recorded case as what a live server would hold: its series, with the labels that a scrape adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from connectors.answers import SeriesSet
from connectors.case.sources import CaseSources, open_case
from connectors.contract import Reading, Window
from connectors.questions import SeriesSweep
from tests.connectors.prometheus.servers import Series

CASE = Path(__file__).parents[2] / "incidents" / "missing-index-after-deploy"


def recorded() -> tuple[CaseSources, Window, SeriesSet]:
    case = open_case(CASE)
    window = Window(start=case.manifest.window.start, end=case.manifest.at)
    reading = case.ask(SeriesSweep(window=window), now=case.manifest.at)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, SeriesSet)
    return case, window, reading.answer


def as_scraped(series: SeriesSet) -> list[Series]:
    """The series with `job` and `instance`, in the way the lab's own Prometheus had them."""
    out: list[Series] = []
    for key, values in zip(series.keys, series.values, strict=True):
        labels = dict(key.labels)
        if not key.metric.startswith("service"):
            labels |= {"job": "shop", "instance": f"127.0.0.1:{9000 + len(out) % 7}"}
        known = np.isfinite(values)
        out.append(
            (key.metric, labels, list(zip(series.times[known].tolist(), values[known].tolist(), strict=True)))
        )
    return out
